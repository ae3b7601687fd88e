"""Puts all runs of one study into long tables."""

from rematch.collect import collect_run
from rematch.jobs import job

with job(snakemake.log[0]):
    collect_run(
        snakemake.wildcards.study,
        snakemake.params.settings,
        snakemake.input.scores,
        snakemake.output,
    )

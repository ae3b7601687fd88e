"""Compares the arms of one study over paired seeds."""

from rematch.evidence_tables import write_comparison
from rematch.jobs import job

with job(snakemake.log[0]):
    write_comparison(
        snakemake.wildcards.study,
        snakemake.params.primary,
        snakemake.params.metrics,
        snakemake.params.arms,
        snakemake.input.scores,
        snakemake.input.histories,
        snakemake.input.timings,
        snakemake.input.manifests,
        snakemake.output,
    )

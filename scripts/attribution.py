"""Shares the difference between two versions out among the changes."""

from rematch.evidence_tables import write_attribution
from rematch.jobs import job

with job(snakemake.log[0]):
    write_attribution(
        snakemake.wildcards.study,
        snakemake.params.metrics,
        snakemake.params.arms,
        snakemake.params.plan,
        snakemake.input.scores,
        snakemake.output[0],
    )

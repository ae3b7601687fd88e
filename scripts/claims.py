"""Gives every claim of one study its verdict."""

from rematch.evidence_tables import write_claims
from rematch.jobs import job

with job(snakemake.log[0]):
    write_claims(
        snakemake.wildcards.study,
        snakemake.params.primary,
        snakemake.params.text,
        snakemake.params.arms,
        snakemake.input.scores,
        snakemake.input.benchmarks,
        snakemake.output,
    )

"""Compares v1 and v2 of each seed sample by sample."""

from rematch.evidence_tables import write_samples
from rematch.jobs import job

with job(snakemake.log[0]):
    write_samples(snakemake.wildcards.study, snakemake.params.pairs, snakemake.output[0])

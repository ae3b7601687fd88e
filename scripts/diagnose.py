"""Writes what the histories of all runs say: contradictions, collapse, budgets that were too small."""

from rematch.findings import diagnose_runs
from rematch.jobs import job

with job(snakemake.log[0]):
    diagnose_runs(
        snakemake.params.settings,
        snakemake.input.histories,
        snakemake.input.manifests,
        snakemake.output[0],
    )

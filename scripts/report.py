"""Builds the page, and beside it what a machine and a reader of the folder need."""

from rematch.jobs import job
from rematch.report.build import build

with job(snakemake.log[0]):
    build(
        snakemake.params.studies,
        snakemake.params.cards,
        snakemake.params.budget,
        snakemake.input.lock,
        [snakemake.input.benchmarks],
        snakemake.output,
        "state/report/manifest.json",
    )

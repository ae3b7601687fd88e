"""Scores one saved model on the test data."""

from rematch.jobs import job
from rematch.runs import evaluate_run

with job(snakemake.log[0]):
    evaluate_run(
        snakemake.params.package,
        snakemake.params.settings,
        snakemake.input.model,
        snakemake.input.manifest,
        snakemake.input.data,
        snakemake.output.scores,
        snakemake.output.predictions,
        snakemake.output.tables,
    )

"""Scores the saved models of one arm on the test data."""

from rematch.evaluation import RunFiles, evaluate_arm
from rematch.jobs import job

with job(snakemake.log[0]):
    evaluate_arm(
        snakemake.params.package,
        snakemake.params.settings,
        RunFiles.of_rule(snakemake.input, snakemake.output),
        snakemake.params.code,
        "/".join(("state/evaluated", *snakemake.wildcards)),
        bool(snakemake.resources.show_failures),
    )

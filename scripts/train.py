"""Trains one run, going on from its saved state if it was interrupted."""

from rematch.jobs import job
from rematch.progress import Progress
from rematch.runs import Limits, Outputs, train_run

with job(snakemake.log[0]):
    train_run(
        snakemake.params.package,
        snakemake.params.settings,
        int(snakemake.wildcards.seed),
        snakemake.wildcards.device,
        snakemake.threads,
        snakemake.input.data,
        snakemake.params.code,
        "/".join(("state", *snakemake.wildcards)),
        Outputs(*snakemake.output),
        Limits.read(snakemake.resources),
        Progress,
    )

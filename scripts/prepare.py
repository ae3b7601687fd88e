"""Turns raw files into training and test tensors, and writes the data card."""

from pathlib import Path

from rematch.jobs import job
from rematch.preparation import prepare_run
from rematch.progress import stage

with job(snakemake.log[0]), stage(f"preparing {snakemake.wildcards.study}, {snakemake.wildcards.view}"):
    prepare_run(
        snakemake.params.package,
        snakemake.params.dataset,
        snakemake.params.settings,
        int(snakemake.params.seed),
        Path(snakemake.input.listing),
        tuple(Path(path) for path in snakemake.output),
    )

"""Generates one data set with known structure."""

from pathlib import Path

from rematch.generated import generate
from rematch.jobs import job
from rematch.progress import stage

with job(snakemake.log[0]), stage(f"generating {snakemake.wildcards.generated}"):
    generate(snakemake.params.recipe, Path(snakemake.output.folder), Path(snakemake.output.listing))

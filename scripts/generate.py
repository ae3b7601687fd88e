"""Generates one data set with known structure."""

from pathlib import Path

from rematch.generated import generate
from rematch.jobs import job

with job(snakemake.log[0]):
    generate(snakemake.params.recipe, Path(snakemake.output.folder), Path(snakemake.output.listing))

"""Writes the table of all devices and the page about them."""

from rematch.jobs import job
from rematch.report.devices import build

with job(snakemake.log[0]):
    build(
        snakemake.params.studies,
        snakemake.input.measured,
        snakemake.params.epochs,
        snakemake.params.budget,
        snakemake.output.table,
        snakemake.output.page,
    )

"""Draws the figures of one study."""

from rematch.jobs import job
from rematch.report.figures import write_figures

with job(snakemake.log[0]):
    write_figures(
        snakemake.params.study,
        snakemake.params.tables,
        snakemake.input.predictions,
        snakemake.output[0],
    )

"""Writes the tables and the methods paragraph of one study as LaTeX."""

from rematch.jobs import job
from rematch.report.paper import write_paper

with job(snakemake.log[0]):
    write_paper(
        snakemake.wildcards.study,
        snakemake.params.about,
        snakemake.input.card,
        snakemake.output,
    )

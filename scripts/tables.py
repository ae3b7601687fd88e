"""Joins the tables of all studies."""

from rematch.evidence_tables import join_tables
from rematch.jobs import job

with job(snakemake.log[0]):
    join_tables(snakemake.input.tables, snakemake.output)

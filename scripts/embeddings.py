"""Writes the embeddings of one saved model, with ids and names."""

from rematch.export import export_embeddings
from rematch.jobs import job

with job(snakemake.log[0]):
    export_embeddings(
        snakemake.params.package,
        snakemake.params.settings,
        snakemake.input.model,
        snakemake.input.manifest,
        snakemake.input.data,
        snakemake.output,
    )

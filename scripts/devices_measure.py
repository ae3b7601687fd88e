"""Measures one version of a study on one device."""

from rematch.device_comparison.measure import measure_setup
from rematch.jobs import job

with job(snakemake.log[0]):
    measure_setup(
        snakemake.params.package,
        snakemake.params.settings,
        snakemake.wildcards.device,
        int(snakemake.wildcards.threads),
        dict(zip(snakemake.params.seeds, snakemake.input.data, strict=True)),
        snakemake.params.epochs,
        snakemake.resources.hang_seconds,
        snakemake.output[0],
    )

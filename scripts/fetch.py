"""Fetches the declared files of one data set and verifies each checksum."""

import sys
from pathlib import Path

from rematch.downloads import fetch
from rematch.jobs import job

with job(snakemake.log[0]):
    fetch(
        snakemake.params.dataset,
        Path(snakemake.output.folder),
        Path(snakemake.output.listing),
        snakemake.params.mirror,
        progress=sys.stderr.isatty(),
        base=snakemake.params.base,
    )

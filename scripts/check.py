"""Blocks training on data whose card holds an error."""

from pathlib import Path

from rematch.jobs import job
from rematch.preparation import check

with job(snakemake.log[0]):
    check([Path(snakemake.input.card)], Path(snakemake.output[0]))

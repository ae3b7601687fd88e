# Needs config.yaml and the study files. Makes nothing: reads and checks them, and answers the questions of the other rules.

import gc
import os
import re
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from rematch.experiment import load_experiment
from rematch.sources import code_digest, sources

try:
    EXPERIMENT = load_experiment(config, Path(workflow.basedir))
except ValueError as error:
    raise WorkflowError(str(error)) from None

# Snakemake keeps every job that it plans; searching them for garbage again and again was a tenth of the planning time.
gc.set_threshold(50_000, 20, 20)

# One thread for numerical libraries unless a job asks for more; huge pages make large tensors 4 to 5 times faster on virtual machines.
for name, value in (
    ("OMP_NUM_THREADS", "1"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("THP_MEM_ALLOC_ENABLE", "1"),
):
    os.environ.setdefault(name, value)

BASE = os.path.relpath(workflow.basedir)
DATASETS = {entry.dataset for entry in EXPERIMENT.entries.values()}
GENERATED = {name for name in DATASETS if "generate" in EXPERIMENT.datasets[name]}
ARMS = {arm.name for entry in EXPERIMENT.entries.values() for arm in entry.trained()}


def one_of(names):
    """A wildcard constraint: exactly these names (or nothing, if there are none)."""
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"


def code_of(*files):
    """All project files that `files` import, as paths from the working directory (which `--directory` may move)."""
    return [os.path.normpath(os.path.join(BASE, file)) for file in sources(*files)]


def entry(wildcards):
    return EXPERIMENT.entries[wildcards.study]


def package(wildcards):
    return entry(wildcards).study.package


def arm_settings(wildcards):
    """Resolved settings of the arm: plain values, so that a changed value reruns exactly the arms that have it."""
    return dict(entry(wildcards).arms[wildcards.arm].settings)


@cache
def prepared(study, arm, seed, file):
    """The path of a prepared file for one run."""
    here = EXPERIMENT.entries[study]
    return f"data/{here.dataset}/prepared/{study}/{here.view(arm)}/{here.preparation(arm, seed)}/{file}"


def first_card(study):
    """The card that the report shows: v1's view with the first seed."""
    here = EXPERIMENT.entries[study]
    return prepared(study, here.trained()[0].name, here.seeds[0], "card.json")

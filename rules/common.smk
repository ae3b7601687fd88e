# Needs config.yaml and the study files. Makes nothing: reads and checks them, and answers the questions of the other rules.

import gc
import math
import os
import re
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from rematch.experiment import load_experiment
from rematch.settings import keys
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


def data_settings(wildcards):
    """The settings that `prepare` may read, of the arm that names the view."""
    here = entry(wildcards)
    values = here.arms[wildcards.view].settings
    return {key: values[key] for key in keys(here.study.settings, "data")}


def dataset_declaration(wildcards):
    """What `prepare` may know of the data set: all but where its files come from."""
    known = EXPERIMENT.datasets[wildcards.dataset]
    return {
        key: value
        for key, value in known.items()
        if key not in ("files", "plain", "generate", "citation", "licence")
    }


def recipe(wildcards):
    """Module, seed, sizes for this budget and reader of a generated data set."""
    known = EXPERIMENT.datasets[wildcards.generated]
    recipe = known["generate"]
    sizes = recipe["sizes"]
    return {
        "module": recipe["module"],
        "seed": recipe["seed"],
        "reader": known.get("reader", "plain"),
        "sizes": sizes.get(EXPERIMENT.budget, sizes["demo"]),
    }


@cache
def prepared(study, arm, seed, file):
    """The path of a prepared file for one run."""
    here = EXPERIMENT.entries[study]
    return f"data/{here.dataset}/prepared/{study}/{here.view(arm)}/{here.preparation(arm, seed)}/{file}"


def training_data(wildcards):
    """The data and the check that they may be trained on."""
    files = {"data": "train.safetensors", "contract": "checked.txt"}
    return {
        name: prepared(wildcards.study, wildcards.arm, wildcards.seed, file)
        for name, file in files.items()
    }


def evaluation_data(wildcards):
    files = ("train.safetensors", "test.safetensors", "names.parquet")
    return [
        prepared(wildcards.study, wildcards.arm, wildcards.seed, file) for file in files
    ]


def embedded_data(wildcards):
    files = ("train.safetensors", "names.parquet")
    return [
        prepared(wildcards.study, wildcards.arm, wildcards.seed, file) for file in files
    ]


def first_card(study):
    """The card that the report shows: v1's view with the first seed."""
    here = EXPERIMENT.entries[study]
    return prepared(study, here.trained()[0].name, here.seeds[0], "card.json")


def study_code(module):
    """A function for params: a digest of all project files that `module` of the study imports.

    As inputs, thirty files for each of thousands of jobs, they would be most of the time that planning takes.
    """

    def code(wildcards):
        return module_digest(package(wildcards), module)

    return code


@cache
def module_digest(package, module):
    folder = f"rematch/studies/{package}"
    return code_digest(
        "rematch/runs.py", f"{folder}/settings.py", f"{folder}/{module}.py"
    )


def embedding_code(wildcards):
    folder = f"rematch/studies/{package(wildcards)}"
    return code_of(
        "rematch/export.py", f"{folder}/settings.py", f"{folder}/evaluate.py"
    )


def preparation_code(wildcards):
    return code_of(
        "rematch/preparation.py", f"rematch/studies/{package(wildcards)}/data.py"
    )


def generator_code(wildcards):
    return code_of(
        "rematch/generated.py",
        f"rematch/studies/{recipe(wildcards)['module']}/generate.py",
    )


def arm_facts(study):
    """Arm name -> kind, version, changes, settings and the arm that is trained in its place."""
    return {
        arm.name: {
            "kind": arm.kind,
            "version": arm.version,
            "changes": list(arm.changes),
            "settings": dict(arm.settings),
            "trained_as": arm.trained_as,
        }
        for arm in EXPERIMENT.entries[study].arms.values()
    }


def arms_of_study(wildcards):
    return arm_facts(wildcards.study)


def sample_pairs(wildcards):
    """Per seed the predictions of v1 and v2, where both are part of the experiment."""
    here = entry(wildcards)
    arms = [
        here.arms[name].trained_as
        for name in ("v1", here.attribution["version"])
        if name in here.arms
    ]
    folder = f"results/runs/{wildcards.study}"
    pairs = [
        [
            seed,
            *(
                f"{folder}/{arm}/{here.device}/{seed}/predictions.parquet"
                for arm in arms
            ),
        ]
        for seed in here.seeds
    ]
    return pairs if len(arms) == 2 else []


def ledger_text(wildcards):
    """What verdicts depend on; a `why` is none of it."""
    text = entry(wildcards).study.text
    parts = ("metrics", "claims", "tiers", "next_steps", "published", "facts")
    return {part: text[part] for part in parts if part in text}


def run_files(file):
    """An input function: one file of every run of the study."""

    def files(wildcards):
        runs = EXPERIMENT.runs(wildcards.study)
        return [
            f"results/runs/{run.study}/{run.arm}/{run.device}/{run.seed}/{file}"
            for run in runs
        ]

    return files


def threads_of(wildcards):
    return entry(wildcards).threads


def gpus(wildcards):
    return 0 if wildcards.device == "cpu" else 1


def keeps_going(wildcards, attempt):
    """1 in the last attempt under --keep-going: a run that fails then leaves its reason, so that the report can show it."""
    settings = workflow.execution_settings  # not there yet while the files are parsed
    return int(bool(settings and settings.keep_going and attempt > settings.retries))

# Needs common.smk. Makes nothing: answers the questions of train.smk and evaluate.smk.

import math


def study_code(step):
    """A function for params: a digest of the script of a step and of all project files that it runs for the study.

    As inputs, thirty files for each of thousands of jobs, they would be most of the time that planning takes.
    """

    def code(wildcards):
        return step_digest(package(wildcards), step)

    return code


@cache
def step_digest(package, step):
    folder = f"rematch/studies/{package}"
    return code_digest(
        f"scripts/{step}.py", f"{folder}/settings.py", f"{folder}/{step}.py"
    )


def training_data(wildcards):
    """The data and the check that they may be trained on."""
    files = {"data": "train.safetensors", "contract": "checked.txt"}
    return {
        name: prepared(wildcards.study, wildcards.arm, wildcards.seed, file)
        for name, file in files.items()
    }


def threads_of(wildcards):
    return entry(wildcards).threads


def gpus(wildcards):
    return 0 if wildcards.device == "cpu" else 1


def keeps_going(wildcards, attempt):
    """1 in the last attempt under --keep-going: a run that fails then leaves its reason, so that the report can show it.

    In a queue entry of a cluster, which is not told of --keep-going and retries, 1 always: what is killed is retried.
    """
    settings = workflow.execution_settings  # not there yet while the files are parsed
    if not settings:
        return 0
    last = settings.keep_going and attempt > settings.retries
    return int(last or workflow.remote_exec)


def seed_lists():
    """Seeds -> the rule that scores them. A rule names its outputs, so there is one for each list of seeds in use."""
    lists = dict.fromkeys(here.seeds for here in EXPERIMENT.entries.values())
    names = ["evaluate", *(f"evaluate_{number}" for number in range(2, len(lists) + 1))]
    return dict(zip(lists, names))


def studies_with(seeds):
    return [name for name, here in EXPERIMENT.entries.items() if here.seeds == seeds]


def of_each(seeds, file):
    """A pattern of one file of each run of an arm."""
    folder = "results/runs/{study}/{arm}/{device}"
    return [f"{folder}/{seed}/{file}" for seed in seeds]


def prepared_for_each(file):
    """An input function: one prepared file of each run of an arm."""

    def files(wildcards):
        seeds = entry(wildcards).seeds
        return [prepared(wildcards.study, wildcards.arm, seed, file) for seed in seeds]

    return files


def embedded_data(wildcards):
    files = ("train.safetensors", "test.safetensors", "names.parquet")
    return [
        prepared(wildcards.study, wildcards.arm, wildcards.seed, file) for file in files
    ]


def embedding_code(wildcards):
    folder = f"rematch/studies/{package(wildcards)}"
    return code_of(
        "scripts/embeddings.py", f"{folder}/settings.py", f"{folder}/evaluate.py"
    )

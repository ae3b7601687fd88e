# Needs common.smk and train_common.smk. Makes nothing: answers the questions of devices.smk, and says what this machine lacks.

import shutil

from rematch.device_comparison.plan import setups
from rematch.machine import check_machine

PLAN = EXPERIMENT.device_comparison


def runs_here():
    """Whether jobs of this call run on this machine, as they do unless a cluster or cloud takes them (--jobs)."""
    resources = workflow.resource_settings
    return (
        workflow.is_main_process and resources is not None and resources.nodes is None
    )


def uses_conda():
    settings = workflow.deployment_settings
    methods = [str(method).lower() for method in settings.deployment_method]
    return any("conda" in method for method in methods)


try:
    for name, here in EXPERIMENT.entries.items():
        if runs_here():
            check_machine(here.devices, here.threads, f"config: studies: {name}")
except ValueError as error:
    raise WorkflowError(str(error)) from None

if workflow.deployment_settings and uses_conda() and not shutil.which("conda"):
    raise WorkflowError(
        "--sdm conda: there is no conda command here; install miniforge and activate it, or leave --sdm conda out, "
        "then the packages of the current environment are used"
    )


def compared_setups(study):
    """Setup -> why it is skipped, empty for those that are measured."""
    forbidden = EXPERIMENT.entries[study].study.text.get("forbidden_devices", {})
    return setups(PLAN, forbidden)


def compared_arms(study):
    """The versions of a study that the experiment trains."""
    arms = EXPERIMENT.entries[study].arms.values()
    return list(dict.fromkeys(arm.trained_as for arm in arms if arm.kind == "version"))


def compared_seeds(study):
    return EXPERIMENT.entries[study].seeds[: PLAN.seeds]


def measured_setups():
    """What is measured: a file for each study, version and setup."""
    return [
        f"results/devices/{study}/{arm}/{setup.device}-{setup.threads}.json"
        for study in EXPERIMENT.entries
        for arm in compared_arms(study)
        for setup, reason in compared_setups(study).items()
        if not reason
    ]


def compared_data(wildcards):
    """Training data of every seed, and the check that they may be trained on."""
    study, arm, seeds = wildcards.study, wildcards.arm, compared_seeds(wildcards.study)
    names = {"data": "train.safetensors", "contract": "checked.txt"}
    return {
        name: [prepared(study, arm, seed, file) for seed in seeds]
        for name, file in names.items()
    }


def measuring_code(wildcards):
    folder = f"rematch/studies/{package(wildcards)}"
    return code_digest(
        "scripts/devices_measure.py", f"{folder}/settings.py", f"{folder}/train.py"
    )


def whole_machine(wildcards):
    """All cores of a machine, so that nothing of ours runs beside a job whose time is taken."""
    return max(int(wildcards.threads), workflow.cores or 1)


def compared_study(study):
    """What table and page of devices need of a study."""
    here = EXPERIMENT.entries[study]
    text = here.study.text
    return {
        "text": {
            key: text[key] for key in ("title", "metrics", "claims") if key in text
        },
        "arms": arm_facts(study),
        "compared": compared_arms(study),
        "seeds": list(compared_seeds(study)),
        "setups": [
            [*setup, reason] for setup, reason in compared_setups(study).items()
        ],
    }

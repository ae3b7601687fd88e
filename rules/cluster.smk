# Needs common.smk. Makes nothing: checks what a profile or the command line asks for, and says what shares a queue entry.

import shutil
from types import SimpleNamespace

from rematch.profiles import check_gpus, check_partitions


def asked_for(name, device):
    """What the profile or the command line sets a resource of `train` to; None where they leave it to the rule."""
    settings = workflow.resource_settings
    for resources in (
        (settings.overwrite_resources or {}).get("train", {}),
        settings.default_resources or {},
    ):
        if name in resources:
            found = resources[name]
            run = SimpleNamespace(device=device)
            known = dict(input=[], attempt=1, threads=1, rulename="train")
            return found.evaluate(run, **known, async_run=None).value
    return None


def runs_group(wildcards):
    """Runs on one kind of device may share a queue entry; how many do is `group-components` in profiles/slurm."""
    return f"runs-{wildcards.device}"


def clean_states():
    """Removes the states of finished runs, which were kept in case that their queue entry had to start again."""
    for run in EXPERIMENT.runs():
        path = os.path.join(run.study, run.arm, run.device, str(run.seed))
        done = os.path.exists(f"results/runs/{path}/scores.csv")
        if done and EXPERIMENT.states == "remove":
            shutil.rmtree(f"state/{path}", ignore_errors=True)


if workflow.resource_settings.nodes is not None and not workflow.remote_exec:
    # What shares a queue entry follows one another: its time is their sum, its memory and cores are those of the largest.
    workflow.register_resource("in_turn", 1)

DEVICES = {run.device for run in EXPERIMENT.runs()}
try:
    check_partitions(
        {device: asked_for("slurm_partition", device) for device in DEVICES}, DEVICES
    )
    limit = workflow.global_resources.get("gpu")
    check_gpus(limit and limit.value, asked_for("gpu", "cuda"), DEVICES)
except ValueError as error:
    raise WorkflowError(str(error)) from None

"""What a profile or the command line asks of a machine or a cluster, checked before any job. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def check_partitions(partitions: Mapping[str, str | None], devices: Collection[str]) -> None:
    """Nothing, if there is a partition for every device in use, or the profile asks for none at all.

    `partitions`: device -> what the profile asks for; None: left to the cluster, empty: its name is missing.
    """
    for device, partition in partitions.items():
        if device in devices and partition is not None and not str(partition).strip():
            key = "gpu_partition" if device == "cuda" else "cpu_partition"
            raise ValueError(
                f"profiles/slurm/config.yaml: {key}: expected the name of a partition, found nothing: "
                "`sinfo` lists the partitions of your cluster"
            )


def check_gpus(limit: int | None, each: int | None, devices: Collection[str]) -> None:
    """Nothing, if trainings on cuda may have a GPU: `limit` at a time and `each` (None: the profile does not say)."""
    for option, value in (("--resources gpu", limit), ("--set-resources train:gpu", each)):
        if "cuda" in devices and value == 0:
            raise ValueError(
                f"{option}=0: expected at least 1, since a training with `device: cuda` needs a GPU: "
                "raise it, in the profile or on the command line, or set `device: cpu` in the config"
            )

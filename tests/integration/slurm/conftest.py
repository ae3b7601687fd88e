"""A cluster for all tests of this folder, and a copy of the project whose profile names its partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.slurm.cluster import Cluster, missing
from tests.test_workflow import copy_of_project

# What a person edits in profiles/slurm/config.yaml, for this cluster.
SITE = {
    "cpu_partition": "short",
    "gpu_partition": "accelerated",
    "status_command": "squeue",
    "seconds_between_checks": "1",
    "shared_disk_seconds": "5",
    "memory_mb": "2000",
}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A running cluster of one node."""
    if reason := missing():
        pytest.skip(f"no SLURM: {reason}")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the profile of the test cluster."""
    folder = copy_of_project(tmp_path_factory.mktemp("project"))
    edit_profile(folder, **SITE)
    return folder


def edit_profile(project: Path, profile: str = "slurm", **values: str) -> None:
    """Sets site values in a profile of `project`."""
    path = project / f"profiles/{profile}/config.yaml"
    text = path.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"^  {key}:[^#\n]*", f"  {key}: {value}  ", text, flags=re.MULTILINE)
        assert count == 1, f"{path} has no value {key}"
    path.write_text(text)

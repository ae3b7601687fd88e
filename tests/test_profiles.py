"""What a profile asks for is checked before any job, in one line that says what to do."""

import re

import pytest

from rematch.profiles import check_gpus, check_partitions


def test_partitions_that_are_named_or_left_to_the_cluster_pass():
    check_partitions({"cpu": "short", "cuda": "gpu"}, {"cpu", "cuda"})
    check_partitions({"cpu": None, "cuda": None}, {"cpu", "cuda"})
    check_partitions({"cpu": "short", "cuda": ""}, {"cpu"})  # nothing runs there


@pytest.mark.parametrize(("device", "key"), [("cpu", "cpu_partition"), ("cuda", "gpu_partition")])
@pytest.mark.parametrize("empty", ["", " "])
def test_a_profile_without_partition_is_one_line(device, key, empty):
    with pytest.raises(ValueError, match=rf"^profiles/slurm/config.yaml: {key}: expected the name .* `sinfo` lists"):
        check_partitions({device: empty}, {device})


@pytest.mark.parametrize(
    ("limit", "each", "option"), [(0, None, "--resources gpu"), (1, 0, "--set-resources train:gpu")]
)
def test_a_gpu_request_of_zero_is_one_line(limit, each, option):
    with pytest.raises(ValueError, match=rf"^{re.escape(option)}=0: expected at least 1.*`device: cpu`"):
        check_gpus(limit, each, {"cpu", "cuda"})
    check_gpus(limit, each, {"cpu"})


@pytest.mark.parametrize(("limit", "each"), [(None, None), (1, None), (4, 1)])
def test_gpus_that_suffice_pass(limit, each):
    check_gpus(limit, each, {"cuda"})

"""Planning: seconds and peak memory of a dry run of all five studies, 40 arms or more each, 10 seeds, 2 devices.

Each size is a process of its own, in an empty folder, so that every job is planned and none is known from before.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rematch.experiment import load_experiment
from rematch.yamlfile import load_mapping

ROOT = Path(__file__).resolve().parents[1]

SEEDS = (1, 2, 5, 10)
DEVICES = ["cpu", "cuda"]
ARMS = 40  # the least budget of subsets that attribution may ask for; each study has some arms more


class Plan(NamedTuple):
    """What planning one size took."""

    runs: int
    jobs: int
    seconds: float  # of the processor: planning uses one core, and other work on the machine does not count
    wall_seconds: float
    peak_mb: float


def configuration(seeds: int) -> dict:
    """All studies on generated data, with the subsets of v2's changes that Shapley values need."""
    config = load_mapping(ROOT / "config" / "config.yaml")
    attribution = {"method": "shapley", "arms": ARMS, "version": "v2"}
    return config | {"seeds": list(range(1, seeds + 1)), "device": DEVICES, "attribution": attribution}


def plan(seeds: int, folder: Path) -> Plan:
    """One dry run. A stand-in for nvidia-smi makes the second device plannable on a machine without a GPU."""
    config = configuration(seeds)
    runs = sum(1 for _ in load_experiment(config, ROOT).runs())
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    smi = folder / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    environment = os.environ | {"PATH": f"{smi.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", "2", "--dry-run", "--quiet", "rules"]
    start = time.monotonic()
    with (folder / "out").open("w+") as out:
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        out.seek(0)
        text = out.read()
    total = re.search(r"^total +(\d+)$", text, re.MULTILINE)
    if status or not total:
        raise SystemExit(f"dry run failed:\n{text[-3000:]}")
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    return Plan(runs, int(total[1]), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / scale)


def figure(plans: list[Plan], path: Path) -> None:
    """Seconds and memory over the number of jobs, as SVG."""
    from rematch.report.palette import NEW, OLD
    from rematch.report.style import canvas, styled, svg

    with styled():
        made, (left, right) = canvas(2.4, columns=2)
        jobs = [one.jobs for one in plans]
        for axes, key, label, colour in (
            (left, "seconds", "Seconds to plan", NEW),
            (right, "peak_mb", "Peak memory, MB", OLD),
        ):
            axes.plot(jobs, [getattr(one, key) for one in plans], marker="o", color=colour)
            axes.set(xlabel="Jobs", ylabel=label, xlim=(0, None), ylim=(0, None))
    path.write_text(svg(made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the largest size only")
    parser.add_argument("--figure", type=Path, help="write seconds and memory over jobs to this SVG file")
    options = parser.parse_args()
    plans = []
    print(f"{'seeds':>6}{'runs':>8}{'jobs':>8}{'seconds':>10}{'wall':>8}{'peak MB':>10}")
    for seeds in SEEDS[-1:] if options.quick else SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            plans.append(plan(seeds, Path(folder)))
        one = plans[-1]
        print(f"{seeds:>6}{one.runs:>8}{one.jobs:>8}{one.seconds:>10.1f}{one.wall_seconds:>8.1f}{one.peak_mb:>10.0f}")
    if options.figure:
        figure(plans, options.figure)
    print(f"RESULT jobs {plans[-1].jobs}")
    print(f"RESULT plan_seconds {plans[-1].seconds:.1f}")
    print(f"RESULT peak_mb {plans[-1].peak_mb:.0f}")


if __name__ == "__main__":
    main()

"""From requirements.in, as pip resolves it here: requirements.lock (everything) and envs/*.yaml."""

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PLATFORM_ONLY = ("nvidia-", "triton", "cuda-")  # pulled in by torch where it has a GPU build; torch pins them itself
# Environment -> sections of requirements.in. Pin files cannot tell accelerators apart: cpu, cuda, mps stand apart.
ENVIRONMENTS = {
    "cpu": ("training",),
    "cuda": ("training",),
    "mps": ("training",),
    "report": ("report",),
    "snakemake": ("workflow",),
}
HEADER = "# Written by `make lock` from requirements.in; do not edit.\n"


def sections(text: str) -> dict[str, list[Requirement]]:
    """Section name (a comment line of one word) -> its requirements."""
    found: dict[str, list[Requirement]] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"# (\w+)", line):
            found[match[1]] = []
        elif line and not line.startswith("#"):
            found[list(found)[-1]].append(Requirement(line))
    return found


def resolve(requirements: Path) -> dict[str, dict]:
    """Package name -> its metadata, of everything that pip would install into an empty environment."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    answer = subprocess.run([*command, "-r", str(requirements)], check=True, capture_output=True, text=True).stdout
    found = {canonical(item["metadata"]["name"]): item["metadata"] for item in json.loads(answer)["install"]}
    return {name: about for name, about in sorted(found.items()) if not name.startswith(PLATFORM_ONLY)}


def canonical(name: str) -> str:
    """The name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(wanted: list[Requirement], found: dict[str, dict]) -> set[str]:
    """The packages that `wanted` needs, directly or through others."""
    seen: set[str] = set()
    waiting = list(wanted)
    while waiting:
        item = waiting.pop()
        name = canonical(item.name)
        if name in seen or name not in found:
            continue
        seen.add(name)
        for extra in ("", *item.extras):
            for text in found[name].get("requires_dist", []):
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return seen


def pin(name: str, found: dict[str, dict]) -> str:
    """`name==version`, without a local build tag such as +cpu."""
    return f"{name}=={found[name]['version'].split('+')[0]}"


def environment(name: str, pins: list[str]) -> str:
    """A conda environment file with inline pip pins (a file that lists them elsewhere would not be found)."""
    head = (
        f"name: rematch-{name}\nchannels:\n  - conda-forge\n  - nodefaults\ndependencies:\n  - python=3.11\n  - pip\n"
    )
    return HEADER + head + "  - pip:\n" + "".join(f"      - {line}\n" for line in pins)


if __name__ == "__main__":
    found = resolve(ROOT / "requirements.in")
    (ROOT / "requirements.lock").write_text(HEADER + "".join(f"{pin(name, found)}\n" for name in found))
    parts = sections((ROOT / "requirements.in").read_text())
    for name, chosen in ENVIRONMENTS.items():
        names = sorted(closure([item for part in chosen for item in parts[part]], found))
        (ROOT / "envs" / f"{name}.yaml").write_text(environment(name, [pin(item, found) for item in names]))

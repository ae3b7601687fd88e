"""Writes requirements.lock: exact versions of everything that requirements.in needs, as pip resolves it on this platform."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLATFORM_ONLY = ("nvidia-", "triton", "cuda-")  # pulled in by torch where it has a GPU build; torch pins them itself


def resolve(requirements: Path) -> list[str]:
    """`name==version` lines, sorted, without local build tags."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    answer = subprocess.run([*command, "-r", str(requirements)], check=True, capture_output=True, text=True).stdout
    found = [item["metadata"] for item in json.loads(answer)["install"]]
    pins = [f"{item['name'].lower().replace('_', '-')}=={item['version'].split('+')[0]}" for item in found]
    return sorted(pin for pin in pins if not pin.startswith(PLATFORM_ONLY))


if __name__ == "__main__":
    lines = ["# Written by `make lock` from requirements.in; do not edit.", *resolve(ROOT / "requirements.in")]
    (ROOT / "requirements.lock").write_text("\n".join(lines) + "\n")

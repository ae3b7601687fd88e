"""What git says about the project's own folder."""

import subprocess
from pathlib import Path


def git(*arguments: str) -> str:
    """The answer of a git command, or nothing where there is no git or no repository."""
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()

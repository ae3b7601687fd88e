"""Starts and stops a SLURM cluster of one node in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
# Where SLURM's programs look if there is no /etc/slurm/slurm.conf. A variable would not do: the executor drops SLURM_*
# before it starts a job's step.
CONFIGURATION = Path("/run/slurm/conf")


def missing() -> str:
    """Why no cluster can be started here; empty if one can."""
    if lacking := [name for name in PROGRAMS if not _program(name)]:
        return f"{', '.join(lacking)} not installed (as root on Debian: apt-get install slurm-wlm munge)"
    if os.getuid() != 0:
        return "only root can start SLURM's daemons"
    if CONFIGURATION.is_symlink() and not _runs(CONFIGURATION / "slurmctld.pid"):
        CONFIGURATION.unlink()  # of a test that was killed
    if Path("/etc/slurm/slurm.conf").exists() or CONFIGURATION.exists():
        return "this machine belongs to a SLURM cluster already"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Cluster:
    """A running cluster; `folder` holds its configuration, logs and state."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._started: list[Path] = []

    def start(self) -> None:
        """Returns once the node is idle; raises `RuntimeError` with the logs if it never is."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        ports = dict(zip(("port", "node_port"), _free_ports(2), strict=True))
        text = (HERE / "slurm.conf").read_text()
        for key, value in {"folder": self.folder, **ports}.items():
            text = text.replace(f"{{{key}}}", str(value))
        (self.folder / "slurm.conf").write_text(text)
        shutil.copy(HERE / "gres.conf", self.folder)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(64))
        key.chmod(0o600)
        CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
        CONFIGURATION.symlink_to(self.folder)
        places = [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "seed", "log")]
        self._daemon("munged", "--force", f"--socket={self.folder}/munge.socket", *places, pid="munge.pid")
        self._daemon("slurmctld", "-f", str(self.folder / "slurm.conf"), pid="slurmctld.pid")
        self._daemon("slurmd", "-f", str(self.folder / "slurm.conf"), "-N", "localhost", pid="slurmd.pid")
        self.wait_for("idle")

    def _daemon(self, name: str, *arguments: str, pid: str) -> None:
        self._started.append(self.folder / pid)
        subprocess.run([_program(name), *arguments], check=True, timeout=60)

    def wait_for(self, state: str, seconds: float = 60) -> None:
        """Returns once the node is in `state`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.ask("sinfo", "--noheader", "--format=%T", check=False).split()
            if found and set(found) == {state}:
                return
            time.sleep(0.2)
        logs = [(self.folder / f"{name}.log").read_text()[-1500:] for name in ("slurmctld", "slurmd")]
        raise RuntimeError("\n".join([f"the node is {found}, not {state}", *logs]))

    def ask(self, *command: str, check: bool = True) -> str:
        """What one of SLURM's programs prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def node(self, state: str) -> None:
        """Sets the node to drain, down or resume, as an administrator does."""
        reason = [] if state == "resume" else ["reason=test"]
        self.ask("scontrol", "update", "nodename=localhost", f"state={state}", *reason)

    def stop(self) -> None:
        """Ends the jobs and the daemons, and removes what lay outside the folder."""
        self.ask("scancel", "--user=root", check=False)
        end = time.monotonic() + 20
        while self.ask("squeue", "--noheader", check=False).strip() and time.monotonic() < end:
            time.sleep(0.2)
        for pid in reversed(self._started):
            _end(pid)
        CONFIGURATION.unlink(missing_ok=True)


def _runs(pid: Path) -> bool:
    """Whether there is a process with the number that is in the file."""
    try:
        os.kill(int(pid.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _end(pid: Path) -> None:
    """Ends the process whose number is in the file, kindly at first."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        if _runs(pid):
            os.kill(int(pid.read_text()), wanted)
        end = time.monotonic() + 5
        while _runs(pid) and time.monotonic() < end:
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports

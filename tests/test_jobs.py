"""`job`: a log file, one line on failure, an exit code."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import logging
from rematch.jobs import job
with job({log!r}):
    logging.info("started")
    {body}
"""


def run(tmp_path, body):
    log = tmp_path / "deep" / "run.log"
    code = PROGRAM.format(log=str(log), body=body)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr, log.read_text()


def test_success_is_silent_and_logged(tmp_path):
    code, terminal, log = run(tmp_path, "pass")
    assert (code, terminal) == (0, "") and "INFO started" in log
    assert re.search(r"INFO \d+\.\d\d processor seconds\n$", log)


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        ("raise ValueError('a.csv: row 2: expected 1,\\n found 2')", 1, "a.csv: row 2: expected 1, found 2\n"),
        ("raise KeyboardInterrupt", 75, "interrupted; the same call starts this job again"),
        ("raise KeyError('lost')", 1, "KeyError: 'lost'; the traceback is in "),
        ("raise OSError(28, 'No space left', '/x')", 1, "the disk is full at /x: free space or choose another"),
        ("raise MemoryError('big')", 1, "out of memory (big): lower "),
        (
            "from rematch.interrupt import Interrupted; raise Interrupted('SIGTERM', 2, 3, None)",
            75,
            "interrupted by SIGTERM",
        ),
    ],
)
def test_a_failure_is_one_line_on_the_terminal(tmp_path, body, status, line):
    code, terminal, log = run(tmp_path, body)
    assert code == status and terminal.startswith(line) and terminal.count("\n") == 1
    assert "Traceback" not in terminal and ("Traceback" in log) == (status == 1)


def test_the_log_of_a_run_names_its_cluster_job(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    _, _, log = run(tmp_path, "pass")
    assert "SLURM job 17 on " in log and log.splitlines()[0].endswith("CUDA_VISIBLE_DEVICES=3")

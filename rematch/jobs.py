"""What every script does around its one call: a log file, one clear line on failure, an exit code."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rematch.failures import RunFailed, explained_failures
from rematch.interrupt import EXIT_INTERRUPTED, Interrupted


@contextmanager
def job(log: str) -> Iterator[None]:
    """Runs the body with its log records in the file `log` and on standard error.

    A mistake of the user's (`ValueError`) or a known failure (`RunFailed`) ends in one line on standard error, with
    the traceback in the log, and exit code 1. `Interrupted` and Ctrl-C end with code 75, so that a retry goes on.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    Path(log).write_text("")
    # Appending, so that the traceback that is appended beside it is not overwritten.
    to_file, to_terminal = logging.FileHandler(log, mode="a", encoding="utf-8"), logging.StreamHandler()
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers[:] = [to_file, to_terminal]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    if where := _slurm_job():
        logging.info("%s", where)
    try:
        with explained_failures():
            yield
        logging.info("%.2f processor seconds", time.process_time())
    except Interrupted as error:
        logging.warning("%s", error)
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:  # outside a training, which saves its state first
        logging.warning("interrupted; the same call starts this job again")
        sys.exit(EXIT_INTERRUPTED)
    except (ValueError, RunFailed) as error:
        _write_traceback(log)
        logging.error("%s", _one_line(error))
        sys.exit(1)
    except Exception as error:
        _write_traceback(log)
        logging.error("%s: %s; the traceback is in %s", type(error).__name__, _one_line(error), log)
        sys.exit(1)


def _slurm_job() -> str:
    """Which job of a cluster this is and where it runs; empty outside a cluster."""
    if "SLURM_JOB_ID" not in os.environ:
        return ""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"SLURM job {os.environ['SLURM_JOB_ID']} on {platform.node()}, CUDA_VISIBLE_DEVICES={gpus}"


def _write_traceback(log: str) -> None:
    with open(log, "a", encoding="utf-8") as file:
        traceback.print_exc(file=file)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

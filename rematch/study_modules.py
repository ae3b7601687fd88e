"""Modules of a study, imported when a job needs them and no sooner."""

from __future__ import annotations

import gc
import importlib
import logging
import time
from types import ModuleType

_log = logging.getLogger(__name__)


def study_module(package: str, name: str) -> ModuleType:
    """The module `name` of the study `package`, such as `train`.

    The garbage collector rests meanwhile and passes over what was imported from then on: it finds nothing there, and
    its rounds take a third of the import of torch and most of the time that the interpreter needs to end.
    """
    collecting, began = gc.isenabled(), time.process_time()
    gc.disable()
    try:
        module = importlib.import_module(f"rematch.studies.{package}.{name}")
        _log.info("%s imported in %.2f processor seconds", module.__name__, time.process_time() - began)
        return module
    finally:
        gc.freeze()
        if collecting:
            gc.enable()

"""torch's compiler, imported when something is compiled and no sooner."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


def import_compiler_late() -> None:
    """Lets torch work without its compiler until somebody asks for more of it than every optimizer does.

    An optimizer marks its methods as not to be compiled, for which it imports the whole compiler: 800 modules and as
    much time as the rest of torch. Where nothing is compiled the marks mean nothing, so they are left out.
    """
    import torch

    if NAME not in sys.modules:
        sys.modules[NAME] = torch._dynamo = _Late(NAME)


class _Late(ModuleType):
    """Stands in for the compiler; whatever it lacks is taken from the real one, which then takes its place."""

    def disable(self, fn: Callable[..., Any] | None = None, *arguments: Any, **further: Any) -> Any:
        """`fn` as it is; as a decorator with arguments, what the compiler makes of it."""
        return fn if callable(fn) else _compiler().disable(fn, *arguments, **further)

    def graph_break(self, *_: Any, **__: Any) -> None:
        """Nothing, as in code that is not compiled."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked of every module by those who look for a file
            raise AttributeError(f"module {NAME!r} has no attribute {name!r} before it is imported")
        return getattr(_compiler(), name)


def _compiler() -> ModuleType:
    if isinstance(sys.modules.get(NAME), _Late):
        del sys.modules[NAME]
    return importlib.import_module(NAME)

"""Which project files a script or module runs: the imports are followed, so that nobody keeps the list by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from rematch.digests import file_digest, text_digest

ROOT = Path(__file__).resolve().parent.parent


def sources(*files: str) -> list[str]:
    """The project modules that `files` import, directly or through others, and the given modules themselves.

    Paths are relative to the project, sorted. Imports under `if TYPE_CHECKING:` do not run and are left out;
    imports inside functions count.
    """
    seen: set[str] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += _imports(file)
    return sorted(seen)


def code_digest(*files: str) -> str:
    """A digest of the names and contents of all project modules that `files` import, and of `files` themselves."""
    return text_digest("".join(f"{file} {_digest(file)}\n" for file in sources(*files)))


@cache
def _digest(file: str) -> str:
    return file_digest(ROOT / file)


@cache
def _imports(file: str) -> tuple[str, ...]:
    path = ROOT / file
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{file}: line {error.lineno}: not valid Python ({error.msg})") from None
    package = Path(file).with_suffix("").parts[:-1]
    found = {module for node in _running(tree) for module in _modules(node, package)}
    return tuple(sorted(found))


def _running(tree: ast.AST) -> Iterable[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _modules(node: ast.AST, package: tuple[str, ...]) -> Iterable[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
        module = ".".join(part for part in (start, node.module) if part)
        names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
    else:
        return
    for name in names:
        if name.split(".")[0] == "rematch":
            file = Path(*name.split(".")).with_suffix(".py")
            if (ROOT / file).is_file():
                yield file.as_posix()

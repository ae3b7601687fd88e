"""The imports that `sources` follows are those that really run."""

import ast
import subprocess
import sys

import pytest

import rematch.sources
from rematch.sources import sources
from tests.conftest import ROOT

LOADED = """
import sys
sys.path.insert(0, {root!r})
{imports}
from pathlib import Path
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    if file and Path(file).is_relative_to({package!r}) and not file.endswith("__init__.py"):
        print(Path(file).relative_to({root!r}).as_posix())
"""


def loaded(*files):
    """The project files that are loaded once `files` are imported and their function-level imports have run."""
    modules = [file.removesuffix(".py").replace("/", ".") for file in files]
    inner = sorted({name for file in sources(*files) for name in inner_imports(file)})
    imports = "\n".join([f"import {name}" for name in modules] + inner)
    code = LOADED.format(root=str(ROOT), package=str(ROOT / "rematch"), imports=imports)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def inner_imports(file):
    """Imports of project modules inside functions, as statements."""
    tree = ast.parse((ROOT / file).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    nodes = [node for function in functions for node in ast.walk(function)]
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rematch")]
    return [ast.unparse(node) for node in found]


@pytest.mark.parametrize(
    "files",
    [
        ("rematch/experiment.py",),
        ("rematch/downloads.py", "rematch/generated.py", "rematch/studies/antibody_affinity/generate.py"),
        ("rematch/preparation.py", "rematch/studies/antibody_affinity/data.py"),
        *(
            (
                "rematch/runs.py",
                "rematch/studies/antibody_affinity/settings.py",
                f"rematch/studies/antibody_affinity/{m}.py",
            )
            for m in ("train", "evaluate")
        ),
    ],
    ids=lambda files: files[-1].removeprefix("rematch/"),
)
def test_followed_imports_are_those_that_run(files):
    assert set(sources(*files)) == loaded(*files)


def test_training_imports_neither_evaluation_nor_preparation():
    # Otherwise an edit of a metric would train again.
    for path in sorted((ROOT / "rematch/studies").glob("*/train.py")):
        folder = path.parent.relative_to(ROOT).as_posix()
        train = sources("rematch/runs.py", f"{folder}/settings.py", f"{folder}/train.py")
        assert f"{folder}/evaluate.py" not in train and f"{folder}/data.py" not in train, folder


def test_no_study_imports_another(root):
    for folder in sorted((root / "rematch/studies").iterdir()):
        files = [path.relative_to(root).as_posix() for path in folder.glob("*.py")]
        foreign = {file for file in sources(*files) if file.startswith("rematch/studies/")} - set(files)
        assert not {file for file in foreign if file.count("/") > 2}, folder.name


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small project: a imports b and, inside a function, c; b imports e for type checking only; d is relative."""
    files = {
        "__init__": "",
        "a": "import os, numpy\nfrom rematch import b\n\ndef f():\n    from rematch.c import x\n",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from rematch.e import y\n",
        "c": "from . import d\nfrom .d import z\n",
        "d": "import rematch.a\n",
        "e": "",
        "broken": "x = = 1\n",
    }
    (tmp_path / "rematch").mkdir()
    for name, text in files.items():
        (tmp_path / "rematch" / f"{name}.py").write_text(text)
    monkeypatch.setattr(rematch.sources, "ROOT", tmp_path)
    rematch.sources._imports.cache_clear()
    yield tmp_path
    rematch.sources._imports.cache_clear()


def test_functions_relative_imports_cycles_and_type_checking(project):
    assert sources("rematch/a.py") == [f"rematch/{name}.py" for name in "abcd"]
    assert sources("rematch/e.py") == ["rematch/e.py"]


def test_a_file_that_is_no_python_is_one_line(project):
    with pytest.raises(ValueError, match=r"rematch/broken\.py: line 1: not valid Python"):
        sources("rematch/broken.py")

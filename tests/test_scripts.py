"""House rules that a reader cannot check by eye: thin scripts, no study named outside its folder, nothing unsafe."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from rematch.datasets import load_datasets
from tests.conftest import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
MODULES = sorted((ROOT / "rematch").rglob("*.py"))
SHARED = [path for path in MODULES if "studies" not in path.relative_to(ROOT).parts]
STUDIES = sorted(path.parent.name for path in (ROOT / "rematch/studies").glob("*/settings.py"))
PROGRAMS = SCRIPTS + MODULES


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_unpacks_calls_and_writes(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 25
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda)
    found = [type(node).__name__ for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    assert found == []
    assert "with job(snakemake.log[0])" in text, "the log file and the one-line errors come from `job`"


def test_every_script_has_a_rule_and_every_script_of_a_rule_exists():
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r"scripts/(\w+)\.py", rules))
    assert named == {path.stem for path in SCRIPTS}


def constants(path: Path) -> list[str]:
    """Text constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
    return [node.value for node in nodes if isinstance(node.value, str)]


@cache
def recipe_names() -> set[str]:
    """Names of changes, references and controls that no shared module may know; common words are left to reviewers."""
    names: set[str] = set()
    for path in (ROOT / "config/studies").glob("*.yaml"):
        text = yaml.safe_load(path.read_text())
        names |= {name for version in text["versions"].values() for name in version.get("changes", {})}
        names |= {*text.get("references", {})}
    return {name for name in names if "-" in name}


@pytest.mark.parametrize("path", SHARED + SCRIPTS, ids=name_of)
def test_no_shared_module_names_a_study_or_an_arm(path):
    texts = constants(path)
    assert [text for text in texts if text in STUDIES] == []
    assert [text for text in texts if text in recipe_names()] == []
    imports = [
        line for line in path.read_text().splitlines() if re.match(r"\s*(from|import) rematch\.studies\.\w", line)
    ]
    assert imports == []


def test_no_rule_names_a_study():
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        found = [study for study in STUDIES if study in path.read_text()]
        assert found == [], path.name


@pytest.mark.parametrize("study", STUDIES)
def test_no_study_module_compares_with_an_arm(study):
    for path in (ROOT / "rematch/studies" / study).glob("*.py"):
        compared = [
            side.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Compare)
            for side in [node.left, *node.comparators]
            if isinstance(side, ast.Constant)
        ]
        names = {"v1", "v2", "v3", "untrained"} | recipe_names()
        assert [value for value in compared if isinstance(value, str) and value in names] == [], path.name


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_nothing_that_is_read_can_run_code(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not {"dill", "cloudpickle", "joblib", "marshal", "shelve"} & {n.split(".")[0] for n in names}
        if isinstance(node, ast.ClassDef) and any("Unpickler" in ast.unparse(base) for base in node.bases):
            # Official data that exist only as pickles: a reader of its own decides which names may be built.
            assert "find_class" in [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert called not in ("eval", "exec", "os.system"), f"line {node.lineno}: {called}"
            assert called not in ("pickle.load", "pickle.loads", "pickle.Unpickler"), f"line {node.lineno}"
            assert given.get("shell") != "True" and given.get("allow_pickle") != "True", f"line {node.lineno}"
            if called == "torch.load":
                assert given.get("weights_only") == "True", f"line {node.lineno}: torch.load without weights_only=True"
            if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
                loader = ast.unparse(node.args[1]) if len(node.args) > 1 else given.get("Loader", "")
                assert loader in ("_Strict", "yaml.SafeLoader", "yaml.CSafeLoader"), f"line {node.lineno}: {loader}"


def test_the_strict_loader_is_a_safe_one():
    from yaml.constructor import SafeConstructor

    from rematch.yamlfile import _Strict

    assert issubclass(_Strict, SafeConstructor)
    assert "tag:yaml.org,2002:python/object" not in str(_Strict.yaml_constructors)


def test_programs_name_no_host_that_no_data_set_declares():
    declared = set()
    for item in load_datasets(ROOT / "config/datasets").values():
        declared |= {re.sub(r"^https://([^/]+)/.*$", r"\1", file["url"]) for file in item.get("files", [])}
    for path in PROGRAMS:
        hosts = {host for text in constants(path) for host in re.findall(r"https?://([\w.-]+)", text)}
        # names of XML namespaces and citations in pages are no requests
        assert hosts <= declared | {"www.w3.org", "doi.org", "arxiv.org"}, name_of(path)

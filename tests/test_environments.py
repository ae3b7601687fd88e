"""The pins of every environment come from one lock, and the lock is what is installed here."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from importlib.metadata import distribution, distributions, version
from pathlib import Path

import pytest
import yaml

from rematch.machine import DEVICES
from rematch.sources import _running, sources

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))


def load_lock():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "envs" / "lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(lines):
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


LOCKED = pins((ROOT / "requirements.lock").read_text().splitlines())


def test_every_requirement_is_locked_to_a_version_it_allows():
    lock = load_lock()
    for items in lock.sections((ROOT / "requirements.in").read_text()).values():
        for item in items:
            assert item.specifier.contains(LOCKED[lock.canonical(item.name)]), item


def test_what_is_installed_is_what_is_locked():
    different = {name: version(name) for name, pin in LOCKED.items() if version(name).split("+")[0] != pin}
    assert different == {}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_the_lock_pins(name):
    content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    (pip,) = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    found = pins(pip)
    assert len(found) == len(pip) > 0
    assert {key: LOCKED[key] for key in found} == found


def test_closure_follows_dependencies_and_their_markers():
    lock = load_lock()
    found = {
        "a": {"requires_dist": ["b>=1", "c; extra == 'more'", "d; python_version < '3'"]},
        "b": {"requires_dist": []},
        "c": {},
        "d": {},
    }
    (plain,), (extra,) = (lock.sections(f"# part\n{text}\n")["part"] for text in ("a", "a[more]"))
    assert lock.closure([plain], found) == {"a", "b"}
    assert lock.closure([extra], found) == {"a", "b", "c"}


# Bare environments: what an environment file lists, and nothing else that is installed here.

PROBE = """
import importlib, sys
site, root, *names = sys.argv[1:]
sys.path[:0] = [site, root]
missing = []
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name}: {error}")
print("\\n".join(missing))
"""
OF_A_STUDY = {  # script -> the module of every study that it imports by name
    "generate": "generate",
    "prepare": "data",
    "train": "train",
    "evaluate": "evaluate",
    "embeddings": "evaluate",
    "devices_measure": "train",
}


def listed(environment):
    """The packages that an environment file pins."""
    content = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text())
    (pip,) = [item["pip"] for item in content["dependencies"] if isinstance(item, dict)]
    return frozenset(pins(pip))


@cache
def owners():
    """Top-level file or folder of site-packages -> the distributions that have files in it."""
    found, canonical = defaultdict(set), load_lock().canonical
    for item in distributions():
        name = canonical(item.name)
        for top in tops(item):
            found[top].add(name)
    return found


def tops(item):
    """The top-level files and folders of a distribution in site-packages."""
    return {file.parts[0] for file in item.files or []} - {"..", "__pycache__"}


def bare_site(folder, packages):
    """A site folder with links to the files of exactly these distributions, as their RECORD lists them."""
    folder.mkdir()
    for package in packages:
        item = distribution(package)
        for top in tops(item):
            if owners()[top] <= packages:
                if not (folder / top).exists():
                    (folder / top).symlink_to(item.locate_file(top))
                continue
            for file in item.files:  # a folder shared with a distribution that is not listed
                if file.parts[0] == top:
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    (folder / file).symlink_to(item.locate_file(file))
    return folder


def rules():
    """(environment, script) of every rule; a rule for each device counts for all of them."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = re.findall(r'conda:\s+"\.\./envs/([^"]+)\.yaml".*?script:\s+"\.\./scripts/(\w+)\.py"', text, re.DOTALL)
    assert len(found) == text.count("script:")
    for environment, script in found:
        yield from ((name, script) for name in (DEVICES if environment == "{device}" else [environment]))


def modules_of(scripts):
    """Project modules that scripts run, and packages that these import anywhere, inside functions too."""
    files = set()
    for script in scripts:
        studies = (ROOT / "rematch/studies").glob("*/settings.py")
        own = [path.parent / f"{OF_A_STUDY[script]}.py" for path in studies] if script in OF_A_STUDY else []
        files |= set(sources(f"scripts/{script}.py", *(path.relative_to(ROOT).as_posix() for path in own)))
    return imported([file for file in files if not file.startswith("scripts/")])


def imported(files):
    names = {file.removesuffix(".py").replace("/", ".") for file in files}
    for file in files:
        for node in _running(ast.parse((ROOT / file).read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    return sorted(name for name in names if name.split(".")[0] not in sys.stdlib_module_names)


def missing(site, names):
    """What cannot be imported in a Python that sees the standard library, the site folder and the project alone."""
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(site), str(ROOT), *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_the_environments_of_all_devices_list_the_same_packages():
    # so that importing with the packages of one, in the build that is installed here, stands for all three
    assert listed("cpu") == listed("cuda") == listed("mps")


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["cpu", "report"])
def test_scripts_import_with_what_their_environment_lists_and_without_snakemake(environment, tmp_path):
    scripts = {script for name, script in rules() if name == environment}
    names = modules_of(scripts)
    assert len(scripts) > 2 and not any(name.split(".")[0] == "snakemake" for name in names)
    assert missing(bare_site(tmp_path / "site", listed(environment)), names) == []


def test_the_snakefile_imports_with_what_its_environment_lists(tmp_path):
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    lines = re.findall(r"^(?:from|import) ([\w.]+)", "\n".join(path.read_text() for path in files), re.MULTILINE)
    ours = [f"{name.replace('.', '/')}.py" for name in lines if name.startswith("rematch.")]
    settings = [path.relative_to(ROOT).as_posix() for path in (ROOT / "rematch/studies").glob("*/settings.py")]
    # what functions import in their bodies is for jobs, which run in other environments
    names = [file.removesuffix(".py").replace("/", ".") for file in sources(*ours, *settings)]
    names += [name for name in lines if name.startswith("snakemake")]
    assert "torch" not in listed("snakemake")
    assert missing(bare_site(tmp_path / "site", listed("snakemake")), names) == []


@pytest.mark.parametrize(
    ("environment", "script", "package", "module"),
    [("report", "tables", "pandas", "pandas"), ("report", "devices", "jinja2", "jinja2")],
)
def test_a_dependency_taken_out_of_an_environment_is_noticed(environment, script, package, module, tmp_path):
    site = bare_site(tmp_path / "site", listed(environment) - {package})
    found = missing(site, modules_of({script}))
    assert any(line.startswith(f"{module}: No module named {module!r}") for line in found), found

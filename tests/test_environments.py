"""The pins of every environment come from one lock, and the lock is what is installed here."""

import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

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

"""A study's module is imported without rounds of the garbage collector, which is then as it was."""

import gc
import re
import sys

import pytest

from rematch.study_modules import study_module


@pytest.fixture
def collector():
    enabled = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(collector, enabled, caplog):
    caplog.set_level("INFO")
    (gc.enable if enabled else gc.disable)()
    module = study_module("taxonomy", "settings")
    assert module is sys.modules["rematch.studies.taxonomy.settings"] and gc.isenabled() == enabled
    assert re.search(r"taxonomy\.settings imported in \d+\.\d\d processor seconds$", caplog.text.strip())


def test_the_collector_rests_during_an_import_and_comes_back_if_it_fails(collector):
    gc.enable()
    with pytest.raises(ModuleNotFoundError, match=r"rematch\.studies\.taxonomy\.absent"):
        study_module("taxonomy", "absent")
    assert gc.isenabled()

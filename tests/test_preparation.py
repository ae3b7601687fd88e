"""One preparation from a listing, and the check that blocks training on bad data."""

import json

import pandas as pd
import pytest

from rematch import prepared
from rematch.card import Card
from rematch.generated import generate
from rematch.preparation import check, prepare_run
from tests.test_generated import RECIPE, SIZES


def test_a_preparation_writes_four_files_and_keeps_the_checksums_of_the_raw_ones(tmp_path):
    listing = tmp_path / "raw.json"
    recipe = RECIPE | {"sizes": SIZES | {"families": 8}}
    generate(recipe, tmp_path / "raw", listing)
    outputs = tuple(tmp_path / "out" / name for name in ("train", "test", "names", "card"))
    settings = {"split": "grouped", "group": "dataset", "censored": "drop", "features": 5}
    prepare_run("antibody_affinity", {"title": "t", "group": "family"}, settings, 1, listing, outputs)
    card = json.loads(outputs[3].read_text())
    assert card["facts"]["raw_files"] == json.loads(listing.read_text())["files"]
    train, test = prepared.read(outputs[0]), prepared.read(outputs[1])
    assert train["x_train"].shape[1] == 5 and len(test["row"]) == len(test["y_test"])
    assert len(pd.read_parquet(outputs[2])) == sum(len(v) for k, v in {**train, **test}.items() if k.startswith("y_"))


def card_file(folder, name, *levels):
    card = Card("t")
    for level in levels:
        card.add(level, f"{level}-code", "Something.")
    path = folder / name
    path.write_text(json.dumps(card.as_dict()))
    return path


def test_warnings_pass_and_errors_block_in_one_line(tmp_path):
    good = card_file(tmp_path, "good.json", "warning", "note")
    bad = card_file(tmp_path, "bad.json", "warning", *["error"] * 5)
    check([good], tmp_path / "checked.txt")
    assert (tmp_path / "checked.txt").read_text() == "no error\n"
    with pytest.raises(
        ValueError, match=r"the data cannot be trained on: .*bad\.json: error-code.*\(and 2 more\)"
    ) as caught:
        check([good, bad], tmp_path / "other.txt")
    assert "\n" not in str(caught.value) and not (tmp_path / "other.txt").exists()

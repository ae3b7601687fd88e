"""A study's own tables: refused with one line when they are described wrongly, written under plain names."""

import pandas as pd
import pytest

from rematch.scores import Evaluation
from rematch.study_tables import check_tables, table_files

GOOD = {"title": "Top", "about": "Look here.", "arm": "v2"}


def test_a_well_described_table_passes():
    check_tables({"new-treatments": GOOD | {"rows": 20, "columns": {"drug": "Drug"}}}, {"v1", "v2"}, "s.yaml")


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (["x"], r"s.yaml: tables: expected name: title, about, arm, found \['x'\]"),
        ({"New Table": GOOD}, "s.yaml: tables: New Table: expected a short kebab-case name"),
        ({"t": "x"}, "s.yaml: tables: t: expected title, about, arm, found 'x'"),
        ({"t": GOOD | {"tittle": "x"}}, "s.yaml: tables: t: unknown key 'tittle', did you mean 'title'?"),
        ({"t": GOOD | {"title": " "}}, "s.yaml: tables: t: title: expected a sentence, found ' '"),
        ({"t": GOOD | {"arm": "v3"}}, "s.yaml: tables: t: arm: no arm 'v3'"),
        ({"t": GOOD | {"arm": ["v2"]}}, r"s.yaml: tables: t: arm: no arm \['v2'\]"),
        ({"t": GOOD | {"columns": ["a"]}}, r"s.yaml: tables: t: columns: expected column: label pairs, found \['a'\]"),
        ({"t": GOOD | {"rows": 0}}, "s.yaml: tables: t: rows: expected a whole number from 1 to 200, found 0"),
        ({"t": GOOD | {"rows": True}}, "s.yaml: tables: t: rows: expected a whole number from 1 to 200, found True"),
    ],
)
def test_a_mistake_is_one_line(block, says):
    with pytest.raises(ValueError, match=says):
        check_tables(block, {"v1", "v2"}, "s.yaml")


def test_files_are_those_of_the_arm_that_is_trained_in_its_place():
    text = {"tables": {"top": GOOD, "gone": GOOD | {"arm": "v3"}}}
    arms = {"v2": {"trained_as": "v1"}}
    assert table_files(text, arms, "s", "cpu", 4) == {"top": "runs/s/v1/cpu/4/tables/top.csv"}
    assert table_files({}, arms, "s", "cpu", 4) == {}


def test_tables_are_written_as_csv_under_their_names(tmp_path):
    Evaluation([], tables={"top-drugs": pd.DataFrame({"drug": ["a, b"], "score": [0.5]})}).write_tables(tmp_path)
    assert (tmp_path / "top-drugs.csv").read_text() == 'drug,score\n"a, b",0.5\n'
    with pytest.raises(ValueError, match=r"table '\.\./x': expected a short kebab-case name"):
        Evaluation([], tables={"../x": pd.DataFrame()}).write_tables(tmp_path)

"""A study's own tables on the page: as described, with a limit of rows, and where they come from."""

from dataclasses import replace

import pandas as pd

from rematch.report.further_tables import further
from rematch.report.page import page

ABOUT = {"title": "Top new treatments", "about": "Look for known drugs.", "arm": "v2", "rows": 2}
FRAME = pd.DataFrame(
    {"drug": ["<b>", "b", "c"], "rank": [1, 2, 3], "score": [0.51234, 0.4, 0.3], "path": ["x" * 50, None, ""]}
)


def study(results, **about):
    text = {**results.study.text, "tables": {"top": ABOUT | about}}
    return replace(results.study, text=text, further={"top": FRAME})


def test_a_declared_table_is_shown_with_its_file_and_command(results):
    (shown,) = further(study(results, columns={"drug": "Drug", "score": "Score", "nothing": "Nothing"}))
    table = shown["table"]
    assert [column.label for column in table.columns] == ["Drug", "Score"]
    assert [cell.text for cell in table.rows[0]] == ["<b>", "0.512"] and len(table.rows) == 2
    assert table.caption == "Top new treatments: v2, seed 1, the first 2 of 3 rows"
    assert table.source == "runs/antibody_affinity/v2/cpu/1/tables/top.csv"
    assert table.command.endswith("--forcerun evaluate -- results/runs/antibody_affinity/v2/cpu/1/scores.csv")


def test_without_columns_all_are_shown_and_long_text_gets_room(results):
    (shown,) = further(study(results))
    assert [column.kind for column in shown["table"].columns] == ["text", "number", "number", "text"]
    assert [column.wide for column in shown["table"].columns] == [False, False, False, True]
    assert shown["table"].rows[0][1].text == "1" and shown["table"].rows[1][3].text == ""


def test_a_table_whose_arm_is_not_trained_is_left_out_and_a_missing_one_is_said(results):
    assert further(study(results, arm="v9")) == []
    missing = replace(study(results), further={})
    assert "Top new treatments: v2, seed 1: nothing here in this run." in page(replace_study(results, missing))


def test_the_page_escapes_what_a_table_holds(results):
    html = page(replace_study(results, study(results)))
    assert "Look for known drugs." in html and "&lt;b&gt;" in html and 'data-v="<b>"' not in html


def replace_study(results, changed):
    return replace(results.material, studies=(changed,))

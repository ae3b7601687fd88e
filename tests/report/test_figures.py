"""Figures: equal bytes for equal data, no global state, and only what the columns allow."""

from __future__ import annotations

import re
import zlib
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest

from rematch.report import predictions
from rematch.report.curves import bands, curves
from rematch.report.figures import criterion_of, figures, samples_of
from rematch.report.forest import forest, gains
from rematch.report.inline import Styles, inline
from rematch.report.style import labels_apart, pdf, svg
from rematch.report.tables import read
from rematch.report.waterfall import method_of, steps, waterfall

RMSE = {"label": "RMSE", "unit": "pKd", "better": "lower", "equal_within": 0.02}
SHARES = pd.DataFrame(
    [
        ("a", -0.3, -0.4, -0.2, "helps"),
        ("b", 0.1, 0.0, 0.2, "hurts"),
        ("interaction", 0.05, -0.1, 0.2, np.nan),
        ("total", -0.15, -0.2, -0.1, "better"),
    ],
    columns=["change", "share", "low", "high", "answer"],
).assign(method="leave-one-out")
HISTORY = pd.DataFrame(
    [("v1", seed, step, "validation_rmse", seed + 10 / step) for seed in (1, 2) for step in (5, 10, 15)],
    columns=["arm", "seed", "step", "name", "value"],
)


def drawn():
    return waterfall(SHARES, 1.5, ("v1", "v2"), RMSE)


def test_equal_data_equal_bytes_whatever_the_users_settings():
    one, two = svg(drawn()), pdf(drawn())
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert (svg(drawn()), pdf(drawn())) == (one, two)
    assert "<dc:date>" not in one and b"CreationDate" not in two


def test_settings_outside_are_left_alone():
    before = dict(matplotlib.rcParams)
    svg(drawn())
    assert dict(matplotlib.rcParams) == before


def test_pdf_embeds_truetype_fonts():
    content = pdf(drawn())
    streams = [
        zlib.decompress(part)
        for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        if part[:1] == b"x"
    ]
    whole = content + b"".join(streams)
    assert b"/FontFile2" in whole and b"/Type3" not in whole


def test_svg_keeps_text_as_text():
    texts = ElementTree.fromstring(svg(drawn())).iter("{http://www.w3.org/2000/svg}text")
    assert {"v1", "v2", "together, beyond the sum", "1.500", "1.350"} <= {"".join(text.itertext()) for text in texts}


def test_waterfall_bars_start_where_the_last_one_ended_and_end_at_v2():
    bars = steps(SHARES, 1.5)
    assert [bar.start for bar in bars] == pytest.approx([1.5, 1.2, 1.3])
    assert bars[-1].start + bars[-1].size == pytest.approx(1.5 - 0.15)
    assert [bar.word for bar in bars] == ["helps", "hurts", "interaction"]


def test_waterfall_prefers_shapley_and_needs_a_total():
    both = pd.concat([SHARES, SHARES.assign(method="shapley")])
    assert method_of(both) == "shapley" and method_of(SHARES) == "leave-one-out" and method_of(SHARES.iloc[:0]) == ""
    assert waterfall(SHARES[SHARES["change"] != "total"], 1.5, ("v1", "v2"), RMSE) is None
    assert waterfall(SHARES, float("nan"), ("v1", "v2"), RMSE) is None


@pytest.mark.parametrize(("better", "gain"), [("lower", 2.0), ("higher", -2.0)])
def test_forest_turns_a_gain_to_the_right(better, gain):
    row = {"metric": "m", "difference": -0.04, "low": -0.06, "high": -0.02, "answer": "better"}
    about = {"m": RMSE | {"better": better}}
    (found,) = gains(pd.DataFrame([row]), about)
    assert found["gain"] == pytest.approx(gain) and found["low"] <= found["gain"] <= found["high"]


def test_forest_leaves_out_what_has_no_band_or_no_number():
    rows = pd.DataFrame(
        [{"metric": "m", "difference": np.nan, "low": np.nan, "high": np.nan, "answer": "not comparable"}]
    )
    assert forest(rows, {"m": RMSE}, ("v1", "v2")) is None
    assert forest(rows.assign(difference=1.0), {"m": RMSE | {"equal_within": 0}}, ("v1", "v2")) is None


def test_bands_are_mean_lowest_and_highest_seed_per_epoch():
    table = bands(HISTORY)
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["mean"].tolist() == pytest.approx([3.5, 2.5, 1.5 + 2 / 3])
    assert (table["high"] - table["low"]).tolist() == pytest.approx([1, 1, 1])


def test_curves_need_something_logged():
    assert curves(HISTORY, ["v9"], "validation_rmse") is None
    assert curves(HISTORY, ["v1"], "validation_rmse") is not None


def test_rmse_by_group_equals_a_second_way():
    frame = pd.DataFrame(
        {"target": [1.0, 2, 8, 9], "prediction": [2.0, 2, 8, 6], "bin": list("aabb"), "seed": [1, 1, 1, 1]}
    )
    table = predictions.rmse_by(frame, "bin")
    assert table.index.tolist() == ["a", "b"] and table["n"].tolist() == [2, 2]
    assert table["rmse"].tolist() == pytest.approx([np.sqrt(0.5), np.sqrt(4.5)])


def test_columns_decide_what_is_drawn(results):
    frames = {name: results.study.tables[name] for name in ("comparison", "attribution", "manifests")}
    histories = read(results.root / "results" / results.study.source("histories"))
    study = {"primary": "rmse", "metrics": results.study.metrics, "versions": ["v1", "v2"], "device": "cpu"}
    ranks = {"v1": pd.DataFrame({"sample": [1, 2], "rank": [3, 4]})}
    assert set(figures(study, histories=histories, samples=ranks, **frames)) == {"difference", "shares", "curves"}
    empty = {name: pd.DataFrame() for name in (*frames, "histories")}
    assert figures(study, samples={}, **empty) == {}


def test_results_have_every_figure_as_svg_and_pdf(results):
    files = {path.name for path in (results.root / "results" / "figures" / "antibody_affinity").iterdir()}
    names = ("difference", "shares", "curves", "predictions", "residuals", "groups")
    assert files == {f"{name}.{kind}" for name in names for kind in ("svg", "pdf")}


def test_samples_carry_their_seed(results):
    files = sorted((results.root / "results" / "runs" / "antibody_affinity" / "v1").rglob("*.parquet"))
    found = samples_of([str(file) for file in files])
    assert list(found) == ["v1"] and sorted(found["v1"]["seed"].unique()) == [1, 2, 3, 4, 5]


def test_criterion_of_a_column_of_lists():
    assert criterion_of(pd.DataFrame({"criterion": ["['rmse', 'lower']", None]})) == "validation_rmse"
    assert criterion_of(pd.DataFrame()) == ""


def test_labels_are_moved_apart_but_keep_their_order():
    placed = labels_apart([0.5, 0.52, 0.1], 0.1)
    assert placed[1] - placed[0] == pytest.approx(0.1) and placed[2] == 0.1


def test_inline_gives_own_ids_and_shared_classes():
    styles = Styles()
    one, two = (inline(svg(drawn()), prefix, "A drawing", styles) for prefix in ("a", "b"))
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1] and all(name.startswith("a-") for name in ids[0])
    assert set(re.findall(r"#(a-[^)\"]+)", one)) <= ids[0]
    assert "style=" not in one and one.count('class="f') > 5 and 'role="img"' in one and 'aria-label="A drawing"' in one
    assert "var(--ink)" in styles.sheet() and styles.sheet().count("{") == len(styles.names)

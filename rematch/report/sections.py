"""The tables of one study, each a pure function of its material."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rematch.report import numbers, tables
from rematch.report.material import StudyMaterial
from rematch.report.tables import Cell, Table, figure, pill, plain

TOO_FEW_PAIRS = "too few pairs"
RULE_OF = {
    "comparison": "compare",
    "samples": "samples",
    "claims": "claims",
    "tiers": "claims",
    "attribution": "attribution",
    "budgets": "compare",
}


def made(study: StudyMaterial, name: str) -> dict[str, str]:
    """Where a table comes from, and the command that builds it again."""
    return {
        "source": study.source(name),
        "command": f"{study.call} --forcerun {RULE_OF.get(name, 'collect')} -- results/studies/{study.name}/{name}.csv",
    }


def comparison(study: StudyMaterial) -> Table:
    """Every metric: mean of each version, difference of the first two, interval, pairs, band, answer."""
    versions = study.versions
    before, after = (*versions, "", "")[:2]
    columns = ["Metric", *(f"#{name}" for name in versions)]
    columns += ["#Difference", "#95 % interval", "~worse \u2190 \u2192 better"]
    columns += ["#Pairs", "#Practical band", "!Answer", "#CSV line"]
    rows = []
    for metric, about in study.metrics.items():
        found = study.rows("comparison", metric=metric, device=study.device, before=before, after=after)
        if not found:
            continue
        row, unit = found[0], about.get("unit", "")
        better = "lower is better" if about.get("better") == "lower" else "higher is better"
        means = [_mean(study, metric, version, row) for version in versions]
        answer = pill(row["answer"], more=_note(row))
        band = float(about.get("equal_within") or 0)
        drawn = tables.strip(row, about.get("better", "higher"), band)
        cells = [plain(about.get("label", metric), more=f"{unit + ', ' if unit else ''}{better}"), *means]
        cells += [figure(row["difference"], signed=True), Cell(numbers.interval(row["low"], row["high"]), row["low"])]
        cells += [
            Cell("", "" if drawn is None else drawn.middle, strip=drawn),
            Cell(numbers.count(row["pairs"]), row["pairs"]),
        ]
        cells += [Cell(f"\u00b1{numbers.number(band)}", band), answer, line(study, "comparison", row)]
        rows.append(cells)
    caption = f"{' and '.join(versions[:2])}: means over paired seeds, difference {' minus '.join(versions[1::-1])}"
    origin = made(study, "comparison")
    return tables.table(f"{study.name}-comparison", caption, columns, rows, stack=True, **origin)


def _mean(study: StudyMaterial, metric: str, arm: str, row: Mapping[str, Any]) -> Cell:
    if arm == row["before"]:
        return figure(row["before_mean"], href=study.folder(arm))
    if arm == row["after"]:
        return figure(row["after_mean"], href=study.folder(arm))
    others = study.rows("comparison", metric=metric, device=study.device, after=arm)
    return figure(others[0]["after_mean"] if others else None, href=study.folder(arm))


def line(study: StudyMaterial, table: str, row: Mapping[str, Any]) -> Cell:
    return Cell(str(row["row"]), row["row"], href=study.source(table))


def _note(row: Mapping[str, Any]) -> str:
    """The note of a row, unless the number of pairs beside it says the same."""
    return "" if row["answer"] == TOO_FEW_PAIRS and "; " not in numbers.text(row["note"]) else numbers.text(row["note"])


def pairs(study: StudyMaterial) -> Table:
    """All pairs of arms but v2 against v1: further versions, references, controls, baselines."""
    columns = ["Arms", "Metric", "#Before", "#After", "#Difference"]
    columns += ["#95 % interval", "#Pairs", "#p (Holm)", "!Answer", "#CSV line"]
    rows = []
    for row in study.rows("comparison"):
        if [row["before"], row["after"]] == study.versions[:2] and row["device"] == study.device:
            continue
        device = "" if row["device"] == study.device else f" ({row['device']})"
        cells = [
            plain(f"{row['after']} against {row['before']}{device}", href=study.folder(row["after"])),
            plain(study.label(row["metric"])),
        ]
        cells += [figure(row["before_mean"]), figure(row["after_mean"]), figure(row["difference"], signed=True)]
        cells += [
            Cell(numbers.interval(row["low"], row["high"]), row["low"]),
            Cell(numbers.count(row["pairs"]), row["pairs"]),
        ]
        cells += [
            figure(row["p_holm"]),
            pill(row["answer"], more=_note(row)),
            line(study, "comparison", row),
        ]
        rows.append(cells)
    return tables.table(f"{study.name}-pairs", "Every other pair of arms", columns, rows, **made(study, "comparison"))


def samples(study: StudyMaterial) -> Table:
    """Seed by seed, how sure the RMSE difference of two single models is on the test samples, whole and per group."""
    before, after = (*study.versions, "v1", "v2")[:2]
    heads = ["Group", "#Seed", "#Samples", f"#RMSE {before}", f"#RMSE {after}", "#Difference"]
    heads += ["#95 % interval", "!Answer", "#CSV line"]
    rows = []
    for row in study.rows("samples"):
        cells = [plain(str(row["group"]).replace("_", " ")), Cell(str(row["seed"]), row["seed"])]
        cells += [Cell(numbers.count(row["n"]), row["n"]), figure(row["before"]), figure(row["after"])]
        cells += [figure(row["difference"], signed=True), Cell(numbers.interval(row["low"], row["high"]), row["low"])]
        rows.append([*cells, pill(row["answer"]), line(study, "samples", row)])
    caption = "Within each seed: a paired bootstrap over test samples"
    return tables.table(f"{study.name}-samples", caption, heads, rows, **made(study, "samples"))


def beside(study: StudyMaterial) -> Table:
    """Versions, references, controls and cheap baselines side by side: means over seeds of every metric, test split."""
    scores = study.frame("scores")
    kinds = ("version", "reference", "control", "baseline")
    arms = {name: arm for kind in kinds for name, arm in study.arms.items() if arm["kind"] == kind}
    metrics = [name for name in study.metrics if len(scores) and (scores["name"] == name).any()]
    columns = ["Arm", "What it is +", "#Runs", *(f"#{study.label(name)}" for name in metrics)]
    rows = []
    for name, arm in arms.items():
        mine = (
            scores[(scores["arm"] == study.trained(name)) & (scores["device"] == study.device)]
            if len(scores)
            else scores
        )
        good = mine[(mine["status"] == "ok") & (mine["split"] == "test")] if len(mine) else mine
        means = good.groupby("name")["value"].mean() if len(good) else {}
        reasons = sorted({str(status) for status in mine["status"] if status != "ok"}) if len(mine) else []
        ran = good["seed"].nunique() if len(good) else 0
        says = Cell(arm["kind"], more="; ".join(filter(None, (_why(study, name), *reasons))))
        cells = [plain(name, href=study.folder(name)), says, Cell(str(ran), ran)]
        rows.append([*cells, *(figure(means.get(metric)) for metric in metrics)])
    caption = "Means over seeds, test split"
    return tables.table(f"{study.name}-beside", caption, columns, rows, **made(study, "scores"))


def _why(study: StudyMaterial, arm: str) -> str:
    for section in ("references", "controls"):
        known = study.text.get(section, {})
        if arm in known:
            return numbers.text(known[arm].get("why"))
    return ""


def gaps(study: StudyMaterial) -> Table:
    """Two arms that must not be compared, side by side with what the gap between them is called."""
    columns = ["Gap", "Metric", "First arm", "#Its mean", "Second arm", "#Its mean"]
    columns += ["#Gap size", "#Seeds"]
    scores, rows = study.frame("scores"), []
    for gap in study.text.get("gaps", []):
        one, other = (_by_seed(scores, study.trained(arm), gap["metric"], study.device) for arm in gap["arms"])
        seeds = sorted(set(one) & set(other))
        means = [sum(values[seed] for seed in seeds) / len(seeds) if seeds else None for values in (one, other)]
        size = None if not seeds else means[1] - means[0]
        cells = [
            plain(gap["name"], more=f"{numbers.text(gap.get('why'))} {numbers.text(gap.get('source'))}".strip()),
            plain(study.label(gap["metric"])),
        ]
        for arm, mean in zip(gap["arms"], means, strict=True):
            cells += [plain(arm, href=study.folder(arm), more=_differs(study, arm, gap["arms"])), figure(mean)]
        rows.append([*cells, figure(size, signed=True), Cell(str(len(seeds)), len(seeds))])
    return tables.table(
        f"{study.name}-gaps", "Scores on two scales, side by side", columns, rows, **made(study, "scores")
    )


def _by_seed(scores: pd.DataFrame, arm: str, metric: str, device: str) -> dict[int, float]:
    if not len(scores):
        return {}
    chosen = (
        (scores["arm"] == arm) & (scores["name"] == metric) & (scores["split"] == "test") & (scores["device"] == device)
    )
    rows = scores[chosen & (scores["status"] == "ok")]
    return dict(zip(rows["seed"], rows["value"]))


def _differs(study: StudyMaterial, arm: str, arms: list[str]) -> str:
    """The settings in which the arms of a gap differ, as this arm has them."""
    settings = [study.arms.get(name, {}).get("settings", {}) for name in arms]
    keys = [key for key in settings[0] if any(other.get(key) != settings[0][key] for other in settings[1:])]
    mine = study.arms.get(arm, {}).get("settings", {})
    return ", ".join(f"{key}: {numbers.setting(mine.get(key))}" for key in keys)


def shares(study: StudyMaterial) -> Table:
    """The share of every change in the primary metric, all methods that were run."""
    metric = study.text.get("primary", "")
    columns = ["Change", "Version", "Method", f"#Share of {study.label(metric)}", "#95 % interval"]
    columns += ["#Pairs", "#p (Holm)", "!Answer", "#CSV line"]
    rows = []
    for row in study.rows("attribution", metric=metric, device=study.device):
        cells = [plain(row["change"]), plain(row["version"]), plain(row["method"]), figure(row["share"], signed=True)]
        cells += [
            Cell(numbers.interval(row["low"], row["high"]), row["low"]),
            Cell(numbers.count(row["pairs"]), row["pairs"]),
        ]
        word = numbers.text(row["answer"])
        said = pill(word, more=numbers.text(row["note"])) if word else plain("", more=numbers.text(row["note"]))
        rows.append([*cells, figure(row["p_holm"]), said, line(study, "attribution", row)])
    return tables.table(
        f"{study.name}-shares",
        "What each change brings or costs",
        columns,
        rows,
        stack=True,
        **made(study, "attribution"),
    )

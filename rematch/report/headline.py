"""The first screen: for each study the answer to "is v2 better?" in one sentence, and how its claims fared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rematch.claims import VERDICTS
from rematch.report import numbers, tables
from rematch.report.material import Material, StudyMaterial
from rematch.report.tables import Cell, Strip, Table

FEWEST_PAIRS = 5  # as in rematch.statistics, which the page need not import: it takes seconds
TOO_FEW_PAIRS = "too few pairs"
ANSWERS = ("better", "equal", "inconclusive", "worse")
SHORT = {
    "better": "Yes",
    "worse": "No, it is worse",
    "equal": "No difference that matters",
    "inconclusive": "Undecided",
    "too few pairs": "Too few pairs to say",
    "too few samples": "Too few samples to say",
    "not comparable": "Not comparable",
    "": "Not measured",
}


@dataclass(frozen=True)
class Headline:
    """`answer` is the word of the comparison table, `short` what a reader is told first, `sentence` the numbers."""

    study: str
    title: str
    asked: str
    answer: str
    short: str
    tone: str
    sentence: str
    caveats: tuple[str, ...]
    strip: Strip | None


def headline(study: StudyMaterial) -> Headline:
    """The answer of one study, from the comparison of its first two versions on its primary metric."""
    metric = study.text.get("primary", "")
    about = study.metrics.get(metric, {})
    before, after = (*study.versions, "v1", "v2")[:2] if len(study.versions) > 1 else ("v1", "v2")
    found = study.rows("comparison", before=before, after=after, metric=metric, device=study.device)
    row = found[0] if found else {}
    word = numbers.text(row.get("answer"))
    band = float(about.get("equal_within") or 0)
    drawn = tables.strip(row, about.get("better", "higher"), band) if row and word != TOO_FEW_PAIRS else None
    said = (_note(row), _corrected(row), _baseline(study, row, after), _unfinished(study))
    return Headline(
        study=study.name,
        title=numbers.text(study.text.get("title", study.name)),
        asked=f"Is {after} better than {before}?",
        answer=word,
        short=SHORT.get(word, word),
        tone=tables.tone_of(word) if word else "open",
        sentence=_sentence(study, row, metric, before, after),
        caveats=tuple(filter(None, said)),
        strip=drawn,
    )


def _sentence(study: StudyMaterial, row: dict[str, Any], metric: str, before: str, after: str) -> str:
    label, about = study.label(metric), study.metrics.get(metric, {})
    unit, better = about.get("unit", ""), f"{about.get('better', 'higher')} is better"
    if not row or numbers.is_missing(row.get("difference")):
        return f"{label} was not measured for both {before} and {after}."
    if numbers.text(row["answer"]) == TOO_FEW_PAIRS:
        means = f"{numbers.number(row['before_mean'])} ({before}) and {numbers.number(row['after_mean'])} ({after})"
        pairs = int(row["pairs"])
        seeds = f"{pairs} paired seed{'s' * (pairs != 1)}"
        return f"{label} is {means} in {seeds}; from {FEWEST_PAIRS} on there is an answer."
    start, end = (numbers.with_unit(numbers.number(row[key]), unit) for key in ("before_mean", "after_mean"))
    change = numbers.with_unit(numbers.number(row["difference"], signed=True), unit)
    pairs = int(row["pairs"])
    said = f"{label} goes from {start} ({before}) to {end} ({after}), a difference of {change} ({better})"
    if numbers.is_missing(row["low"]):
        return f"{said}, from {pairs} paired seed{'s' * (pairs != 1)}."
    return f"{said}, 95 % interval {numbers.interval(row['low'], row['high'])}, from {pairs} paired seeds."


def _note(row: dict[str, Any]) -> str:
    return "" if row.get("answer") == TOO_FEW_PAIRS else numbers.text(row.get("note"))


def _corrected(row: dict[str, Any]) -> str:
    """Why an interval that leaves out 0 does not decide."""
    if (
        numbers.text(row.get("answer")) != "inconclusive"
        or numbers.is_missing(row.get("low"))
        or row["low"] <= 0 <= row["high"]
    ):
        return ""
    return f"The interval leaves out 0, but corrected for all metrics of the study p is {row['p_holm']:.2g}."


def _baseline(study: StudyMaterial, row: dict[str, Any], after: str) -> str:
    """What the best cheap baseline reaches, if it is not behind v2."""
    metric = study.text.get("primary", "")
    better = study.metrics.get(metric, {}).get("better", "higher")
    if not row or numbers.is_missing(row.get("after_mean")) or row["answer"] == TOO_FEW_PAIRS:
        return ""
    sign = 1 if better == "higher" else -1
    reached = {
        other["after"]: other["after_mean"]
        for other in study.rows("comparison", metric=metric, device=study.device)
        if study.arms.get(other["after"], {}).get("kind") == "baseline" and not numbers.is_missing(other["after_mean"])
    }
    if not reached:
        return ""
    name = max(reached, key=lambda arm: sign * reached[arm])
    if sign * reached[name] <= sign * row["after_mean"]:
        return ""
    return f"The cheap baseline \u201c{name}\u201d reaches {numbers.number(reached[name])}, which is ahead of {after}."


def _unfinished(study: StudyMaterial) -> str:
    failed = [row for row in study.rows("manifests") if not numbers.text(row.get("status")).startswith("ok")]
    return f"{len(failed)} run{'s' * (len(failed) != 1)} failed." if failed else ""


def board(material: Material) -> Table:
    """Study x answers over all metrics of v2 against v1, and x verdicts of its claims."""
    columns = ["Study", "!Is v2 better?"]
    columns += [f"#metrics {word}" for word in (*ANSWERS, "no answer")]
    columns += [f"#claims {word}" for word in VERDICTS]
    rows = []
    for study in material.studies:
        head = headline(study)
        answers = answer_counts(study)
        verdicts = Counter(numbers.text(row.get("verdict")) for row in study.rows("claims"))
        cells = [Cell(head.title, href=f"#{study.name}"), tables.pill(head.answer or "not measured")]
        cells += [_tally(answers[word], word) for word in (*ANSWERS, "")]
        cells += [_tally(verdicts[word], word) for word in VERDICTS]
        rows.append(cells)
    return tables.table(
        "board", "Answers and verdicts of every study", columns, rows, source="tables/claims.csv", stack=True
    )


def answer_counts(study: StudyMaterial) -> Counter:
    """How many metrics of v2 against v1 got which answer; the empty word counts those without an answer."""
    if len(study.versions) < 2:
        return Counter()
    rows = study.rows("comparison", before=study.versions[0], after=study.versions[1], device=study.device)
    words = [numbers.text(row.get("answer")) for row in rows]
    return Counter(word if word in ANSWERS else "" for word in words)


def _tally(value: int, word: str) -> Cell:
    return Cell(str(value) if value else "\u00b7", value, tone=tables.tone_of(word) if value and word else "")

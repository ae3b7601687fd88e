"""For a paper: tables as LaTeX (packages booktabs and longtable), and a methods paragraph written from the settings."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rematch.atomic import write_text
from rematch.report import ledger_tables, numbers, sections
from rematch.report.material import StudyMaterial, read_study
from rematch.report.tables import Cell, Table

_GREEK = {
    **dict(zip("\u03b1\u03b2\u03b3\u03b4\u03b5", ("alpha", "beta", "gamma", "delta", "varepsilon"))),
    **dict(zip("\u03bb\u03bc\u03c1\u03c3\u03c4", ("lambda", "mu", "rho", "sigma", "tau"))),
}
_RAISED = dict(zip("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-"))
_LOWERED = dict(zip("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789"))
_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': "''",
    "\u2212": "$-$",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u2192": r"$\to$",
    "\u2190": r"$\leftarrow$",
    "\u2265": r"$\geq$",
    "\u2264": r"$\leq$",
    "\u2009": r"\,",
    "\u202f": r"\,",
    "\u00a0": "~",
    "\u2013": "--",
    "\u2014": "---",
    "\u2026": r"\dots{}",
    "\u00b7": r"$\cdot$",
    "\u221e": r"$\infty$",
    "\u00b5": r"$\mu$",
    "\u0394": r"$\Delta$",
}
_SIGNS |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {sign: f"${sign}$" for sign in "<>|"}
_SIGNS |= {letter: f"$\\{name}$" for letter, name in _GREEK.items()}
_SIGNS |= {sign: f"$^{{{plain}}}$" for sign, plain in _RAISED.items()}
_SIGNS |= {sign: f"$_{{{plain}}}$" for sign, plain in _LOWERED.items()}


def escape(text: str) -> str:
    """Text that any LaTeX engine prints as it is; letters that a plain font lacks lose their accents or become `?`."""
    return "".join(_SIGNS.get(letter) or _plain(letter) for letter in text)


def _plain(letter: str) -> str:
    if ord(letter) < 127:
        return letter if letter.isprintable() else " "
    if letter.isalpha() and ord(letter) < 0x180:
        return letter  # Latin letters with accents: UTF-8 is LaTeX's own default
    simple = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return simple if simple.isalnum() else "?"


def tex(table: Table, leave_out: Sequence[str] = ("CSV line",)) -> str:
    """The table as a longtable with caption and label; drawings and the named columns are left out."""
    kept = [
        place for place, column in enumerate(table.columns) if column.kind != "strip" and column.label not in leave_out
    ]
    shape = "".join(_shape(table.columns[place]) for place in kept)
    heads = " & ".join(rf"\textbf{{{escape(table.columns[place].label)}}}" for place in kept) + r" \\"
    lines = [rf"\begin{{longtable}}{{{shape}}}", rf"\caption{{{escape(table.caption)}}}\label{{tab:{table.id}}}\\"]
    lines += [r"\toprule", heads, r"\midrule", r"\endhead"]
    lines += [" & ".join(_cell(row[place]) for place in kept) + r" \\" for row in table.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


def _shape(column: Any) -> str:
    return "r" if column.kind == "number" else r"p{0.22\linewidth}" if column.wide else "l"


def _cell(cell: Cell) -> str:
    return escape(cell.text)


def methods(study: StudyMaterial) -> str:
    """A methods paragraph in LaTeX: data, recipes, seeds, selection, statistics, as they were set for these results."""
    data = numbers.text(study.declaration.get("title") or study.dataset)
    sentences = [f"We compared {_and(study.versions)} on the data set {data}."]
    for version, item in study.text.get("versions", {}).items():
        if "from" in item:
            changes = [_change(name, change) for name, change in item.get("changes", {}).items()]
            many = "change" if len(changes) == 1 else "changes"
            sentences.append(f"{version} differs from {item['from']} in {len(changes)} {many}: {_and(changes)}.")
    seeds = ", ".join(map(str, study.seeds))
    sentences += [
        f"Each arm was trained with {len(study.seeds)} seeds ({seeds}), which share splits, starts and batch orders."
    ]
    sentences += _selection(study)
    metric = study.text.get("primary", "")
    about = study.metrics.get(metric, {})
    band = numbers.with_unit(numbers.number(about.get("equal_within", 0)), about.get("unit", ""))
    sentences += [
        "Differences are means over paired seeds with Student's 95 % interval; the primary metric is tested alone, the "
        f"other {len(study.metrics) - 1} after Holm; "
        f"a difference in {study.label(metric)} within \u00b1{band} counts as equal."
    ]
    used = {row["method"] for row in study.rows("attribution", metric=metric)} - {"none"}
    if used:
        sentences.append(f"The share of single changes was measured by {_and(sorted(used))}.")
    return escape(" ".join(sentences)) + "\n"


def _selection(study: StudyMaterial) -> list[str]:
    good = [row for row in study.rows("manifests") if row["status"] == "ok" and row["arm"] in study.versions]
    if not good:
        return []
    epochs = sorted({int(row["epochs_run"]) for row in good})
    criterion = str(good[0]["criterion"]).strip("[]() ").split(",")[0].strip(" '\"").replace("_", " ")
    told = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    places = _and(sorted({f"{row['device']} ({row['name']})" for row in good}))
    return [
        f"Training took {told} epochs on {places} with PyTorch {good[0]['torch']}; the epoch with the best {criterion} "
        "on validation data was kept, and test data were used for evaluation only."
    ]


def _change(name: str, change: Mapping[str, Any]) -> str:
    edits = ", ".join(
        f"{key.replace('_', ' ')} = {numbers.setting(value)}" for key, value in change.get("set", {}).items()
    )
    return f"{name} ({edits})"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def write_paper(name: str, about: Mapping[str, Any], card: str, outputs: Sequence[str]) -> None:
    """Writes comparison, shares, claims and methods of one study as LaTeX, in this order of `outputs`."""
    results = Path(outputs[0]).parent.parent
    study = read_study(name, about, results, card)
    for make, output in zip((sections.comparison, sections.shares, ledger_tables.claims), outputs, strict=False):
        write_text(output, tex(make(study)))
    write_text(outputs[3], methods(study))

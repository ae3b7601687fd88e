"""The tables of a study's claims, tiers, diagnostics and published numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rematch.report import numbers, sections, tables
from rematch.report.material import StudyMaterial
from rematch.report.tables import Cell, Table, figure, pill, plain
from rematch.run_metrics import RUN_METRICS


def claims(study: StudyMaterial) -> Table:
    """The ledger. Expected and measured are columns apart; the next step is the document's own."""
    columns = ["Claim", "What it says +", "Expected", "#Measured", "!Verdict +"]
    columns += ["Next step, by the document +", "#CSV line"]
    rows, ids = [], []
    for row in study.rows("claims"):
        tier = f", tier {row['tier']}" if numbers.text(row["tier"]) else ""
        against = f" against {row['against']}" if numbers.text(row["against"]) else ""
        spread = _spread(row)
        told = [spread] * (spread != numbers.NOTHING) + [f"{row['arm']}{against}"] * bool(numbers.text(row["arm"]))
        reason = "; ".join(filter(None, (numbers.text(row["reason"]), _controls(row))))
        cells = [plain(row["claim"], more=f"{row['source']}{tier}"), plain(row["says"], more=_asked(study, row))]
        cells += [
            plain(row["expected"]),
            _measured(row, ", ".join(told)),
            pill(row["verdict"], more=reason),
        ]
        rows.append([*cells, plain(row["next_step"]), sections.line(study, "claims", row)])
        ids.append(f"{study.name}-{row['claim']}")
    made = sections.made(study, "claims") | {"row_ids": tuple(ids), "stack": True}
    return tables.table(f"{study.name}-claims", "Claims: what was expected, what was measured", columns, rows, **made)


def _asked(study: StudyMaterial, row: Mapping[str, Any]) -> str:
    """What the test asks, with the metrics by the names that people know."""
    asked = numbers.text(row["test"]).replace("<=", "\u2264").replace(">=", "\u2265")
    asked = re.sub(r"with against without ([\w.-]+(?: and [\w.-]+)*)", r"with \1 against without", asked)
    known = {**RUN_METRICS, **study.metrics}
    return re.sub(r"\b[a-z][a-z0-9_]*\b", lambda word: known.get(word[0], {}).get("label", word[0]), asked)


def _is_share(row: Mapping[str, Any]) -> bool:
    return "relative change" in numbers.text(row["test"])


def _measured(row: Mapping[str, Any], more: str) -> Cell:
    """The measured number; a relative change in percent, as the documents say it."""
    if _is_share(row) and not numbers.is_missing(row["measured"]):
        return Cell(numbers.percent(row["measured"]), row["measured"], more=more)
    return figure(row["measured"], more=more)


def _spread(row: Mapping[str, Any]) -> str:
    if _is_share(row) and not numbers.is_missing(row["low"]):
        return f"[{numbers.percent(row['low'])}, {numbers.percent(row['high'])}]"
    return numbers.interval(row["low"], row["high"])


def _controls(row: Mapping[str, Any]) -> str:
    shown = numbers.text(row.get("controls"))
    return f"controls: {shown}" if shown else ""


def tiers(study: StudyMaterial) -> Table:
    """The success tier that each scale's arm reaches."""
    columns = ["Scale", "Arm", "Tier reached", "Seeds", "What is missing +", "Next step, by the document +"]
    names = ("scale", "arm", "tier", "seeds", "missed", "next_step")
    rows = [[plain(row[name]) for name in names] for row in study.rows("tiers")]
    made = sections.made(study, "tiers") | {"stack": True}
    return tables.table(f"{study.name}-tiers", "Success tiers", columns, rows, **made)


def findings(study: StudyMaterial) -> Table:
    """What the histories of all runs say, one row per finding with the runs that have it."""
    columns = ["Finding", "!Level", "#Runs", "Arms +", "Evidence of the first", "Advice +", "Source"]
    by_finding: dict[str, list[dict[str, Any]]] = {}
    for row in study.rows("findings", study=study.name):
        by_finding.setdefault(row["finding"], []).append(row)
    rows = []
    for name, found in sorted(by_finding.items(), key=lambda item: (item[1][0]["level"] != "fault", -len(item[1]))):
        arms = ", ".join(dict.fromkeys(str(row["arm"]) for row in found))
        first = found[0]
        place = f"runs/{study.name}/{first['arm']}/{first['device']}/{first['seed']}/"
        cells = [plain(name.replace("-", " ")), pill(first["level"]), Cell(str(len(found)), len(found)), plain(arms)]
        rows.append([*cells, plain(first["evidence"], href=place), plain(first["advice"]), plain(first["source"])])
    made = {"source": "tables/findings.csv", "command": f"{study.call} --forcerun diagnose", "stack": True}
    return tables.table(f"{study.name}-findings", "Diagnostics of all trainings", columns, rows, **made)


def published(study: StudyMaterial) -> Table:
    """Numbers of the documents: single runs or wishes, without spread, never beside ours."""
    columns = ["What", "Arm", "Kind", "#Published", "Source", "Caveats"]
    rows = []
    for item in study.text.get("published", []):
        value = item["value"]
        shown = (
            f"{numbers.number(value[0])} to {numbers.number(value[1])}"
            if isinstance(value, list)
            else numbers.number(value)
        )
        caveats = item.get("caveats", "")
        caveats = caveats if isinstance(caveats, str) else ", ".join(map(str, caveats))
        kind = "hoped for" if item.get("kind") == "wish" else "reported"
        cells = [
            plain(item["what"]),
            plain(item.get("arm", "")),
            plain(kind),
            Cell(shown, value[0] if isinstance(value, list) else value),
        ]
        rows.append([*cells, plain(item["source"]), plain(caveats)])
    return tables.table(f"{study.name}-published", "Numbers of the documents, not ours", columns, rows, stack=True)

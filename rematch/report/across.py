"""What concerns several studies: contradictions in the documents, devices, calibration, what could not be tested."""

from __future__ import annotations

from rematch.report import numbers, tables
from rematch.report.material import Material
from rematch.report.tables import Cell, Table, figure, pill, plain


def contradictions(material: Material) -> Table:
    """Every arithmetic check of the documents, contradictions first."""
    columns = ["Study", "!Result", "Finding +", "Check", "Source"]
    rows = [(study, row) for study in material.studies for row in study.rows("lint")]
    rows.sort(key=lambda item: item[1]["result"] != "contradicts")
    body = []
    for study, row in rows:
        cells = [
            plain(study.text.get("title", study.name), href=f"#{study.name}"),
            pill(row["result"]),
            plain(row["finding"]),
        ]
        body.append([*cells, plain(row["check"]), plain(row["source"])])
    return tables.table(
        "contradictions",
        "Claims and stated facts held against each other",
        columns,
        body,
        source="tables/lint.csv",
        stack=True,
    )


def untested(material: Material) -> Table:
    """Claims without a verdict on the numbers, with the reason."""
    columns = ["Study", "Claim", "What it says +", "!Verdict", "Why +"]
    body = []
    for study in material.studies:
        for row in study.rows("claims"):
            if row["verdict"] in ("not testable here", "not comparable"):
                cells = [
                    plain(study.text.get("title", study.name)),
                    plain(row["claim"], href=f"#{study.name}-{row['claim']}", more=row["source"]),
                ]
                body.append([*cells, plain(row["says"]), pill(row["verdict"]), plain(row["reason"])])
    return tables.table(
        "untested", "What could not be tested here, and why", columns, body, source="tables/claims.csv", stack=True
    )


def devices(material: Material) -> Table:
    """Median seconds per epoch and peak memory of each study's versions on every device they ran on."""
    columns = ["Study", "Arm", "Device", "Name", "#Runs", "#Seconds per epoch", "#Peak memory, MB"]
    body = []
    for study in material.studies:
        manifests, scores = study.frame("manifests"), study.frame("scores")
        good = manifests[(manifests["status"] == "ok") & manifests["arm"].isin(study.versions)]
        for (arm, device), part in good.groupby(["arm", "device"], sort=False):
            mine = scores[
                (scores["arm"] == arm) & (scores["device"] == device) & (scores["name"] == "seconds_per_epoch")
            ]
            name = part["name"].iloc[0] if "name" in part else ""
            cells = [
                plain(study.text.get("title", study.name), href=f"#{study.name}"),
                plain(arm),
                plain(device),
                plain(name),
            ]
            body.append(
                [
                    *cells,
                    Cell(str(len(part)), len(part)),
                    tables.seconds(mine["value"].median()),
                    figure(part["peak_memory_mb"].median()),
                ]
            )
    return tables.table("devices", "Devices: the versions of every study", columns, body, source="tables/runs.csv")


def benchmarks(material: Material) -> Table:
    """Measured properties of the method and of the code: false alarms, coverage, speed against named peers."""
    columns = ["Program", "Quantity", "#Value", "Measured", "On"]
    body = [
        [
            plain(f"benchmarks/{row['program']}.py", code=True),
            plain(str(row["name"]).replace("_", " ")),
            figure(row["value"]),
            *(plain(row.get(name)) for name in ("when", "where")),
        ]
        for row in material.benchmarks
    ]
    return tables.table("benchmarks", "Calibration and benchmarks", columns, body, stack=True)


def calibration(material: Material) -> str:
    """How often v1 against v1 is called a difference, and how often intervals hold the truth; empty if unknown."""
    found = {str(row["name"]): row["value"] for row in material.benchmarks if row["program"] == "calibration"}
    if "false_alarm_rate" not in found:
        return ""
    said = f"v1 against v1 with other seeds is called a difference in {100 * found['false_alarm_rate']:.1f} % of trials"
    held = [f"{100 * found[f'coverage_{n}']:.1f} % with {n} pairs" for n in (5, 10) if f"coverage_{n}" in found]
    return f"{said}; 95 % intervals hold the true difference in {' and '.join(held)}." if held else f"{said}."


def provenance(material: Material) -> list[tuple[str, str]]:
    """Pairs of words about where and from what the page was built, in the order they were collected."""
    said = []
    for key, value in material.provenance.items():
        shown = ("yes" if value else "no") if isinstance(value, bool) else numbers.text(value)
        if shown:
            said.append((key.replace("_", " "), shown))
    return said


def parts(material: Material) -> Table:
    """When the runs of each study were made and why they were made again, as far as earlier reports tell."""
    columns = ["Study", "#Runs", "First made", "Last made", "Made again because of +"]
    names = ("study", "runs", "first", "last", "why")
    body = []
    for row in material.parts:
        cells = [plain(row["study"], href=f"#{row['study']}"), Cell(str(row["runs"]), row["runs"])]
        body.append([*cells, *(plain(row[name]) for name in names[2:])])
    return tables.table("parts", "When each part was built, and why", columns, body, source="manifest.json")

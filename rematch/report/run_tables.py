"""The tables of a study's runs: cost, equal budgets, and every run with its digests."""

from __future__ import annotations

from rematch.report import numbers, sections, tables
from rematch.report.material import StudyMaterial
from rematch.report.tables import Cell, Table, figure, plain


def cost(study: StudyMaterial) -> Table:
    """Seconds, memory and parameters of every trained arm: medians over its runs."""
    manifests = study.frame("manifests")
    scores = study.frame("scores")
    columns = ["Arm", "Device", "#Runs", "#Parameters", "#Epochs run"]
    columns += ["#Seconds per epoch", "#Training", "#Whole run", "#Peak memory, MB"]
    rows = []
    good = manifests[manifests["status"] == "ok"]
    for (arm, device), part in good.groupby(["arm", "device"], sort=False) if len(good) else ():
        spent = scores[(scores["arm"] == arm) & (scores["device"] == device)].groupby("name")["value"].median()
        cells = [
            plain(arm, href=study.folder(arm)),
            plain(device),
            Cell(str(len(part)), len(part)),
            Cell(numbers.count(part["parameters"].median()), part["parameters"].median()),
        ]
        cells += [
            figure(part["epochs_run"].median()),
            tables.seconds(spent.get("seconds_per_epoch")),
            tables.seconds(spent.get("seconds_trained")),
        ]
        rows.append([*cells, tables.seconds(part["seconds"].median()), figure(part["peak_memory_mb"].median())])
    return tables.table(
        f"{study.name}-cost", "Cost: medians over runs", columns, rows, **sections.made(study, "manifests")
    )


def budgets(study: StudyMaterial) -> Table:
    """Each version against v1 after equal steps, samples and seconds, by the validation value."""
    columns = ["Arm", "Equal", "#Amount", "#v1 by then", "#Arm by then"]
    columns += ["#Difference", "#95 % interval", "#Epochs to v1's best", "#Time to v1's best"]
    columns += ["Runs that got there", "Not converged"]
    kinds = ("version", "reference")
    rows = []
    for row in study.rows("budgets"):
        if study.arms.get(row["arm"], {}).get("kind") not in kinds or row["arm"] == "v1":
            continue
        amount = (
            tables.seconds(row["amount"])
            if row["budget"] == "seconds"
            else Cell(numbers.count(row["amount"]), row["amount"])
        )
        cells = [
            plain(row["arm"], href=study.folder(row["arm"])),
            plain(row["budget"]),
            amount,
            figure(row["v1_value"]),
            figure(row["arm_value"]),
        ]
        cells += [
            figure(row["difference"], signed=True),
            Cell(numbers.interval(row["low"], row["high"]), row["low"]),
            figure(row["epochs_to_v1_best"]),
        ]
        rows.append(
            [*cells, tables.seconds(row["seconds_to_v1_best"]), plain(row["reached"]), plain(row["not_converged"])]
        )
    return tables.table(
        f"{study.name}-budgets",
        "The same budget for both, by the best validation value so far",
        columns,
        rows,
        **sections.made(study, "budgets"),
    )


def runs(study: StudyMaterial) -> Table:
    """Every run with its folder, its end, and the digests that decide it."""
    columns = ["Arm", "Device", "#Seed", "Status", "#Best epoch", "#Epochs", "Stopped by"]
    columns += ["#Whole run", "Settings", "Data", "Code", "Commit"]
    rows = []
    for row in study.rows("manifests"):
        folder = f"runs/{study.name}/{row['arm']}/{row['device']}/{row['seed']}/"
        status = numbers.text(row["status"])
        best = row.get("best_epoch")
        cells = [
            plain(row["arm"], href=folder),
            plain(row["device"]),
            Cell(str(row["seed"]), row["seed"]),
            plain(status),
        ]
        cells += [
            figure(None if numbers.is_missing(best) else best + 1),
            figure(row.get("epochs_run")),
            plain(row.get("stop_reason")),
        ]
        cells += [tables.seconds(row.get("seconds"))]
        cells += [
            Cell(numbers.text(row.get(key))[:10], numbers.text(row.get(key)), code=True)
            for key in ("settings_digest", "data_digest", "code_digest")
        ]
        rows.append(
            [
                *cells,
                Cell(
                    numbers.text(row.get("commit"))[:10] + ("+" if row.get("dirty") else ""),
                    row.get("commit"),
                    code=True,
                ),
            ]
        )
    again = f"{study.call} --force -- results/runs/{study.name}/<arm>/<device>/<seed>/model.safetensors"
    made = {"source": study.source("manifests"), "command": again}
    return tables.table(f"{study.name}-runs", "Every run", columns, rows, **made)

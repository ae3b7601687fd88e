"""The page: a pure function from material to one HTML file that needs nothing else and asks no host for anything."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rematch.claims import VERDICTS
from rematch.report import across, ledger_tables, numbers, run_tables, sections
from rematch.report.changes import settings, steps
from rematch.report.datacard import datacard
from rematch.report.further_tables import further
from rematch.report.headline import answer_counts, board, headline
from rematch.report.inline import Styles, inline
from rematch.report.material import Material, StudyMaterial
from rematch.report.offline import fill

TEMPLATES = Path(__file__).parent / "templates"
CAPTIONS = {  # figure -> title and what to look for; `-v3` and the like are put behind the name
    "difference": (
        "Every metric, with intervals",
        "Each line is one metric: right of the shaded band is a gain that matters, left of it a loss.",
    ),
    "shares": (
        "From the old recipe to the new one, change by change",
        "Each bar starts where the last one ended; the line through it is its 95 % interval.",
    ),
    "curves": ("How training went", "Mean over seeds; the band reaches from the lowest to the highest seed."),
    "predictions": (
        "Predictions against targets",
        "All seeds pooled, test samples; on the dashed line prediction and target are equal.",
    ),
    "residuals": (
        "Residuals",
        "A falling line on the right says that predictions shrink to the middle: extremes are missed.",
    ),
    "groups": (
        "Error of every group",
        "Mean over seeds, with the lowest and the highest seed; n is the number of test samples.",
    ),
}
ORDER = tuple(CAPTIONS)
NUMBERS = {"difference": "compared", "shares": "changed", "groups": "compared"}  # figure -> where its numbers stand
TABLES = (
    *(sections.comparison, sections.beside, sections.pairs, sections.samples, sections.gaps, sections.shares),
    *(ledger_tables.claims, ledger_tables.tiers, ledger_tables.findings, ledger_tables.published),
    *(run_tables.cost, run_tables.budgets, run_tables.runs),
)
GLOSSARY = (
    (
        "better, worse",
        "The corrected p value of the paired differences is at most 0.05 and the 95 % interval leaves out 0.",
    ),
    ("equal", "The whole interval lies within the practical band: a difference, if any, does not matter."),
    ("inconclusive", "Neither: more seeds or more data are needed."),
    ("too few pairs, too few samples", "Under 5 paired seeds, or under 30 test samples: no sentence is made."),
    (
        "supported, refuted",
        "The measured value lies inside or outside what the claim asks, and the corrected p value says so.",
    ),
    (
        "circular",
        "A control that learnt nothing passes too, or a baseline that cannot learn wins: the number proves nothing.",
    ),
    ("not comparable", "The arms differ in a setting that moves the scale of the metric."),
    ("not testable here", "Nothing that is trained or computed here could decide it; the reason stands beside it."),
    (
        "practical band",
        "The difference below which two recipes are the same for all purposes, set per metric in the study file.",
    ),
    ("arm", "What is trained: a version, a version without one change, a reference, a control or a baseline."),
    (
        "paired seed",
        "Two arms with one seed share split, start and batch order: their difference is due to the recipe.",
    ),
    (
        "S4-07, C4.1",
        "Where something comes from: a numbered line, and a numbered claim, of the document behind the new recipe.",
    ),
    ("expected, measured", "What a document hoped for, and what was found here. They never share a column."),
)


def page(material: Material, with_pdfs: bool = True) -> str:
    """The whole report as HTML. Everything that comes from data or configuration is escaped.

    With `with_pdfs` every figure's PDF is part of the page, otherwise a link to its file.
    """
    styles = Styles()
    studies = [_study(study, styles, with_pdfs) for study in material.studies]
    return fill(
        "page.html.j2",
        styles.sheet(),
        studies=studies,
        board=board(material),
        contradictions=across.contradictions(material),
        untested=across.untested(material),
        devices=across.devices(material),
        benchmarks=across.benchmarks(material),
        calibration=across.calibration(material),
        device_page=material.device_page,
        provenance=across.provenance(material),
        parts=across.parts(material),
        glossary=GLOSSARY,
        budget=material.budget,
    )


def _study(study: StudyMaterial, styles: Styles, with_pdfs: bool) -> dict[str, Any]:
    """Everything that the template shows of one study."""
    return {
        "name": study.name,
        "text": study.text,
        "headline": headline(study),
        "counts": answer_counts(study),
        "seeds": study.seeds,
        "device": study.device,
        "versions": study.versions,
        "steps": steps(study),
        "settings": settings(study),
        "figures": figures(study, styles, with_pdfs),
        "card": datacard(study),
        "chips": chips(study),
        "further": further(study),
        **{make.__name__: make(study) for make in TABLES},
    }


def figures(study: StudyMaterial, styles: Styles, with_pdfs: bool = True) -> dict[str, dict[str, Any]]:
    """Figure name -> title, text, drawing, file, PDF (as a data URL or a file), in the order of `CAPTIONS`."""
    found = {}
    for name in sorted(
        study.figures, key=lambda name: (ORDER.index(name.split("-")[0]) if name.split("-")[0] in ORDER else 99, name)
    ):
        title, text = CAPTIONS.get(name.split("-")[0], (name, ""))
        version = name.partition("-")[2]
        title = f"{title} ({version})" if version else title
        drawing = inline(
            study.figures[name],
            f"{study.name}-{name}",
            f"{title}. {text} The numbers are in the tables of this section.",
            styles,
        )
        found[name] = {"title": title, "text": text, "drawing": Markup(drawing), "file": f"figures/{study.name}/{name}"}
        pdf = study.pdfs.get(name) if with_pdfs else None
        whole = pdf and f"data:application/pdf;base64,{base64.b64encode(pdf).decode()}"
        found[name]["pdf"] = whole or f"{found[name]['file']}.pdf"
        found[name]["numbers"] = f"#{study.name}-{NUMBERS.get(name.split('-')[0], 'all-runs')}"
        found[name]["runs"] = f"runs/{study.name}/"
        found[name]["command"] = f"{study.call} --forcerun study_figures -- results/figures/{study.name}"
    return found


def chips(study: StudyMaterial) -> list[tuple[str, int]]:
    """Verdict -> number of claims that have it, for the buttons that show only these."""
    found = Counter(numbers.text(row["verdict"]) for row in study.rows("claims"))
    return [(word, found[word]) for word in VERDICTS if found[word]]

"""The manifest, why runs were made again, the README of the folder, and the LaTeX of a paper."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rematch.report import ledger_tables, provenance, sections
from rematch.report.build import build
from rematch.report.paper import escape, methods, tex, write_paper


@pytest.fixture(scope="module")
def manifest(results):
    return json.loads((results.root / "results" / "manifest.json").read_text())


def test_manifest_lists_every_table_and_figure_with_its_digest(results, manifest):
    name = "studies/antibody_affinity/comparison.csv"
    content = (results.root / "results" / name).read_bytes()
    assert manifest["files"][name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert "figures/antibody_affinity/curves.pdf" in manifest["files"]


def test_manifest_names_every_run_with_what_decided_it(results, manifest):
    runs = manifest["studies"]["antibody_affinity"]["runs"]
    assert len(runs) == len(results.study.rows("manifests"))
    assert set(runs["v1/cpu/1"]) >= {
        "settings_digest",
        "data_digest",
        "code_digest",
        "commit",
        "dirty",
        "torch",
        "status",
    }
    assert manifest["environment"]["lock_sha256"] and manifest["studies"]["antibody_affinity"]["raw_files"]


def test_why_runs_were_made_again(results, manifest):
    before = copy.deepcopy(manifest)
    runs = before["studies"]["antibody_affinity"]["runs"]
    runs["v1/cpu/1"]["settings_digest"] = runs["v1/cpu/2"]["code_digest"] = "other"
    del runs["v2/cpu/1"]
    (part,) = provenance.parts(manifest, before, results.root / "results")
    assert part["why"] == "settings: 1 run; code: 1 run; new: 1 run" and part["first"].endswith("UTC")
    assert provenance.parts(manifest, manifest, results.root)[0]["why"] == "nothing changed since the report before"
    assert provenance.parts(manifest, {}, results.root)[0]["why"] == "first report in this folder"


def test_the_next_report_knows_this_one(results, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(results.root, root)
    outputs = [str(root / "results" / file) for file in ("report.html", "manifest.json", "README.md")]
    card = str(root / "data" / "antibody_affinity-card.json")
    build(
        {"antibody_affinity": results.about},
        {"antibody_affinity": card},
        "demo",
        "",
        [],
        outputs,
        str(root / "state" / "manifest.json"),
    )
    assert "nothing changed since the report before" in (root / "results" / "report.html").read_text()


def test_a_broken_or_foreign_manifest_counts_as_none(tmp_path):
    path = tmp_path / "manifest.json"
    for content in ("{", "[]", '{"format": 99}', ""):
        path.write_text(content)
        assert provenance.read_manifest(path) == {}
    assert provenance.read_manifest(tmp_path / "none.json") == {}


def test_readme_has_a_line_for_every_entry(results):
    text = (results.root / "results" / "README.md").read_text()
    for entry in (
        "report.html",
        "manifest.json",
        "tables/",
        "studies/antibody_affinity/",
        "runs/antibody_affinity/",
        "figures/antibody_affinity/",
    ):
        assert f"- `{entry}" in text


def test_a_page_that_is_too_large_is_refused_in_one_line(results, tmp_path, monkeypatch):
    monkeypatch.setattr("rematch.report.build.LARGEST", 1000)
    outputs = [str(tmp_path / file) for file in ("report.html", "manifest.json", "README.md")]
    with pytest.raises(ValueError, match=r"report.html: expected at most 1000 bytes, found \d+"):
        build({"antibody_affinity": results.about}, {}, "demo", "", [], outputs, str(tmp_path / "state.json"))
    assert list(tmp_path.iterdir()) == []


def test_methods_say_what_was_done(results):
    text = methods(results.study)
    for part in (
        "v2 differs from v1 in 9 changes",
        "gelu (activation = gelu)",
        "5 seeds (1, 2, 3, 4, 5)",
        "leave-one-out",
        "20 epochs",
    ):
        assert part in text
    assert "best rmse on validation data" in text


def test_tex_leaves_out_drawings_and_line_numbers(results):
    text = tex(sections.comparison(results.study))
    assert text.startswith(r"\begin{longtable}{lrr") and "CSV line" not in text and "better" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\") and " & " in line]
    assert len(body) == 1 + len(results.study.metrics)


@given(st.text(max_size=60))
def test_escaped_text_holds_no_command_of_its_own(text):
    shown = escape(text)
    for sign in "&%#_":
        assert shown.count(sign) == shown.count(f"\\{sign}")
    assert escape("\\input{/etc/passwd}") == r"\textbackslash{}input\{/etc/passwd\}"


@pytest.mark.slow
@pytest.mark.skipif(
    not (shutil.which("tectonic") or shutil.which("pdflatex")), reason="neither tectonic nor pdflatex is installed"
)
def test_tables_and_methods_compile(results, tmp_path):
    names = ("comparison", "shares", "claims", "methods")
    outputs = [str(results.root / "results" / "tables" / f"antibody_affinity-{name}.tex") for name in names]
    write_paper("antibody_affinity", results.about, "", outputs)
    for output in outputs:
        shutil.copy(output, tmp_path)
    figure = results.root / "results" / "figures" / "antibody_affinity" / "shares.pdf"
    shutil.copy(figure, tmp_path)
    inputs = "\n".join(rf"\input{{antibody_affinity-{name}}}" for name in names)
    head = r"\documentclass{article}\usepackage{booktabs,longtable,graphicx}\begin{document}"
    (tmp_path / "paper.tex").write_text(
        f"{head}\n{inputs}\n\\includegraphics[width=\\linewidth]{{shares.pdf}}\n\\end{{document}}\n"
    )
    command = (
        ["tectonic", "--only-cached"]
        if shutil.which("tectonic")
        else ["pdflatex", "-halt-on-error", "-interaction=nonstopmode"]
    )
    done = subprocess.run([*command, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000


def test_claims_table_is_written_whole(results):
    assert tex(ledger_tables.claims(results.study)).count("C4.") >= 30

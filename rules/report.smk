# Needs: results/tables and results/studies. Makes: results/figures and results/report.html. Steps: study_figures, paper, report.


report: "../report/workflow.rst"


rule study_figures:
    """Draws every figure of one study as SVG and PDF; which there are is decided by the columns of its tables."""
    input:
        [f"results/studies/{{study}}/{table}.csv" for table in STUDY_TABLES],
        predictions=version_predictions,
        code=code_of("scripts/figures.py"),
    output:
        report(
            directory("results/figures/{study}"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{study}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/figures/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        study=drawn_study,
        tables=lambda wildcards: {
            table: f"results/studies/{wildcards.study}/{table}.csv"
            for table in STUDY_TABLES
        },
    script:
        "../scripts/figures.py"


rule report:
    """One offline page with everything, a manifest for machines and a list of what lies where."""
    input:
        [
            f"results/studies/{study}/{table}.csv"
            for study in EXPERIMENT.entries
            for table in ("scores", "timings", "manifests", "budgets", "tiers", "lint")
        ],
        findings="results/tables/findings.csv",
        tables=rules.tables.output,
        figures=[f"results/figures/{study}" for study in EXPERIMENT.entries],
        cards=[first_card(study) for study in EXPERIMENT.entries],
        further=further_tables(),
        benchmarks=os.path.normpath(f"{BASE}/config/benchmarks.csv"),
        lock=os.path.normpath(f"{BASE}/requirements.lock"),
        code=code_of("scripts/report.py"),
        templates=templates(),
    output:
        report("results/report.html", caption="../report/report.rst", category="Report"),
        "results/manifest.json",
        "results/README.md",
    log:
        "logs/report.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        studies={study: shown_study(study) for study in EXPERIMENT.entries},
        cards={study: first_card(study) for study in EXPERIMENT.entries},
        budget=EXPERIMENT.budget,
    script:
        "../scripts/report.py"


rule paper:
    """Tables and a methods paragraph of one study as LaTeX."""
    input:
        [
            f"results/studies/{{study}}/{table}.csv"
            for table in ("comparison", "attribution", "claims", "manifests", "scores")
        ],
        card=lambda wildcards: first_card(wildcards.study),
        code=code_of("scripts/paper.py"),
    output:
        "results/tables/{study}-comparison.tex",
        "results/tables/{study}-shares.tex",
        "results/tables/{study}-claims.tex",
        "results/tables/{study}-methods.tex",
    log:
        "logs/paper/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        about=lambda wildcards: shown_study(wildcards.study),
    script:
        "../scripts/paper.py"


rule figures:
    """Every figure as SVG and PDF, every table and methods paragraph as LaTeX, for a paper."""
    input:
        [f"results/figures/{study}" for study in EXPERIMENT.entries],
        [
            f"results/tables/{study}-{part}.tex"
            for study in EXPERIMENT.entries
            for part in ("comparison", "shares", "claims", "methods")
        ],

# Needs: results/tables and results/studies. Makes: results/figures and results/report.html. Steps: study_figures, paper, report.


report: "../report/workflow.rst"


STUDY_TABLES = ("comparison", "attribution", "histories", "manifests")


def version_predictions(wildcards):
    """Per-sample predictions of the versions, of every seed."""
    here = entry(wildcards)
    arms = dict.fromkeys(
        here.arms[arm.name].trained_as
        for arm in here.arms.values()
        if arm.kind == "version"
    )
    return [
        f"results/runs/{wildcards.study}/{arm}/{here.device}/{seed}/predictions.parquet"
        for arm in arms
        for seed in here.seeds
    ]


def drawn_study(wildcards):
    """What figures depend on: names, labels and bands, but no `why`."""
    here = entry(wildcards)
    return {
        "primary": here.study.text["primary"],
        "metrics": dict(here.study.text["metrics"]),
        "versions": [arm.name for arm in here.arms.values() if arm.kind == "version"],
        "device": here.device,
    }


def how_called():
    """The call that makes the same results again, from the folder of the Snakefile."""
    base, default = workflow.basedir, os.path.join("config", "config.yaml")
    files = [os.path.relpath(file, base) for file in workflow.configfiles]
    words = [f"--configfile {file}" for file in files if file != default]
    folder = os.path.relpath(os.getcwd(), base)
    words += [f"--directory {folder}"] if folder != "." else []
    return " ".join(["snakemake --cores all", *words])


def shown_study(study):
    """What the page says of a study: its whole file, every `why` included, and its arms and data set."""
    here = EXPERIMENT.entries[study]
    return {
        "text": dict(here.study.text),
        "arms": {
            arm.name: {
                "kind": arm.kind,
                "version": arm.version,
                "changes": list(arm.changes),
                "settings": dict(arm.settings),
                "trained_as": arm.trained_as,
            }
            for arm in here.arms.values()
        },
        "seeds": list(here.seeds),
        "device": here.device,
        "dataset": here.dataset,
        "declaration": dict(EXPERIMENT.datasets[here.dataset]),
        "call": how_called(),
    }


def templates():
    """Everything that the page is filled into."""
    folder = Path(workflow.basedir) / "rematch" / "report" / "templates"
    names = sorted(path.name for path in folder.iterdir())
    return [
        os.path.normpath(f"{BASE}/rematch/report/templates/{name}") for name in names
    ]


rule study_figures:
    """Draws every figure of one study as SVG and PDF; which there are is decided by the columns of its tables."""
    input:
        [f"results/studies/{{study}}/{table}.csv" for table in STUDY_TABLES],
        predictions=version_predictions,
        code=code_of("rematch/report/figures.py"),
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
        benchmarks=os.path.normpath(f"{BASE}/config/benchmarks.csv"),
        lock=os.path.normpath(f"{BASE}/requirements.lock"),
        code=code_of("rematch/report/build.py"),
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
        code=code_of("rematch/report/paper.py"),
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

# Needs: the tables of each study. Makes: verdicts, shares and findings, and results/tables. Steps: claims, attribution, diagnose, tables.


rule claims:
    """A verdict for every claim, the tiers reached, and the contradictions among the claims themselves."""
    input:
        scores="results/studies/{study}/scores.csv",
        benchmarks=os.path.normpath(f"{BASE}/config/benchmarks.csv"),
        code=code_of("scripts/claims.py"),
    output:
        claims="results/studies/{study}/claims.csv",
        tiers="results/studies/{study}/tiers.csv",
        lint="results/studies/{study}/lint.csv",
    log:
        "logs/claims/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        primary=primary_metric,
        text=ledger_text,
        arms=arms_of_study,
    script:
        "../scripts/claims.py"


rule attribution:
    """The share of every single change, with what the shares leave over."""
    input:
        scores="results/studies/{study}/scores.csv",
        code=code_of("scripts/attribution.py"),
    output:
        "results/studies/{study}/attribution.csv",
    log:
        "logs/attribution/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        metrics=lambda wildcards: dict(entry(wildcards).study.text["metrics"]),
        arms=arms_of_study,
        plan=lambda wildcards: dict(entry(wildcards).attribution),
    script:
        "../scripts/attribution.py"


rule diagnose:
    """What the histories of all runs say: contradictions, collapse, budgets that were too small."""
    input:
        histories=[
            f"results/studies/{study}/histories.csv" for study in EXPERIMENT.entries
        ],
        manifests=[
            f"results/studies/{study}/manifests.csv" for study in EXPERIMENT.entries
        ],
        code=code_of("scripts/diagnose.py"),
    output:
        "results/tables/findings.csv",
    log:
        "logs/diagnose.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings=lambda wildcards: {
            name: {arm.name: dict(arm.settings) for arm in here.trained()}
            for name, here in EXPERIMENT.entries.items()
        },
    script:
        "../scripts/diagnose.py"


rule tables:
    """One table of each kind over all studies."""
    input:
        tables=[
            f"results/studies/{study}/{table}.csv"
            for study in EXPERIMENT.entries
            for table in (
                "comparison",
                "budgets",
                "claims",
                "tiers",
                "lint",
                "attribution",
                "runs",
                "samples",
            )
        ],
        code=code_of("scripts/tables.py"),
    output:
        "results/tables/comparison.csv",
        "results/tables/comparison.md",
        "results/tables/budgets.csv",
        "results/tables/samples.csv",
        "results/tables/claims.csv",
        "results/tables/claims.md",
        "results/tables/tiers.csv",
        "results/tables/lint.csv",
        "results/tables/attribution.csv",
        "results/tables/attribution.md",
        "results/tables/runs.csv",
    log:
        "logs/tables.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    script:
        "../scripts/tables.py"

# Needs: the runs of a study. Makes: results/studies/<study> and results/tables. Steps: collect, compare, claims, attribution.


rule collect:
    """Puts all runs of one study into long tables, failed runs with their reason."""
    input:
        scores=run_files("scores.csv"),
        histories=run_files("history.csv"),
        manifests=run_files("manifest.json"),
        code=code_of("rematch/collect.py"),
    output:
        scores="results/studies/{study}/scores.csv",
        histories="results/studies/{study}/histories.csv",
        timings="results/studies/{study}/timings.csv",
        manifests="results/studies/{study}/manifests.csv",
        runs="results/studies/{study}/runs.csv",
    params:
        settings=lambda wildcards: {arm.name: dict(arm.settings) for arm in entry(wildcards).trained()},
    log:
        "logs/collect/{study}.log",
    localrule: True
    script:
        "../scripts/collect.py"

# Needs: the runs of a study. Makes: results/studies/<study>. Steps: collect, compare, samples.


rule collect:
    """Puts all runs of one study into long tables, failed runs with their reason."""
    input:
        scores=run_files("scores.csv"),
        histories=run_files("history.csv"),
        manifests=run_files("manifest.json"),
        evaluations=run_files("evaluation.json"),
        code=code_of("scripts/collect.py"),
    output:
        scores="results/studies/{study}/scores.csv",
        histories="results/studies/{study}/histories.csv",
        timings="results/studies/{study}/timings.csv",
        manifests="results/studies/{study}/manifests.csv",
        runs="results/studies/{study}/runs.csv",
    log:
        "logs/collect/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        settings=lambda wildcards: {
            arm.name: dict(arm.settings) for arm in entry(wildcards).trained()
        },
    script:
        "../scripts/collect.py"


rule compare:
    """Differences between arms over paired seeds, and what they reach after equal steps, samples and seconds."""
    input:
        scores="results/studies/{study}/scores.csv",
        histories="results/studies/{study}/histories.csv",
        timings="results/studies/{study}/timings.csv",
        manifests="results/studies/{study}/manifests.csv",
        code=code_of("scripts/compare.py"),
    output:
        comparison="results/studies/{study}/comparison.csv",
        budgets="results/studies/{study}/budgets.csv",
    log:
        "logs/compare/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        primary=primary_metric,
        metrics=lambda wildcards: dict(entry(wildcards).study.text["metrics"]),
        arms=arms_of_study,
    script:
        "../scripts/compare.py"


rule samples:
    """How sure the difference of v1 and v2 is within each seed: a paired bootstrap over test samples, whole and per group."""
    input:
        predictions=lambda wildcards: [
            file for _, *files in sample_pairs(wildcards) for file in files
        ],
        code=code_of("scripts/samples.py"),
    output:
        "results/studies/{study}/samples.csv",
    log:
        "logs/samples/{study}.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        pairs=sample_pairs,
    script:
        "../scripts/samples.py"

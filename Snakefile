"""Re-runs v1 and v2 of every study, change by change, with paired seeds, and writes results/report.html."""

from snakemake.utils import min_version

min_version("9.0")

if (
    "studies" not in config
):  # a --configfile of your own takes the place of the default one

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/data_common.smk"
include: "rules/data.smk"
include: "rules/train_common.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/compare_common.smk"
include: "rules/compare.smk"
include: "rules/claims.smk"
include: "rules/report_common.smk"
include: "rules/report.smk"
include: "rules/devices_common.smk"
include: "rules/devices.smk"


resource_scopes:
    gpu="local",  # counted within a machine or a queue entry, not over a cluster
    in_turn="local",


wildcard_constraints:
    study=one_of(EXPERIMENT.entries),
    dataset=one_of(DATASETS),
    arm=one_of(ARMS),
    view=one_of(ARMS),
    device="cpu|cuda|mps",
    seed=r"\d+",
    part=r"\d+|all",


onsuccess:
    clean_states()


onerror:
    clean_states()


rule all:
    """The report."""
    default_target: True
    input:
        "results/report.html",


rule runs:
    """Every training and its scores, without tables and report."""
    input:
        [
            f"results/runs/{run.study}/{run.arm}/{run.device}/{run.seed}/scores.csv"
            for run in EXPERIMENT.runs()
        ],

# Needs: prepared data. Makes: results/devices.html and results/tables/devices.csv. Steps: devices_measure, devices.


rule devices_measure:
    """Time, memory, quality after equal steps and the first step's agreement of one version on one device, alone on the machine."""
    input:
        unpack(compared_data),
    output:
        "results/devices/{study}/{arm}/{device}-{threads}.json",
    log:
        "logs/devices/{study}/{arm}/{device}-{threads}.log",
    wildcard_constraints:
        threads=r"\d+",
    conda:
        "../envs/{device}.yaml"
    threads: whole_machine
    resources:
        gpu=gpus,
        hang_seconds=math.ceil(EXPERIMENT.hang_seconds),
    params:
        package=package,
        settings=arm_settings,
        seeds=lambda wildcards: list(compared_seeds(wildcards.study)),
        epochs=PLAN.epochs,
        code=measuring_code,
    script:
        "../scripts/devices_measure.py"


rule devices:
    """The table of all devices and a page that recommends one for each study."""
    input:
        measured=measured_setups(),
        code=code_of("rematch/report/devices.py"),
        templates=templates(),
    output:
        table="results/tables/devices.csv",
        page=report("results/devices.html", category="Devices"),
    log:
        "logs/devices.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        studies={study: compared_study(study) for study in EXPERIMENT.entries},
        epochs=PLAN.epochs,
        budget=EXPERIMENT.budget,
    script:
        "../scripts/devices.py"

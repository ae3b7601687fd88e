# Needs: config/datasets/*.yaml. Makes: data/<dataset>/raw and prepared. Steps: fetch or generate, prepare, check.


rule fetch:
    """Downloads the declared files of a data set and verifies every checksum."""
    input:
        code=code_of("scripts/fetch.py"),
    output:
        folder=directory("data/{fetched}/raw"),
        listing="data/{fetched}/raw.json",
    log:
        "logs/fetch/{fetched}.log",
    wildcard_constraints:
        fetched=one_of(DATASETS - GENERATED),
    localrule: True
    conda:
        "../envs/cpu.yaml"
    params:
        dataset=lambda wildcards: EXPERIMENT.datasets[wildcards.fetched],
        mirror=EXPERIMENT.mirror,
        base=BASE,
    script:
        "../scripts/fetch.py"


rule generate:
    """Makes a data set whose structure is known."""
    input:
        code=generator_code,
    output:
        folder=directory("data/{generated}/raw"),
        listing="data/{generated}/raw.json",
    log:
        "logs/generate/{generated}.log",
    wildcard_constraints:
        generated=one_of(GENERATED),
    conda:
        "../envs/cpu.yaml"
    params:
        recipe=recipe,
    script:
        "../scripts/generate.py"


rule prepare:
    """Splits, cleans and scales raw data into tensors, fitted on training rows only, and writes the data card."""
    input:
        listing="data/{dataset}/raw.json",
        code=preparation_code,
    output:
        train="data/{dataset}/prepared/{study}/{view}/{part}/train.safetensors",
        test="data/{dataset}/prepared/{study}/{view}/{part}/test.safetensors",
        names="data/{dataset}/prepared/{study}/{view}/{part}/names.parquet",
        card="data/{dataset}/prepared/{study}/{view}/{part}/card.json",
    log:
        "logs/prepare/{dataset}/{study}/{view}/{part}.log",
    conda:
        "../envs/cpu.yaml"
    params:
        package=package,
        dataset=dataset_declaration,
        settings=data_settings,
        seed=lambda wildcards: 0 if wildcards.part == "all" else int(wildcards.part),
    script:
        "../scripts/prepare.py"


rule check:
    """Blocks every training on data whose card holds an error."""
    input:
        card="data/{dataset}/prepared/{study}/{view}/{part}/card.json",
        code=code_of("scripts/check.py"),
    output:
        "data/{dataset}/prepared/{study}/{view}/{part}/checked.txt",
    log:
        "logs/check/{dataset}/{study}/{view}/{part}.log",
    localrule: True
    conda:
        "../envs/cpu.yaml"
    script:
        "../scripts/check.py"

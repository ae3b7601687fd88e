# Needs: the models of an arm, and test data. Makes: scores in results/runs/<study>/<arm>/<device>/<seed>. Steps: evaluate; on request embeddings.


for SEEDS, NAME in seed_lists().items():

    rule:
        """Scores the saved models of one arm on the test data, which no training opens: all seeds in one job."""
        name:
            NAME
        input:
            model=of_each(SEEDS, "model.safetensors"),
            manifest=of_each(SEEDS, "manifest.json"),
            train=prepared_for_each("train.safetensors"),
            test=prepared_for_each("test.safetensors"),
            names=prepared_for_each("names.parquet"),
        output:
            scores=of_each(SEEDS, "scores.csv"),
            predictions=of_each(SEEDS, "predictions.parquet"),
            tables=directory(of_each(SEEDS, "tables")),
            evaluation=of_each(SEEDS, "evaluation.json"),
        log:
            "logs/evaluate/{study}/{arm}/{device}.log",
        wildcard_constraints:
            study=one_of(studies_with(SEEDS)),
        group:
            "scores"
        conda:
            "../envs/cpu.yaml"
        resources:
            in_turn=1,
            show_failures=keeps_going,
        params:
            package=package,
            settings=arm_settings,
            code=study_code("evaluate"),
        script:
            "../scripts/evaluate.py"


rule embeddings:
    """On request: the embeddings of one run with ids and names, for use elsewhere."""
    input:
        data=embedded_data,
        model="results/runs/{study}/{arm}/{device}/{seed}/model.safetensors",
        manifest="results/runs/{study}/{arm}/{device}/{seed}/manifest.json",
        code=embedding_code,
    output:
        "results/runs/{study}/{arm}/{device}/{seed}/embeddings.parquet",
        "results/runs/{study}/{arm}/{device}/{seed}/embeddings.csv",
    log:
        "logs/embeddings/{study}/{arm}/{device}/{seed}.log",
    conda:
        "../envs/cpu.yaml"
    params:
        package=package,
        settings=arm_settings,
    script:
        "../scripts/embeddings.py"

# Needs: prepared data and resolved settings. Makes: results/runs/<study>/<arm>/<device>/<seed>. Steps: train, evaluate; on request embeddings.


rule train:
    """Trains one arm with one seed; an interrupted run goes on from state/."""
    input:
        unpack(training_data),
    output:
        settings="results/runs/{study}/{arm}/{device}/{seed}/settings.yaml",
        history="results/runs/{study}/{arm}/{device}/{seed}/history.csv",
        timings="results/runs/{study}/{arm}/{device}/{seed}/timings.csv",
        model="results/runs/{study}/{arm}/{device}/{seed}/model.safetensors",
        final="results/runs/{study}/{arm}/{device}/{seed}/final.safetensors",
        manifest="results/runs/{study}/{arm}/{device}/{seed}/manifest.json",
    log:
        "logs/train/{study}/{arm}/{device}/{seed}.log",
    group:
        runs_group
    conda:
        "../envs/{device}.yaml"
    threads: threads_of
    resources:
        gpu=gpus,
        max_seconds=math.ceil(EXPERIMENT.max_seconds or 0),
        save_milliseconds=math.ceil(1000 * (EXPERIMENT.save_seconds or 0)),
        keep_states=int(EXPERIMENT.states == "keep"),
        keep_newest=0,  # 1 where runs share a queue entry, which starts them all again if one fails
        show_failures=keeps_going,
        hang_seconds=math.ceil(EXPERIMENT.hang_seconds),
    params:
        package=package,
        settings=arm_settings,
        code=study_code("train"),
    script:
        "../scripts/train.py"


rule evaluate:
    """Scores the saved model of one run on the test data, which no training opens."""
    input:
        data=evaluation_data,
        model="results/runs/{study}/{arm}/{device}/{seed}/model.safetensors",
        manifest="results/runs/{study}/{arm}/{device}/{seed}/manifest.json",
    output:
        scores="results/runs/{study}/{arm}/{device}/{seed}/scores.csv",
        predictions="results/runs/{study}/{arm}/{device}/{seed}/predictions.parquet",
        tables=directory("results/runs/{study}/{arm}/{device}/{seed}/tables"),
    log:
        "logs/evaluate/{study}/{arm}/{device}/{seed}.log",
    group:
        runs_group
    conda:
        "../envs/cpu.yaml"
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

# Needs: prepared data and resolved settings. Makes: results/runs/<study>/<arm>/<device>/<seed>. Step: train.


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
        in_turn=1,  # limited to 1 within a queue entry of a cluster, see cluster.smk
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

# Needs common.smk. Makes nothing: answers the questions of compare.smk and claims.smk.


def run_files(file):
    """An input function: one file of every run of the study."""

    def files(wildcards):
        runs = EXPERIMENT.runs(wildcards.study)
        return [
            f"results/runs/{run.study}/{run.arm}/{run.device}/{run.seed}/{file}"
            for run in runs
        ]

    return files


def arm_facts(study):
    """Arm name -> kind, version, changes, settings and the arm that is trained in its place."""
    return {
        arm.name: {
            "kind": arm.kind,
            "version": arm.version,
            "changes": list(arm.changes),
            "settings": dict(arm.settings),
            "trained_as": arm.trained_as,
        }
        for arm in EXPERIMENT.entries[study].arms.values()
    }


def arms_of_study(wildcards):
    return arm_facts(wildcards.study)


def sample_pairs(wildcards):
    """Per seed the predictions of v1 and v2, where both are part of the experiment."""
    here = entry(wildcards)
    arms = [
        here.arms[name].trained_as
        for name in ("v1", here.attribution["version"])
        if name in here.arms
    ]
    folder = f"results/runs/{wildcards.study}"
    pairs = [
        [
            seed,
            *(
                f"{folder}/{arm}/{here.device}/{seed}/predictions.parquet"
                for arm in arms
            ),
        ]
        for seed in here.seeds
    ]
    return pairs if len(arms) == 2 else []


def primary_metric(wildcards):
    return entry(wildcards).study.text["primary"]


def ledger_text(wildcards):
    """What verdicts depend on; a `why` is none of it."""
    text = entry(wildcards).study.text
    parts = ("metrics", "claims", "tiers", "next_steps", "published", "facts")
    return {part: text[part] for part in parts if part in text}

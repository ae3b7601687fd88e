# Needs common.smk. Makes nothing: answers the questions of report.smk.

from rematch.study_tables import table_files

STUDY_TABLES = ("comparison", "attribution", "histories", "manifests")


def version_predictions(wildcards):
    """Per-sample predictions of the versions, of every seed."""
    here = entry(wildcards)
    arms = dict.fromkeys(
        here.arms[arm.name].trained_as
        for arm in here.arms.values()
        if arm.kind == "version"
    )
    return [
        f"results/runs/{wildcards.study}/{arm}/{here.device}/{seed}/predictions.parquet"
        for arm in arms
        for seed in here.seeds
    ]


def drawn_study(wildcards):
    """What figures depend on: names, labels and bands, but no `why`."""
    here = entry(wildcards)
    return {
        "primary": here.study.text["primary"],
        "metrics": dict(here.study.text["metrics"]),
        "versions": [arm.name for arm in here.arms.values() if arm.kind == "version"],
        "device": here.device,
    }


def how_called():
    """The call that makes the same results again, from the folder of the Snakefile."""
    base, default = workflow.basedir, os.path.join("config", "config.yaml")
    files = [os.path.relpath(file, base) for file in workflow.configfiles]
    words = [f"--configfile {file}" for file in files if file != default]
    folder = os.path.relpath(os.getcwd(), base)
    words += [f"--directory {folder}"] if folder != "." else []
    return " ".join(["snakemake --cores all", *words])


def shown_study(study):
    """What the page says of a study: its whole file, every `why` included, and its arms and data set."""
    here = EXPERIMENT.entries[study]
    return {
        "text": dict(here.study.text),
        "arms": arm_facts(study),
        "seeds": list(here.seeds),
        "device": here.device,
        "dataset": here.dataset,
        "declaration": dict(EXPERIMENT.datasets[here.dataset]),
        "call": how_called(),
    }


def further_tables():
    """The folders of the studies' own tables that the page shows."""
    files = [
        file
        for study, here in EXPERIMENT.entries.items()
        for file in table_files(
            here.study.text, arm_facts(study), study, here.device, here.seeds[0]
        ).values()
    ]
    return sorted({f"results/{os.path.dirname(file)}" for file in files})


def templates():
    """Everything that the page is filled into."""
    folder = Path(workflow.basedir) / "rematch" / "report" / "templates"
    names = sorted(path.name for path in folder.iterdir())
    return [
        os.path.normpath(f"{BASE}/rematch/report/templates/{name}") for name in names
    ]

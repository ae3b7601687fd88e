# Needs common.smk. Makes nothing: answers the questions of data.smk.

from rematch.settings import keys


def data_settings(wildcards):
    """The settings that `prepare` may read, of the arm that names the view."""
    here = entry(wildcards)
    values = here.arms[wildcards.view].settings
    return {key: values[key] for key in keys(here.study.settings, "data")}


def dataset_declaration(wildcards):
    """What `prepare` may know of the data set: all but where its files come from."""
    known = EXPERIMENT.datasets[wildcards.dataset]
    return {
        key: value
        for key, value in known.items()
        if key not in ("files", "plain", "generate", "citation", "licence")
    }


def recipe(wildcards):
    """Module, seed, sizes for this budget and reader of a generated data set."""
    known = EXPERIMENT.datasets[wildcards.generated]
    recipe = known["generate"]
    sizes = recipe["sizes"]
    return {
        "module": recipe["module"],
        "seed": recipe["seed"],
        "reader": known.get("reader", "plain"),
        "sizes": sizes.get(EXPERIMENT.budget, sizes["demo"]),
    }


def preparation_code(wildcards):
    return code_of(
        "scripts/prepare.py", f"rematch/studies/{package(wildcards)}/data.py"
    )


def generator_code(wildcards):
    return code_of(
        "scripts/generate.py",
        f"rematch/studies/{recipe(wildcards)['module']}/generate.py",
    )

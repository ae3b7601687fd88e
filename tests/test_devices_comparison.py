"""The comparison of devices: the first step against float64, what the table says, and which device is recommended."""

import dataclasses
import json
from typing import Literal

import pandas as pd
import pytest
import torch
from torch import nn

from rematch.device_comparison import plan
from rematch.device_comparison.agreement import Step, agreement, compare, first_step, in_double
from rematch.device_comparison.measure import measure_setup
from rematch.device_comparison.plan import Plan, Setup, read_plan, setups
from rematch.device_comparison.table import device_table, read_measured, recommend
from rematch.learner import Criterion
from rematch.report.devices import build, device_claims
from rematch.torch_learner import TorchLearner
from tests.test_runs import SETTINGS, data, torch_as_it_was  # noqa: F401  (fixtures)
from tests.tiny_learners import Momentum, mlp

CPU = torch.device("cpu")


@dataclasses.dataclass
class Plain:
    """Settings without a choice of precision."""

    epochs: int = 3


def made(settings, arrays, seed, device):
    return mlp(seed)


def test_the_first_step_agrees_with_float64_to_rounding():
    found = agreement(made, Plain(), {}, 1, CPU)
    assert found.reference == "cpu float64" and found.kind == "gradients" and found.holds
    assert 0 < found.rest < 1e-5 and found.loss < 1e-6


def test_the_reference_is_float64_throughout_and_dropout_is_left_out():
    step = first_step(made, Plain(), {}, 1, CPU, double=True)
    again = first_step(made, Plain(), {}, 1, CPU, double=True)
    learner = mlp(1)
    learner.model.double().train()
    dropless = nn.Sequential(*(layer for layer in learner.model if not isinstance(layer, nn.Dropout)))
    learner.model, learner.clip_norm = dropless, None
    learner.optimizer.step = lambda: None
    learner.scheduler = None
    loss = learner.loss
    batches = [loss(_Widened(dropless), 0, batch) for batch in range(2)]
    assert step.loss == again.loss == pytest.approx(float(sum(batches).detach()) / 2, rel=1e-6)
    assert all(value.dtype == torch.float64 for value in step.tensors.values())


class _Widened(nn.Module):
    """Takes float32 inputs to a float64 model, and its answer back."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.double()).float()


def test_a_wrong_gradient_is_seen():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.narrow = x.dtype == torch.float32
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * (1.05 if ctx.narrow else 1.0)  # as a compiled kernel with a mistake would

    def broken(settings, arrays, seed, device):
        learner = mlp(seed)
        loss = learner.loss
        learner.loss = lambda model, epoch, batch: loss(lambda x: Wrong.apply(model(x)), epoch, batch)
        return learner

    found = agreement(broken, Plain(), {}, 1, CPU)
    assert not found.holds and found.rest == pytest.approx(0.05, rel=1e-3) and found.loss < 1e-6


def test_where_float64_is_refused_the_reference_is_float32_and_says_so():
    def narrow(settings, arrays, seed, device):
        model = nn.Linear(2, 1)
        with torch.no_grad():
            model.weight.fill_(1.0)

        def loss(model, epoch, batch):
            if model.weight.dtype == torch.float64:
                raise TypeError("the kernel takes float32 only")
            return model(torch.ones(3, 2)).square().mean()

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return TorchLearner(model, optimizer, loss, lambda *_: {}, 1, Criterion("loss", "lower"))

    found = agreement(narrow, Plain(), {}, 1, CPU)
    assert found.reference == "cpu float32: float64 is refused (the kernel takes float32 only)"


def test_a_learner_without_a_torch_model_shows_how_far_its_parameters_moved():
    step = first_step(lambda settings, arrays, seed, device: Momentum(seed), Plain(), {}, 1, CPU)
    learner = Momentum(1)
    learner.step(0, 0)
    assert step.kind == "parameters" and step.tensors["weight"].tolist() == learner.weight.tolist()


def test_a_study_with_a_choice_of_precision_gets_float64():
    @dataclasses.dataclass
    class Settings:
        precision: Literal["float32", "float64"] = "float32"

    @dataclasses.dataclass
    class Other:
        precision: Literal["float32", "mixed"] = "mixed"

    # the types are looked up in the module, where these two are not
    Settings.__annotations__["precision"], Other.__annotations__["precision"] = (
        Literal["float32", "float64"],
        Literal["float32", "mixed"],
    )
    assert in_double(Settings()).precision == "float64"
    assert in_double(Other()).precision == "mixed" and in_double(Plain()) == Plain()


def test_differences_are_relative_to_the_size_of_the_reference():
    one = Step(2.0, "gradients", {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.0])}, "float32")
    other = Step(2.1, "gradients", {"a": torch.tensor([3.0, 4.5]), "b": torch.tensor([0.0])}, "float32")
    found = compare(other, one, "r")
    assert found.loss == pytest.approx(0.05) and found.rest == pytest.approx(0.1) and found.worst == "a"
    with pytest.raises(ValueError, match=r"agreement: \['a'\] against \['a', 'b'\]"):
        compare(Step(2.0, "gradients", {"a": torch.ones(2)}, "float32"), one, "r")


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("cpu", "config: device_comparison: expected keys such as"),
        ({"thread": [1]}, "unknown key 'thread', did you mean 'threads'"),
        ({"threads": 2}, r"threads: expected a list such as \[1, 2\], found 2"),
        ({"threads": [0]}, r"threads: expected a list such as \[1, 2\], found \[0\]"),
        ({"epochs": 1}, "epochs: expected a whole number >= 2, found 1"),
        ({"seeds": 0}, "seeds: expected a whole number >= 1, found 0"),
    ],
)
def test_mistakes_in_the_plan_are_one_line(item, message):
    with pytest.raises(ValueError, match=message):
        read_plan(item)


def test_every_device_has_a_setup_or_a_reason(monkeypatch):
    monkeypatch.setattr(plan, "cores", lambda: 2)
    monkeypatch.setattr(plan, "absent", lambda name: "" if name == "cpu" else f"no {name} here")
    found = setups(Plan((1, 2, 4)), {"mps": "it hung"})
    assert found == {
        Setup("cpu", 1): "",
        Setup("cpu", 2): "",
        Setup("cpu", 4): "4 threads were asked for, this machine has 2 cores",
        Setup("cuda", 1): "no cuda here",
        Setup("mps", 1): "not allowed for this study: it hung",
    }
    assert read_plan({}).threads == (1, 2) and read_plan({"threads": [2]}).threads == (1, 2)


def one_setup(seconds, shift=0.0, holds=True):
    agreed = {"kind": "gradients", "reference": "cpu float64", "loss": 1e-7, "rest": 1e-6, "worst": "w"}
    return {
        "status": "ok",
        "name": "a chip",
        "criterion": ["rmse", "lower"],
        "steps": 30,
        "seconds_per_epoch": {str(seed): seconds for seed in range(5)},
        "quality": {str(seed): 1.0 + 0.01 * seed + shift * (1 + 0.1 * seed) for seed in range(5)},
        "peak_memory_mb": 300.0,
        "device_memory_mb": None,
        "agreement": agreed | {"loss_tolerance": 1e-4, "tolerance": 1e-2, "holds": holds},
    }


TWO, GPU = ("cpu", 2), ("cuda", 1)
PRESENT = {Setup("cpu", 1): "", Setup("cpu", 2): "", Setup("cuda", 1): "", Setup("mps", 1): "no Apple chip"}


def table_of(two, gpu):
    measured = {("s", "v1", "cpu", 1): one_setup(1.0), ("s", "v1", *TWO): two, ("s", "v1", *GPU): gpu}
    return device_table("s", ["v1"], PRESENT, measured, {"rmse": {"equal_within": 0.02}}), measured


def test_the_table_tells_speed_quality_and_what_was_skipped():
    table, _ = table_of(one_setup(0.8, shift=0.001), one_setup(0.25, shift=0.5))
    by_setup = table.set_index(["device", "threads"])
    assert list(by_setup["status"]) == ["ok", "ok", "ok", "skipped: no Apple chip"]
    assert by_setup.loc[TWO, "times_as_fast"] == pytest.approx(1.25)
    assert list(by_setup["quality_answer"][:3]) == ["identical", "equal", "worse"]
    assert by_setup.loc[GPU, "quality_difference"] == pytest.approx(0.5 * 1.2) and by_setup.loc[GPU, "pairs"] == 5
    assert list(table["recommended"]) == [True, False, False, False]


@pytest.mark.parametrize(
    ("two", "gpu", "device", "reason"),
    [
        (one_setup(0.95), one_setup(0.99), ("cpu", 1), "cpu, 2 threads, is only 1.05 times as fast as one CPU thread"),
        (one_setup(0.7), one_setup(0.9), ("cpu", 1), "train one run 1.43 times as fast; 2 runs beside each other"),
        (one_setup(0.5), one_setup(0.9), ("cpu", 2), "2 threads is the fastest .*, 2.00 times as fast as one CPU"),
        (one_setup(0.9), one_setup(0.1), ("cuda", 1), "cuda is the fastest .*, 10.00 times as fast"),
        (one_setup(1.2), one_setup(0.1, holds=False), ("cpu", 1), "cuda: the first step of v1 differs .* tolerance"),
        (one_setup(1.2), one_setup(0.1, shift=0.5), ("cpu", 1), "cuda: v1 is worse after equal steps"),
        (one_setup(1.2), {"status": "failed: out of memory"}, ("cpu", 1), "cuda: v1 failed: out of memory"),
    ],
)
def test_the_recommendation_has_its_reason(two, gpu, device, reason):
    table, _ = table_of(two, gpu)
    chosen, why = recommend(table)
    assert chosen == Setup(*device)
    assert pd.Series([why]).str.contains(reason).all(), why


def test_where_nothing_agrees_nothing_is_recommended():
    measured = {("s", "v1", "cpu", 1): one_setup(1.0, holds=False)}
    chosen, why = recommend(device_table("s", ["v1"], {Setup("cpu", 1): ""}, measured, {}))
    assert chosen is None and "No device computed every version as it should. cpu, 1 thread: the first step" in why


CLAIM = {
    "id": "C9.1",
    "source": "S3-60",
    "says": "A GPU is 2 to 4 times faster.",
    "expected": 0.5,
    "test": {
        "metric": "seconds_per_epoch",
        "arm": "v1",
        "device": "cuda",
        "against_device": "cpu",
        "relation": "ratio",
        "at_most": 0.5,
    },
}
ABOUT = {
    "text": {
        "title": "A <study>",
        "metrics": {},
        "claims": [CLAIM, {"id": "C9.2", "source": "S3-61", "says": "Other.", "untestable": "no."}],
    },
    "arms": {"v1": {"kind": "version", "version": "v1", "changes": [], "settings": {}, "trained_as": "v1"}},
    "compared": ["v1"],
    "seeds": [0, 1, 2, 3, 4],
    "setups": [[*setup, reason] for setup, reason in PRESENT.items()],
}


@pytest.mark.parametrize(("seconds", "verdict"), [(0.1, "supported"), (0.9, "refuted")])
def test_claims_about_devices_are_judged_by_the_fastest_setup_of_each(seconds, verdict):
    table, measured = table_of(one_setup(0.8), one_setup(seconds))
    (claim,) = device_claims("s", ABOUT, table, PRESENT, measured).to_dict("records")
    assert claim["verdict"] == verdict and claim["measured"] == pytest.approx(seconds / 0.8)


def test_a_claim_about_an_absent_device_is_not_testable_and_says_what_is_missing():
    absent = PRESENT | {Setup("cuda", 1): "no NVIDIA GPU was found"}
    measured = {("s", "v1", "cpu", 1): one_setup(1.0)}
    table = device_table("s", ["v1"], absent, measured, {})
    (claim,) = device_claims("s", ABOUT, table, absent, measured).to_dict("records")
    assert (claim["verdict"], claim["reason"]) == ("not testable here", "cuda: no NVIDIA GPU was found")


def test_the_page_asks_no_host_and_escapes_what_it_shows(tmp_path):
    _, measured = table_of(one_setup(0.8), {"status": "failed: <b>"})
    files = []
    for (study, arm, device, threads), found in measured.items():
        files.append(tmp_path / study / arm / f"{device}-{threads}.json")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text(json.dumps(found))
    build({"s": ABOUT}, list(map(str, files)), 3, "smoke", str(tmp_path / "t.csv"), str(tmp_path / "p.html"))
    page, table = (tmp_path / "p.html").read_text(), pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 4 and set(table["device"]) == {"cpu", "cuda", "mps"}
    assert "default-src &#39;none&#39;" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page and "style=" not in page
    assert "A &lt;study&gt;" in page and "&lt;b&gt;" in page and "no Apple chip" in page


def test_a_setup_is_measured_from_files_and_a_failure_is_a_row(tmp_path, data, torch_as_it_was):  # noqa: F811
    output = tmp_path / "s" / "v1" / "cpu-1.json"
    measure_setup("antibody_affinity", SETTINGS, "cpu", 1, {1: data[0], 2: data[0]}, 2, 600, str(output))
    found = read_measured([str(output)])["s", "v1", "cpu", 1]
    assert found["status"] == "ok" and found["agreement"]["holds"] and found["criterion"] == ["rmse", "lower"]
    assert set(found["seconds_per_epoch"]) == set(found["quality"]) == {"1", "2"} and found["steps"] == 8
    assert found["peak_memory_mb"] > 50 and found["device_memory_mb"] is None
    if not torch.cuda.is_available():
        measure_setup("antibody_affinity", SETTINGS, "cuda", 1, {1: data[0]}, 2, 600, str(output))
        assert json.loads(output.read_text())["status"].startswith("failed: device cuda is not available here")

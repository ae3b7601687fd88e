"""Optimizers work without torch's compiler and end in the same weights; what is compiled still is."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

STEPS = """
import sys
import torch
{start}
def weights(optimizer):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    made = optimizer(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(made, 1)
    for _ in range(3):
        made.zero_grad()
        model(torch.randn(5, 4)).square().sum().backward()
        made.step()
        schedule.step()
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy().tobytes().hex()
for optimizer in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
    print(weights(optimizer))
{end}
"""
LATE = """
from rematch.devices import open_device
from rematch.late_compiler import import_compiler_late
import_compiler_late()
open_device("cpu", 1)
assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
"""


def run(start: str, end: str = "") -> list[str]:
    code = STEPS.format(start=start, end=end)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_optimizers_do_not_import_the_compiler_and_end_in_the_same_bytes():
    late = run(LATE, "print('torch._dynamo.eval_frame' in sys.modules)")
    assert late[-1] == "False"
    assert late[:-1] == run("")


@pytest.mark.parametrize(
    "use",
    [
        "print(torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)).item())",
        "import torch._dynamo.config; print(float(callable(torch._dynamo.optimize)))",
        "print(float(torch._dynamo.disable(recursive=False)(abs)(-2) - 1))",
    ],
)
def test_the_compiler_comes_when_it_is_asked_for(use):
    more = f"{use}\nprint('torch._dynamo.eval_frame' in sys.modules, type(sys.modules['torch._dynamo']).__name__)"
    assert run(LATE, more)[-3:] in (["2.0", "True", "module"], ["1.0", "True", "module"])

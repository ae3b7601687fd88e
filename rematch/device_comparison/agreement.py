"""Whether a device computes the same first step as the CPU in float64.

Both sides start from equal weights and see equal samples. Dropout is left out, for devices draw different masks, and
gradients are compared before clipping. For the reference every torch operation is done in float64: parameters are
converted, and other tensors as they meet an operation; numbers are drawn as ever and converted afterwards. A compiled
kernel that keeps float32 inside keeps it here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from rematch.learner import Learner
from rematch.settings import declared
from rematch.streams import stream

MakeLearner = Callable[[Any, dict, int, torch.device], Learner]

NARROW = (torch.float32, torch.float16, torch.bfloat16)
DROPOUT = {torch.dropout, nn.functional.dropout, nn.functional.dropout1d, nn.functional.alpha_dropout}
FRESH = {torch.zeros, torch.ones, torch.empty, torch.full, torch.arange, torch.linspace, torch.tensor}
DRAWN = {torch.rand, torch.randn, torch.normal, torch.bernoulli, torch.rand_like, torch.randn_like}


class Tolerance(NamedTuple):
    """Largest relative difference of the loss and of the gradients (or parameters) that counts as agreement."""

    loss: float
    rest: float


# float32 products are off by about 1e-6 of their size; a rectifier whose input lies that close to 0 may change sides
# and move a gradient of a small graph by some 0.1 %, while a wrong kernel moves it by far more than 1 %. bfloat16 keeps
# 8 bits: there the gradient must still point within 30 degrees of the reference, whose sine is 0.5.
TOLERANCES = {"float32": Tolerance(1e-4, 1e-2), "mixed": Tolerance(2e-2, 0.5)}


class Step(NamedTuple):
    """One step: its loss, and the gradients by name; or, where a learner has no torch model, how weights moved."""

    loss: float
    kind: str  # gradients or parameters
    tensors: Mapping[str, Tensor]
    precision: str


class Agreement(NamedTuple):
    """How far a step is from the reference. Differences are relative to the size of the reference, of all tensors
    together; `worst` names the tensor that differs most."""

    kind: str
    reference: str
    loss: float
    rest: float
    worst: str
    loss_tolerance: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both differences are within their tolerance."""
        return self.loss <= self.loss_tolerance and self.rest <= self.tolerance


def agreement(make: MakeLearner, settings: Any, data: Mapping[str, Any], seed: int, device: torch.device) -> Agreement:
    """How the first step on `device` compares with the same step on the CPU in float64, or float32 where a compiled
    kernel refuses float64."""
    cpu = torch.device("cpu")
    try:
        reference, name = first_step(make, in_double(settings), data, seed, cpu, double=True), "cpu float64"
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        reference = first_step(make, settings, data, seed, cpu)
        name = f"cpu float32: float64 is refused ({str(error).splitlines()[0][:80]})"
    return compare(first_step(make, settings, data, seed, device), reference, name)


def in_double(settings: Any) -> Any:
    """The settings with `precision: float64`, where the study has that choice for code that is not torch's."""
    kind = declared(type(settings)).get("precision", (None,))[0]
    return replace(settings, precision="float64") if "float64" in get_args(kind) else settings


def first_step(
    make: MakeLearner, settings: Any, data: Mapping[str, Any], seed: int, device: torch.device, double: bool = False
) -> Step:
    """Step 0 of epoch 0 of a new learner, without its update where the gradients can be had instead.

    A learner's torch parts are found under `inner` or on itself: `model`, `optimizer`, `autocast`.
    """
    made = make(settings, dict(data), seed, device)
    torch_part = getattr(made, "inner", made)
    model = getattr(torch_part, "model", None)
    trained = isinstance(model, nn.Module) and hasattr(torch_part, "optimizer")
    before = {} if trained else made.weights()
    if trained:
        _without_update(torch_part, double)
    torch.manual_seed(stream(seed, "step", 0, 0))
    with _Steady(double):
        values = made.step(0, 0)
    if trained:
        tensors = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    else:
        tensors = {name: value.double() - before[name].double() for name, value in made.weights().items()}
    mixed = trained and torch_part.autocast().__class__.__name__ == "autocast" and not double
    tensors = {name: value.detach().to("cpu", torch.float64) for name, value in tensors.items()}
    kind = "gradients" if trained else "parameters"
    return Step(float(values.get("loss", math.nan)), kind, tensors, "mixed" if mixed else "float32")


def compare(found: Step, reference: Step, name: str) -> Agreement:
    """The differences of a step from its reference."""
    if found.tensors.keys() != reference.tensors.keys():
        raise ValueError(f"agreement: {sorted(found.tensors)} against {sorted(reference.tensors)}: other tensors")
    off = {key: (value - reference.tensors[key]).norm().item() for key, value in found.tensors.items()}
    size = math.hypot(*(value.norm().item() for value in reference.tensors.values()))
    tolerance = TOLERANCES[found.precision]
    return Agreement(
        kind=found.kind,
        reference=name,
        loss=_relative(abs(found.loss - reference.loss), abs(reference.loss)),
        rest=_relative(math.hypot(*off.values()), size),
        worst=max(off, key=off.get) if off else "",
        loss_tolerance=tolerance.loss,
        tolerance=tolerance.rest,
    )


def _relative(off: float, size: float) -> float:
    return off / size if size else (0.0 if off == 0 else math.inf)


def _without_update(learner: Any, double: bool) -> None:
    """Keeps the gradients of a learner as they are after the backward pass."""
    if double:
        learner.model.double()
    learner.optimizer.step = lambda *_, **__: None
    learner.clip_norm = learner.scheduler = learner.scaler = None


class _Steady(TorchFunctionMode):
    """Leaves dropout out and, if `double`, does all operations in float64."""

    def __init__(self, double: bool):
        super().__init__()
        self.double = double

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in DROPOUT:
            return args[0] if args else kwargs["input"]
        name = getattr(func, "__name__", "")
        in_place = (name.endswith("_") and not name.endswith("__")) or name in ("__setitem__", "__set__")
        if not self.double or func in DRAWN or in_place or "out" in kwargs:
            return func(*args, **kwargs)
        if func is torch.Tensor.float:
            return args[0].double()
        args, kwargs = tree_map(_widened, (args, kwargs))
        made = func(*args, **kwargs)
        return _widened(made) if func in FRESH else made


def _widened(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype in NARROW and not isinstance(value, nn.Parameter):
        return value.double()
    return torch.float64 if isinstance(value, torch.dtype) and value in NARROW else value

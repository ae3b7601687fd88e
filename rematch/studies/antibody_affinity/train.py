"""The learner of one arm: minibatches cut from tensors in memory, weighted loss, unweighted validation RMSE."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from rematch.learner import Criterion, Learner
from rematch.streams import numpy_generator, permutation, torch_generator
from rematch.studies.antibody_affinity.baselines import OneShot
from rematch.studies.antibody_affinity.bins import NAMES, bin_index, inverse_frequency_weights
from rematch.studies.antibody_affinity.model import LOSSES, Perceptron, initialise
from rematch.studies.antibody_affinity.settings import Settings
from rematch.torch_learner import TorchLearner


def learner(settings: Settings, data: Mapping[str, np.ndarray], seed: int, device: torch.device) -> Learner:
    """The learner for `rematch.engine.fit`; `data` is what `prepare` left for training."""
    data = dict(data) | {"y_train": LABELS[settings.labels](data["y_train"], seed)}
    if settings.model != "mlp":
        return OneShot(settings.model, data, seed)
    tensors = {name: torch.from_numpy(values).to(device) for name, values in data.items()}
    target = data["y_train"]
    model = Perceptron(tensors["x_train"].shape[1], settings, float(target.mean()), max(float(target.std()), 1e-6))
    initialise(model, settings.initialisation, torch_generator(seed, "weights"))
    model.to(device)
    optimizer = OPTIMIZERS[settings.optimizer](
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    weights = torch.from_numpy(sample_weights(target, settings)).to(device)
    return TorchLearner(
        model=model,
        optimizer=optimizer,
        loss=_loss(tensors, weights, settings, seed),
        validation=_validation(tensors),
        batches=batch_count(len(target), settings.batch_size),
        criterion=Criterion("rmse", "lower"),
        scheduler=SCHEDULES[settings.schedule](optimizer, settings),
        clip_norm=settings.clip_norm or None,
    )


def batch_count(rows: int, batch_size: int) -> int:
    """Minibatches of an epoch, spread evenly: none is left with the single row that batch norm refuses."""
    return max(1, rows // batch_size) if rows % batch_size < 2 else rows // batch_size + 1


def sample_weights(target: np.ndarray, settings: Settings) -> np.ndarray:
    """One loss weight per training row `(rows,)`, from the counts of its affinity bin."""
    if settings.bin_weights == "none":
        return np.ones(len(target), np.float32)
    bins = bin_index(target)
    weights = inverse_frequency_weights(np.bincount(bins, minlength=len(NAMES)), settings.extreme_weight)
    return weights[bins].astype(np.float32)


def _loss(
    data: Mapping[str, Tensor], weights: Tensor, settings: Settings, seed: int
) -> Callable[[nn.Module, int, int], Tensor]:
    """Weighted loss `()` of one minibatch, cut by index from tensors: a per-row loader costs more than the model."""
    rows = len(data["y_train"])
    batches = batch_count(rows, settings.batch_size)
    order: dict[int, Tensor] = {}

    def loss(model: nn.Module, epoch: int, batch: int) -> Tensor:
        if epoch not in order:
            order.clear()
            order[epoch] = torch.from_numpy(permutation(rows, seed, epoch)).to(weights.device)
        chosen = order[epoch][batch * rows // batches : (batch + 1) * rows // batches]
        error = model(data["x_train"][chosen]) - data["y_train"][chosen]
        return (weights[chosen] * LOSSES[settings.loss](error, settings.focal_gamma)).mean()

    return loss


def _validation(data: Mapping[str, Tensor]) -> Callable[[nn.Module, int], dict[str, float]]:
    """Unweighted errors on the validation rows: a weighted loss would let one rare row choose the model (S4-97)."""

    def validation(model: nn.Module, epoch: int) -> dict[str, float]:
        error = model(data["x_valid"]) - data["y_valid"]
        return {"rmse": float(error.square().mean().sqrt()), "mae": float(error.abs().mean())}

    return validation


def _shuffled(target: np.ndarray, seed: int) -> np.ndarray:
    return numpy_generator(seed, "shuffled labels").permutation(target)


def _plateau(optimizer: torch.optim.Optimizer, settings: Settings) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5)


def _restarts(
    optimizer: torch.optim.Optimizer, settings: Settings
) -> torch.optim.lr_scheduler.CosineAnnealingWarmRestarts:
    """Period doubling, down to 1 % of the rate, as upstream (S4-87); the document shows equal periods of 20 epochs."""
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=settings.restart_epochs, T_mult=2, eta_min=settings.learning_rate * 0.01
    )


LABELS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "true": lambda target, seed: target,
    "shuffled": _shuffled,
}
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SCHEDULES: dict[str, Callable] = {
    "plateau": _plateau,
    "cosine-warm-restarts": _restarts,
    "constant": lambda optimizer, settings: None,
}

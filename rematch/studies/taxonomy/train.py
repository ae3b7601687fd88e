"""The learner of the taxonomy study: chunks of pairs through the kernel (CPU) or its torch twin (cuda, mps)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rematch.learner import Criterion
from rematch.streams import numpy_generator, stream
from rematch.studies.taxonomy.compiled import draw_batch, train_pairs
from rematch.studies.taxonomy.geometry import to_ball, to_hyperboloid
from rematch.studies.taxonomy.kernel import EUCLIDEAN, LORENTZ, POINCARE, Recipe
from rematch.studies.taxonomy.lanes import padded
from rematch.studies.taxonomy.ranking import plain, rank_ancestors
from rematch.studies.taxonomy.sampling import Relations
from rematch.studies.taxonomy.settings import Settings
from rematch.studies.taxonomy.update import update

CHUNK = 65536  # pairs per call of the kernel: below a tenth of a second, so that an interruption is heard soon
SPACES = {"poincare": POINCARE, "euclidean": EUCLIDEAN, "lorentz": LORENTZ}
UNIFORM_SHARE = {"uniform": 1.0, "same-depth": 0.0, "mixed": 0.5}  # of the negatives: from all nodes
INNER, OUTER = 0.1, 0.9  # target radius (Euclidean norm) of depth 0 and of the greatest depth
RADIUS_NOISE = 0.02  # relative, of the depth-radius initialisation


def learner(settings: Settings, data: dict[str, np.ndarray], seed: int, device: torch.device) -> TaxonomyLearner:
    """The learner of one arm: the compiled kernel on the CPU, plain torch elsewhere."""
    return TaxonomyLearner(settings, data, seed, device, compiled=device.type == "cpu")


def target_radius(depth: np.ndarray) -> np.ndarray:
    """Norm (n,) that the depth-radius initialisation and the radial penalty give a node: linear in its depth."""
    return INNER + (OUTER - INNER) * depth / max(int(depth.max()), 1)


def initial_table(settings: Settings, depth: np.ndarray, seed: int) -> np.ndarray:
    """The table (n, dim) float64 before training. The direction of a node does not depend on the initialisation."""
    shape = (len(depth), settings.dim)
    start = numpy_generator(seed, "initialisation").uniform(-1e-3, 1e-3, size=shape)
    if settings.initialisation == "random":
        return start
    noise = numpy_generator(seed, "initialisation", "radius").normal(0, RADIUS_NOISE, size=len(depth))
    radius = np.clip(target_radius(depth) * (1 + noise), 0, 1 - settings.rim)
    return start / np.linalg.norm(start, axis=1, keepdims=True) * radius[:, None]


def pair_weights(settings: Settings, depth: np.ndarray, descendants: np.ndarray) -> np.ndarray:
    """Weight (n,) of a pair by its descendant, with mean 1 over the training pairs `descendants`."""
    if settings.pair_weights == "none":
        return np.ones(len(depth))
    weights = np.sqrt(depth)
    return weights / weights[descendants].mean()


class TaxonomyLearner:
    """One table of node coordinates in training; see `rematch.learner.Learner`."""

    criterion = Criterion("map", "higher")

    def __init__(
        self, settings: Settings, data: dict[str, np.ndarray], seed: int, device: torch.device, compiled: bool
    ):
        self.settings, self.data, self.seed, self.device, self.compiled = settings, data, seed, device, compiled
        self.kind, self.lorentz = np.dtype(settings.precision), settings.geometry == "lorentz"
        depth = data["depth"]
        self.relations = Relations(*(plain(data[name]) for name in Relations._fields))
        self.descendants, self.ancestors = _training_pairs(settings, data)
        own = len(self.descendants)
        self.visits = own if settings.epoch_length == "own" else len(data["ancestors"])
        self.steps_per_epoch = -(-self.visits // CHUNK)
        self.node_weights = pair_weights(settings, depth, self.descendants).astype(self.kind)
        self.targets = target_radius(depth).astype(self.kind)
        self.rate = settings.learning_rate
        self.identities = np.arange(len(depth))
        if settings.labels == "shuffled":
            self.identities = numpy_generator(seed, "identities").permutation(len(depth))
        self._order: tuple[int, np.ndarray] | None = None
        start = initial_table(settings, depth, seed)
        self._put(to_hyperboloid(torch.from_numpy(start)).numpy() if self.lorentz else start)

    def step(self, epoch: int, step: int) -> dict[str, float]:
        """Trains on one chunk of the epoch's pairs."""
        start = step * CHUNK
        chosen = self._epoch_order(epoch)[start : start + CHUNK]
        from_ancestor = self.settings.anchor == "ancestor"
        ends = (self.ancestors[chosen], self.descendants[chosen])
        anchors, positives = ends if from_ancestor else ends[::-1]
        key = np.uint64(stream(self.seed, "negatives", epoch))
        recipe = self._recipe(epoch)
        run = self._step_compiled if self.compiled else self._step_torch
        loss, used = run(anchors, positives, start, key, recipe)
        return {"loss": loss / len(chosen), "negatives_per_pair": used / len(chosen)}

    def validate(self, epoch: int) -> dict[str, float]:
        """MAP and mean rank of the validation anchors against all nodes."""
        data = self.data
        found = rank_ancestors(
            self._judged(), data["validation_anchors"], data["offsets"], data["ancestors"], data["steps"],
            self.settings.geometry != "euclidean",
        )  # fmt: skip
        return {"map": float(found.precision[:, 0].mean()), "mean_rank": _pooled_rank(found)}

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        """The step used in this epoch, and the share of nodes that stand at the rim of the ball."""
        norms = np.linalg.norm(self._judged(), axis=1)
        at_rim = float((norms >= 1 - 1.5 * self.settings.rim).mean())
        return {"learning_rate": self._step_size(epoch), "rim_share": at_rim, "mean_norm": float(norms.mean())}

    def weights(self) -> dict[str, Tensor]:
        """`embedding` (n, dim): the row of a node is the one it is judged by."""
        return {"embedding": torch.from_numpy(self._judged().astype(self.kind))}

    def state(self) -> dict[str, Any]:
        """The current rate, and the table if `weights` gives it in other coordinates; there is no momentum."""
        return {"rate": self.rate} | ({"table": torch.from_numpy(self._own())} if self.lorentz else {})

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Puts back table and rate."""
        table = np.empty(weights["embedding"].shape, self.kind)
        table[self.identities] = weights["embedding"].numpy()
        self._put(state["table"].numpy() if self.lorentz else table)
        self.rate = state["rate"]

    def scale_rate(self, factor: float) -> None:
        """Multiplies the learning rate from now on."""
        self.rate *= factor

    def _put(self, table: np.ndarray) -> None:
        if self.compiled:
            self.table = in_large_pages((len(table), padded(self.settings.dim)), self.kind)
            self.table[:, : self.settings.dim] = table
        else:
            self.table = torch.from_numpy(np.asarray(table, self.kind)).to(self.device)

    def _own(self) -> np.ndarray:
        """The table (n, dim) in the coordinates it is trained in, a copy."""
        return self.table[:, : self.settings.dim].copy() if self.compiled else self.table.cpu().numpy().copy()

    def _judged(self) -> np.ndarray:
        """The table (n, dim) as it is judged: hyperbolic coordinates in the ball, and the identities it is read by."""
        table = self._own()
        return (to_ball(torch.from_numpy(table)).numpy() if self.lorentz else table)[self.identities]

    def _step_compiled(self, anchors, positives, start, key, recipe) -> tuple[float, int]:
        return train_pairs(self.table, self.relations, anchors, positives, start, key, self.settings.batch,
                           self.node_weights, self.targets, recipe)  # fmt: skip

    def _step_torch(self, anchors, positives, start, key, recipe) -> tuple[float, int]:
        size = self.settings.accelerator_batch
        descendants = positives if recipe.from_ancestor else anchors
        targets = torch.from_numpy(self.targets).to(self.device)
        loss, used = 0.0, 0
        for at in range(0, len(anchors), size):
            batch = slice(at, at + size)
            rows = np.zeros((len(anchors[batch]), recipe.negatives + 2), np.int64)
            counts = np.zeros(len(rows), np.int64)
            draw_batch(self.relations, anchors[batch], positives[batch], start + at, key, recipe, rows, counts)
            moved = (torch.from_numpy(a).to(self.device) for a in
                     (anchors[batch].astype(np.int64), rows[:, :-1], counts,
                      self.node_weights[descendants[batch]]))  # fmt: skip
            loss += float(update(self.table, *moved, targets, recipe))
            used += int((counts - 1).sum())
        return loss, used

    def _epoch_order(self, epoch: int) -> np.ndarray:
        """Indices (visits,) of the training pairs in the order of this epoch, in whole passes as far as they go."""
        if self._order is None or self._order[0] != epoch:
            own = len(self.descendants)
            passes = [
                numpy_generator(self.seed, "order", epoch, i).permutation(own) for i in range(-(-self.visits // own))
            ]
            self._order = (epoch, np.concatenate(passes)[: self.visits])
        return self._order[1]

    def _step_size(self, epoch: int) -> float:
        settings = self.settings
        first = round(settings.burn_in * settings.epochs)
        if epoch < first:
            return self.rate / 10
        if settings.schedule == "constant":
            return self.rate
        return self.rate * (1 - 0.9 * (epoch - first) / max(settings.epochs - 1 - first, 1))

    def _recipe(self, epoch: int) -> Recipe:
        settings, kind = self.settings, self.kind.type
        return Recipe(
            negatives=settings.negatives,
            uniform=round(UNIFORM_SHARE[settings.negative_sampling] * settings.negatives),
            from_ancestor=settings.anchor == "ancestor",
            space=SPACES[settings.geometry],
            softmax=settings.loss == "softmax",
            doublings=settings.sharpness.bit_length() - 1,
            margin=kind(settings.margin),
            step=kind(self._step_size(epoch)),
            radial=kind(settings.radial_weight),
            radius=kind(1 - settings.rim if settings.geometry == "poincare" else np.inf),
        )


def in_large_pages(shape: tuple[int, int], kind: np.dtype) -> np.ndarray:
    """Zeros that begin on a boundary of 2 MB, so that Linux can back them by pages of that size: rows are visited in no
    order, and with pages of 4 kB looking up where they lie took a third of the training time on a busy machine."""
    page = 1 << 21
    size = shape[0] * shape[1] * kind.itemsize
    if size < page:
        return np.zeros(shape, kind)
    room = np.zeros(-(-size // page) * page + page, np.uint8)
    start = -room.ctypes.data % page
    return room[start : start + size].view(kind).reshape(shape)


def _training_pairs(settings: Settings, data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(descendants, ancestors) (pairs,) int32: what the arm may train on."""
    offsets = data["offsets"]
    keep = np.ones(len(data["ancestors"]), bool) if settings.pairs == "closure" else data["steps"] == 1
    if "held" in data:
        keep[data["held"]] = False
    descendants = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    return descendants[keep], data["ancestors"][keep]


def _pooled_rank(found) -> float:
    """Mean rank over all pairs, not over anchors."""
    return float((found.rank[:, 0] * found.count[:, 0]).sum() / found.count[:, 0].sum())

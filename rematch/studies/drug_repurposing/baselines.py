"""What a user would try first, and vectors without any information: scores or embeddings computed in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from rematch.learner import Criterion
from rematch.streams import torch_generator
from rematch.studies.drug_repurposing.messages import Edges, message_ends, message_relations
from rematch.studies.drug_repurposing.metapaths import Metapaths
from rematch.studies.drug_repurposing.questions import divide, fit_weights, questions
from rematch.studies.drug_repurposing.settings import Settings

Data = Mapping[str, np.ndarray]


@dataclass
class FixedLearner:
    """A `Learner` for weights that nothing trains: `values` by name, judged by `validation(values)`."""

    values: dict[str, Tensor]
    validation: Callable[[Mapping[str, Tensor]], Mapping[str, float]]
    steps_per_epoch: int = 1
    criterion: Criterion = field(default=Criterion("auprc", "higher"))

    def step(self, epoch: int, step: int) -> dict[str, float]:
        return {}

    def validate(self, epoch: int) -> Mapping[str, float]:
        return self.validation(self.values)

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        return {}

    def weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.values.items()}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self.values = {name: value.clone() for name, value in weights.items()}


def gaussian(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """Independent standard normal vectors `(nodes, embedding)`."""
    shape = (int(data["type_ptr"][-1]), settings.width("embedding"))
    return _as_embeddings(torch.randn(shape, generator=torch_generator(seed, "noise")), data)


def rank_20_noise(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """Noise of rank 20 plus an offset common to all nodes: made to pass the document's criteria, knows nothing
    (S3-83)."""
    nodes, width = int(data["type_ptr"][-1]), settings.width("embedding")
    generator = torch_generator(seed, "noise")
    rank = min(20, width)
    noise = torch.randn(nodes, rank, generator=generator) @ torch.randn(rank, width, generator=generator) / rank**0.5
    offset = torch.nn.functional.normalize(torch.randn(1, width, generator=generator))
    return _as_embeddings(noise + 1.1 * width**0.5 * offset, data)  # so the mean cosine is about 1.21 / 2.21 = 0.55


def random_scores(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """Uniform random scores."""
    return {"scores": torch.rand(_shape(data), generator=torch_generator(seed, "scores"))}


def degree(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """(1 + known treatments of the compound) * (1 + of the disease): what popularity alone can tell."""
    known = _counts(data, edges, [data["treats"].item()])
    return {"scores": torch.from_numpy(np.outer(1 + known.sum(1), 1 + known.sum(0)))}


def metapath(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """Degree-weighted counts of paths compound - any node - disease, summed over all pairs of relations.

    An edge between nodes of degree a and b within its relation counts (a b)^-0.5, as in the degree-weighted path counts
    of Himmelstein and Baranzini 2015 (https://doi.org/10.1371/journal.pcbi.1004259). Edges between a compound and a
    disease take part as steps of longer paths only.
    """
    nodes = int(data["type_ptr"][-1])
    steps = {}
    for ends, pairs in zip(message_ends(data), message_relations(data, edges), strict=True):
        ones = np.ones(pairs.shape[1])
        a, b = (np.maximum(np.bincount(side, minlength=nodes), 1.0) ** -0.5 for side in pairs)
        matrix = sparse.csr_array((ones * a[pairs[0]] * b[pairs[1]], (pairs[0], pairs[1])), shape=(nodes, nodes))
        steps[ends] = steps.get(ends, 0) + matrix
    compound, disease = data["relation_ends"][data["treats"].item()].tolist()
    total = np.zeros(_shape(data))
    rows, columns = slice(*data["compounds"].tolist()), _diseases(data)
    for (source, middle), first in steps.items():
        if source == compound and (middle, disease) in steps:
            total += (first[rows] @ steps[middle, disease][:, columns]).toarray()
    return {"scores": torch.from_numpy(total)}


def path_regression(settings: Settings, data: Data, edges: Edges, seed: int) -> dict[str, Tensor]:
    """Path features of all kinds, treatments included, weighted so that treatments rank above all other pairs.

    A linear model of path counts, as Himmelstein et al. 2017 (https://doi.org/10.7554/eLife.26726) rank drugs; each
    training treatment is asked for in a graph that lacks it.
    """
    known, paths = edges.pairs[:, edges.relation == data["treats"].item()], Metapaths(data, edges)
    asked = questions(known, divide(known.shape[1], seed), paths.compounds, paths, torch.device("cpu"))
    weights = fit_weights(asked)
    return {"scores": paths.features(known) @ weights, "path_weights": weights}


BASELINES = {
    "gaussian": gaussian,
    "rank-20-noise": rank_20_noise,
    "random": random_scores,
    "degree": degree,
    "metapath": metapath,
    "path-regression": path_regression,
}


def _as_embeddings(vectors: Tensor, data: Data) -> dict[str, Tensor]:
    return {"embeddings": vectors, "relation_scale": torch.ones(len(data["relation_ends"]), vectors.shape[1])}


def _diseases(data: Data) -> slice:
    kind = int(data["relation_ends"][data["treats"].item(), 1])
    return slice(int(data["type_ptr"][kind]), int(data["type_ptr"][kind + 1]))


def _shape(data: Data) -> tuple[int, int]:
    diseases = _diseases(data)
    return int(data["compounds"][1] - data["compounds"][0]), diseases.stop - diseases.start


def _counts(data: Data, edges: Edges, relations: list[int]) -> np.ndarray:
    pairs = edges.pairs[:, np.isin(edges.relation, relations)]
    counts = np.zeros(_shape(data))
    np.add.at(counts, (pairs[0] - data["compounds"][0], pairs[1] - _diseases(data).start), 1)
    return counts

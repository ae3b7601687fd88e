"""Evaluation of frozen embeddings: probes, retrieval of a view, geometry, and the loss within its own group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rematch.export import with_dimensions
from rematch.scores import Evaluation, Score
from rematch.streams import numpy_generator
from rematch.studies.graph_embeddings import features
from rematch.studies.graph_embeddings.batch import REFERENCE_VIEW, widths
from rematch.studies.graph_embeddings.contrast import alignment, effective_rank, retrieval_at_k, uniformity
from rematch.studies.graph_embeddings.flat import FlatGraphs, from_arrays
from rematch.studies.graph_embeddings.model import GraphEncoder, build
from rematch.studies.graph_embeddings.probes import fold_auc, probe, r2
from rematch.studies.graph_embeddings.settings import Settings
from rematch.studies.graph_embeddings.svm import fold_accuracy
from rematch.studies.graph_embeddings.train import ENCODING_CHUNK, Task, batch_graphs, chunks

EDGES_DROPPED = 0.1  # the share of edges that robustness is measured without (C0.3)
VIEW_SEED = 0  # evaluation uses the same views for all arms and seeds
GEOMETRY_GRAPHS = 2000  # uniformity looks at all pairs of at most so many graphs
KINDS = ("regression", "classification")


class Probe(NamedTuple):
    """One probe task of a set of graphs; rows without a target are left out already."""

    graphs: str
    name: str
    kind: str
    rows: np.ndarray  # (n,) numbers of the graphs
    values: np.ndarray  # (n,)
    folds: np.ndarray  # (n,)
    svm: bool = False  # whether a support vector machine is asked beside the linear probe


def evaluate(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
    device: torch.device,
) -> Evaluation:
    """Scores of a saved encoder on the test graphs and the probe sets, computed in float32 for every arm."""
    task = _task(settings, train, device)
    encode = ENCODERS[settings.encoder](task, weights)
    scores, tables = [], []
    graphs = from_arrays(test, "test")
    with torch.no_grad():
        scores += GEOMETRY[settings.encoder](task, weights, graphs)
    plain, changed = map(torch.from_numpy, (encode(graphs), encode(without_edges(graphs, "test"))))
    scores.append(Score("retrieval_at_1_dropped", retrieval_at_k(plain, changed, 1), len(graphs)))
    for store in _probe_stores(test):
        graphs = from_arrays(test, f"probe/{store}")
        plain, changed = encode(graphs), encode(without_edges(graphs, store))
        for item in probes_of(test, store):
            found, table = run_probe(item, plain[item.rows], changed[item.rows])
            scores += found
            tables.append(table)
    predictions = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Evaluation(scores + means(scores), predictions)


def embeddings(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
) -> pd.DataFrame:
    """One row per test or probe graph: id, the set it belongs to, name, and its embedding in columns dim_0, ..."""
    encode = ENCODERS[settings.encoder](_task(settings, train, torch.device("cpu")), weights)
    places = {"test": "test"} | {store: f"probe/{store}" for store in _probe_stores(test)}
    rows = [encode(from_arrays(test, places[part])) for part in names["set"].unique()]
    return with_dimensions(names.rename(columns={"sample": "id"}), np.concatenate(rows))


def _task(settings: Settings, train: Mapping[str, np.ndarray], device: torch.device) -> Task:
    batch = batch_graphs(settings, len(train["train.node_offsets"]) - 1)
    return Task(settings, train["node_sizes"], train["edge_sizes"], VIEW_SEED, device, batch)


def _probe_stores(test: Mapping[str, np.ndarray]) -> list[str]:
    return sorted({key.split("/")[1] for key in test if key.startswith("task/")})


def without_edges(graphs: FlatGraphs, store: str) -> FlatGraphs:
    """The graphs without a tenth of their edges, the same ones for every arm and seed."""
    return features.without_edges(graphs, EDGES_DROPPED, numpy_generator(VIEW_SEED, "edges dropped", store))


def probes_of(test: Mapping[str, np.ndarray], store: str) -> Iterator[Probe]:
    """The probe tasks of one set of graphs."""
    for key in sorted(test):
        parts = key.split("/")
        if parts[0] == "task" and parts[1] == store and parts[3] == "values":
            values, folds = test[key], test[f"task/{store}/{parts[2]}/folds"]
            rows = np.flatnonzero(~np.isnan(values))
            kind = KINDS[int(test[f"task/{store}/{parts[2]}/kind"][0])]
            svm = f"task/{store}/{parts[2]}/svm" in test
            yield Probe(store, parts[2], kind, rows, values[rows], folds[rows], svm)


def run_probe(item: Probe, plain: np.ndarray, changed: np.ndarray) -> tuple[list[Score], pd.DataFrame]:
    """Scores `probe_<metric>_<task>`, with and without a tenth of the edges, and out-of-fold predictions."""
    clean, broken = probe(plain, changed, item.values, item.folds, item.kind)
    scores = [
        Score(f"probe_{metric}{suffix}_{item.name}", value, len(item.values))
        for suffix, predicted in (("", clean), ("_dropped", broken))
        for metric, value in METRICS[item.kind](item, predicted).items()
    ]
    if item.svm:
        scores.append(
            Score(f"svm_accuracy_{item.name}", fold_accuracy(plain, item.values, item.folds), len(item.values))
        )
    classes = np.unique(item.values)
    shown = clean if item.kind == "regression" else classes[clean.argmax(axis=1)]
    sample = [f"{item.graphs}:{row}:{item.name}" for row in item.rows]
    return scores, pd.DataFrame({"sample": sample, "task": item.name, "truth": item.values, "predicted": shown})


def means(scores: list[Score]) -> list[Score]:
    """Each probe metric's mean over the tasks that have it, and `probe`: accuracy or R² of each task, averaged."""
    out = []
    for suffix in ("", "_dropped"):
        parts = {
            metric: [s for s in scores if _is_part(s.name, metric, suffix)] for metric in ("accuracy", "auc", "r2")
        }
        parts[""] = parts["accuracy"] + parts["r2"]
        for metric, found in parts.items():
            if found:
                name = "_".join(filter(None, ("probe", metric))) + suffix
                out.append(Score(name, float(np.mean([s.value for s in found])), sum(s.n for s in found)))
    return out


def _is_part(name: str, metric: str, suffix: str) -> bool:
    """Whether `name` is the score of one task; tasks may not begin with `dropped_`."""
    return name.startswith(f"probe_{metric}{suffix}_") and (
        bool(suffix) or not name.startswith(f"probe_{metric}_dropped_")
    )


def _regression_metrics(item: Probe, predicted: np.ndarray) -> dict[str, float]:
    error = float(np.sqrt(np.square(item.values - predicted).mean()))
    return {"r2": r2(item.values, predicted), "rmse": error}


def _classification_metrics(item: Probe, predicted: np.ndarray) -> dict[str, float]:
    classes, truth = np.unique(item.values, return_inverse=True)
    found = {"accuracy": float((predicted.argmax(axis=1) == truth).mean())}
    if len(classes) == 2 and not np.isnan(auc := fold_auc(truth, predicted[:, 1], item.folds)):
        found["auc"] = auc
    return found


METRICS = {"regression": _regression_metrics, "classification": _classification_metrics}


def load(task: Task, weights: Mapping[str, Tensor]) -> GraphEncoder:
    """The encoder with the saved weights, ready to encode."""
    model = build(task.settings, *widths(task.node_sizes, task.edge_sizes), 0)
    model.load_state_dict(dict(weights))
    return model.to(task.device).eval()


def _learned(task: Task, weights: Mapping[str, Tensor]) -> Callable[[FlatGraphs], np.ndarray]:
    model = load(task, weights)

    def encode(graphs: FlatGraphs) -> np.ndarray:
        with torch.no_grad():
            parts = [model(task.batch(graphs, part)) for part in chunks(len(graphs), ENCODING_CHUNK)]
        return torch.cat(parts).cpu().numpy()

    return encode


ENCODERS = {
    "gine": _learned,
    "morgan": lambda task, weights: features.circular_fingerprint,
    "counts": lambda task, weights: features.counts,
}


def _learned_geometry(task: Task, weights: Mapping[str, Tensor], graphs: FlatGraphs) -> list[Score]:
    model = load(task, weights)
    plain, viewed = task.reference_pair(model, graphs)
    loss = Score("contrastive_loss", task.held_out_loss(model, graphs), len(graphs))
    rank = Score("effective_rank_head", effective_rank(model.project(plain).cpu()), len(graphs))
    return [loss, rank, *_geometry(plain.cpu(), viewed.cpu())]


def _fixed_geometry(task: Task, weights: Mapping[str, Tensor], graphs: FlatGraphs) -> list[Score]:
    """Of vectors without learning; their view loses edges like the reference view, noise has no meaning for labels."""
    generator = numpy_generator(VIEW_SEED, "reference view")
    encode = ENCODERS[task.settings.encoder](task, weights)
    viewed = encode(features.without_edges(graphs, REFERENCE_VIEW.edge_drop, generator))
    return _geometry(torch.from_numpy(encode(graphs)), torch.from_numpy(viewed))


def _geometry(plain: Tensor, viewed: Tensor) -> list[Score]:
    count = len(plain)
    return [
        Score("retrieval_at_1", retrieval_at_k(plain, viewed, 1), count),
        Score("retrieval_at_10", retrieval_at_k(plain, viewed, 10), count),
        Score("alignment", alignment(plain, viewed), count),
        Score("uniformity", uniformity(plain[:GEOMETRY_GRAPHS]), min(count, GEOMETRY_GRAPHS)),
        Score("effective_rank", effective_rank(plain), count),
    ]


GEOMETRY = {"gine": _learned_geometry, "morgan": _fixed_geometry, "counts": _fixed_geometry}

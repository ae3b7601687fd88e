"""Held-out tasks, each beside what needs no learning: chance, candidate size, and the closure of the known edges.

On a strict tree the direct edges determine every pair, and a leaf without its parent edge says nothing about its parent
but the tree's shape; a number of these tasks means something only where it beats the baselines next to it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from rematch.scores import Score
from rematch.studies.taxonomy.measures import distances

RADIAL_BONUS = (0.0, 1.0, 10.0, 100.0)  # candidates for alpha below, chosen on the validation pairs


def leaf_parents(table: np.ndarray, test: Mapping[str, np.ndarray], hyperbolic: bool) -> list[Score]:
    """Which child of its grandparent is the parent of a leaf whose parent edge was held out?

    `heldout_rank` is the mean of (rank - 1) / (candidates - 1) of the true parent, ties at their middle: 0.5 is chance
    whatever the fan-out. `heldout_hit` is the share of true parents put first, a tie counting its share. The
    baselines: `_size` prefers the candidate with the largest subtree; `_closure` knows only that all candidates are
    possible, which is chance.
    """
    starts, pool = test["pool_starts"], test["pool_nodes"]
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    far = {
        "": distances(table, test["held_leaves"][owner], pool, hyperbolic),
        "_size": -test["subtree_sizes"][pool].astype(np.float64),
        "_closure": np.zeros(len(pool)),
    }
    scores = []
    for name, key in far.items():
        ranks, hits = [], []
        for q in range(len(starts) - 1):
            part = slice(starts[q], starts[q + 1])
            values, mine = key[part], key[part][pool[part] == test["held_parents"][q]][0]
            ranks.append((rankdata(values)[pool[part] == test["held_parents"][q]][0] - 1) / (len(values) - 1))
            hits.append((mine <= values.min()) / (values == values.min()).sum())
        scores.append(Score(f"heldout_rank{name}", float(np.mean(ranks)), len(ranks)))
        scores.append(Score(f"heldout_hit{name}", float(np.mean(hits)), len(hits)))
    return scores


def pair_classification(
    table: np.ndarray, train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], hyperbolic: bool
) -> list[Score]:
    """Held-out (descendant, ancestor) pairs of an official split against its negatives: area under the ROC curve (AUC),
    average precision, and F1 at the threshold that is best on the validation pairs.

    The model's score of u below v is -(1 + alpha (|v| - |u|)) d(u, v) (Nickel and Kiela 2017). Baselines: `_closure`,
    whether v is reached from u along the direct edges, all of which are in training; `_depth`, how near v is to a root;
    `_size`, how many descendants v has.
    """
    valid, valid_truth = _labelled(train, "split_valid")
    pairs, truth = _labelled(test, "split_test")
    norm = np.linalg.norm(table.astype(np.float64), axis=1)

    def score(where: np.ndarray, alpha: float) -> np.ndarray:
        u, v = where[:, 0], where[:, 1]
        return -(1 + alpha * (norm[v] - norm[u])) * distances(table, u, v, hyperbolic)

    alpha = max(RADIAL_BONUS, key=lambda a: roc_auc_score(valid_truth, score(valid, a)))
    sizes = np.bincount(train["ancestors"], minlength=len(norm)).astype(np.float64)
    baselines = {
        "": lambda where: score(where, alpha),
        "_closure": lambda where: _reached(where, train).astype(np.float64),
        "_depth": lambda where: -train["depth"][where[:, 1]].astype(np.float64),
        "_size": lambda where: sizes[where[:, 1]],
    }
    scores = [Score("heldout_alpha", alpha, len(valid))]
    for name, function in baselines.items():
        value = function(pairs)
        threshold = _best_threshold(valid_truth, function(valid))
        scores += [
            Score(f"heldout_auc{name}", float(roc_auc_score(truth, value)), len(truth)),
            Score(f"heldout_ap{name}", float(average_precision_score(truth, value)), len(truth)),
            Score(f"heldout_f1{name}", _f1(truth, value >= threshold), len(truth)),
        ]
    return scores


def _labelled(data: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    positive, negative = data[f"{name}_positive"], data[f"{name}_negative"]
    return np.concatenate([positive, negative]), np.repeat([1, 0], [len(positive), len(negative)])


def _reached(pairs: np.ndarray, train: Mapping[str, np.ndarray]) -> np.ndarray:
    offsets, ancestors = train["offsets"], train["ancestors"]
    n = len(offsets) - 1
    known = np.repeat(np.arange(n), np.diff(offsets)) * n + ancestors
    return np.isin(pairs[:, 0].astype(np.int64) * n + pairs[:, 1], known)


def _best_threshold(truth: np.ndarray, value: np.ndarray) -> float:
    order = np.argsort(-value, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    last = np.append(np.diff(value[order]) != 0, True)  # a threshold cannot split equal values
    return float(value[order][np.argmax(np.where(last, f1, -1))])


def _f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (truth[said] == 1).sum() / max(said.sum() + truth.sum(), 1))

"""What frozen embeddings are good for: boosted trees on pairs, and clusters of drugs against their classes."""

from __future__ import annotations

import numpy as np

from rematch.streams import numpy_generator
from rematch.studies.drug_repurposing import ranking

TRAINED_AGAINST, JUDGED_AGAINST = 10, 50  # random unknown pairs per treatment


def trees(compounds: np.ndarray, diseases: np.ndarray, known: np.ndarray, treatments: np.ndarray) -> dict[str, float]:
    """AUROC and AUPRC of boosted trees (XGBoost) that see both embeddings of a pair and their product.

    `compounds (c, d)`, `diseases (m, d)`; `known (2, n)` and `treatments (2, k)` are pairs (row, row) to train on and
    to find. The precision is against 50 random unknown pairs per treatment, not against all pairs.
    """
    from xgboost import XGBClassifier

    shape = len(compounds), len(diseases)
    rest = np.ones(shape, bool)
    rest[tuple(known)] = rest[tuple(treatments)] = False
    unknown = np.argwhere(rest)
    rng = numpy_generator(0, "downstream negatives")  # the same for every arm and seed
    unknown = unknown[rng.permutation(len(unknown))].T
    cut = min(TRAINED_AGAINST * known.shape[1], unknown.shape[1] // 2)
    end = min(cut + JUDGED_AGAINST * treatments.shape[1], unknown.shape[1])
    pairs, labels = _labelled(known, unknown[:, :cut])
    model = XGBClassifier(n_estimators=60, max_depth=4, learning_rate=0.2, tree_method="hist", max_bin=64, n_jobs=1)
    model.fit(_features(compounds, diseases, pairs), labels)
    pairs, labels = _labelled(treatments, unknown[:, cut:end])
    scores = model.predict_proba(_features(compounds, diseases, pairs))[:, 1]
    return {"xgboost_auroc": ranking.auroc(scores, labels), "xgboost_auprc": ranking.auprc(scores, labels)}


def _labelled(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.r_[np.ones(positive.shape[1], bool), np.zeros(negative.shape[1], bool)]
    return np.concatenate([positive, negative], axis=1), labels


def _features(compounds: np.ndarray, diseases: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    first, second = compounds[pairs[0]], diseases[pairs[1]]
    return np.concatenate([first, second, first * second], axis=1)


def cluster_agreement(vectors: np.ndarray, classes: np.ndarray) -> float:
    """Normalised mutual information of k-means clusters of `vectors (n, d)`, by direction, with `classes (n,)`."""
    from scipy.cluster.vq import kmeans2

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(length, 1e-12)
    count = len(np.unique(classes))
    best = min((_inertia(unit, *kmeans2(unit, count, minit="++", rng=start)) for start in range(4)), key=lambda r: r[0])
    return mutual_information(best[1], classes)


def _inertia(vectors: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    return float(((vectors - centres[labels]) ** 2).sum()), labels


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two labellings `(n,)` over the mean of their entropies; 1 if they are the same
    partition."""
    _, a = np.unique(first, return_inverse=True)
    _, b = np.unique(second, return_inverse=True)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in (joint.ravel(), joint.sum(1), joint.sum(0))]
    total = entropies[1] + entropies[2]
    return float(2 * (total - entropies[0]) / total) if total > 0 else 1.0

"""Tables for people: the best new treatments with their evidence, and what counts in the scores of path features."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from rematch.studies.drug_repurposing.evidence import Paths
from rematch.studies.drug_repurposing.metapaths import kinds

PAIRS = 60  # new treatments listed
PER_DISEASE = 3  # of which so many for one disease, or one disease would fill the table
EVIDENCE = 3  # paths listed per pair
REJECTED = "rejected by curators"


def new_treatments(
    scores: np.ndarray,
    known: np.ndarray,
    diseases: np.ndarray,
    train: Mapping[str, np.ndarray],
    rejected: np.ndarray,
    paths: Paths,
) -> pd.DataFrame:
    """The pairs of highest score that no part of the data knows as a treatment, best first.

    `scores (compounds, diseases)`; `known (2, n)` pairs (row, column), which are left out; `rejected (2, n)` pairs of
    node numbers that curators found to be no indication, which stay in and are marked. `known_drug` and
    `known_disease` count the treatments of either in all parts. `note` says too if an edge joins the two, such as one
    of palliation.
    """
    scores, start = scores.copy(), int(train["compounds"][0])
    scores[tuple(known)] = -np.inf
    of_drug, of_disease = (np.bincount(side, minlength=size) for side, size in zip(known, scores.shape, strict=True))
    wrong = set(zip(*rejected.tolist(), strict=True))
    best = np.argsort(-scores, axis=0, kind="stable")[:PER_DISEASE]
    cells = [(row, column) for column in range(scores.shape[1]) for row in best[:, column]]
    cells = sorted((cell for cell in cells if scores[cell] > -np.inf), key=lambda cell: -scores[cell])[:PAIRS]
    rows = []
    for row, column in cells:
        compound, disease = start + int(row), int(diseases[column])
        notes = [REJECTED] if (compound, disease) in wrong else []
        rows.append(
            {
                "drug": paths.node[compound],
                "disease": paths.node[disease],
                "score": float(scores[row, column]),
                "known_drug": int(of_drug[row]),
                "known_disease": int(of_disease[column]),
                "note": ", ".join(notes + [f"joined by {name}" for name in paths.relations_between(compound, disease)]),
                "evidence": paths.best(compound, disease, EVIDENCE),
            }
        )
    return pd.DataFrame(rows)


def path_weights(weights: Tensor, train: Mapping[str, np.ndarray], paths: Paths) -> pd.DataFrame:
    """What one standard deviation of each kind of path adds to a pair's score, most important first."""
    names = ["-".join(str(paths.label[number]) for number in kind) for kind in kinds(train)]
    table = pd.DataFrame({"path": names, "weight": weights.double().numpy()})
    return table.sort_values("weight", key=np.abs, ascending=False, kind="stable", ignore_index=True)

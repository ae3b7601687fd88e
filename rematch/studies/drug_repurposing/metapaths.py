"""Degree-weighted counts of paths from every compound to every disease, by kind of path.

Kinds are the paths over one shared node that use no treatment (compound - gene - disease), and those that end or begin
with a treatment: of a compound that is related to, or shares nodes with, the one in question, or of a disease that is
related to the one in question. The latter are nearest neighbours with respect to one relation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from rematch.studies.drug_repurposing.messages import Edges


class Kind(NamedTuple):
    """Numbers of the relations at the two ends of a path; the treats relation itself is one of them or none."""

    from_compound: int
    to_disease: int


def kinds(data: Mapping[str, np.ndarray]) -> list[Kind]:
    """The kinds of paths in a graph with the arrays `relation_ends` and `treats`: first those without a treatment."""
    ends, treats = data["relation_ends"].tolist(), int(data["treats"].item())
    compound, disease = ends[treats]
    first, last = ([n for n, pair in enumerate(ends) if end in pair and n != treats] for end in (compound, disease))
    direct = [Kind(a, b) for a in first for b in last if _other(ends[a], compound) == _other(ends[b], disease)]
    return direct + [Kind(a, treats) for a in first] + [Kind(treats, b) for b in last]


class Metapaths:
    """Path features of one graph in which only the treatments vary."""

    def __init__(self, data: Mapping[str, np.ndarray], edges: Edges):
        ends, treats = data["relation_ends"].tolist(), int(data["treats"].item())
        nodes, (compound, disease) = int(data["type_ptr"][-1]), ends[treats]
        self.compounds = slice(*data["compounds"].tolist())
        self.diseases = slice(*data["type_ptr"][disease : disease + 2].tolist())
        self.treats, self.kinds = treats, kinds(data)
        first, last = {}, {}
        for number in {number for kind in self.kinds for number in kind} - {treats}:
            matrix = _normalised(edges.pairs[:, edges.relation == number], nodes, len(set(ends[number])) == 1)
            for end, rows, found in ((compound, self.compounds, first), (disease, self.diseases, last)):
                if end in ends[number]:
                    found[number] = (matrix if end == ends[number][0] else matrix.T.tocsr())[rows]
        direct = [kind for kind in self.kinds if treats not in kind]
        self.direct = {kind: (first[kind.from_compound] @ last[kind.to_disease].T).toarray() for kind in direct}
        self.alike = {
            Kind(n, treats): _alike(rows, self.compounds, set(ends[n]) == {compound}) for n, rows in first.items()
        } | {Kind(treats, n): _alike(rows, self.diseases, set(ends[n]) == {disease}) for n, rows in last.items()}

    def features(self, treatments: np.ndarray) -> Tensor:
        """Features `(compounds, diseases, kinds)` where the graph knows the pairs `treatments (2, n)`.

        Per kind arsinh(count / mean count), as Himmelstein et al. 2017 (https://doi.org/10.7554/eLife.26726) transform
        their counts, over its standard deviation.
        """
        shape = self.compounds.stop - self.compounds.start, self.diseases.stop - self.diseases.start
        known = np.zeros(shape)
        known[treatments[0] - self.compounds.start, treatments[1] - self.diseases.start] = 1
        known /= np.sqrt(np.outer(np.maximum(known.sum(1), 1), np.maximum(known.sum(0), 1)))
        features = np.empty((*shape, len(self.kinds)), np.float32)
        for place, kind in enumerate(self.kinds):
            if kind in self.direct:
                count = self.direct[kind]
            else:
                count = self.alike[kind] @ known if kind.to_disease == self.treats else known @ self.alike[kind]
            values = np.arcsinh(count / max(count.mean(), 1e-12))
            features[..., place] = values / max(values.std(), 1e-12)
        return torch.from_numpy(features)


def _other(pair: Sequence[int], end: int) -> int:
    return pair[1] if pair[0] == end else pair[0]


def _normalised(pairs: np.ndarray, nodes: int, symmetric: bool) -> sparse.csr_array:
    """The adjacency `(nodes, nodes)` of `pairs (2, n)`, each edge over the root of the product of its ends' degrees."""
    matrix = sparse.csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(nodes, nodes))
    matrix = matrix + matrix.T if symmetric else matrix
    rows, columns = (np.maximum(matrix.sum(axis), 1.0) ** -0.5 for axis in (1, 0))
    return (sparse.diags_array(rows) @ matrix @ sparse.diags_array(columns)).tocsr()


def _alike(rows: sparse.csr_array, own: slice, joined: bool) -> np.ndarray:
    """How alike nodes of one type are by `rows (nodes of the type, nodes)` of a relation: `joined` by it, or by shared
    neighbours. Nobody is alike to itself."""
    alike = (rows[:, own] if joined else rows @ rows.T).toarray()
    np.fill_diagonal(alike, 0)
    return alike

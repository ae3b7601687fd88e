"""Why a pair may be a treatment: the most specific nodes that a drug and a disease share in the graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rematch.studies.drug_repurposing.messages import Edges, stored_edges


class Paths:
    """Paths of two edges through the graph of the training part."""

    def __init__(self, data: Mapping[str, np.ndarray], names: pd.DataFrame):
        edges: Edges = stored_edges(data)
        ends = np.concatenate([edges.pairs, edges.pairs[::-1]], axis=1)
        order = np.argsort(ends[0], kind="stable")
        self.other, self.relation = ends[1][order], np.tile(edges.relation, 2)[order]
        self.degree = np.bincount(ends[0], minlength=int(data["type_ptr"][-1]))
        self.start = np.append(0, np.cumsum(self.degree))
        self.node = names[names.kind == "node"].name.to_numpy()
        self.label = names[names.kind == "relation"].name.to_numpy()

    def best(self, compound: int, disease: int, count: int = 1) -> str:
        """At most `count` paths through the shared nodes with fewest edges, with `; ` between them, such as `donepezil
        -CbG- ACHE -DaG- Alzheimer's disease`."""
        first, second = (slice(self.start[n], self.start[n + 1]) for n in (compound, disease))
        shared, left, right = np.intersect1d(self.other[first], self.other[second], return_indices=True)
        if not len(shared):
            return "no path of two edges"
        found = []
        for place in np.argsort(self.degree[shared], kind="stable")[:count]:
            via = self.label[self.relation[first][left[place]]], self.label[self.relation[second][right[place]]]
            middle = self.node[shared[place]]
            found.append(f"{self.node[compound]} -{via[0]}- {middle} -{via[1]}- {self.node[disease]}")
        return "; ".join(found)

    def relations_between(self, compound: int, disease: int) -> list[str]:
        """Relations of the edges that join the two directly."""
        own = slice(self.start[compound], self.start[compound + 1])
        return [str(self.label[number]) for number in self.relation[own][self.other[own] == disease]]

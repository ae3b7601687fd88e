"""Where every message of a heterogeneous graph reads and writes, so that attention needs no array with a row per edge.

A relation multiplies keys and values by a matrix of its own. The product can be taken on the side of the sources, once
per source, or on the side of the targets (queries before, sums after), once per target: the result is the same because
both steps are linear. `attention_plan` takes the side with fewer nodes that really have an edge of that relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Products:
    """Matrix products that are taken on one side: `nodes (rows,)` in runs of `sizes`, one run for each of
    `relations`."""

    relations: tuple[int, ...]
    sizes: tuple[int, ...]
    nodes: Tensor


@dataclass(frozen=True)
class AttentionPlan:
    """Edges grouped by target, then by query row (a *segment*); the same edges once more grouped by key/value row.

    Key/value rows are all nodes, then the rows of each source-side product in turn. Query rows, which are the rows of
    the sums too, are all nodes, then the rows of each target-side product. Every array is `int32`: `target_ptr (targets
    + 1,)` into segments; `segment_ptr (segments + 1,)` into edges; `segment_row`, `segment_target (segments,)`;
    `edge_kv (edges,)`; `kv_ptr (kv_rows + 1,)` into `kv_segment (edges,)`.
    """

    num_nodes: int
    at_source: Products
    at_target: Products
    kv_rows: int
    query_rows: int
    target_ptr: np.ndarray
    segment_ptr: np.ndarray
    segment_row: np.ndarray
    segment_target: np.ndarray
    edge_kv: np.ndarray
    kv_ptr: np.ndarray
    kv_segment: np.ndarray

    @property
    def num_edges(self) -> int:
        return len(self.edge_kv)

    @property
    def num_targets(self) -> int:
        return len(self.target_ptr) - 1


def attention_plan(num_nodes: int, relations: Sequence[np.ndarray]) -> AttentionPlan:
    """The plan for `relations`, one array `(2, edges)` of source and target node numbers each, `0 <= number <
    num_nodes`."""
    sides: dict[bool, list[tuple[int, np.ndarray]]] = {True: [], False: []}
    kv_rows = query_rows = num_nodes
    kv, row, target = [], [], []
    for number, (source_ids, target_ids) in enumerate(relations):
        if len(source_ids) == 0:
            continue
        sources, source_rank = _active(source_ids, num_nodes)
        targets, target_rank = _active(target_ids, num_nodes)
        at_source = len(sources) <= len(targets)
        if at_source:
            kv.append(kv_rows + source_rank[source_ids])
            row.append(target_ids)
            kv_rows += len(sources)
        else:
            kv.append(source_ids)
            row.append(query_rows + target_rank[target_ids])
            query_rows += len(targets)
        sides[at_source].append((number, sources if at_source else targets))
        target.append(target_ids)
    arrays = [np.concatenate(part).astype(np.int32) if part else np.zeros(0, np.int32) for part in (kv, row, target)]
    products = _products(sides[True]), _products(sides[False])
    return AttentionPlan(num_nodes, *products, kv_rows, query_rows, **_group(*arrays, kv_rows))


def _products(runs: list[tuple[int, np.ndarray]]) -> Products:
    nodes = np.concatenate([np.zeros(0, np.int64), *(nodes for _, nodes in runs)])
    return Products(tuple(number for number, _ in runs), tuple(len(n) for _, n in runs), torch.from_numpy(nodes))


def _active(ids: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct node numbers in `ids`, ascending, and the place of each node among them `(num_nodes,)`."""
    present = np.zeros(num_nodes, bool)
    present[ids] = True
    return np.flatnonzero(present), np.cumsum(present, dtype=np.int64) - 1


def _group(kv: np.ndarray, row: np.ndarray, target: np.ndarray, kv_rows: int) -> dict[str, np.ndarray]:
    """The grouped index arrays of a plan. Both sorts are stable, so equal graphs leave equal arrays."""
    order = np.argsort(target.astype(np.int64) * (int(row.max(initial=0)) + 1) + row, kind="stable")
    kv, row, target = kv[order], row[order], target[order]
    new_segment = np.ones(len(kv), bool)
    new_segment[1:] = (row[1:] != row[:-1]) | (target[1:] != target[:-1])
    starts = np.flatnonzero(new_segment)
    segment_of_edge = np.cumsum(new_segment) - 1
    segment_node = target[starts]
    new_target = np.ones(len(starts), bool)
    new_target[1:] = segment_node[1:] != segment_node[:-1]
    by_kv = np.argsort(kv, kind="stable")
    arrays = dict(
        target_ptr=np.append(np.flatnonzero(new_target), len(starts)),
        segment_ptr=np.append(starts, len(kv)),
        segment_row=row[starts],
        segment_target=np.cumsum(new_target) - 1,
        edge_kv=kv,
        kv_ptr=np.append(0, np.cumsum(np.bincount(kv, minlength=kv_rows))),
        kv_segment=segment_of_edge[by_kv],
    )
    return {name: np.ascontiguousarray(values, np.int32) for name, values in arrays.items()}

"""From the files of a knowledge graph to arrays: the graph without the held-out treatments, and the treatments by part.

Arrays of the training part: `type_ptr (types + 1,)`; `edges (2, edges)` and `relation_ptr (relations + 1,)` for the
edges of each relation, stored once; `relation_ends (relations, 2)` node types; `relation_directed (relations,)`;
`treats (1,)` the number of the treats relation, whose edges are the training treatments; `compounds (2,)` first and
last + 1 node number; `valid (2, n)`; `valid_diseases (d,)`. Test part: `test (2, n)`, `test_diseases (d,)`,
`non_indications (2, n)`, `classes (2, n)` of pairs of a relation that was set aside, `popularity_ceiling (1,)` where
the data were generated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.prepared import Prepared
from rematch.studies.drug_repurposing import split
from rematch.studies.drug_repurposing.readers import Graph, Relation, find, look_up, read, read_pairs
from rematch.studies.drug_repurposing.settings import Settings
from rematch.studies.drug_repurposing.trim import kept_nodes, renumber


def prepare(raw: Path, dataset: Mapping[str, Any], settings: Settings, seed: int) -> Prepared:
    """The prepared data. `dataset` may name the relation `treats` (CtD) and the node type of its `compound` end
    (Compound), the files of a published `split`, and a file of `non_indications`."""
    card = Card(str(dataset.get("title", "Typed graph of drugs and diseases")))
    graph = read(raw, dataset, card)
    treats = _oriented(graph.relation(dataset.get("treats", "CtD")), dataset.get("compound", "Compound"))
    graph = replace(graph, relations=tuple(treats if r.name == treats.name else r for r in graph.relations))
    graph, aside = _set_aside(graph, settings.set_aside, card)
    graph, aside = renumber(graph, kept_nodes(graph, treats.name, settings.limit_nodes, card), aside)
    treats = graph.relation(treats.name)
    parts = _split(raw, dataset, graph, treats, settings, seed, card)
    relations = [replace(r, pairs=parts.train) if r.name == treats.name else r for r in graph.relations]
    held_out = np.concatenate([parts.valid, parts.test], axis=1)
    if settings.held_out_edges == "removed":
        relations = split.remove_pairs(relations, held_out, card)
    else:
        relations = [treats if r.name == treats.name else r for r in relations]
    split.check_leaks(relations, parts, card)
    types, ptr = graph.types(), graph.type_ptr()
    first = types.index(treats.source)
    split.check_parts(parts, int(ptr[first + 1] - ptr[first]), card)
    for item in relations:
        if item.pairs.shape[1] == 0:
            card.add(
                "warning", "empty-relation", f"{item.name}: no edge is left after the split; it carries no message"
            )
    train = _arrays(relations, types, ptr, treats.name, parts, first)
    test = {"test": parts.test, "test_diseases": parts.test_diseases, "classes": aside}
    test["non_indications"] = _non_indications(raw, dataset, graph, card)
    test |= _truth(raw, card)
    _facts(card, graph, relations, parts)
    return Prepared(train, test, card, _names(graph))


def _oriented(item: Relation, compound: str) -> Relation:
    if item.target == compound and item.source != compound:
        return replace(item, source=item.target, target=item.source, pairs=item.pairs[::-1].copy())
    if item.source != compound or item.target == compound:
        raise ValueError(
            f"relation {item.name!r}: expected one end of type {compound}, found {item.source} and {item.target}"
        )
    return item


def _set_aside(graph: Graph, names: tuple[str, ...], card: Card) -> tuple[Graph, np.ndarray]:
    pairs = [np.zeros((2, 0), np.int64)]
    for name in names:
        if all(item.name != name for item in graph.relations):
            card.add("note", "nothing-to-set-aside", f"{name}: not in these data, so clusters are not judged by it")
            continue
        pairs.append(graph.relation(name).pairs)
    kept = tuple(item for item in graph.relations if item.name not in names)
    return replace(graph, relations=kept), np.concatenate(pairs, axis=1)


def _split(
    raw: Path, dataset: Mapping, graph: Graph, treats: Relation, settings: Settings, seed: int, card: Card
) -> split.Parts:
    if settings.split != "published":
        draw = {"edge": split.by_edge, "disease": split.by_disease}[settings.split]
        return draw(treats.pairs, settings.valid_fraction, settings.test_fraction, seed)
    files = dataset.get("split")
    if not files:
        raise ValueError(
            "split: published: expected `split: {train, valid, test}` files in the data set's entry, found none"
        )
    parts = split.from_parts(
        *(read_pairs(raw / files[part], graph, treats.name) for part in ("train", "valid", "test"))
    )
    together = np.concatenate(parts[:3], axis=1)
    missing = treats.pairs.shape[1] - len(np.unique(together[0] * len(graph.nodes) + together[1]))
    if missing:
        card.add("warning", "split-differs", f"published split and {treats.name} edges differ in number", abs(missing))
    return parts


def _arrays(
    relations: list[Relation], types: list[str], ptr: np.ndarray, treats: str, parts: split.Parts, compounds: int
) -> dict[str, np.ndarray]:
    sizes = [item.pairs.shape[1] for item in relations]
    return {
        "type_ptr": ptr,
        "edges": np.concatenate([item.pairs for item in relations], axis=1).astype(np.int32),
        "relation_ptr": np.append(0, np.cumsum(sizes)).astype(np.int64),
        "relation_ends": np.array([[types.index(item.source), types.index(item.target)] for item in relations]),
        "relation_directed": np.array([item.directed for item in relations]),
        "treats": np.array([[item.name for item in relations].index(treats)]),
        "compounds": ptr[compounds : compounds + 2].copy(),
        "valid": parts.valid,
        "valid_diseases": parts.valid_diseases,
    }


def _non_indications(raw: Path, dataset: Mapping, graph: Graph, card: Card) -> np.ndarray:
    """Pairs `(2, n)` that curators found not to be a treatment (category NOT of PharmacotherapyDB)."""
    if "non_indications" not in dataset:
        return np.zeros((2, 0), np.int64)
    path = raw / dataset["non_indications"]
    table = pd.read_csv(path, sep="\t", dtype=str)
    table = table[table.category == "NOT"]
    compound, disease = "Compound::" + table.drugbank_id, "Disease::" + table.doid_id
    there = compound.isin(graph.nodes.id) & disease.isin(graph.nodes.id)
    if not there.all():
        card.add(
            "warning",
            "non-indication-without-node",
            "non-indications of nodes that have no edge, dropped",
            (~there).sum(),
        )
    return look_up(compound[there], disease[there], graph, path.name)


def _truth(raw: Path, card: Card) -> dict[str, np.ndarray]:
    try:
        path = find(raw, r"truth\.json")
    except ValueError:
        return {}
    truth = json.loads(path.read_text())
    card.facts["planted"] = truth
    return {"popularity_ceiling": np.array([truth["popularity_ceiling_auroc"]])}


def _facts(card: Card, graph: Graph, relations: list[Relation], parts: split.Parts) -> None:
    sizes = {item.name: item.pairs.shape[1] for item in relations}
    per_type = graph.nodes.type.value_counts().sort_index()
    card.facts |= {
        "nodes": len(graph.nodes),
        "node types": [{"type": name, "nodes": int(count)} for name, count in per_type.items()],
        "edges of messages, each once": sum(sizes.values()),
        "edges per relation, median": float(np.median(list(sizes.values()))),
        "relations": [
            {"relation": r.name, "from": r.source, "to": r.target, "directed": r.directed, "edges": sizes[r.name]}
            for r in relations
        ],
        "treatments": {name: getattr(parts, name).shape[1] for name in ("train", "valid", "test")},
        "diseases ranked in the test": len(parts.test_diseases),
    }


def _names(graph: Graph) -> pd.DataFrame:
    """Rows of kind node, then of kind relation; `number` counts within a kind."""
    nodes = graph.nodes.assign(kind="node", number=np.arange(len(graph.nodes)))
    names = [item.name for item in graph.relations]
    relations = pd.DataFrame(
        {"kind": "relation", "number": np.arange(len(names)), "id": names, "name": names, "type": ""}
    )
    return pd.concat([nodes, relations], ignore_index=True)[["kind", "number", "id", "name", "type"]]

"""Tiny typed graphs and complete settings for the tests of drug repurposing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.studies.drug_repurposing.generate import generate
from rematch.studies.drug_repurposing.readers import Graph, build
from rematch.studies.drug_repurposing.settings import Settings

SETTINGS = Settings(
    split="edge",
    valid_fraction=0.1,
    test_fraction=0.2,
    held_out_edges="removed",
    set_aside=("PCiC",),
    limit_nodes=0,
    model="hgt",
    edges="real",
    hidden=8,
    embedding=8,
    width_divisor=1,
    layers=2,
    heads=2,
    decoder="dot",
    epochs=2,
    epochs_scale=1.0,
    patience=0,
    learning_rate=0.01,
    messages="all",
    treatments_in_messages="all",
    path_features=False,
    edges_per_relation=12,
    edges_divisor=1,
    accumulation=1,
    updates_per_epoch=1,
    negatives=2,
    link_weight=1.0,
    contrastive_weight=0.0,
    ranking_weight=0.0,
    temperature=0.1,
    memory_limit_mb=0,
)
SMALL = {"mechanisms": 4, "compounds": 30, "diseases": 16, "genes": 60, "treatments": 60}


def settings(**changes: Any) -> Settings:
    """Complete settings of a small training, with `changes`."""
    return replace(SETTINGS, **changes)


def small_raw(folder: Path, **sizes: int) -> Path:
    """A generated graph of about 150 nodes, as files."""
    generate(folder, seed=7, **(SMALL | sizes))
    return folder


def node_table(**sizes: int) -> pd.DataFrame:
    """Nodes of each type, e.g. node_table(Compound=3, Gene=2) has Compound::1 ... Gene::2."""
    rows = [(f"{kind}::{i + 1}", f"{kind.lower()} {i + 1}", kind) for kind, size in sizes.items() for i in range(size)]
    return pd.DataFrame(rows, columns=["id", "name", "type"])


def edge_table(text: str) -> pd.DataFrame:
    """Edges from lines such as `Compound::1 CbG Gene::2`."""
    rows = [line.split() for line in text.strip().splitlines()]
    return pd.DataFrame(rows, columns=["source", "relation", "target"])


def graph(text: str, card: Card | None = None, **sizes: int) -> Graph:
    """A graph from lines of edges and numbers of nodes."""
    return build(node_table(**sizes), edge_table(text), "edges.tsv", card or Card("test"))


def write_raw(folder: Path, nodes: pd.DataFrame, edges: pd.DataFrame) -> Path:
    """Node and edge tables as files in Hetionet's format."""
    nodes.rename(columns={"type": "kind"}).to_csv(folder / "nodes.tsv", sep="\t", index=False)
    edges.rename(columns={"relation": "metaedge"}).to_csv(folder / "edges.tsv", sep="\t", index=False)
    return folder


def codes(card: Card) -> dict[str, int]:
    """How often each finding was counted."""
    return {finding.code: finding.count for finding in card.findings}


def pairs(*both: tuple[int, int]) -> np.ndarray:
    """Pairs as an array (2, n)."""
    return np.array(both, np.int64).reshape(-1, 2).T

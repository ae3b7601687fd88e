"""Molecules as flat graphs: RDKit parses and perceives, and hands over whole molecules at a time.

Asking RDKit for every property of every atom costs as much as the parsing. One call returns a hash of each atom's
(element, degree, hydrogens, charge, isotope, in ring); each new hash is looked up once on one atom that has it. One
more call returns the matrix of bond orders.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolDescriptors

from rematch.card import Card
from rematch.studies.graph_embeddings.flat import FlatGraphs

NODE_COLUMNS = ("atomic_number", "degree", "hydrogens", "charge", "isotope", "in_ring", "aromatic")
EDGE_COLUMNS = ("twice_the_bond_order",)  # 2, 4, 6, and 3 for aromatic
_CHUNK = 2048  # molecules held at a time
_PLAIN = Chem.SmilesParserParams()
_PLAIN.sanitize, _PLAIN.removeHs, _PLAIN.allowCXSMILES, _PLAIN.parseName = False, False, False, False
_FLAGS = Chem.SanitizeFlags
_STEPS = _FLAGS.SANITIZE_ALL ^ _FLAGS.SANITIZE_SETCONJUGATION ^ _FLAGS.SANITIZE_SETHYBRIDIZATION


def read_smiles(smiles: Sequence[str], card: Card, name: str) -> tuple[FlatGraphs, np.ndarray]:
    """Graphs of the SMILES that RDKit can parse, and their row numbers `(G,)`; the others are counted and listed.

    Hydrogens are implicit. Stereo marks are read and not represented.
    """
    RDLogger.DisableLog("rdApp.*")
    try:
        parts, kept, seen = [], [], {}
        for start in range(0, len(smiles), _CHUNK):
            chunk = [(start + i, _parse(text)) for i, text in enumerate(smiles[start : start + _CHUNK])]
            good = [(row, molecule) for row, molecule in chunk if molecule is not None]
            kept.extend(row for row, _ in good)
            parts.append(_flatten([molecule for _, molecule in good], seen))
    finally:
        RDLogger.EnableLog("rdApp.*")
    rows = np.array(kept, np.int64)
    if lost := sorted(set(range(len(smiles))) - set(kept)):
        examples = [f"row {row + 1}: {smiles[row]!r:.60}" for row in lost[:10]]
        card.add("warning", "invalid-smiles", f"{name}: SMILES that RDKit refuses, left out", len(lost), examples)
    if not len(rows):
        raise ValueError(f"{name}: expected SMILES, found none that RDKit can parse among {len(smiles)} rows")
    return _join(parts), rows


def _parse(text: str) -> Chem.Mol | None:
    """The molecule, or None; without the steps of sanitising that no column below depends on."""
    if "[H]" in text or " " in text:  # explicit hydrogens are merged, names cut off, by the full parser only
        molecule = Chem.MolFromSmiles(text)
    else:
        molecule = Chem.MolFromSmiles(text, _PLAIN)
        if molecule is not None and Chem.SanitizeMol(molecule, _STEPS, catchErrors=True):
            molecule = None
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def _flatten(molecules: list[Chem.Mol], seen: dict[int, tuple[int, ...]]) -> FlatGraphs:
    invariants, orders, positions, counts = [], [], [], []
    for molecule in molecules:
        found = rdMolDescriptors.GetConnectivityInvariants(molecule)
        for i, key in enumerate(found):
            if key not in seen:
                seen[key] = _properties(molecule.GetAtomWithIdx(i))
        matrix = Chem.GetAdjacencyMatrix(molecule, useBO=True).ravel()
        where = np.flatnonzero(matrix)
        invariants.extend(found)
        positions.append(where)
        orders.append(matrix[where])
        counts.append(len(found))
    return _assemble(np.array(counts, np.int64), np.array(invariants), positions, orders, seen)


def _assemble(counts, invariants, positions, orders, seen) -> FlatGraphs:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    bonds = np.array([len(where) for where in positions], np.int64)
    graph = np.repeat(np.arange(len(counts)), bonds)
    position = np.concatenate([*positions, np.zeros(0, np.int64)]).astype(np.int64)
    order = np.concatenate([*orders, np.zeros(0)])
    first, second = np.divmod(position, counts[graph])
    keys, inverse = np.unique(invariants, return_inverse=True)
    table = np.array([seen[key] for key in keys.tolist()], np.int64).reshape(len(keys), len(NODE_COLUMNS) - 1)
    aromatic = np.zeros(offsets[-1], np.int64)
    aromatic[(offsets[graph] + first)[order == 1.5]] = 1
    once = first < second
    edges = np.stack([first, second], axis=1)[once].astype(np.uint16)
    edge_offsets = np.concatenate([[0], np.cumsum(np.bincount(graph[once], minlength=len(counts)))]).astype(np.int64)
    bond = np.rint(2 * order[once]).astype(np.int64)[:, None]
    return FlatGraphs(offsets, edge_offsets, edges, np.column_stack([table[inverse], aromatic]), bond)


def _properties(atom: Chem.Atom) -> tuple[int, ...]:
    element, degree, hydrogens = atom.GetAtomicNum(), atom.GetTotalDegree(), atom.GetTotalNumHs()
    return element, degree, hydrogens, atom.GetFormalCharge(), atom.GetIsotope(), int(atom.IsInRing())


def _join(parts: list[FlatGraphs]) -> FlatGraphs:
    counts = np.concatenate([part.node_counts for part in parts])
    edge_counts = np.concatenate([part.edge_counts for part in parts])
    rows = [np.concatenate([getattr(part, key) for part in parts]) for key in ("edges", "node_codes", "edge_codes")]
    offsets = [np.concatenate([[0], np.cumsum(each)]).astype(np.int64) for each in (counts, edge_counts)]
    return FlatGraphs(*offsets, *rows)

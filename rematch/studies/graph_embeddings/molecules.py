"""Molecules as flat graphs: RDKit parses and perceives, and hands over whole molecules at a time.

Asking RDKit for every property of every atom costs as much as the parsing. One call returns a hash of each atom's
(element, degree, hydrogens, charge, isotope, in ring); each new hash is looked up once on one atom that has it. One
more call returns the matrix of bond orders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolDescriptors

from rematch.card import Card
from rematch.studies.graph_embeddings.flat import FlatGraphs

NODE_COLUMNS = ("atomic_number", "degree", "hydrogens", "charge", "isotope", "in_ring", "aromatic")
EDGE_COLUMNS = ("twice_the_bond_order",)  # 2, 4, 6, and 3 for aromatic
_CHUNK = 2048  # molecules whose rows are held as lists at a time
_PLAIN = Chem.SmilesParserParams()
_PLAIN.sanitize, _PLAIN.removeHs, _PLAIN.allowCXSMILES, _PLAIN.parseName = False, False, False, False
_FLAGS = Chem.SanitizeFlags
_STEPS_WITH_METALS = _FLAGS.SANITIZE_ALL & ~(
    _FLAGS.SANITIZE_SETCONJUGATION
    | _FLAGS.SANITIZE_SETHYBRIDIZATION
    | _FLAGS.SANITIZE_CLEANUPCHIRALITY
    | _FLAGS.SANITIZE_CLEANUPATROPISOMERS
)
_STEPS = _STEPS_WITH_METALS & ~_FLAGS.SANITIZE_CLEANUP_ORGANOMETALLICS
# An atom in brackets that is none of these may be a metal, whose bonds RDKit may make dative; `->` is dative as well.
_METAL = re.compile(r">|\[\d*(?!(?:Cl|Br|Si|Se|As|Te|se|as|te|si|[BCNOPSFIHbcnops*])(?![a-z]))")


def read_smiles(smiles: Sequence[str], card: Card, name: str) -> tuple[FlatGraphs, np.ndarray]:
    """Graphs of the SMILES that RDKit can parse, and their row numbers `(G,)`; the others are counted and listed.

    Hydrogens are implicit. Stereo marks are read and not represented.
    """
    RDLogger.DisableLog("rdApp.*")
    try:
        kept, parts, seen = [], [], {}
        for start in range(0, len(smiles), _CHUNK):
            rows, part = _flatten(smiles[start : start + _CHUNK], seen)
            kept.extend(start + row for row in rows)
            parts.append(part)
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
        steps = _STEPS_WITH_METALS if _METAL.search(text) else _STEPS
        if molecule is not None and Chem.SanitizeMol(molecule, steps, catchErrors=True):
            molecule = None
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def _flatten(smiles: Sequence[str], seen: dict[int, tuple[int, ...]]) -> tuple[list[int], FlatGraphs]:
    """Row numbers of the SMILES that could be parsed, and their graphs. A molecule is freed before the next is parsed:
    thousands held at a time leave the cache, which took a fifth of the time."""
    rows, invariants, orders, positions, counts = [], [], [], [], []
    for row, text in enumerate(smiles):
        molecule = _parse(text)
        if molecule is None:
            continue
        rows.append(row)
        found = rdMolDescriptors.GetConnectivityInvariants(molecule)
        if not seen.keys() >= set(found):
            seen |= {key: _properties(molecule.GetAtomWithIdx(i)) for i, key in enumerate(found)}
        matrix = Chem.GetAdjacencyMatrix(molecule, useBO=True)
        if _METAL.search(text):  # a dative bond counts for the atom that takes, and is 0 seen from the one that gives
            matrix = np.maximum(matrix, matrix.T)
        matrix = matrix.ravel()
        where = matrix.nonzero()[0]
        invariants.extend(found)
        positions.append(where)
        orders.append(matrix[where])
        counts.append(len(found))
    return rows, _assemble(np.array(counts, np.int64), np.array(invariants), positions, orders, seen)


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

"""SMILES to flat graphs, against RDKit asked atom by atom."""

import numpy as np
import pytest
from rdkit import Chem

from rematch.card import Card
from rematch.studies.graph_embeddings.features import circular_fingerprint
from rematch.studies.graph_embeddings.molecules import read_smiles

MOLECULES = [
    "CCO",
    "c1ccccc1C(=O)[O-]",
    "C1=CC=CC=C1",  # benzene in Kekulé form: RDKit makes it aromatic
    "[13CH4]",
    "C[N+](C)(C)CC#N",
    "[Cl].CC(C)NCC(O)COc1cccc2ccccc12",
    "N[C@@H](C)C(=O)O",
    "F/C=C/F",
    "[H]OC([H])([H])C",
    "CS(=O)(=O)N1CCOCC1 a-name",
    "[Na+].[Cl-]",
    "O=c1[nH]cnc2[nH]cnc12",
    "C[Mg]Br",
    "CC(=O)O[Hg]c1ccccc1",
    "[NH3][Pt](Cl)(Cl)[NH3]",  # RDKit makes both bonds to the metal dative
    "Cl[Pt](Cl)(<-[NH3])<-[NH3]",
    "[NH3]->[Cu]",
    "C[Si](C)(C)[Se]C",
    "[CH3][CH2]",  # a radical
    "C[C@]12CC[C@@H](C1)C2",
]


def test_columns_equal_rdkit_atom_by_atom():
    graphs, rows = read_smiles(MOLECULES, Card("t"), "x")
    assert rows.tolist() == list(range(len(MOLECULES)))
    for i, text in enumerate(MOLECULES):
        molecule = Chem.MolFromSmiles(text)
        calls = ["AtomicNum", "TotalDegree", "TotalNumHs", "FormalCharge", "Isotope"]
        atoms = [
            (*(getattr(atom, f"Get{call}")() for call in calls), int(atom.IsInRing()), int(atom.GetIsAromatic()))
            for atom in molecule.GetAtoms()
        ]
        bonds = {
            (min(b.GetBeginAtomIdx(), b.GetEndAtomIdx()), max(b.GetBeginAtomIdx(), b.GetEndAtomIdx())): round(
                2 * b.GetBondTypeAsDouble()
            )
            for b in molecule.GetBonds()
        }
        one = graphs.select(np.array([i]))
        assert one.node_codes.tolist() == [list(atom) for atom in atoms], text
        assert {tuple(e): int(c) for e, c in zip(one.edges.tolist(), one.edge_codes[:, 0], strict=True)} == bonds, text


def test_what_cannot_be_parsed_is_counted_and_listed():
    card = Card("t")
    _, rows = read_smiles(["CC", "C1CC", "", "c1cccc1", "nonsense", "CN(C)(C)(C)C"], card, "file.csv")
    (finding,) = card.findings
    assert rows.tolist() == [0] and finding.count == 5 and finding.code == "invalid-smiles"
    assert finding.examples[0] == "row 2: 'C1CC'"


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match=r"file\.csv: expected SMILES, found none that RDKit can parse among 1 rows"):
        read_smiles(["?"], Card("t"), "file.csv")


def test_fingerprint_does_not_depend_on_the_order_of_atoms():
    graphs, _ = read_smiles(["CCOc1ccncc1", "c1cc(ccn1)OCC", "CCOc1cccnc1"], Card("t"), "x")
    rows = circular_fingerprint(graphs)
    assert np.array_equal(rows[0], rows[1]) and not np.array_equal(rows[0], rows[2])
    assert rows.sum(axis=1).tolist() == [3 * 9] * 3  # every atom at radius 0, 1 and 2

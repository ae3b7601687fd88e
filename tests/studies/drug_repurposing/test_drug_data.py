"""Splits without leaks, the check that finds one, and what else preparation counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from typed_graphs import codes, edge_table, graph, node_table, pairs, settings, small_raw, write_raw

from rematch.card import Card, blocking
from rematch.studies.drug_repurposing import split
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.readers import Relation


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return small_raw(tmp_path_factory.mktemp("raw"))


@example_settings(max_examples=30, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(20, 27)), min_size=12, max_size=60), st.integers(0, 99))
def test_parts_are_disjoint_and_complete(treatments, seed):
    both = pairs(*sorted(treatments))
    parts = split.by_edge(both, 0.1, 0.2, seed)
    rows = [tuple(pair) for part in parts[:3] for pair in part.T.tolist()]
    assert sorted(rows) == sorted(treatments) and len(rows) == len(set(rows))
    if len({disease for _, disease in treatments}) > 3:
        parts = split.by_disease(both, 0.1, 0.2, seed)
        diseases = [set(part[1].tolist()) for part in parts[:3]]
        assert not diseases[0] & diseases[1] and not diseases[0] & diseases[2] and not diseases[1] & diseases[2]
        assert set(parts.test_diseases.tolist()) == diseases[2]


def test_every_edge_between_the_nodes_of_a_held_out_pair_is_removed_in_either_direction():
    palliates = Relation("CpD", "Compound", "Disease", False, pairs((0, 5), (1, 5)))
    backwards = Relation("DpC", "Disease", "Compound", False, pairs((5, 0), (6, 0)))
    card = Card("t")
    kept = split.remove_pairs([palliates, backwards], pairs((0, 5)), card)
    assert [item.pairs.T.tolist() for item in kept] == [[[1, 5]], [[6, 0]]]
    assert sum(finding.count for finding in card.findings) == 2


def test_a_clean_split_passes_the_leak_check_and_a_planted_leak_is_an_error(raw):
    clean = prepare(raw, {}, settings(), 1)
    assert not blocking(clean.card.as_dict())
    leaky = prepare(raw, {}, settings(held_out_edges="left"), 1)
    lines = blocking(leaky.card.as_dict())
    assert any("CtD: expected no edge between the nodes of a held-out treatment" in line for line in lines)
    assert all(line.startswith("held-out-pair-in-graph") for line in lines)


def test_a_treatment_in_two_parts_is_an_error():
    card = Card("t")
    split.check_leaks([], split.from_parts(pairs((0, 5)), pairs((1, 5)), pairs((0, 5))), card)
    assert [finding.code for finding in card.findings] == ["treatment-in-two-parts"]


def test_no_held_out_pair_is_left_in_any_relation(raw):
    found = prepare(raw, {}, settings(), 3)
    held = {tuple(sorted(p)) for part in (found.train["valid"], found.test["test"]) for p in part.T.tolist()}
    assert held and not held & {tuple(sorted(p)) for p in found.train["edges"].T.tolist()}


def test_same_seed_same_arrays_other_seed_other_split(raw):
    first, again, other = (prepare(raw, {}, settings(), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first.train[name], again.train[name]) for name in first.train)
    assert not np.array_equal(first.test["test"], other.test["test"])


def test_nodes_without_edges_and_limited_nodes_are_counted(raw):
    nodes = node_table(Compound=12, Disease=4, Gene=30)
    lines = [f"Compound::{i + 1} CtD Disease::{i % 3 + 1}" for i in range(11)]
    lines += [f"Compound::{i + 1} CbG Gene::{i + 1}" for i in range(11)]
    found = graph("\n".join(lines), Compound=12, Disease=4, Gene=30)
    from rematch.studies.drug_repurposing.trim import kept_nodes

    card = Card("t")
    assert len(kept_nodes(found, "CtD", 0, card)) == 25
    assert codes(card) == {"isolated-nodes": 21}
    assert len(kept_nodes(found, "CtD", 20, card)) == 20 and codes(card)["nodes-limited"] == 5
    with pytest.raises(ValueError, match=r"limit_nodes: expected at least the 14 nodes that have a treatment, found 5"):
        kept_nodes(found, "CtD", 5, card)
    assert len(nodes) == len(found.nodes)


def test_empty_relations_and_cold_diseases_are_counted(tmp_path):
    lines = [f"Compound::{i + 1} CtD Disease::{i + 1}" for i in range(10)]
    lines += [f"Compound::{i + 1} CpD Disease::{i + 1}" for i in range(10)]
    nodes = node_table(Compound=10, Disease=10)
    raw = write_raw(tmp_path, nodes, edge_table("\n".join(lines)))
    found = codes(prepare(raw, {}, settings(valid_fraction=0.4, test_fraction=0.4), 1).card)
    assert found["disease-without-training-treatment"] == 4
    assert found["held-out-edges-removed"] == 8
    lines = [line for line in lines if "CtD" in line] + ["Compound::1 CpD Disease::1"]
    seeds = range(20)  # in some split the only palliates edge belongs to a held-out pair
    raw = write_raw(tmp_path, nodes, edge_table("\n".join(lines)))
    cards = [codes(prepare(raw, {}, settings(valid_fraction=0.4, test_fraction=0.4), seed).card) for seed in seeds]
    assert any(card.get("empty-relation") == 1 for card in cards)


def test_set_aside_relations_leave_the_graph_and_become_classes(raw):
    found = prepare(raw, {}, settings(), 1)
    assert "PCiC" not in found.names[found.names.kind == "relation"].id.tolist()
    members = found.names.iloc[found.test["classes"][0]]
    assert len(members) == 30 and set(members.type) == {"Compound"}
    card = prepare(raw, {}, settings(set_aside=("XxX",)), 1).card
    assert codes(card)["nothing-to-set-aside"] == 1


def test_published_split_and_non_indications(raw, tmp_path):
    nodes, lines = node_table(Compound=6, Disease=3), [f"Compound::{i + 1} CtD Disease::{i % 3 + 1}" for i in range(6)]
    folder = write_raw(tmp_path, nodes, edge_table("\n".join(lines)))
    for part, chosen in (("train", lines[:4]), ("dev", lines[4:5]), ("test", lines[5:])):
        (folder / f"{part}.tsv").write_text("\n".join(line.replace(" ", "\t") for line in chosen) + "\n")
    (folder / "no.tsv").write_text("doid_id\tdrugbank_id\tcategory\n2\t1\tNOT\n1\t9\tNOT\n1\t1\tDM\n")
    dataset = {"split": {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}, "non_indications": "no.tsv"}
    found = prepare(folder, dataset, settings(split="published"), 1)
    assert found.train["valid"].shape == (2, 1) and found.test["test"].shape == (2, 1)
    assert found.test["non_indications"].T.tolist() == [[0, 7]]
    assert codes(found.card)["non-indication-without-node"] == 1
    with pytest.raises(ValueError, match=r"split: published: expected `split: .*, found none"):
        prepare(folder, {}, settings(split="published"), 1)
    with pytest.raises(ValueError, match=r"relation 'CtD': expected one end of type Drug, found Compound and Disease"):
        prepare(folder, {"compound": "Drug"}, settings(), 1)

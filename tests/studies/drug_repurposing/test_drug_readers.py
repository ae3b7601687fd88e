"""Reading typed graphs: what is refused, what is mended and counted."""

import pandas as pd
import pytest
from typed_graphs import codes, edge_table, graph, node_table, write_raw

from rematch.card import Card
from rematch.studies.drug_repurposing.readers import build, read


def test_duplicates_reversed_copies_and_loops_are_dropped_and_counted():
    card = Card("test")
    found = graph(
        """
        Gene::1 GiG Gene::2
        Gene::2 GiG Gene::1
        Gene::3 GiG Gene::3
        Compound::1 CbG Gene::1
        Compound::1 CbG Gene::1
        """,
        card,
        Compound=1,
        Gene=3,
    )
    assert found.relation("GiG").pairs.T.tolist() == [[1, 2]]
    assert found.relation("CbG").pairs.T.tolist() == [[0, 1]]
    assert codes(card) == {"duplicate-edges": 1, "reversed-edges": 1, "self-loops-dropped": 1}


def test_a_directed_relation_keeps_both_directions():
    found = graph("Gene::1 Gr>G Gene::2\nGene::2 Gr>G Gene::1", Gene=2)
    assert found.relation("Gr>G").directed and found.relation("Gr>G").pairs.shape == (2, 2)


def test_row_order_of_both_files_has_no_effect():
    nodes, edges = node_table(Compound=2, Gene=3), edge_table("Compound::1 CbG Gene::3\nCompound::2 CbG Gene::1")
    first = build(nodes, edges, "edges.tsv", Card("a"))
    second = build(nodes[::-1], edges[::-1], "edges.tsv", Card("b"))
    pd.testing.assert_frame_equal(first.nodes, second.nodes)
    assert (first.relations[0].pairs == second.relations[0].pairs).all()


def test_an_edge_to_a_missing_node_is_refused_with_its_row():
    with pytest.raises(ValueError, match=r"edges.tsv: row 3: target 'Gene::9' is not in the node table"):
        graph("Compound::1 CbG Gene::1\nCompound::1 CbG Gene::9", Compound=1, Gene=1)


def test_a_relation_that_joins_other_types_is_refused_with_its_row():
    with pytest.raises(ValueError, match=r"row 3: CbG joins Compound and Gene, found Compound as an end"):
        graph("Compound::1 CbG Gene::1\nCompound::1 CbG Compound::2", Compound=2, Gene=1)


def test_a_node_listed_twice_or_without_type_is_refused():
    nodes = node_table(Gene=2)
    with pytest.raises(ValueError, match=r"node 'Gene::1': expected one row, found 2"):
        build(pd.concat([nodes, nodes[:1]]), edge_table("Gene::1 GiG Gene::2"), "e", Card("t"))
    with pytest.raises(ValueError, match=r"node 'Gene::1': expected a node type, found none"):
        build(nodes.assign(type=["", "Gene"]), edge_table("Gene::1 GiG Gene::2"), "e", Card("t"))


def test_an_unknown_relation_names_the_known_ones():
    with pytest.raises(ValueError, match=r"relation 'CtD': expected one of GiG"):
        graph("Gene::1 GiG Gene::2", Gene=2).relation("CtD")


def test_missing_columns_and_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected one file like .*nodes.*, found none"):
        read(tmp_path, {}, Card("t"))
    write_raw(tmp_path, node_table(Gene=2), edge_table("Gene::1 GiG Gene::2"))
    (tmp_path / "edges.tsv").write_text("source\ttarget\nGene::1\tGene::2\n")
    with pytest.raises(ValueError, match=r"edges.tsv: expected columns source, metaedge, target; missing metaedge"):
        read(tmp_path, {}, Card("t"))
    with pytest.raises(ValueError, match=r"reader: expected one of hetionet, primekg, found 'owl'"):
        read(tmp_path, {"reader": "owl"}, Card("t"))


def test_primekg_lists_both_directions_and_one_relation_may_join_several_types(tmp_path):
    rows = ["relation,x_id,x_type,x_name,y_id,y_type,y_name"]
    rows += ["indication,D1,drug,aspirin,7,disease,pain", "indication,7,disease,pain,D1,drug,aspirin"]
    rows += ["associated,9,gene/protein,COX,7,disease,pain", "associated,9,gene/protein,COX,D1,drug,aspirin"]
    (tmp_path / "kg.csv").write_text("\n".join(rows))
    card = Card("t")
    found = read(tmp_path, {"reader": "primekg"}, card)
    assert found.nodes.id.tolist() == ["disease::7", "drug::D1", "gene/protein::9"]
    sizes = {item.name: item.pairs.shape[1] for item in found.relations}
    assert sizes == {"associated:disease-gene/protein": 1, "associated:drug-gene/protein": 1, "indication": 1}
    assert codes(card) == {"duplicate-edges": 1}

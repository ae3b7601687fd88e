import bz2
import gzip
import re
import tarfile

import numpy as np
import pytest
from small_hierarchies import TREE, ancestor_names, data_settings, prepared, write_edges

from rematch.studies.taxonomy import data
from rematch.studies.taxonomy.generate import generate, level_counts
from rematch.studies.taxonomy.readers import READERS, read

ROWS = [(1, 1, "no rank"), (2, 1, "phylum"), (3, 1, "phylum"), (5, 2, "class"), (7, 5, "species")]
NODES = "".join(f"{own}\t|\t{parent}\t|\t{rank}\t|\n" for own, parent, rank in ROWS)
NAMES = "".join(
    f"{i}\t|\tname {i}\t|\t\t|\tscientific name\t|\n{i}\t|\tother\t|\t\t|\tsynonym\t|\n" for i in (1, 2, 3, 5, 7)
)


def _dump(folder, nodes=NODES, names=NAMES):
    (folder / "nodes.dmp").write_text(nodes)
    (folder / "names.dmp").write_bytes(names.encode("latin-1"))
    return folder


def _prepare(folder, reader="ncbi-dump", **more):
    return data.prepare(folder, {"title": "t", "reader": reader, **more}, data_settings(), 0)


def test_an_ncbi_dump_with_ranks_and_groups(tmp_path):
    result = _prepare(_dump(tmp_path))
    assert ancestor_names(result)["name 7"] == {"name 5", "name 2", "name 1"}
    names = result.names["name"].tolist()
    group = result.test["group_phylum"]
    assert group[names.index("name 7")] == group[names.index("name 2")] != group[names.index("name 3")]
    assert group[names.index("name 1")] == -1
    assert result.names["rank"][names.index("name 7")] == "species"


def test_a_dump_in_an_archive_reads_the_same(tmp_path):
    _dump(tmp_path)
    (tmp_path / "raw").mkdir()
    with tarfile.open(tmp_path / "raw" / "taxdump.tar.gz", "w:gz") as archive:
        for name in ("nodes.dmp", "names.dmp"):
            archive.add(tmp_path / name, name)
    assert ancestor_names(_prepare(tmp_path / "raw")) == ancestor_names(_prepare(tmp_path))


def test_a_table_a_gtdb_file_a_closure_and_phyloxml(tmp_path):
    for name in ("table", "gtdb", "closure", "xml"):
        (tmp_path / name).mkdir()
    rows = ["node_id\tparent_id\tname\tphylum", "0\t-1\troot\t", "1\t0\ta\tA", "2\t0\tb\tB", "3\t1\tc\tA"]
    (tmp_path / "table" / "nodes.tsv").write_text("\n".join(rows) + "\n")
    table = _prepare(tmp_path / "table", "node-table")
    assert ancestor_names(table)["c"] == {"a", "root"} and table.card.facts["phylum groups"] == 2
    line = "GB_1\td__B;p__{0};c__{0}c;o__{0}o;f__{0}f;g__{0}g;s__{0} s\n"
    (tmp_path / "gtdb" / "bac120_taxonomy.tsv").write_text(line.format("X") + line.format("Y"))
    taxa = _prepare(tmp_path / "gtdb", "gtdb")
    assert taxa.card.facts["greatest depth"] == 7 and taxa.card.facts["phylum groups"] == 2
    plain = prepared(tmp_path)
    pairs = [f"{name},{above},1" for name, all_above in ancestor_names(plain).items() for above in all_above]
    (tmp_path / "closure" / "x_closure.csv.gz").write_bytes(
        gzip.compress("\n".join(["id1,id2,weight", *pairs]).encode())
    )
    again = _prepare(tmp_path / "closure", "closure-list")
    assert ancestor_names(again) == ancestor_names(plain)
    assert np.array_equal(again.train["steps"], plain.train["steps"])
    taxon = "<clade><taxonomy><scientific_name>{}</scientific_name></taxonomy>{}</clade>".format
    clades = taxon("r", taxon("a", taxon("c", "")) + taxon("b", ""))
    text = f'<phyloxml xmlns="http://www.phyloxml.org"><phylogeny>{clades}</phylogeny></phyloxml>'
    (tmp_path / "xml" / "ncbi_taxonomy_metazoa.xml.bz2").write_bytes(bz2.compress(text.encode()))
    assert ancestor_names(_prepare(tmp_path / "xml", "phyloxml"))["c"] == {"a", "r"}


def test_a_gtdb_dump_leaves_genomes_out(tmp_path):
    nodes = NODES + "9\t|\t7\t|\tsubspecies\t|\n"
    names = NAMES + "9\t|\tgenome\t|\t\t|\tscientific name\t|\n"
    result = _prepare(_dump(tmp_path, nodes, names), "gtdb-dump")
    assert result.card.facts["nodes"] == 5 and [f.count for f in result.card.findings if f.code == "genomes"] == [1]


def test_the_cones_split_names_the_ancestor_first(tmp_path):
    direct = "0\t1\n1\t2\n0\t3\n"
    files = {
        "vocab": "0\troot\n1\ta\n2\tc\n3\tb\n",
        "train_0percent": direct,
        "train_25percent": direct,
        "valid": "0\t2\n",
        "valid_neg": "3\t2\n",
        "test": "0\t2\n",
        "test_neg": "2\t3\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.tsv").write_text(text)
    result = _prepare(tmp_path, "cones-split")
    names = result.names["name"].tolist()
    assert [[names[i] for i in pair] for pair in result.test["split_test_positive"]] == [["c", "root"]]
    held = result.train["held"]
    assert [names[a] for a in result.train["ancestors"][held]] == ["root"]  # c below root is kept from training
    rooted = read(tmp_path, {"reader": "cones-rooted"})
    assert rooted.names[-1] == "entity.n.01" and rooted.count == 5


@pytest.mark.parametrize(
    ("nodes", "names", "message"),
    [
        (NODES[:-9], NAMES, "nodes.dmp:5: expected 3 or more fields ended by tab and bar, found '7"),
        (NODES.replace("5\t|\t2", "5\t|\t77"), NAMES, "nodes.dmp: 1 parent ids are not nodes: 77"),
        (NODES.replace("2\t|\t1", "2\t|\t7"), NAMES, "expected no cycle, found name"),
        (NODES.replace("7\t|\t5", "x\t|\t5"), NAMES, "nodes.dmp:5: expected a whole number as id, found 'x'"),
        (NODES + NODES.splitlines(True)[-1], NAMES, "expected every id once, found 7 again"),
        ("1\t|\t1\t|\tno rank\t|\n", NAMES, "expected at least two nodes, found 1"),
        ("1\t|\t1\t|\tno rank\t|\n2\t|\t2\t|\tno rank\t|\n", NAMES, "found none between 2 nodes (depth 0 only)"),
        ("", NAMES, "expected at least two nodes, found 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, nodes, names, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        _prepare(_dump(tmp_path, nodes, names))
    assert "\n" not in str(caught.value)


GTDB = "G1\td__B;p__X;c__C;o__O;f__F;g__G;s__S\n"
TRUNCATED = bz2.compress(b"<phyloxml><clade><clade/></clade></phyloxml>" * 2000)[:60]


@pytest.mark.parametrize(
    ("reader", "name", "content", "message"),
    [
        ("node-table", "nodes.tsv", "node_id\tparent_id\tname\n0\t-1\ta\n1\t9\tb\n", "1 parent ids are not nodes: 9"),
        ("node-table", "nodes.tsv", "node_id\tparent_id\tname\n0\t-1\ta\n0\t-1\tb\n", "every node_id once, found 0"),
        ("node-table", "nodes.tsv", "node_id\tparent_id\tname\n0\t-1\n", "nodes.tsv:2: expected 3 columns, found 2"),
        ("node-table", "nodes.tsv", "key\tname\n0\ta\n", "expected columns node_id, parent_id, name, found key, name"),
        ("node-table", "nodes.tsv", "node_id\tparent_id\tname\n", "nodes.tsv: expected nodes, found none"),
        ("node-table", "nodes.tsv", "node_id\tparent_id\tname\n0\t-1\ta\n", "expected at least two nodes, found 1"),
        ("edge-list", "edges.csv", "child,parent\n", "expected at least two nodes, found 0"),
        ("edge-list", "edges.csv", "child,parent\na,a\nb,b\n", "found none between 2 nodes (depth 0 only)"),
        ("gtdb", "x_taxonomy.tsv", GTDB + GTDB.replace("p__X", "p__Y"), "c__C has two parents, p__X and p__Y"),
        ("gtdb", "x_taxonomy.tsv", "G1\tBacteria;p__X\n", "expected taxa such as g__Name, found 'Bacteria'"),
        ("gtdb", "other.txt", "", "expected a file *_taxonomy*.tsv, found none"),
        ("closure-list", "x_closure.csv", "id1,id2\na,b\nb,a\n", "expected no cycle, found"),
        ("phyloxml", "ncbi_taxonomy_metazoa.xml.bz2", TRUNCATED, "expected whole phyloXML, found a broken file"),
        ("cones-rooted", "vocab.tsv", "0\tone\n", "expected one file train_0percent.tsv, found 0"),
    ],
)
def test_every_reader_names_what_it_cannot_read(tmp_path, reader, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        _prepare(tmp_path, reader)
    assert "\n" not in str(caught.value)


def test_ids_outside_the_vocabulary_are_listed(tmp_path):
    (tmp_path / "vocab.tsv").write_text("0\troot\n1\ta\n")
    (tmp_path / "train_0percent.tsv").write_text("0\t1\n7\t1\n")
    with pytest.raises(ValueError, match=r"train_0percent.tsv: 1 ids are not in the vocabulary: 7"):
        _prepare(tmp_path, "cones-rooted")


def test_a_cycle_is_listed_by_name(tmp_path):
    write_edges(tmp_path, [("a", "root"), ("b", "c"), ("c", "d"), ("d", "b"), ("e", "b")])
    with pytest.raises(ValueError, match="expected no cycle, found") as caught:
        _prepare(tmp_path, "edge-list")
    assert all(name in str(caught.value).split("found ")[1].split(" -> ") for name in "bcd")


def test_missing_broken_and_odd_files(tmp_path):
    with pytest.raises(ValueError, match=r"expected nodes.dmp and names.dmp, missing nodes.dmp, names.dmp"):
        _prepare(tmp_path)
    with pytest.raises(ValueError, match=r"expected one file edges.csv or edges.tsv, found 0"):
        _prepare(tmp_path, "edge-list")
    with pytest.raises(ValueError, match="reader: expected one of ncbi-dump, node-table"):
        read(tmp_path, {"reader": "newick"})
    (tmp_path / "edges.csv").write_text("child,parent\na\n")
    with pytest.raises(ValueError, match=r"edges.csv:2: expected two columns, found 1"):
        _prepare(tmp_path, "edge-list")
    (tmp_path / "edges.csv").write_bytes(b"child,parent\na,\xff\n")
    with pytest.raises(ValueError, match=r"edges.csv: expected UTF-8 text, found byte 0xff"):
        _prepare(tmp_path, "edge-list")
    (tmp_path / "edges.csv").unlink()
    (tmp_path / "edges.csv.gz").write_bytes(gzip.compress(b"child,parent\n" + b"a,b\n" * 1000)[:-12])
    with pytest.raises(ValueError, match=r"edges.csv.gz: expected a whole compressed file"):
        _prepare(tmp_path, "edge-list")
    (tmp_path / "taxdump.tar.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(ValueError, match=r"taxdump.tar.gz: expected a whole .tar.gz"):
        _prepare(tmp_path)


def test_what_is_legitimate_is_counted(tmp_path):
    names = NAMES.replace("name 7", "n\xe4me 7")
    result = _prepare(_dump(tmp_path, NODES, names))
    assert [(f.code, f.count) for f in result.card.findings if f.level == "warning"] == [("not-utf8", 1)]
    assert "n\xe4me 7" in result.names["name"].tolist()
    edges = [*TREE, ("c", "a"), ("x", "x"), ("y", "y"), ("p", "q")]
    card = prepared(tmp_path, edges).card
    counts = {f.code: f.count for f in card.findings}
    assert counts["duplicate-edge"] == 1 and counts["self-parent"] == 2
    assert counts["orphan"] == 2 and counts["several-roots"] == 2 and counts["ranks-missing"] == 1
    with pytest.raises(ValueError, match="expected one root, found 2: root, q"):
        _prepare(write_edges(tmp_path, edges), "edge-list", single_root=True)


def test_the_generator_makes_the_figures_asked_for(tmp_path):
    counts = level_counts(111103, 38, 975896)
    assert counts.sum() == 111103 and (counts > 0).all() and (counts * np.arange(39)).sum() == 975896
    generate(tmp_path, seed=3, nodes=300, depth=12, pairs=1700)
    result = _prepare(tmp_path)
    facts = result.card.facts
    assert (facts["nodes"], facts["greatest depth"], facts["closure pairs"], facts["roots"]) == (300, 12, 1700, 1)
    assert {"group_phylum", "group_class"} <= set(result.test)
    with pytest.raises(ValueError, match="300 nodes of depth 12 cannot have 100 closure pairs"):
        generate(tmp_path, seed=3, nodes=300, depth=12, pairs=100)


def test_equal_seeds_generate_equal_bytes(tmp_path):
    texts = []
    for seed in (1, 1, 2):
        generate(tmp_path, seed=seed, nodes=200, depth=10, pairs=1000)
        texts.append((tmp_path / "nodes.dmp").read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_every_reader_is_declared_by_name():
    assert all(callable(function) for function in READERS.values())

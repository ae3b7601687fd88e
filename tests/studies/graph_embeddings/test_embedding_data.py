"""Preparation: splits, vocabulary, probes, folds, and what users get wrong."""

import io
import lzma
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from flat_samples import DATASETS
from hypothesis import given
from hypothesis import strategies as st

from rematch.card import Card
from rematch.studies.graph_embeddings.data import encode, prepare, stratified_folds, vocabulary
from rematch.studies.graph_embeddings.flat import FlatGraphs, from_arrays
from rematch.studies.graph_embeddings.generate import generate

NEEDED = dict(train_graphs=0, validation_share=0.1, test_share=0.2, held_out_graphs=0, probe_graphs=0, probe_folds=3)
ZINC = ["CCO", "CCN", "c1ccccc1", "CCCl", "CC(=O)O", "CCF", "CCBr", "CNC", "COC", "C=C"]


PLAIN = DATASETS["zinc250k"] | {"reader": "smiles"}  # the form of a mirror folder


def chosen(**changes):
    return SimpleNamespace(**NEEDED | changes)


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    out = tmp_path_factory.mktemp("raw")
    generate(out, seed=1, graphs=50, probe_graphs=30, nodes=12)
    return out


@pytest.fixture
def molecules(tmp_path):
    (tmp_path / "zinc250k.smi.xz").write_bytes(lzma.compress("\n".join(ZINC).encode()))
    (tmp_path / "split.txt").write_text("\n".join(["train"] * 6 + ["valid"] * 2 + ["test"] * 2))
    for name, column in (("freesolv", "freesolv"), ("lipophilicity", "lipo"), ("bbbp", "p_np"), ("hiv", "HIV_active")):
        (tmp_path / f"{name}.csv").write_text(
            f"smiles,{column}\n" + "".join(f"CC{'C' * i},{i % 2}\n" for i in range(6))
        )
    esol = "measured log solubility in mols per litre"
    (tmp_path / "esol.csv").write_text(f"smiles,{esol}\nCC,-1\nCCC,-2\nCCO,\nnope,1\nCCI,0.5\nCCCC,2\n")
    return tmp_path


def test_split_of_generated_graphs(generated):
    ready = prepare(generated, DATASETS["graph_generated"], chosen(), 4)
    parts = {
        name: from_arrays(arrays, name)
        for name, arrays in (("train", ready.train), ("validation", ready.train), ("test", ready.test))
    }
    assert {name: len(part) for name, part in parts.items()} == {"train": 35, "validation": 5, "test": 10}
    assert not any(key.startswith(("test", "probe", "task")) for key in ready.train)
    assert ready.train["node_sizes"].tolist() == [6] and ready.train["edge_sizes"].tolist() == [4]
    assert ready.test["task/motifs/motif/values"].shape == (30,) and ready.test["task/motifs/depth/kind"].tolist() == [
        0
    ]
    assert set(ready.names["set"]) == {"test", "motifs"} and len(ready.names) == 40


def test_same_seed_same_arrays_other_seed_other(generated):
    one, same, other = (prepare(generated, DATASETS["graph_generated"], chosen(), s).train for s in (1, 1, 2))
    assert all(np.array_equal(one[key], same[key]) for key in one)
    assert not np.array_equal(one["train.checksum"], other["train.checksum"])


def test_a_smaller_share_is_part_of_a_larger_one(generated):
    few, more = (prepare(generated, DATASETS["graph_generated"], chosen(train_graphs=n), 1) for n in (5, 9))
    few, more = from_arrays(few.train, "train"), from_arrays(more.train, "train")
    assert np.array_equal(more.select(np.arange(5)).node_codes, few.node_codes)


def test_molecules_with_a_given_split(molecules):
    ready = prepare(molecules, PLAIN, chosen(), 1)
    assert [len(from_arrays(ready.train, part)) for part in ("train", "validation")] == [6, 2]
    found = {finding.code: finding for finding in ready.card.findings if "esol" in finding.text}
    assert found["invalid-smiles"].count == 1 and found["invalid-smiles"].examples == ("row 4: 'nope'",)
    assert found["missing-target"].count == 1
    unknown = [f for f in ready.card.findings if f.code == "unknown-label" and f.text.startswith("esol")]
    assert unknown[0].count == 1 and "column 1: 53" in unknown[0].examples  # iodine: no training molecule has it


def test_only_chosen_rows_are_parsed(molecules):
    ready = prepare(molecules, PLAIN, chosen(train_graphs=3, held_out_graphs=2), 1)
    assert len(from_arrays(ready.train, "train")) == 3
    notes = [finding.text for finding in ready.card.findings if finding.code == "pretraining-share"]
    assert notes == ["train part: 3 of 6 graphs (50.0%), drawn at random"]


def pack(folder, *texts):
    """The published form: an archive of all molecules, and a list for each held-out part."""
    with tarfile.open(folder / "zinc.txt.gz", "w:gz") as archive:
        for i, text in enumerate(texts):
            item = tarfile.TarInfo(f"zinc{i}.txt")
            item.size = len(text.encode())
            archive.addfile(item, io.BytesIO(text.encode()))


def test_published_and_plain_form_give_the_same_arrays(molecules):
    pack(molecules, "\r\n".join(ZINC))
    (molecules / "valid.txt").write_text("\n".join(ZINC[6:8]) + "\n")
    (molecules / "test.txt").write_text("\n".join(ZINC[8:]))
    plain, published = (
        prepare(molecules, PLAIN | {"reader": reader}, chosen(), 1) for reader in ("smiles", "smiles-lists")
    )
    assert DATASETS["zinc250k"]["reader"] == "smiles-lists"
    for one, other in ((plain.train, published.train), (plain.test, published.test)):
        assert one.keys() == other.keys() and all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)


@pytest.mark.parametrize(
    ("texts", "valid", "message"),
    [
        (["CC"], "CCI", "valid.txt: expected SMILES of zinc.txt.gz, found 1 others, first 'CCI'"),
        (["CC", "CCC"], "CC", "zinc.txt.gz: expected one text file in the archive, found 2"),
    ],
)
def test_mistakes_in_lists(molecules, texts, valid, message):
    pack(molecules, *texts)
    (molecules / "valid.txt").write_text(valid)
    with pytest.raises(ValueError, match=message):
        prepare(molecules, DATASETS["zinc250k"], chosen(), 1)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("split.txt", "train\nvalid", "zinc250k.smi: expected 2 rows as in split.txt, found 10"),
        ("bbbp.csv", "molecule,p_np\nCC,1\n", "bbbp.csv: expected a column 'smiles', found molecule, p_np"),
        (
            "hiv.csv",
            "smiles,activity\nCC,1\n",
            "probe hiv: expected a target 'HIV_active', found smiles, activity, row",
        ),
        ("split.txt", "\n".join(["train"] * 9 + ["test"]), "validation part: expected at least 2 graphs, found 0"),
    ],
)
def test_mistakes_in_files(molecules, file, content, message):
    (molecules / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        prepare(molecules, PLAIN, chosen(), 1)


def test_svm_is_for_classes(generated):
    motifs = DATASETS["graph_generated"]["probes"]["motifs"]
    tasks = {"depth": motifs["tasks"]["depth"] | {"svm": True}}
    dataset = DATASETS["graph_generated"] | {"probes": {"motifs": motifs | {"tasks": tasks}}}
    with pytest.raises(ValueError, match="probe depth: svm: expected a classification task, found kind 'regression'"):
        prepare(generated, dataset, chosen(), 1)


def test_empty_graph_is_left_out_and_graph_without_edge_kept(tmp_path):
    (tmp_path / "M.txt").write_text("8\n0 1\n" + "1 0\n3 0\n" + "2 1\n3 1 1\n3 1 0\n" * 6)
    dataset = dict(reader="tu-one-file", pretrain={"name": "M.txt"})
    ready = prepare(tmp_path, dataset, chosen(validation_share=0.3, test_share=0.3), 1)
    assert {(f.code, f.level, f.count) for f in ready.card.findings} == {
        ("empty-graph", "warning", 1),
        ("no-edge", "note", 1),
    }


def test_unknown_node_type_is_code_zero_and_counted():
    known = [np.array([6, 8])]
    graphs = FlatGraphs(np.array([0, 3]), np.array([0, 0]), np.zeros((0, 2), np.uint16),
                        np.array([[8], [7], [6]]), np.zeros((0, 1), np.int64))  # fmt: skip
    card = Card("t")
    coded = encode(graphs, known, [np.array([1])], card, "probe")
    assert coded.node_codes.ravel().tolist() == [2, 0, 1] and coded.node_codes.dtype == np.uint8
    assert card.findings[0].code == "unknown-label" and card.findings[0].examples == ("column 1: 7",)
    with pytest.raises(ValueError, match="probe: nodes: expected 2 label columns as in training, found 1"):
        encode(graphs, known * 2, [], card, "probe")


def test_too_many_labels():
    with pytest.raises(ValueError, match="node label, column 1: expected at most 254 distinct values, found 300"):
        vocabulary(np.arange(300)[:, None], "node label")


@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.integers(2, 6), st.integers(0, 9))
def test_folds_are_even_within_groups(groups, folds, seed):
    groups = np.array(groups, float)
    numbers = stratified_folds(groups, folds, np.random.default_rng(seed))
    for group in np.unique(groups):
        sizes = np.bincount(numbers[groups == group], minlength=folds)
        assert sizes.max() - sizes.min() <= 1
    assert np.ptp(np.bincount(numbers, minlength=folds)) <= 1

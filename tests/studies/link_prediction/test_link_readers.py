"""What is read from every layout, and what is refused with which line."""

import gzip
import io
import pickle
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rematch.studies.link_prediction import readers
from rematch.studies.link_prediction.data import prepare
from rematch.studies.link_prediction.pickles import read_arrays

PARTS = {
    "train_pos": [(0, 1), (1, 2), (2, 3), (0, 3)],
    "valid_pos": [(0, 2)],
    "valid_neg": [(0, 4)],
    "test_pos": [(3, 4)],
    "test_neg": [(1, 4)],
}
OBSERVED = SimpleNamespace(edges="observed")


def write(folder, parts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in parts.items():
        (folder / f"{name}.csv").write_text("".join(f"{a},{b}\n" for a, b in pairs))
    return folder


def gz(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def legacy_torch(value):
    """What torch.save wrote before 1.6: magic, protocol, system, object, storage keys, one pickle after another."""
    stream = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, value, []):
        pickle.dump(part, stream, protocol=2)
    return stream.getvalue()


def zipped_torch(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def test_plain_split(tmp_path):
    split = readers.read(write(tmp_path, PARTS), "plain-split")
    assert split.num_nodes == 5
    assert {name: list(map(tuple, pairs)) for name, pairs in split.parts.items()} == PARTS


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("form", [legacy_torch, zipped_torch, lambda value: pickle.dumps(value)])
def test_ogb_layout_equals_the_plain_one(tmp_path, form, nested):
    folders = ("raw", "split/target", "mapping") if nested else ("", "", "")
    gz(tmp_path / folders[0] / "edge.csv.gz", "0,1\n1,2\n2,3\n0,3\n")
    gz(
        tmp_path / folders[2] / "nodeidx2drugid.csv.gz",
        "node idx,drug id\n" + "".join(f"{i},DB{i}\n" for i in range(5)),
    )
    for part in ("valid", "test"):
        path = tmp_path / folders[1] / f"{part}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(form({"edge": np.array(PARTS[f"{part}_pos"]), "edge_neg": np.array(PARTS[f"{part}_neg"])}))
    split = readers.read(tmp_path, "ogb")
    assert {name: list(map(tuple, pairs)) for name, pairs in split.parts.items()} == PARTS
    assert list(split.names) == ["DB0", "DB1", "DB2", "DB3", "DB4"]


def test_edge_list_with_names_and_drawn_negatives(tmp_path):
    rows = ["a,b,train", "b,c,train", "c,d,train", "d,e,train", "e,f,train", "a,c,valid", "d,f,test"]
    (tmp_path / "edges.csv").write_text("source,target,split\n" + "\n".join(rows) + "\n")
    result = prepare(tmp_path, {"reader": "edge-list"}, OBSERVED, 0)
    assert list(result.names["name"]) == ["a", "b", "c", "d", "e", "f"]
    assert result.train["edges"].tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert len(result.train["valid_neg"]) == len(result.test["test_neg"]) == 1
    assert [finding.code for finding in result.card.findings].count("negatives-drawn") == 2
    again = prepare(tmp_path, {"reader": "edge-list"}, OBSERVED, 99)
    assert np.array_equal(
        result.test["test_neg"], again.test["test_neg"]
    )  # held-out data do not depend on a run's seed


def test_edge_list_with_labels(tmp_path):
    rows = ["0,1,train,1", "1,2,train,1", "0,2,valid,1", "2,3,test,1", "0,3,valid,0", "1,3,test,0"]
    (tmp_path / "edges.csv").write_text("source,target,split,label\n" + "\n".join(rows) + "\n")
    result = prepare(tmp_path, {"reader": "edge-list"}, OBSERVED, 0)
    assert result.train["valid_neg"].tolist() == [[0, 3]] and result.test["test_neg"].tolist() == [[1, 3]]


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


@pytest.mark.parametrize("form", [legacy_torch, pickle.dumps, lambda value: in_archive(pickle.dumps(value))])
@pytest.mark.parametrize("value", [Evil(), {"edge": Evil()}, {"edge": np.array([Evil()], dtype=object)}])
def test_a_pickle_that_calls_a_function_is_refused(tmp_path, form, value):
    (tmp_path / "valid.pt").write_bytes(form(value))
    with pytest.raises(
        ValueError,
        match=r"valid.pt: expected a pickle of NumPy arrays only, found one that asks for (builtins|__builtin__).exec",
    ):
        read_arrays(tmp_path / "valid.pt")


def in_archive(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return stream.getvalue()


def test_other_objects_in_a_pickle_are_refused(tmp_path):
    path = tmp_path / "test.pt"
    path.write_bytes(zipped_torch({"edge": torch.zeros(2, 2)}))
    with pytest.raises(ValueError, match=r"found one that (asks for torch|holds torch storages)"):
        read_arrays(path)
    path.write_bytes(pickle.dumps({"edge": [1, 2]}))
    with pytest.raises(ValueError, match=r"expected a dictionary of NumPy arrays, found something else in 'edge'"):
        read_arrays(path)
    path.write_bytes(b"no pickle at all")
    with pytest.raises(ValueError, match=r"test.pt: expected a pickle of NumPy arrays only"):
        read_arrays(path)


BAD = [
    ({"train_pos": [(0, 1), (-1, 2)]}, r"train_pos, row 2: expected node numbers 0 to 4, found \(-1, 2\)"),
    ({"valid_pos": [(2, 2)]}, "valid_pos, row 1: expected two different nodes, found 1 self-loops"),
    ({"train_pos": [(0, 1), (1, 2), (0, 1)]}, "train_pos: expected every edge once, found 1 repeated rows"),
    ({"train_pos": [(0, 1), (1, 2), (1, 0), (2, 1)]}, r"found 2 in both directions \(a directed file\?\)"),
    ({"test_pos": [(1, 0), (3, 4), (2, 1)]}, "test_pos: expected no edge of train_pos, found 2"),
    ({"valid_pos": [(3, 4)]}, "test_pos: expected no edge of valid_pos, found 1"),
    ({"test_pos": []}, "test_pos: expected at least one pair, found none"),
    ({"train_pos": []}, "train_pos: expected at least one pair, found none"),
    ({"test_neg": [(1, 4), (1, 0), (0, 2)]}, "test_neg: expected pairs that are no edges, found 2 that are"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_wrong_split_is_refused_with_one_line(tmp_path, change, message):
    with pytest.raises(ValueError, match=message) as error:
        prepare(write(tmp_path, PARTS | change), {}, OBSERVED, 0)
    assert "\n" not in str(error.value)


def test_a_node_beyond_the_list_of_names_is_refused(tmp_path):
    write(tmp_path, PARTS)
    (tmp_path / "nodes.csv").write_text("node idx,name\n0,a\n1,b\n2,c\n3,d\n")
    with pytest.raises(
        ValueError, match=r"test_pos, row 1: expected node numbers 0 to 3, found \(3, 4\)|valid_neg, row 1"
    ):
        prepare(tmp_path, {}, OBSERVED, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1\n1,x\n", r"train_pos.csv, row 2: expected two node numbers, found '1,x'"),
        ("0,1,2\n", "train_pos.csv: expected two columns, found 3"),
        ("0,1\n1.5,2\n", r"train_pos.csv, row 2: expected two node numbers, found '1.5,2"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(tmp_path, text, message):
    write(tmp_path, PARTS)
    (tmp_path / "train_pos.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, {}, OBSERVED, 0)


def test_missing_files_and_readers(tmp_path):
    with pytest.raises(ValueError, match=r"train_pos.csv or train_pos.csv.gz: expected in .*, found neither"):
        readers.read(tmp_path, "plain-split")
    with pytest.raises(ValueError, match=r"edge.csv.gz: expected one such file in .* or below, found 0"):
        readers.read(tmp_path, "ogb")
    with pytest.raises(ValueError, match="reader: expected one of plain-split, ogb, edge-list, found 'dgl'"):
        readers.read(tmp_path, "dgl")
    (tmp_path / "edges.csv").write_text("source,target\na,b\n")
    with pytest.raises(ValueError, match=r"edges.csv: expected columns source, target, split, found no split"):
        readers.read(tmp_path, "edge-list")
    (tmp_path / "edges.csv").write_text("source,target,split\na,b,train\na,c,dev\n")
    with pytest.raises(ValueError, match=r"edges.csv, row 3: expected two names and train, valid or test"):
        readers.read(tmp_path, "edge-list")


def test_shuffled_edges_keep_the_shape_of_the_graph_and_the_held_out_pairs(tmp_path):
    write(tmp_path, PARTS)
    observed = prepare(tmp_path, {}, OBSERVED, 0)
    shuffled = prepare(tmp_path, {}, SimpleNamespace(edges="shuffled"), 0)
    degrees = [sorted(np.bincount(p.train["edges"].ravel(), minlength=5)) for p in (observed, shuffled)]
    assert degrees[0] == degrees[1]
    assert not np.array_equal(observed.train["edges"], shuffled.train["edges"])
    assert np.array_equal(observed.test["test_pos"], shuffled.test["test_pos"])

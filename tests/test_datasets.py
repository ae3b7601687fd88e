"""Declarations of data sets are checked before anything is fetched."""

import pytest
import yaml

from rematch.datasets import load_datasets

FILE = {"name": "a.csv", "url": "https://example.org/a.csv", "bytes": 3, "sha256": "0" * 64}
FETCHED = {"title": "t", "reader": "plain", "files": [FILE]}
GENERATED = {"generate": {"module": "m", "seed": 1, "sizes": {"demo": {}}}}


@pytest.fixture
def load(tmp_path):
    def load(**datasets):
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(datasets))
        return load_datasets(tmp_path)

    return load


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


def test_all_declared_data_sets_of_the_project_are_valid(root):
    found = load_datasets(root / "config" / "datasets")
    assert {"antibody_generated", "omicron_rbd_4mabs", "skempi_v2"} <= set(found)
    for name, item in found.items():
        assert item.get("title") and item.get("licence"), f"{name}: title and licence are for the reader"


def test_good_declarations_pass(load):
    plain = {"reader": "p", "files": [{"name": "b.csv.xz", "mirror": "x/b.csv.xz", "bytes": 1, "git_blob": "1"}]}
    own = FETCHED | {"files": [without(FILE, "url") | {"path": "../mine/a.csv"}]}
    assert set(load(one=FETCHED | {"plain": plain}, two=GENERATED, three=own)) == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (3, "expected either `generate` or `files`"),
        ({}, "expected either `generate` or `files`"),
        (FETCHED | GENERATED, "expected either `generate` or `files`"),
        (without(FETCHED, "reader"), "expected `reader` and a list of `files`"),
        (FETCHED | {"files": {}}, "expected `reader` and a list of `files`"),
        (FETCHED | {"files": [without(FILE, "url")]}, "files: url or path is missing in"),
        (FETCHED | {"files": [without(FILE, "bytes")]}, "files: bytes is missing in"),
        (FETCHED | {"files": ["a.csv"]}, "files: name is missing in 'a.csv'"),
        (FETCHED | {"files": [without(FILE, "sha256")]}, "a.csv: expected one checksum, sha256 or git_blob"),
        (FETCHED | {"files": [FILE | {"git_blob": "1"}]}, "a.csv: expected one checksum, sha256 or git_blob"),
        (FETCHED | {"plain": {"reader": "p", "files": [FILE]}}, "one: plain: files: mirror is missing"),
        ({"generate": {"module": "m", "seed": 1}}, "generate: expected module, seed and sizes, sizes is missing"),
        ({"generate": 3}, "generate: expected module, seed and sizes, module is missing"),
        ({"generate": {"module": "m", "seed": 1, "sizes": {"full": {}}}}, "sizes: expected at least `demo"),
        *(
            (FETCHED | {"files": [FILE | {"name": name}]}, "name: expected a plain file name, found")
            for name in ("../a", "/etc/x", "a/b", "..", ".", "", ".part", 3, "a\0b")
        ),
    ],
)
def test_mistakes_name_file_and_data_set(load, item, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(one=item)
    assert "config/datasets/a.yaml: one" in str(caught.value)


def test_a_name_may_stand_once_in_all_files(load, tmp_path):
    (tmp_path / "b.yaml").write_text(yaml.safe_dump({"one": GENERATED}))
    with pytest.raises(ValueError, match=r"b\.yaml: one: this data set is declared twice"):
        load(one=GENERATED)


def test_names_are_snake_case(load):
    with pytest.raises(ValueError, match="expected a snake_case name"):
        load(**{"../x": GENERATED})

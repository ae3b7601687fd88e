"""Strict YAML: one line that names the file and the place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.yamlfile import load_mapping


@pytest.fixture
def write(tmp_path):
    def write(content: bytes | str):
        path = tmp_path / "study.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_reads_values_and_a_byte_order_mark(write):
    assert load_mapping(write("\ufeffa: 1\nb: {c: [x, 2.5]}\n")) == {"a": 1, "b": {"c": ["x", 2.5]}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"study.yaml: line 3: key 'a' stands twice \(lines 1 and 3\)"),
        ("x:\n  set: {hidden: 1, hidden: 2}\n", r"line 2: key 'hidden' stands twice"),
        ("a: 1\n\tb: 2\n", r"study.yaml: line 2: "),
        ("a: [1, 2\n", r"study.yaml: line \d+: "),
        ("", "study.yaml: expected a mapping of keys to values, found nothing"),
        ("- 1\n- 2\n", "expected a mapping of keys to values, found list"),
        ("just text", "expected a mapping of keys to values, found str"),
        (b"a: \xff\n", "expected UTF-8 text, found byte 0xff"),
        ("a: !!python/object:os.system x\n", r"line 1: could not determine a constructor"),
        ("{[1, 2]: 3}\n", "a key must be a plain word"),
        ("a: 9999-99-99\n", "not readable as YAML"),
        ("[" * 3000, "not readable as YAML|line"),
    ],
)
def test_one_line_says_what_is_wrong(write, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_mapping(write(content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.yaml: file not found"):
        load_mapping(tmp_path / "nowhere.yaml")
    with pytest.raises(ValueError, match="not a readable file"):
        load_mapping(tmp_path)


@given(content=st.text(alphabet="ab:-[]{}&*!|>#%@\"' \n\t01<.?,", max_size=40) | st.binary(max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_mapping_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        assert isinstance(load_mapping(path), dict)
    except ValueError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)

"""Mutated inputs: every configuration file and every reader gives a result or one line, never anything else.

Allowed outcomes: success, or a `ValueError` (`RunFailed`) of one line. A hang, another exception, or a partial output
fails. The fast set tries a few dozen mutations, the slow one more than two thousand.
"""

from __future__ import annotations

import functools
import shutil
import signal
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rematch.datasets import load_datasets
from rematch.experiment import load_experiment
from rematch.failures import RunFailed
from rematch.generated import generate
from rematch.preparation import prepare_run
from rematch.settings import keys
from rematch.study import load_study
from rematch.yamlfile import load_mapping

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 30  # a mutated file that takes longer hangs
NASTY = [
    *(
        b"",
        b"\x00",
        b"\n",
        b"\r\n",
        b"\t",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xae",
        b",",
        b",,,,,,,,",
        b'"',
        b"'",
    ),
    *(b"nan", b"inf", b"-1", b"1e400", b"9" * 400, b"0x10", b"99999999999999999999", b"null", b"true", b"~", b"1e-3"),
    *(
        b"../../x",
        b"<script>alert(1)</script>",
        b"=cmd()",
        b"%s%n",
        b"&a [*a]",
        b"!!python/object:os.system",
        b"{",
        b"]",
    ),
    *(b"- - - -", b": :", b"? ", b"a" * 5000, "é漢字🧬".encode(), b"\x80", b"\x1b[31m", b"|", b"\\", b"#", b"[" * 400),
]

Mutation = Callable[[bytes], bytes]


def cut(content: bytes, at: float, length: int) -> bytes:
    start = int(at * len(content))
    return content[:start] + content[start + length :]


def mutate(content: bytes, kind: str, at: float, to: float, piece: bytes) -> bytes:
    """One mutation: `at` and `to` are places in the file, from 0 to 1."""
    start, end = sorted((int(at * len(content)), int(to * len(content))))
    lines = content.splitlines(keepends=True) or [b""]
    row, other = min(int(at * len(lines)), len(lines) - 1), min(int(to * len(lines)), len(lines) - 1)
    match kind:
        case "insert":
            return content[:start] + piece + content[start:]
        case "replace":
            return content[:start] + piece + content[start + max(1, len(piece)) :]
        case "flip":
            return (
                content[:start] + bytes([content[start] ^ (1 << end % 8)]) + content[start + 1 :]
                if content[start:]
                else b""
            )
        case "truncate":
            return content[:start]
        case "remove":
            return content[:start] + content[end:]
        case "repeat":
            return content[:end] + content[start : min(end, start + 2000)] + content[end:]
        case "drop line":
            return b"".join(lines[:row] + lines[row + 1 :])
        case "double line":
            return b"".join([*lines[: row + 1], *lines[row:]])
        case "swap lines":
            lines[row], lines[other] = lines[other], lines[row]
            return b"".join(lines)
        case "replace word":
            words = lines[row].split(b" ")
            words[int(to * 997) % len(words)] = piece
            return b"".join([*lines[:row], b" ".join(words), *lines[row + 1 :]])
        case "replace field":
            mark = next((m for m in (b"\t", b",", b"|", b" ") if m in lines[row]), b",")
            fields = lines[row].rstrip(b"\n").split(mark)
            fields[int(to * 997) % len(fields)] = piece
            return b"".join([*lines[:row], mark.join(fields) + b"\n", *lines[row + 1 :]])
    raise AssertionError(kind)


KINDS = (
    *("insert", "replace", "flip", "truncate", "remove", "repeat", "drop line", "double line", "swap lines"),
    *("replace word", "replace field"),
)
mutations = st.builds(
    lambda kind, at, to, piece: functools.partial(mutate, kind=kind, at=at, to=to, piece=piece),
    st.sampled_from(KINDS),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(NASTY) | st.binary(max_size=8),
)
several = st.lists(mutations, min_size=1, max_size=3)
quiet = dict(deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), derandomize=True)
sizes = pytest.mark.parametrize("count", [8, pytest.param(250, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])])


def outcome(body: Callable[[], object]) -> str:
    """`ok` or `refused`; anything else is raised."""

    def hang(*_: object) -> None:
        raise AssertionError(f"still running after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body()
    except (ValueError, RunFailed) as error:
        assert type(error) in (ValueError, RunFailed), f"{type(error).__name__} names no file: {error}"
        text = str(error)
        assert text and "\n" not in text and "\r" not in text and "\0" not in text, f"not one line: {text[:500]!r}"
        assert len(text) < 1500, f"a line of {len(text)} characters"
        return "refused"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return "ok"


def run(path: Path, count: int, body: Callable[[], object]) -> Counter:
    """Mutates the file `path` so many times; it is as before afterwards."""
    original, seen = path.read_bytes(), Counter()

    @settings(max_examples=count, **quiet)
    @given(several)
    def attempt(changes):
        content = original
        for change in changes:
            content = change(content)
        path.write_bytes(content)
        try:
            seen[outcome(body)] += 1
        except BaseException as error:
            kept = path.with_name(path.name + ".failing")
            kept.write_bytes(content)
            kinds = [change.keywords for change in changes]
            raise AssertionError(f"{path.name} after {kinds}: {type(error).__name__}: {error}") from error

    try:
        attempt()
    finally:
        path.write_bytes(original)
    return seen


STUDIES = sorted(path.stem for path in (ROOT / "config" / "studies").glob("*.yaml"))


@pytest.fixture
def base(tmp_path) -> Path:
    """A copy of the configuration, to be mutated."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


@sizes
@pytest.mark.parametrize("study", STUDIES)
def test_study_files(base, study, count):
    path = base / "config" / "studies" / f"{study}.yaml"
    seen = run(path, count, lambda: load_study(path, study))
    assert seen["refused"] > 0


@sizes
def test_config_files(base, count):
    path = base / "config" / "smoke.yaml"
    assert run(path, count, lambda: load_experiment(load_mapping(path), base))["refused"] > 0


@sizes
def test_dataset_files(base, count):
    for path in sorted((base / "config" / "datasets").glob("*.yaml")):
        run(path, max(4, count // 5), lambda: load_datasets(base / "config" / "datasets"))


@pytest.fixture(scope="module", params=STUDIES)
def raw(request, tmp_path_factory):
    """Generated raw data of a study at its smallest size, with what `prepare_run` needs to read them."""
    datasets = load_datasets(ROOT / "config" / "datasets")
    package = str(load_mapping(ROOT / "config" / "studies" / f"{request.param}.yaml").get("settings", request.param))
    name = next((n for n, item in datasets.items() if item.get("generate", {}).get("module") == package), None)
    if name is None:
        pytest.skip(f"{request.param} has no generated data yet")
    declared = datasets[name]
    recipe = {"reader": declared.get("reader", "plain"), **declared["generate"]}
    recipe["sizes"] = recipe["sizes"].get("smoke", recipe["sizes"]["demo"])
    folder = tmp_path_factory.mktemp(request.param)
    generate(recipe, folder / "raw", folder / "raw.json")
    study = load_study(ROOT / "config" / "studies" / f"{request.param}.yaml", request.param)
    values = study.versions["v1"].base
    known = {k: v for k, v in declared.items() if k not in ("generate", "files", "plain", "citation", "licence")}
    return package, known, {key: values[key] for key in keys(study.settings, "data")}, folder


@sizes
def test_raw_data(raw, count):
    package, known, values, folder = raw
    outputs = tuple(folder / "prepared" / name for name in ("train", "test", "names", "card"))

    def prepare() -> None:
        shutil.rmtree(folder / "prepared", ignore_errors=True)
        try:
            prepare_run(package, known, values, 1, folder / "raw.json", outputs)
        finally:
            there = [path.exists() for path in outputs]
            assert all(there) or not any(there), "a partial output"

    assert outcome(prepare) == "ok"
    files = [path for path in sorted((folder / "raw").rglob("*")) if path.is_file() and path.name != "truth.json"]
    assert files
    seen = Counter()
    for path in files:
        seen += run(path, max(2, -(-count // len(files))), prepare)


@pytest.mark.parametrize("name", ["<script>", "../../x", "a" * 300, "a\0b", "a\nb", "", ".", "a b", "A"])
def test_names_that_would_leave_the_results_folder_are_refused(name):
    chosen = {"studies": {name: {"dataset": "antibody_generated", "study": "antibody_affinity"}}, "seeds": [1]}
    with pytest.raises(ValueError, match="expected a snake_case name") as caught:
        load_experiment(chosen, ROOT)
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value)

"""Downloads from a local server and a mirror: verified before they get their name, nothing half-written left."""

import hashlib
import json
import lzma
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rematch import downloads
from rematch.downloads import fetch, verify

# requests leaves it to the garbage collector to close the socket of a broken answer
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

CONTENT = b"antibody,antigen\na,b\n" * 50


class Handler(BaseHTTPRequestHandler):
    """/good: all; /short: less than announced; /cut: a shorter file; /flaky: fails once; else 404."""

    def __init__(self, hits, *arguments):
        self.hits = hits
        super().__init__(*arguments)

    def do_GET(self):
        self.hits.append(self.path)
        flaky = self.path == "/flaky" and self.hits.count("/flaky") == 1
        if self.path not in ("/good", "/short", "/cut", "/flaky") or flaky:
            self.send_error(503 if flaky else 404)
            return
        body = {"/short": CONTENT[:100], "/cut": CONTENT[:100]}.get(self.path, CONTENT)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if self.path == "/short" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    hits = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hits)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.hits, server.url = hits, f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()
        thread.join()


def git_blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


CHECKS = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "git_blob": git_blob(CONTENT)}


def dataset(url, kind="sha256", **changes):
    file = {"name": "a.csv", "url": url, "bytes": len(CONTENT), kind: CHECKS[kind], **changes}
    return {"reader": "plain", "files": [file]}


def left(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("kind", ["sha256", "git_blob"])
def test_a_good_file_gets_its_name_and_its_checksum_is_listed(server, tmp_path, kind):
    fetch(dataset(f"{server.url}/good", kind), tmp_path / "raw", tmp_path / "raw.json", None, False)
    assert (tmp_path / "raw/a.csv").read_bytes() == CONTENT and left(tmp_path / "raw") == ["a.csv"]
    listing = json.loads((tmp_path / "raw.json").read_text())
    assert listing == {
        "reader": "plain",
        "files": [{"name": "a.csv", "bytes": len(CONTENT), "check": [kind, CHECKS[kind]]}],
    }


def test_a_failing_server_is_asked_again(server, tmp_path):
    fetch(dataset(f"{server.url}/flaky"), tmp_path / "raw", tmp_path / "raw.json", None, False)
    assert server.hits == ["/flaky", "/flaky"] and left(tmp_path / "raw") == ["a.csv"]


@pytest.mark.parametrize(
    ("kind", "path", "changes", "message"),
    [
        (
            "sha256",
            "/good",
            {"sha256": "0" * 64},
            "/good: wrong checksum: expected sha256 0000000000000000..., found [0-9a-f]{16}",
        ),
        (
            "git_blob",
            "/good",
            {"git_blob": "0" * 40},
            "/good: wrong checksum: expected git_blob 0000000000000000..., found",
        ),
        ("sha256", "/good", {"bytes": 5}, f"/good: too long: expected 5 bytes, found {len(CONTENT)}"),
        ("git_blob", "/cut", {}, f"/cut: truncated: expected {len(CONTENT)} bytes, found 100"),
        ("git_blob", "/short", {}, r"/short: download failed after 3 attempts \(ChunkedEncodingError|truncated"),
        ("sha256", "/missing", {}, r"/missing: download failed after 3 attempts \(HTTPError: 404"),
    ],
)
def test_a_bad_download_leaves_nothing_and_says_so_in_one_line(server, tmp_path, kind, path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        fetch(dataset(server.url + path, kind, **changes), tmp_path / "raw", tmp_path / "raw.json", None, False)
    assert "\n" not in str(caught.value)
    assert left(tmp_path / "raw") == [] and not (tmp_path / "raw.json").exists()
    assert server.hits == [path] * downloads.ATTEMPTS


def test_a_host_that_refuses_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    with pytest.raises(ValueError, match="download failed after 3 attempts \\(ConnectionError"):
        fetch(dataset("http://127.0.0.1:1/a"), tmp_path / "raw", tmp_path / "raw.json", None, False)
    assert left(tmp_path / "raw") == []


def test_a_part_that_a_killed_download_left_is_not_taken_for_the_file(server, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/.a.csv.part").write_bytes(b"old")
    fetch(dataset(f"{server.url}/good"), tmp_path / "raw", tmp_path / "raw.json", None, False)
    assert left(tmp_path / "raw") == ["a.csv"]


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "a.csv").write_bytes(CONTENT)
    (folder / "cut.csv").write_bytes(CONTENT[:-1])
    (folder / "a.csv.xz").write_bytes(lzma.compress(CONTENT))
    return folder


def test_a_mirror_stands_in_for_the_network(mirror, tmp_path):
    fetch(dataset("http://unused.invalid/a", mirror="a.csv"), tmp_path / "raw", tmp_path / "l.json", str(mirror), False)
    assert (tmp_path / "raw/a.csv").read_bytes() == CONTENT


def test_the_plain_form_of_a_mirror_brings_its_own_reader(mirror, tmp_path):
    packed = (mirror / "a.csv.xz").read_bytes()
    file = {"name": "a.csv.xz", "mirror": "a.csv.xz", "bytes": len(packed), "git_blob": git_blob(packed)}
    both = dataset("http://unused.invalid/a") | {"plain": {"reader": "stacked", "files": [file]}}
    fetch(both, tmp_path / "raw", tmp_path / "l.json", str(mirror), False)
    assert left(tmp_path / "raw") == ["a.csv.xz"]
    assert json.loads((tmp_path / "l.json").read_text())["reader"] == "stacked"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mirror": "b.csv"}, r"mirror/b\.csv: not there; expected a\.csv \(1050 bytes\)"),
        ({"mirror": "cut.csv"}, r"cut\.csv: truncated: expected 1050 bytes, found 1049"),
        ({"mirror": "a.csv", "sha256": "f" * 64}, r"a\.csv: wrong checksum: expected sha256 ffff"),
        ({}, r"mirror: the data set does not say where a\.csv lies in a mirror"),
    ],
)
def test_a_bad_mirror_leaves_nothing(mirror, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        fetch(dataset("http://unused.invalid", **changes), tmp_path / "raw", tmp_path / "l.json", str(mirror), False)
    assert left(tmp_path / "raw") == [] and not (tmp_path / "l.json").exists()


def test_a_file_of_ones_own_is_taken_from_its_path(mirror, tmp_path):
    own = dataset("", path="mirror/a.csv")
    del own["files"][0]["url"]
    fetch(own, tmp_path / "raw", tmp_path / "l.json", None, False, base=str(tmp_path))
    assert (tmp_path / "raw/a.csv").read_bytes() == CONTENT
    own["files"][0]["path"] = "b.csv"
    with pytest.raises(ValueError, match=r"b\.csv: not there; expected a\.csv \(1050 bytes\)"):
        fetch(own, tmp_path / "raw", tmp_path / "l.json", str(mirror), False, base=str(tmp_path))


def test_verify_knows_the_checksum_of_git(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    verify(path, {"bytes": 0, "git_blob": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}, "empty")  # git's empty blob


def test_the_declared_urls_are_the_only_hosts(root):
    from rematch.datasets import load_datasets

    for name, item in load_datasets(root / "config/datasets").items():
        for file in item.get("files", []):
            assert file["url"].startswith("https://"), f"{name}: {file['url']}: expected https"

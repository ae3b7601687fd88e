"""Lines and rows of plain or compressed text tables; what is broken is refused with file and row."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_OPEN: Mapping[str, Callable] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def repeated(values: list) -> str:
    """The first value that occurs again."""
    seen: set = set()
    return str(next(v for v in values if v in seen or seen.add(v)))


def only(raw: Path, endings: tuple[str, ...]) -> Path:
    """The one file in `raw` whose name, without .gz, .xz or .bz2, ends in one of `endings`."""

    def plain(path: Path) -> str:
        return path.name.removesuffix(path.suffix) if path.suffix in _OPEN else path.name

    found = [
        p
        for p in sorted(Path(raw).iterdir())
        if plain(p) in endings or plain(p).endswith(tuple("_" + e for e in endings))
    ]
    if len(found) != 1:
        raise ValueError(f"{raw}: expected one file {' or '.join(endings)}, found {len(found)}")
    return found[0]


def lines(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file, or a TSV file if the name holds .tsv, maybe compressed."""
    opener = _OPEN.get(path.suffix, open)
    delimiter = "\t" if ".tsv" in path.name else ","
    try:
        with opener(path, "rb") as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            yield from csv.reader(
                text, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
            )
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: expected UTF-8 text, found byte {error.object[error.start]:#x}") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name}: expected a whole compressed file, found a broken one ({error})") from None


def pairs_numbered(path: Path, header: bool) -> Iterator[tuple[int, list[str]]]:
    """(row number from 1, row) of every row after the header, each with at least two columns."""
    for number, row in enumerate(lines(path), 1):
        if number == 1 and header:
            continue
        if len(row) < 2:
            raise ValueError(f"{path.name}:{number}: expected two columns, found {len(row)}")
        yield number, row


def pairs(path: Path, header: bool) -> Iterator[list[str]]:
    """The rows after the header, each with at least two columns."""
    return (row for _, row in pairs_numbered(path, header))


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a table with header, by column name."""
    found = lines(path)
    head = next(found, [])
    rows = []
    for number, row in enumerate(found, 2):
        if len(row) != len(head):
            raise ValueError(f"{path.name}:{number}: expected {len(head)} columns, found {len(row)}")
        rows.append(dict(zip(head, row, strict=True)))
    if not rows:
        raise ValueError(f"{path.name}: expected nodes, found none")
    return rows

"""Readers of hierarchies. Each returns a `Hierarchy` and refuses what it cannot read in one line: file, row, why."""

from __future__ import annotations

import bz2
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from rematch.studies.taxonomy import wordnet
from rematch.studies.taxonomy.hierarchy import Hierarchy
from rematch.studies.taxonomy.tables import only, pairs_numbered, repeated, table
from rematch.studies.taxonomy.wordnet import from_pairs


def read(raw: Path, dataset: Mapping) -> Hierarchy:
    """The hierarchy in folder `raw`, read as `dataset["reader"]` says (a generated data set is an `ncbi-dump`)."""
    name = dataset.get("reader", "ncbi-dump")
    if name not in READERS:
        raise ValueError(f"reader: expected one of {', '.join(READERS)}, found {name!r}")
    return READERS[name](Path(raw))


def ncbi_dump(raw: Path) -> Hierarchy:
    """NCBI Taxonomy: `nodes.dmp` and `names.dmp`, plain or in one .tar.gz; fields end in tab-bar-tab."""
    texts, where, findings = _dump_files(raw)
    ids, parents, ranks = [], [], []
    for row, fields in _dump_rows(texts["nodes.dmp"], f"{where}nodes.dmp", 3):
        ids.append(_number(fields[0], f"{where}nodes.dmp", row))
        parents.append(_number(fields[1], f"{where}nodes.dmp", row))
        ranks.append("" if fields[2] in ("no rank", "clade") else fields[2])
    names = {}
    for row, fields in _dump_rows(texts["names.dmp"], f"{where}names.dmp", 4):
        if fields[3] == "scientific name":
            names[_number(fields[0], f"{where}names.dmp", row)] = fields[1]
    index = {key: i for i, key in enumerate(ids)}
    if len(index) < len(ids):
        raise ValueError(f"{where}nodes.dmp: expected every id once, found {repeated(ids)} again")
    unknown = sorted({p for p in parents if p not in index})
    if unknown:
        shown = ", ".join(map(str, unknown[:5]))
        raise ValueError(f"{where}nodes.dmp: {len(unknown)} parent ids are not nodes: {shown}")
    unnamed = sum(key not in names for key in ids)
    if unnamed:
        findings.append(
            ("warning", "unnamed", "nodes without a scientific name; their id is shown.", dict(count=unnamed))
        )
    edges = np.array([[i, index[p]] for i, p in enumerate(parents)], np.int64).reshape(-1, 2)
    labels = [names.get(key, str(key)) for key in ids]
    return Hierarchy(labels, edges, ranks, _groups_from_ranks(labels, edges, ranks), findings)


def node_table(raw: Path) -> Hierarchy:
    """A table with header: node_id or taxid, parent_id or parent_taxid (-1: root), name, maybe rank, phylum, class."""
    path = only(raw, ("nodes.tsv", "taxa.tsv"))
    rows = table(path)
    columns = rows[0].keys()
    key, parent = (
        next((c for c in names if c in columns), None)
        for names in (("node_id", "taxid"), ("parent_id", "parent_taxid"))
    )
    if key is None or parent is None:
        raise ValueError(f"{path.name}: expected columns node_id, parent_id, name, found {', '.join(columns)}")
    index = {row[key]: i for i, row in enumerate(rows)}
    if len(index) < len(rows):
        raise ValueError(f"{path.name}: expected every {key} once, found {repeated([r[key] for r in rows])} again")
    unknown = [row[parent] for row in rows if row[parent] not in index and row[parent] != "-1"]
    if unknown:
        raise ValueError(f"{path.name}: {len(unknown)} parent ids are not nodes: {', '.join(unknown[:5])}")
    edges = np.array([[i, index[r[parent]]] for i, r in enumerate(rows) if r[parent] != "-1"], np.int64).reshape(-1, 2)
    names = [row.get("name") or row[key] for row in rows]
    ranks = [row.get("rank") or "" for row in rows] if "rank" in columns else []
    groups = {g: [row[g] or "" for row in rows] for g in ("phylum", "class") if g in columns}
    return Hierarchy(names, edges, ranks, groups or _groups_from_ranks(names, edges, ranks))


def gtdb(raw: Path) -> Hierarchy:
    """GTDB taxonomy tables (*_taxonomy*.tsv): accession, then d__..;p__..; ... ;s__.., down to species."""
    ranks = {"d": "domain", "p": "phylum", "c": "class", "o": "order", "f": "family", "g": "genus", "s": "species"}
    above: dict[str, str] = {}
    paths = sorted(p for p in Path(raw).iterdir() if "_taxonomy" in p.name)
    if not paths:
        raise ValueError(f"{raw}: expected a file *_taxonomy*.tsv, found none")
    for path in paths:
        for number, row in pairs_numbered(path, header=False):
            last = "root"
            for taxon in row[1].split(";"):
                if taxon[1:3] != "__" or taxon[0] not in ranks:
                    raise ValueError(f"{path.name}:{number}: expected taxa such as g__Name, found {taxon!r}")
                if above.setdefault(taxon, last) != last:
                    raise ValueError(f"{path.name}:{number}: {taxon} has two parents, {above[taxon]} and {last}")
                last = taxon
    found = from_pairs(list(above.items()))
    found.ranks = [ranks.get(name[0], "") if name[1:3] == "__" else "" for name in found.names]
    found.groups = _groups_from_ranks(found.names, found.edges, found.ranks)
    return found


def gtdb_dump(raw: Path) -> Hierarchy:
    """A GTDB dump in NCBI's format down to species: genomes, which it ranks as subspecies, are left out and counted."""
    whole = ncbi_dump(raw)
    keep = np.array([rank != "subspecies" for rank in whole.ranks])
    new = np.cumsum(keep) - 1
    edges = new[whole.edges[keep[whole.edges].all(axis=1)]]
    whole.findings.append(("note", "genomes", "genomes below species were left out.", dict(count=int((~keep).sum()))))

    def kept(values: list[str]) -> list[str]:
        return [value for value, stays in zip(values, keep, strict=True) if stays]

    groups = {name: kept(labels) for name, labels in whole.groups.items()}
    return Hierarchy(kept(whole.names), edges, kept(whole.ranks), groups, whole.findings)


def phyloxml(raw: Path) -> Hierarchy:
    """phyloXML, bzip2 (*.xml.bz2): nested clades with scientific names; such a file carries no ranks."""
    path = only(raw, ("taxonomy_metazoa.xml",))
    names, edges, way = [], [], []
    try:
        with bz2.open(path) as file:
            for event, element in ElementTree.iterparse(file, events=("start", "end")):
                tag = element.tag.rpartition("}")[2]
                if tag == "clade" and event == "start":
                    if way:
                        edges.append((len(names), way[-1]))
                    way.append(len(names))
                    names.append("")
                elif tag == "clade":
                    way.pop()
                    element.clear()
                elif tag == "scientific_name" and event == "end":
                    names[way[-1]] = element.text or ""
    except (ElementTree.ParseError, EOFError, OSError) as error:
        raise ValueError(f"{path.name}: expected whole phyloXML, found a broken file ({error})") from None
    return Hierarchy(names, np.array(edges, np.int64).reshape(-1, 2))


READERS: Mapping[str, Callable[[Path], Hierarchy]] = {
    "ncbi-dump": ncbi_dump, "node-table": node_table, "gtdb": gtdb, "gtdb-dump": gtdb_dump, "phyloxml": phyloxml,
    "edge-list": wordnet.edge_list, "closure-list": wordnet.closure_list, "cones-split": wordnet.cones,
    "cones-rooted": wordnet.cones_rooted,
}  # fmt: skip


def _groups_from_ranks(names, edges, ranks) -> dict[str, list[str]]:
    """Label of the nearest ancestor-or-self of rank phylum and class; nothing without ranks. For trees."""
    if not ranks:
        return {}
    parent = {int(c): int(p) for c, p in edges if c != p}
    groups = {}
    for rank in ("phylum", "class"):
        label: dict[int, str] = {}
        for start in range(len(names)):
            way, x = [], start
            while x not in label and len(way) <= len(names):
                way.append(x)
                if ranks[x] == rank or x not in parent:
                    label[x] = names[x] if ranks[x] == rank else ""
                    break
                x = parent[x]
            found = label.get(x, "")
            label.update((y, found) for y in way)
        groups[rank] = [label[x] for x in range(len(names))]
    return groups


def _dump_files(raw: Path) -> tuple[dict[str, str], str, list]:
    wanted, found, where = ("nodes.dmp", "names.dmp"), {}, ""
    archives = sorted(Path(raw).glob("*.tar.gz"))
    if archives:
        where = f"{archives[0].name}: "
        try:
            with tarfile.open(archives[0]) as archive:
                for member in archive:
                    if Path(member.name).name in wanted and member.isfile():
                        found[Path(member.name).name] = archive.extractfile(member).read()
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ValueError(f"{archives[0].name}: expected a whole .tar.gz, found a broken one ({error})") from None
    else:
        found = {name: (Path(raw) / name).read_bytes() for name in wanted if (Path(raw) / name).exists()}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"{where or str(raw) + ': '}expected {' and '.join(wanted)}, missing {', '.join(missing)}")
    findings: list = []
    return {name: _decode(content, name, findings) for name, content in found.items()}, where, findings


def _decode(content: bytes, name: str, findings: list) -> str:
    """UTF-8 text; lines that are not UTF-8 are read as Latin-1 and counted."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        lines, odd = [], []
        for number, line in enumerate(content.split(b"\n"), 1):
            try:
                lines.append(line.decode())
            except UnicodeDecodeError:
                lines.append(line.decode("latin-1"))
                odd.append(f"{name}:{number}")
        text = "lines are not UTF-8; they were read as Latin-1."
        findings.append(("warning", "not-utf8", text, dict(count=len(odd), examples=odd)))
        return "\n".join(lines)


def _dump_rows(text: str, name: str, least: int) -> Iterator[tuple[int, list[str]]]:
    for row, line in enumerate(text.splitlines(), 1):
        fields = line.removesuffix("\t|").split("\t|\t")
        if not line.endswith("\t|") or len(fields) < least:
            raise ValueError(
                f"{name}:{row}: expected {least} or more fields ended by tab and bar, found {line[:60]!r} (truncated?)"
            )
        yield row, fields


def _number(text: str, name: str, row: int) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}:{row}: expected a whole number as id, found {text!r}") from None

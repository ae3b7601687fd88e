"""Readers: raw files of a data set -> one affinity table and its feature tables, all checked."""

from __future__ import annotations

import io
import lzma
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.studies.antibody_affinity.mutations import mutation_features

LANDSCAPE_LIMIT = 6.0  # -log10 Kd; the authors treat variants without detectable binding as weaker than this


@dataclass
class Raw:
    """`affinity`: sample, antibody, antigen, pkd, censored, source and group columns. Feature tables by key."""

    affinity: pd.DataFrame
    antibodies: pd.DataFrame  # key `antibody`, all other columns numeric features
    antigens: pd.DataFrame  # key `antigen`, all other columns numeric features
    crossed: tuple[str, ...] = ()  # antigen features to be multiplied by the antibody's identity
    groups: tuple[str, ...] = field(default=("antibody", "antigen"))


def read_table(path: Path, columns: tuple[str, ...], separator: str = ",", padding: str = "") -> pd.DataFrame:
    """A text table (plain or .xz) with at least `columns`. Raises `ValueError` with one line on what is wrong.

    `padding` characters at the end of every line are ignored (a spreadsheet adds commas to a file with semicolons).
    """
    try:
        content = path.read_bytes()
        text = (lzma.decompress(content) if path.suffix == ".xz" else content).decode("utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{path}: file not found") from None
    except (lzma.LZMAError, EOFError):
        raise ValueError(f"{path}: not a whole .xz file; truncated or not compressed") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, found byte {error.object[error.start]:#04x}") from None
    if not text.strip():
        raise ValueError(f"{path}: the file is empty; expected a header with {', '.join(columns)}")
    if padding:
        text = re.sub(rf"{re.escape(padding)}+(?=\r?$)", "", text, flags=re.MULTILINE)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: not readable as a table ({str(error).splitlines()[0]})") from None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{path}: column {missing[0]!r} is missing{_delimiter_hint(text, separator)}; "
            f"found {list(table.columns)[:8]}"
        )
    if table.empty:
        raise ValueError(f"{path}: a header but no row")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first fields for row names
        raise ValueError(f"{path}: row 2: expected {len(table.columns)} fields as in the header, found more")
    return table


def numbers(table: pd.DataFrame, column: str, path: Path, *, empty_allowed: bool = False) -> pd.Series:
    """A column as floats; the first cell that is no finite number is named with its row (the header is row 1)."""
    text = table[column].str.strip()
    values = pd.to_numeric(text.where(text != "", None), errors="coerce").astype(float)
    bad = ~np.isfinite(values) & ~((text == "") & empty_allowed)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}: row {row + 2}: {column}: expected a finite number, found {text.iloc[row]!r:.60}")
    return values


def read_plain(raw: Path, dataset: Mapping, card: Card) -> Raw:
    """The plain layout, also written by the generator: affinity.csv, antibodies.csv, antigens.csv."""
    path = raw / "affinity.csv"
    table = read_table(path, ("antibody", "antigen", "affinity", "unit"))
    affinity = pd.DataFrame({key: table[key] for key in ("antibody", "antigen")})
    affinity["sample"] = affinity.antibody + "|" + affinity.antigen
    affinity["pkd"] = to_pkd(numbers(table, "affinity", path), table["unit"], path)
    affinity["censored"] = _flags(table, "below_detection", path)
    affinity["source"] = table.get("source", "all")
    antibodies = _features(raw / "antibodies.csv", "antibody")
    antigens = _features(raw / "antigens.csv", "antigen")
    for name, features in (("family", antibodies), ("strain", antigens)):
        if name in features:
            key = "antibody" if name == "family" else "antigen"
            affinity[name] = affinity[key].map(features.drop_duplicates(key).set_index(key)[name])
            del features[name]
    return Raw(affinity, antibodies, antigens, groups=("family", "strain", "antibody", "antigen"))


def to_pkd(values: pd.Series, units: pd.Series, path: Path) -> pd.Series:
    """pKd = -log10(Kd in mol/l) from Kd in M, mM, uM, nM, pM, or from pKd itself."""
    powers = {"M": 0.0, "mM": 3.0, "uM": 6.0, "nM": 9.0, "pM": 12.0}
    unknown = ~units.isin([*powers, "pKd"])
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise ValueError(
            f"{path}: row {row + 2}: unit: expected pKd, {', '.join(powers)}, found {units.iloc[row]!r:.40}"
        )
    is_pkd = units == "pKd"
    bad = ~is_pkd & (values <= 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{path}: row {row + 2}: affinity: expected Kd > 0, found {values.iloc[row]:g}")
    # Adding the power of ten keeps 100 nM at exactly 7, the border of two bins; multiplying by 1e-9 may not.
    return values.where(is_pkd, units.map(powers) - np.log10(values.where(~is_pkd, 1.0)))


def read_landscape(raw: Path, dataset: Mapping, card: Card) -> Raw:
    """The authors' tables of the Omicron RBD landscape, one per antibody: Genotype and Actual Kd (-log10 mol/l)."""
    tables = []
    for path in sorted(raw.glob("lasso_prediction_*.txt")):
        table = read_table(path, ("Genotype", "Actual Kd"), "\t")
        values = numbers(table, "Actual Kd", path, empty_allowed=True)
        antibody = path.name.split("_")[2]
        tables.append(pd.DataFrame({"antibody": antibody, "genotype": table["Genotype"], "pkd": values}))
    if not tables:
        raise ValueError(f"{raw}: expected files named lasso_prediction_<antibody>_*.txt, found none")
    return _landscape(pd.concat(tables, ignore_index=True), raw)


def read_landscape_stacked(raw: Path, dataset: Mapping, card: Card) -> Raw:
    """The same landscape in one plain table: antibody, genotype, neglog10_kd (empty: no binding detected)."""
    path = raw / "affinity.csv.xz"
    table = read_table(path, ("antibody", "genotype", "neglog10_kd"))
    values = numbers(table, "neglog10_kd", path, empty_allowed=True)
    return _landscape(pd.DataFrame({"antibody": table.antibody, "genotype": table.genotype, "pkd": values}), path)


def _landscape(affinity: pd.DataFrame, origin: Path) -> Raw:
    wrong = ~affinity.genotype.str.fullmatch("[01]{15}")
    if wrong.any():
        found = affinity.genotype[wrong].iloc[0]
        raise ValueError(f"{origin}: genotype: expected 15 characters 0 or 1, found {found!r:.40}")
    affinity["censored"] = affinity.pkd.isna()
    affinity["pkd"] = affinity.pkd.fillna(LANDSCAPE_LIMIT)
    affinity["antigen"] = "rbd-" + affinity.genotype
    affinity["sample"] = affinity.antibody + "|" + affinity.genotype
    affinity["source"] = affinity.antibody
    affinity["mutations"] = affinity.genotype.str.count("1").astype(str)
    antigens = affinity[["antigen", "genotype"]].drop_duplicates("antigen", ignore_index=True)
    sites = {f"site_{i:02d}": antigens.genotype.str[i].astype(float) for i in range(15)}
    names = sorted(affinity.antibody.unique())
    antibodies = pd.DataFrame({"antibody": names})
    for name in names:
        antibodies[f"is_{name}"] = (antibodies.antibody == name).astype(float)
    features = pd.concat([antigens[["antigen"]], pd.DataFrame(sites)], axis=1)
    groups = ("mutations", "antibody", "antigen")
    return Raw(affinity.drop(columns="genotype"), antibodies, features, tuple(sites), groups)


def read_skempi(raw: Path, dataset: Mapping, card: Card) -> Raw:
    """SKEMPI 2.0: rows of antibody-antigen complexes (Hold_out_type AB/AG) with both affinities in mol/l."""
    path = next((p for p in sorted(raw.iterdir()) if p.name.startswith("skempi_v2.csv")), raw / "skempi_v2.csv")
    columns = ("#Pdb", "Mutation(s)_cleaned", "iMutation_Location(s)", "Hold_out_type", "Affinity_mut_parsed")
    table = read_table(path, (*columns, "Affinity_wt_parsed", "Temperature"), ";", padding=",")
    table = table.map(str.strip)
    ours = table["Hold_out_type"].str.contains("AB/AG", regex=False)
    card.add("note", "antibody-rows", "Rows that are no antibody-antigen complex are left out.", int((~ours).sum()))
    both = (table["Affinity_mut_parsed"] != "") & (table["Affinity_wt_parsed"] != "")
    bounds = ours & ~both
    if bounds.any():
        text = "Affinity is a bound or missing (n.b., >, <): the row is left out."
        card.add("warning", "unparsed-affinity", text, int(bounds.sum()), table["#Pdb"][bounds], "S4-108")
    table = table[ours & both].reset_index(drop=True)
    if table.empty:
        raise ValueError(f"{path}: no antibody-antigen row with both affinities")
    mutant = numbers(table, "Affinity_mut_parsed", path)
    wildtype = numbers(table, "Affinity_wt_parsed", path)
    units = pd.Series("M", index=table.index)
    affinity = pd.DataFrame({"antibody": table["#Pdb"], "pkd": to_pkd(mutant, units, path), "censored": False})
    temperature = table["Temperature"].str.extract(r"^(\d+(?:\.\d+)?)")[0].astype(float)
    unknown = temperature.isna()
    if unknown.any():
        card.add(
            "warning",
            "no-temperature",
            "No temperature given: 298 K is assumed.",
            int(unknown.sum()),
            table["#Pdb"][unknown],
        )
    affinity["antigen"] = table["#Pdb"] + ":" + table["Mutation(s)_cleaned"] + "#" + table.index.astype(str)
    affinity["sample"] = affinity.antigen  # repeated mutations are separate measurements
    affinity["source"] = temperature.fillna(298.0).round().astype(int).astype(str) + " K"
    affinity["complex"] = table["#Pdb"]
    features = mutation_features(table["Mutation(s)_cleaned"], table["iMutation_Location(s)"], path)
    features["wildtype_pkd"] = to_pkd(wildtype, units, path)
    features["temperature"] = temperature.fillna(298.0)
    antigens = pd.concat([affinity[["antigen"]], features], axis=1)
    antibodies = pd.DataFrame({"antibody": affinity.antibody.unique()})
    return Raw(affinity, antibodies, antigens, groups=("complex",))


def _flags(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    if column not in table:
        return pd.Series(False, index=table.index)
    wrong = ~table[column].isin(["0", "1"])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{path}: row {row + 2}: {column}: expected 0 or 1, found {table[column].iloc[row]!r:.40}")
    return table[column] == "1"


def _features(path: Path, key: str) -> pd.DataFrame:
    table = read_table(path, (key,))
    words = {"family", "strain"}
    values = {c: table[c] if c == key or c in words else numbers(table, c, path) for c in table.columns}
    return pd.DataFrame(values)


def _delimiter_hint(text: str, separator: str) -> str:
    header = text.splitlines()[0]
    for other in (";", ",", "\t", "|"):
        if other != separator and header.count(other) > header.count(separator):
            return f" (the header looks separated by {other!r}, expected {separator!r})"
    return ""


READERS = {
    "plain": read_plain,
    "landscape": read_landscape,
    "landscape-stacked": read_landscape_stacked,
    "skempi": read_skempi,
}

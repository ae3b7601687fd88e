"""From raw tables to tensors: feature merge, cleaning, split, scaling and reduction fitted on train, data card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from rematch.card import Card
from rematch.prepared import Prepared
from rematch.streams import numpy_generator
from rematch.studies.antibody_affinity.bins import EDGES, NAMES, bin_index, inverse_frequency_weights
from rematch.studies.antibody_affinity.readers import READERS, Raw
from rematch.studies.antibody_affinity.settings import Settings

SHARES = {"train": 0.70, "valid": 0.15, "test": 0.15}  # as upstream (S4-87)


def prepare(raw: Path, dataset: Mapping, settings: Settings, seed: int) -> Prepared:
    """Train and validation rows, test rows, names of all rows, and the data card."""
    card = Card(str(dataset.get("title", raw)))
    table = READERS[dataset["reader"]](raw, dataset, card)
    rows, features = merge(table, card)
    rows, features = clean(rows, features, settings, card)
    target = rows["pkd"].to_numpy(np.float32)
    rows["bin"] = bin_index(target)  # of the values that loss and scores see: rounding may cross a border
    group = str(dataset.get("group", "antibody")) if settings.group == "dataset" else settings.group
    rows["group"] = _group_column(rows, group, table.groups)
    rows["split"] = SPLITS[settings.split](rows, seed)
    _describe(rows, features, settings, group, card)
    inputs = reduce(features, (rows["split"] == "train").to_numpy(), settings.features, card)
    parts = {name: np.flatnonzero(rows["split"] == name) for name in SHARES}
    train = {}
    for name in ("train", "valid"):
        train |= {f"x_{name}": inputs[parts[name]], f"y_{name}": target[parts[name]]}
    test = {"x_test": inputs[parts["test"]], "y_test": target[parts["test"]], "row": parts["test"]}
    names = rows[["sample", "antibody", "antigen", "source", "group", "split"]].reset_index(drop=True)
    return Prepared(train, test, card, names)


def merge(table: Raw, card: Card) -> tuple[pd.DataFrame, np.ndarray]:
    """The feature merge: rows of the affinity table with both feature vectors, and the features `(rows, features)`.

    A key that stands twice in a feature table is an error unless the rows are identical; a key without features drops
    its rows. Both are counted in the card.
    """
    rows = table.affinity
    keep = pd.Series(True, index=rows.index)
    for name, features in (("antibody", table.antibodies), ("antigen", table.antigens)):
        unique = features.drop_duplicates(ignore_index=True)
        repeated = unique[name].duplicated(keep=False)
        if repeated.any():
            keys = sorted(unique[name][repeated].unique())
            text = f"{name} features: a key stands more than once with different features."
            card.add("error", f"duplicate-{name}-key", text, len(keys), keys)
            unique = unique.drop_duplicates(name)
        if len(unique) < len(features) and not repeated.any():
            text = f"{name} features: identical rows given more than once; one is kept."
            card.add("warning", f"repeated-{name}-row", text, len(features) - len(unique))
        unmatched = ~rows[name].isin(unique[name])
        if unmatched.any():
            text = f"Rows whose {name} has no features: left out."
            card.add("warning", f"unmatched-{name}", text, int(unmatched.sum()), sorted(rows[name][unmatched].unique()))
        unused = ~unique[name].isin(rows[name])
        if unused.any():
            card.add(
                "note",
                f"unused-{name}",
                f"{name} features without an affinity row.",
                int(unused.sum()),
                unique[name][unused],
            )
        keep &= ~unmatched
    if not keep.any():
        raise ValueError(f"{card.title}: no affinity row has both antibody and antigen features; do the keys match?")
    card.facts["rows_read"] = len(rows)
    rows = rows[keep].reset_index(drop=True)
    return rows, _joined(rows, table)


def _joined(rows: pd.DataFrame, table: Raw) -> np.ndarray:
    """Features `(rows, features)`: antibody's, antigen's, and the crossed antigen's once per antibody feature."""
    parts = {}
    for name, features in (("antibody", table.antibodies), ("antigen", table.antigens)):
        indexed = features.drop_duplicates(name).set_index(name)
        parts[name] = indexed.loc[rows[name]]
    blocks = [part.to_numpy(np.float32) for part in parts.values()]
    if table.crossed:
        crossed = parts["antigen"][list(table.crossed)].to_numpy(np.float32)
        blocks += [blocks[0][:, [i]] * crossed for i in range(blocks[0].shape[1])]
    return np.hstack(blocks)


def clean(rows: pd.DataFrame, features: np.ndarray, settings: Settings, card: Card) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows without exact duplicates, censored ones treated as the settings say, affinities inside 0 to 16 pKd."""
    censored = rows["censored"].astype(bool)
    if censored.any():
        share = f"{censored.mean():.1%} of the rows are left-censored (no binding detected)"
        done = {"drop": "they are left out", "limit": "they are set to the detection limit"}[settings.censored]
        by_source = rows["source"][censored].value_counts().to_dict()
        card.add("warning", "censored", f"{share}; {done}. By source: {by_source}.", int(censored.sum()))
    keep = ~censored if settings.censored == "drop" else pd.Series(True, index=rows.index)
    repeated = rows[keep].duplicated(["sample", "pkd"]).reindex(rows.index, fill_value=False)
    if repeated.any():
        card.add(
            "warning",
            "duplicate-row",
            "The same pair with the same affinity: one is kept.",
            int(repeated.sum()),
            rows["sample"][repeated],
        )
    single = rows[keep & ~repeated]
    conflicting = single["sample"].duplicated(keep=False).reindex(rows.index, fill_value=False)
    if conflicting.any():
        text = "The same pair with different affinities: a key must be unique."
        card.add("error", "duplicate-key", text, int(conflicting.sum()), rows["sample"][conflicting].unique())
    outside = ~rows["pkd"].between(EDGES[0], EDGES[-1]) & keep
    if outside.any():
        text = f"Affinity outside {EDGES[0]:g} to {EDGES[-1]:g} pKd: left out."
        card.add("warning", "out-of-range", text, int(outside.sum()), rows["sample"][outside])
    keep &= ~repeated & ~outside
    kept = keep.to_numpy()
    if kept.sum() < 10:
        raise ValueError(f"{card.title}: {int(kept.sum())} rows left after cleaning, expected at least 10")
    return rows[kept].reset_index(drop=True), features[kept]


def split_grouped(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """Part of each row so that no group is in two parts: groups in random order fill test, validation, then train."""
    sizes = rows["group"].value_counts(sort=False).sort_index()
    if len(sizes) < 3:
        raise ValueError(f"split: grouped needs at least 3 groups, found {len(sizes)}: {list(sizes.index)[:3]}")
    order = numpy_generator(seed, "split").permutation(len(sizes))
    part = dict.fromkeys(sizes.index, "train")
    free = list(order)
    for name in ("test", "valid"):
        wanted = SHARES[name] * len(rows)
        filled = 0.0
        reserved = 2 if name == "test" else 1  # a group for each part that is still to come
        for group in list(free):
            if len(free) == reserved:
                break
            size = sizes.iloc[group]
            fits = abs(filled + size - wanted) < abs(filled - wanted)
            if fits or (filled == 0 and group == min(free, key=lambda g: sizes.iloc[g])):
                part[sizes.index[group]] = name
                filled += size
                free.remove(group)
    return rows["group"].map(part).to_numpy()


def split_random(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """Part of each row, at random: pairs of one antibody or antigen land on both sides (upstream; it leaks)."""
    place = np.empty(len(rows))
    place[numpy_generator(seed, "split").permutation(len(rows))] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.where(
        place < SHARES["test"], "test", np.where(place < SHARES["test"] + SHARES["valid"], "valid", "train")
    )


SPLITS = {"grouped": split_grouped, "random": split_random}


def reduce(features: np.ndarray, fit_on: np.ndarray, width: int, card: Card) -> np.ndarray:
    """Inputs `(rows, at most width)`: standardised, then principal components, both fitted on `fit_on` (S4-105)."""
    scaler = StandardScaler().fit(features[fit_on])
    scaled = scaler.transform(features)
    width = min(width, scaled.shape[1], int(fit_on.sum()) - 1)
    pca = PCA(width, svd_solver="covariance_eigh").fit(scaled[fit_on])
    card.facts["features"] = {
        "before": features.shape[1],
        "after": width,
        "variance_kept": round(float(pca.explained_variance_ratio_.sum()), 4),
    }
    return pca.transform(scaled).astype(np.float32)


def _group_column(rows: pd.DataFrame, group: str, known: tuple[str, ...]) -> pd.Series:
    if group not in known or group not in rows:
        raise ValueError(f"group: the data have no column {group!r} to split by (known: {', '.join(known)})")
    return rows[group].astype(str)


def _describe(rows: pd.DataFrame, features: np.ndarray, settings: Settings, group: str, card: Card) -> None:
    """Counts per part and bin, class weights beside their formula, and warnings about empty bins."""
    counts = pd.crosstab(rows["bin"], rows["split"]).reindex(
        index=range(len(NAMES)), columns=list(SHARES), fill_value=0
    )
    whole = counts.sum(axis=1).to_numpy()
    weights = inverse_frequency_weights(counts["train"].to_numpy())
    card.facts |= {
        "rows_used": len(rows),
        "antibodies": rows["antibody"].nunique(),
        "antigens": rows["antigen"].nunique(),
        "split": f"{settings.split} by {group}" if settings.split == "grouped" else "random",
        "groups": rows["group"].nunique(),
        "bins": [
            {
                "bin": NAMES[i],
                "from_pkd": EDGES[i],
                "to_pkd": EDGES[i + 1],
                **counts.loc[i].to_dict(),
                "weight": round(float(weights[i]), 4),
            }
            for i in range(len(NAMES))
        ],
        "weight_formula_sum": round(float(sum(1 / (len(NAMES) * w) for w in weights if w > 0)), 6),
    }
    for i, name in enumerate(NAMES):
        if whole[i] == 0:
            card.add(
                "warning", "empty-bin", f"No affinity falls into the bin {name}; it has no score.", 1, [name], "S4-108"
            )
            continue
        for part in SHARES:
            if counts.loc[i, part] == 0:
                text = f"The split leaves no {name} row to {part} ({whole[i]} in all); the bin cannot be judged there."
                card.add("warning", "bin-missing-in-part", text, 1, [f"{name}/{part}"], "S4-91")
    crossing = rows.groupby("group")["split"].nunique().gt(1).sum()
    if crossing:
        text = f"Groups ({group}) that stand in more than one part: a model can remember them; see the grouped split."
        card.add("warning", "groups-cross-the-split", text, int(crossing), source="S4-104")

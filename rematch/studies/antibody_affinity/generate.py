"""A data set with known structure in the plain layout: affinity.csv, antibodies.csv, antigens.csv and truth.json.

pKd = offset + additive effects of antibody and antigen + their interaction (epistasis) + an effect of the antibody's
family + noise, stretched so that the five bins are strongly unbalanced. The family effect is independent of
everything a new family shows, but each family carries a signature in its features: a random split lets a model
remember the families (the planted leak), a split by family does not.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.atomic import write_text
from rematch.streams import numpy_generator

ANTIBODY_LATENTS, ANTIGEN_LATENTS, SIGNATURE = 8, 6, 6
ANTIBODY_FEATURES, ANTIGEN_FEATURES = 110, 70
SHARES = {"antibody": 0.20, "antigen": 0.15, "epistasis": 0.30, "family": 0.20, "noise": 0.15}  # of the variance
UNMATCHED_ROWS, CENSORED_SHARE = 5, 0.01


def generate(
    out: Path,
    *,
    seed: int,
    rows: int,
    families: int,
    antibodies_per_family: int,
    strains: int,
    antigens_per_strain: int,
) -> None:
    """Writes the three tables and the truth into `out`; equal arguments leave equal bytes."""
    if rows > families * antibodies_per_family * strains * antigens_per_strain:
        raise ValueError(f"rows: {rows} is more than the antibody-antigen pairs that these sizes allow")
    draw = numpy_generator(seed, "antibody_affinity")
    family = np.repeat(np.arange(families), antibodies_per_family)
    strain = np.repeat(np.arange(strains), antigens_per_strain)
    antibody = draw.normal(size=(families, ANTIBODY_LATENTS))[family] + draw.normal(
        size=(len(family), ANTIBODY_LATENTS)
    )
    antigen = draw.normal(size=(strains, ANTIGEN_LATENTS))[strain] + draw.normal(size=(len(strain), ANTIGEN_LATENTS))
    pairs = draw.choice(len(family) * len(strain), size=rows, replace=False)
    first, second = pairs // len(strain), pairs % len(strain)
    parts = {
        "antibody": (antibody @ draw.normal(size=ANTIBODY_LATENTS))[first],
        "antigen": (antigen @ draw.normal(size=ANTIGEN_LATENTS))[second],
        "epistasis": np.einsum(
            "ni,ij,nj->n", antibody[first], draw.normal(size=(ANTIBODY_LATENTS, ANTIGEN_LATENTS)), antigen[second]
        ),
        "family": draw.normal(size=families)[family][first],
        "noise": draw.standard_t(5, size=rows),
    }
    score = sum(np.sqrt(share) * _standard(parts[name]) for name, share in SHARES.items())
    pkd = np.clip(8.0 + 1.5 * np.sinh(0.8 * _standard(score)) / 0.8, 0.5, 15.5)
    signature = draw.normal(size=(families, SIGNATURE))[family]
    antibodies = _table("antibody", "ab", family, "family", np.hstack([antibody, signature]), ANTIBODY_FEATURES, draw)
    antigens = _table("antigen", "ag", strain, "strain", antigen, ANTIGEN_FEATURES, draw)
    _write(out, pkd, antibodies, antigens, first, second, draw)
    truth = {"variance_shares": SHARES, "leak": "family", "rows": rows, "seed": seed}
    write_text(out / "truth.json", json.dumps(truth, indent=2))


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def _table(
    key: str, prefix: str, group: np.ndarray, group_name: str, latent: np.ndarray, width: int, draw
) -> pd.DataFrame:
    """Names, groups and `width` features: a random linear image of the latents with a little noise."""
    mixing = draw.normal(size=(latent.shape[1], width)) / np.sqrt(latent.shape[1])
    features = latent @ mixing + 0.1 * draw.normal(size=(len(latent), width))
    table = pd.DataFrame(features.round(4), columns=[f"{prefix}_{i:03d}" for i in range(width)])
    table.insert(0, group_name, [f"{group_name}-{i:02d}" for i in group])
    table.insert(0, key, [f"{prefix}-{i:04d}" for i in range(len(table))])
    return table


def _write(out: Path, pkd: np.ndarray, antibodies: pd.DataFrame, antigens: pd.DataFrame, first, second, draw) -> None:
    """Affinities as Kd in nM. As in real tables, a few antigens have no features and some rows are below detection."""
    table = pd.DataFrame(
        {"antibody": antibodies.antibody.to_numpy()[first], "antigen": antigens.antigen.to_numpy()[second]}
    )
    table["affinity"] = [f"{value:.6g}" for value in 10.0 ** (9.0 - pkd)]
    table["unit"] = "nM"
    table["below_detection"] = ((draw.random(len(pkd)) < CENSORED_SHARE * 10) & (pkd < 6)).astype(int)
    table["source"] = np.where(second % 2 == 0, "assay-a", "assay-b")
    lost = draw.choice(len(table), size=min(UNMATCHED_ROWS, len(table)), replace=False)
    table.loc[lost, "antigen"] = "ag-unknown"
    write_text(out / "affinity.csv", table.to_csv(index=False))
    write_text(out / "antibodies.csv", antibodies.to_csv(index=False))
    write_text(out / "antigens.csv", antigens.to_csv(index=False))

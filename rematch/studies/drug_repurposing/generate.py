"""A typed graph with planted mechanisms, in Hetionet's file format: a drug treats a disease because both meet in the
same genes.

Every gene, drug and disease has a mechanism. Drugs bind and diseases associate mostly genes of their own mechanism;
genes of one mechanism interact and share pathways. A pair of equal mechanism is a treatment with probability 1 -
exp(-scale * a * b), where a and b are log-normal popularities of drug and disease; a pair of unequal mechanism never
is. So the only way to tell a treatment is through the genes, and the most that popularity alone can reach is known
exactly (`popularity_ceiling`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.atomic import write_text
from rematch.streams import numpy_generator


def generate(
    out: Path,
    *,
    seed: int,
    mechanisms: int,
    compounds: int,
    diseases: int,
    genes: int,
    treatments: int,
    noise: float = 0.2,
    links_per_node: int = 8,
) -> None:
    """Writes `nodes.tsv`, `edges.tsv` and `truth.json` into `out`.

    `treatments` is how many are expected; `noise` the share of bound and associated genes from other mechanisms;
    `links_per_node` the mean number of genes a drug binds or a disease associates.
    """
    rng = numpy_generator(seed, "generate")
    sizes = {"Compound": compounds, "Disease": diseases, "Gene": genes}
    planted = {kind: _shuffled(rng, np.arange(size) % mechanisms) for kind, size in sizes.items()}
    fame = {kind: rng.lognormal(0.0, 1.0, sizes[kind]) for kind in ("Compound", "Disease")}
    chance, treated = _treatments(rng, planted, fame, treatments, mechanisms)
    edges = [("CtD", "Compound", "Disease", *np.nonzero(treated))]
    edges += _mechanism_edges(rng, planted, mechanisms, noise, links_per_node)
    edges += _distractors(rng, planted, fame, treated, links_per_node)
    write_text(out / "nodes.tsv", _nodes(sizes, edges).to_csv(sep="\t", index=False))
    write_text(out / "edges.tsv", _edges(edges).to_csv(sep="\t", index=False))
    truth = {
        "popularity_ceiling_auroc": ceiling(chance, chance / mechanisms),
        "mechanism_ceiling_auroc": ceiling(
            np.where(_match(planted), chance, 0.0), np.where(_match(planted), chance, 0.0)
        ),
        "treatments": int(treated.sum()),
    }
    write_text(out / "truth.json", json.dumps(truth, indent=2))


def ceiling(score: np.ndarray, probability: np.ndarray) -> float:
    """The expected AUROC of `score` when each pair is positive with its own `probability`, ties counted as half.

    With `score` increasing in `probability` no other score of the same information does better (Neyman and Pearson).
    """
    order = np.argsort(score, axis=None, kind="stable")
    score, positive = score.ravel()[order], probability.ravel()[order]
    _, group = np.unique(score, return_inverse=True)
    p, n = np.bincount(group, positive), np.bincount(group, 1 - positive)
    below = np.cumsum(n) - n
    return float((p * (below + n / 2)).sum() / (p.sum() * n.sum()))


def _match(planted: dict[str, np.ndarray]) -> np.ndarray:
    return planted["Compound"][:, None] == planted["Disease"][None, :]


def _treatments(
    rng: np.random.Generator, planted: dict, fame: dict, wanted: int, mechanisms: int
) -> tuple[np.ndarray, np.ndarray]:
    """Chance of a treatment given equal mechanism, and the treatments drawn, both `(compounds, diseases)`."""
    product = fame["Compound"][:, None] * fame["Disease"][None, :]
    low, high = 1e-6, 1e6
    for _ in range(60):  # bisection for the scale that expects `wanted` treatments
        scale = (low * high) ** 0.5
        expected = (1 - np.exp(-scale * product)).sum() / mechanisms
        low, high = (scale, high) if expected < wanted else (low, scale)
    chance = 1 - np.exp(-scale * product)
    return chance, _match(planted) & (rng.random(chance.shape) < chance)


def _mechanism_edges(rng: np.random.Generator, planted: dict, mechanisms: int, noise: float, links: int) -> list[tuple]:
    """Edges that carry the mechanism: binds, associates, interacts, pathways, and the classes that are set aside."""
    genes = planted["Gene"]
    edges = []
    for name, kind in (("CbG", "Compound"), ("DaG", "Disease")):
        count = 1 + rng.poisson(links - 1, len(planted[kind]))
        source = np.repeat(np.arange(len(planted[kind])), count)
        edges.append((name, kind, "Gene", source, _genes_like(rng, planted[kind][source], genes, noise)))
    source = np.repeat(np.arange(len(genes)), links // 2)
    edges.append(("GiG", "Gene", "Gene", source, _genes_like(rng, genes[source], genes, noise)))
    wrong = rng.random(len(genes)) < noise
    pathway = np.where(wrong, rng.integers(0, mechanisms, len(genes)), genes)
    edges.append(("GpPW", "Gene", "Pathway", np.arange(len(genes)), pathway * 2 + rng.integers(0, 2, len(genes))))
    drugs = np.arange(len(planted["Compound"]))
    wrong = rng.random(len(drugs)) < noise / 2
    label = np.where(wrong, rng.integers(0, mechanisms, len(drugs)), planted["Compound"])
    edges.append(("PCiC", "Pharmacologic Class", "Compound", label, drugs))
    return edges


def _genes_like(rng: np.random.Generator, mechanism: np.ndarray, genes: np.ndarray, noise: float) -> np.ndarray:
    """A gene of the same mechanism for each entry, or with chance `noise` any gene."""
    by_mechanism = np.argsort(genes, kind="stable")
    size = np.bincount(genes)
    start = np.cumsum(size) - size
    same = by_mechanism[start[mechanism] + (rng.random(len(mechanism)) * size[mechanism]).astype(np.int64)]
    return np.where(rng.random(len(mechanism)) < noise, rng.integers(0, len(genes), len(mechanism)), same)


def _distractors(rng: np.random.Generator, planted: dict, fame: dict, treated: np.ndarray, links: int) -> list[tuple]:
    """Edges that say nothing about the mechanism: side effects by popularity, expression; and palliates, which
    repeats one in twenty treatments and so would leak them."""
    drugs, diseases, genes = (len(planted[kind]) for kind in ("Compound", "Disease", "Gene"))
    source = np.repeat(np.arange(drugs), 1 + rng.poisson(np.clip(fame["Compound"], 0, 5) * links / 2))
    edges = [("CcSE", "Compound", "Side Effect", source, rng.integers(0, max(2, drugs // 2), len(source)))]
    source = np.repeat(np.arange(drugs), links // 2)
    edges.append(("CuG", "Compound", "Gene", source, rng.integers(0, genes, len(source))))
    both = np.argwhere(treated)
    both = both[rng.random(len(both)) < 0.05]
    other = np.stack([rng.integers(0, drugs, diseases), np.arange(diseases)], axis=1)
    edges.append(("CpD", "Compound", "Disease", *np.concatenate([both, other]).T))
    return edges


def _ids(kind: str, numbers: np.ndarray) -> pd.Series:
    return pd.Series(numbers).map(lambda number: f"{kind}::{number + 1:05d}")


def _nodes(sizes: dict[str, int], edges: list[tuple]) -> pd.DataFrame:
    sizes = dict(sizes)
    for _, source, target, first, second in edges:
        for kind, numbers in ((source, first), (target, second)):
            sizes[kind] = max(sizes.get(kind, 0), int(numbers.max(initial=-1)) + 1)
    parts = []
    for kind, size in sorted(sizes.items()):
        names = [f"{kind.lower()} {number + 1}" for number in range(size)]
        parts.append(pd.DataFrame({"id": _ids(kind, np.arange(size)), "name": names, "kind": kind}))
    return pd.concat(parts, ignore_index=True)


def _edges(edges: list[tuple]) -> pd.DataFrame:
    parts = []
    for name, source, target, first, second in edges:
        table = pd.DataFrame({"source": _ids(source, first), "metaedge": name, "target": _ids(target, second)})
        parts.append(table[table.source != table.target].drop_duplicates())
    return pd.concat(parts, ignore_index=True)


def _shuffled(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    return values[rng.permutation(len(values))]

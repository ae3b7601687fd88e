"""How much memory a training will need, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rematch.studies.drug_repurposing.metapaths import kinds
from rematch.studies.drug_repurposing.questions import PARTS
from rematch.studies.drug_repurposing.settings import Settings

BASE_MB = 450.0  # torch, numba and the prepared graph, before the first step
TABLES = 26.0  # float32 tables (nodes, hidden) alive at the peak of one layer's backward pass, counted in its code
LINK_ROWS = 8.0  # rows (edges, embedding) alive at the peak of the link loss with one negative
CONTRAST_ROWS = 17.0  # the same of the contrastive loss


def predicted_mb(settings: Settings, data: Mapping[str, np.ndarray]) -> float:
    """Peak resident memory in MB of training `settings` on the prepared graph; an estimate.

    On Hetionet at a quarter of the widths it says 711 MB for v1, 2,052 for v2 and 1,566 for v3, where 684, 2,080 and
    1,414 were measured.
    """
    nodes, relations = int(data["type_ptr"][-1]), 2 * len(data["relation_ends"])
    hidden, embedding, types = settings.width("hidden"), settings.width("embedding"), len(data["type_ptr"]) - 1
    weights = nodes * hidden + embedding * hidden
    weights += settings.layers * (types * 4 * hidden**2 + relations * 2 * hidden**2 // settings.heads)
    sizes = np.diff(data["relation_ptr"])
    drawn = int(np.minimum(sizes, settings.edges_per_batch).sum())
    rows = LINK_ROWS * (1 + settings.negatives) / 2 * (settings.link_weight > 0)
    rows += CONTRAST_ROWS * (settings.contrastive_weight > 0)
    numbers = 6 * weights  # values, gradients, two moments of Adam, the best and the last weights
    numbers += settings.layers * TABLES * nodes * hidden + 4 * nodes * embedding
    numbers += rows * drawn * embedding
    numbers += _path_numbers(data) if settings.path_features else 0.0
    plans = PARTS if settings.treatments_in_messages == "others" else 0  # beside the one of all edges
    return BASE_MB + 4 * float(numbers) / 1e6 + (64 + 40 * plans) * float(sizes.sum()) / 1e6


def _path_numbers(data: Mapping[str, np.ndarray]) -> float:
    """Numbers of 4 bytes that path features and what they are counted from take."""
    treats, every = int(data["treats"].item()), kinds(data)
    compounds = int(np.diff(data["compounds"])[0])
    diseases = int(np.diff(data["type_ptr"])[data["relation_ends"][treats, 1]])
    numbers = (PARTS + 2) * compounds * diseases * len(every)  # each part, the whole, and one while it is counted
    for kind in every:  # in double precision
        rows = compounds if kind.to_disease == treats else diseases
        columns = diseases if treats not in kind else rows
        numbers += 2 * (compounds if treats not in kind else rows) * columns
    return float(numbers)


def check_memory(settings: Settings, data: Mapping[str, np.ndarray]) -> None:
    """`ValueError` if `memory_limit_mb` is declared and would be exceeded; the line says what would fit."""
    needed = predicted_mb(settings, data)
    if not settings.memory_limit_mb or needed <= settings.memory_limit_mb:
        return
    widths = f"embedding {settings.width('embedding')} with hidden {settings.width('hidden')}"
    text = f"memory_limit_mb: {settings.memory_limit_mb} declared, but {widths} needs about {needed:.0f} MB; "
    for divisor in range(settings.width_divisor + 1, 65):
        try:
            smaller = replace(settings, width_divisor=divisor)
        except ValueError:
            continue
        if (fits := predicted_mb(smaller, data)) <= settings.memory_limit_mb:
            widths = f"embedding {smaller.width('embedding')} with hidden {smaller.width('hidden')}"
            raise ValueError(f"{text}width_divisor {divisor} would fit ({widths}: about {fits:.0f} MB)")
    raise ValueError(f"{text}no width fits this graph; use limit_nodes")

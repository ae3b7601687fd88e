"""One training step of the attention layers, ours against torch_geometric's HGTConv with the same weights and edges.

    python benchmarks/hgt.py [--quick] [--raw FOLDER] [--widths 128 256] [--repeats 5] [--record]

`--raw` is a folder with Hetionet's node and edge files; without it a random graph has the same types, relations and
counts. HGTConv gets 5,000 edges per relation, as in the recipe, because all edges would need tens of GB; ours is timed
on those and on all edges. `--quick` divides nodes and edges by 20 and takes width 128. Times are seconds of one CPU
thread, forward and backward, medians of interleaved runs; memory is the peak of a process that does one step.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.recorded import report
from rematch.card import Card
from rematch.resident import peak_mb as process_peak_mb
from rematch.studies.drug_repurposing import losses
from rematch.studies.drug_repurposing.layer import HgtLayer
from rematch.studies.drug_repurposing.messages import Edges, message_ends, message_relations, piece
from rematch.studies.drug_repurposing.peer import hgt_conv, hgt_conv_inputs
from rematch.studies.drug_repurposing.plan import attention_plan
from rematch.studies.drug_repurposing.readers import read_hetionet
from rematch.studies.drug_repurposing.trim import kept_nodes, renumber

TYPES = {"Anatomy": 398, "Compound": 1536, "Disease": 136, "Gene": 18942, "Pathway": 1822, "Side Effect": 5701}
RELATIONS = """AdG Anatomy Gene 102240, AeG Anatomy Gene 369336, AuG Anatomy Gene 97848, CbG Compound Gene 11571,
CcSE Compound SideEffect 138944, CdG Compound Gene 21102, CpD Compound Disease 390, CrC Compound Compound 6486,
CtD Compound Disease 755, CuG Compound Gene 18756, DaG Disease Gene 12623, DdG Disease Gene 7623,
DlA Disease Anatomy 3602, DrD Disease Disease 543, DuG Disease Gene 7731, GcG Gene Gene 61690, GiG Gene Gene 147164,
GpPW Gene Pathway 84372, Gr>G Gene Gene 265672"""
HEADS, LAYERS, SAMPLED, QUICK = 4, 2, 5000, 20


def random_graph(divisor: int) -> tuple[dict[str, np.ndarray], Edges]:
    """Hetionet's types and relations with random edges, nodes and edges divided by `divisor`; low numbers are hubs."""
    rng = np.random.default_rng(0)
    sizes = [max(2, size // divisor) for size in TYPES.values()]
    ptr = np.append(0, np.cumsum(sizes))
    numbers = {name.replace(" ", ""): i for i, name in enumerate(TYPES)}
    pairs, ends, relation = [], [], []
    for place, line in enumerate(RELATIONS.replace("\n", " ").split(",")):
        _, source, target, count = line.split()
        end = numbers[source], numbers[target]
        count = max(2, int(count) // divisor)
        pairs.append([ptr[t] + (rng.random(count) ** 2 * sizes[t]).astype(np.int64) for t in end])
        ends.append(end)
        relation += [place] * count
    data = {
        "type_ptr": ptr,
        "relation_ends": np.array(ends),
        "relation_directed": np.arange(len(ends)) == len(ends) - 1,
    }
    return data, Edges(np.concatenate(pairs, axis=1), np.array(relation))


def real_graph(raw: Path) -> tuple[dict[str, np.ndarray], Edges]:
    """Hetionet from its files, without nodes that have no edge."""
    card = Card("benchmark")
    graph = read_hetionet(raw, card)
    graph, _ = renumber(graph, kept_nodes(graph, "CtD", 0, card), np.zeros((2, 0), np.int64))
    types = graph.types()
    data = {
        "type_ptr": graph.type_ptr(),
        "relation_ends": np.array([[types.index(r.source), types.index(r.target)] for r in graph.relations]),
        "relation_directed": np.array([r.directed for r in graph.relations]),
    }
    relation = np.repeat(np.arange(len(graph.relations)), [r.pairs.shape[1] for r in graph.relations])
    return data, Edges(np.concatenate([r.pairs for r in graph.relations], axis=1), relation)


def sample(edges: Edges, per_relation: int) -> Edges:
    """At most `per_relation` edges of each relation."""
    sizes = np.bincount(edges.relation)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    keep = np.arange(len(edges.relation)) - starts < per_relation  # the edges are in no order that matters here
    return Edges(edges.pairs[:, keep], edges.relation[keep])


class Case:
    """Layers of one width with the same weights in both implementations, on one graph."""

    def __init__(self, data: dict[str, np.ndarray], edges: Edges, width: int):
        self.data, self.ends = data, message_ends(data)
        self.ptr = data["type_ptr"].tolist()
        generator = torch.Generator().manual_seed(0)
        self.layers = [HgtLayer(width, HEADS, self.ptr, len(self.ends), generator) for _ in range(LAYERS)]
        self.x = torch.randn(self.ptr[-1], width, generator=generator, requires_grad=True)
        relations = message_relations(data, edges)
        self.plan = attention_plan(self.ptr[-1], relations)
        self.relations = [torch.from_numpy(np.ascontiguousarray(pairs)) for pairs in relations]

    def ours(self) -> Tensor:
        x = self.x
        for layer in self.layers:
            x = layer(x, self.plan, "compiled")
        return x

    def peer(self) -> Callable[[], Tensor]:
        convs = [hgt_conv(layer, self.ends) for layer in self.layers]

        def forward() -> Tensor:
            x = self.x
            for conv in convs:
                found = conv(*hgt_conv_inputs(x, self.ptr, self.relations, self.ends))
                x = torch.cat([found[str(t)] for t in range(len(self.ptr) - 1)])
            return x

        return forward


def cpu_seconds(forward: Callable[[], Tensor]) -> float:
    """CPU seconds of one forward and backward pass."""
    start = time.process_time()
    forward().sum().backward()
    return time.process_time() - start


def compare(data: dict[str, np.ndarray], edges: Edges, width: int, repeats: int) -> tuple[float, float]:
    """Speed-up over HGTConv and the largest difference of outputs; prints a row of the table."""
    few, all_edges = Case(data, sample(edges, SAMPLED), width), Case(data, edges, width)
    peer = few.peer()
    with torch.no_grad():
        expected, found = peer(), few.ours()
        difference = float((found - expected).abs().max() / expected.abs().max())
    cpu_seconds(few.ours)  # compiles
    times: dict[str, list[float]] = {"peer": [], "ours": [], "all": []}
    for _ in range(repeats):
        for name, forward in (("peer", peer), ("ours", few.ours), ("all", all_edges.ours)):
            times[name].append(cpu_seconds(forward))
    theirs, ours, whole = (median(times[name]) for name in ("peer", "ours", "all"))
    counts = f"{few.plan.num_edges:>10,} {all_edges.plan.num_edges:>10,}"
    print(f"{width:>5} {counts} {theirs:>9.3f} {ours:>9.3f} {whole:>11.3f} {theirs / ours:>8.1f} {difference:>11.1e}")
    return theirs / ours, difference


def one_step(data: dict[str, np.ndarray], edges: Edges, width: int, what: str) -> None:
    """One step for the measurement of memory: `peer`, or ours with the link loss in 1 or 4 pieces."""
    case = Case(data, sample(edges, SAMPLED) if what == "peer" else edges, width)
    if what == "peer":
        case.peer()().sum().backward()
        return
    pieces, scale = int(what), torch.ones(len(data["relation_ends"]), width)
    wanted = sample(edges, 4 * SAMPLED)
    rng = np.random.default_rng(0)
    for part in range(pieces):
        places = piece(wanted.relation, part, pieces)
        pairs, relation = torch.from_numpy(wanted.pairs[:, places]), torch.from_numpy(wanted.relation[places])
        wrong = torch.from_numpy(rng.permutation(wanted.pairs[1, places]))[:, None]
        batch = losses.Batch(pairs[0], relation, pairs[1], wrong, wrong[:0], 1 / pieces)
        (losses.link_loss(case.ours(), scale, batch, "dot") / pieces).backward()


def peak_mb(arguments: list[str], what: str, width: int) -> float:
    """Peak resident memory of a process that does one step, in MB."""
    command = [sys.executable, __file__, *arguments, "--one-step", what, "--widths", str(width)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"nodes and edges divided by {QUICK}; within a minute")
    parser.add_argument("--raw", type=Path, help="folder with Hetionet's node and edge files")
    parser.add_argument("--widths", type=int, nargs="+", help="default 128 256, with --quick 128")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    parser.add_argument("--one-step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.widths = options.widths or ([128] if options.quick else [128, 256])
    torch.set_num_threads(1)
    graph = real_graph(options.raw) if options.raw else random_graph(QUICK if options.quick else 1)
    if options.one_step:
        one_step(*graph, options.widths[0], options.one_step)
        print(process_peak_mb())
        return
    kind = f"Hetionet in {options.raw.name}" if options.raw else "a random graph with Hetionet's counts"
    print(
        f"{kind}{f', divided by {QUICK}' if options.quick and not options.raw else ''}: {LAYERS} layers, {HEADS} heads"
    )
    print("width   messages  all edges   HGTConv      ours  ours on all  speedup  difference")
    found = [compare(*graph, width, options.repeats) for width in options.widths]
    arguments = [*(["--quick"] if options.quick else []), *(["--raw", str(options.raw)] if options.raw else [])]
    steps = ("1", "4", *(() if options.quick else ("peer",)))
    names = {"1": "ours, one batch", "4": "ours, four accumulated batches", "peer": "HGTConv, a batch of messages only"}
    peaks = {what: peak_mb(arguments, what, options.widths[-1]) for what in steps}
    for what, value in peaks.items():
        print(f"peak memory at width {options.widths[-1]}, {names[what]}: {value:.0f} MB")
    results = {
        "speedup_vs_hgtconv": min(speedup for speedup, _ in found),
        "peak_mb": peaks["1"],
        "peak_mb_accumulated": peaks["4"],
        "largest_relative_difference": max(difference for _, difference in found),
    }
    if "peer" in peaks:
        results["peak_mb_hgtconv"] = peaks["peer"]
    report("hgt", results, options.record)


if __name__ == "__main__":
    main()

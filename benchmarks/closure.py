"""Transitive closure: time against networkx and against writing the output once, and peak memory over the output.

Trees of 111,103 nodes (975,896 pairs) and 2,500,000 nodes (about 22 million pairs), and a directed acyclic graph of the
smaller size where one node in fifty has a second parent. Memory is the growth of the process's peak.

Large arrays get memory that was never written before, as in a process that computes one closure: both sides then pay
for its pages. `times_write_once_warm` is the ratio where the allocator hands the same memory out again (small tree).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import networkx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.recorded import report
from rematch.studies.taxonomy.closure import closure, tree_closure
from rematch.studies.taxonomy.generate import level_counts
from rematch.studies.taxonomy.hierarchy import preorder

SMALL, LARGE = (111_103, 38, 975_896), (2_500_000, 38, 21_960_000)


def random_tree(nodes: int, depth: int, pairs: int) -> np.ndarray:
    """Parent (n,) int32 of a tree with the given figures, numbered in pre-order as the study's `prepare` does."""
    counts = level_counts(nodes, depth, pairs)
    draw = np.random.default_rng(7)
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = [draw.integers(starts[i], starts[i + 1], counts[i + 1]) for i in range(depth)]
    parent = np.concatenate([[-1], *parts])
    new, _ = preorder(np.arange(nodes), parent)
    renumbered = np.full(nodes, -1, np.int32)
    renumbered[new[1:]] = new[parent[1:]]
    return renumbered


def with_second_parents(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(parent_starts, parents) of the tree with a second, smaller parent for one node in fifty."""
    draw = np.random.default_rng(8)
    lists = [[int(p)] if p >= 0 else [] for p in parent]
    for x in draw.integers(2, len(parent), len(parent) // 50):
        lists[x].append(int(draw.integers(0, parent[x] + 1)))
    lists = [sorted(set(own)) for own in lists]
    return np.concatenate([[0], np.cumsum([len(own) for own in lists])]), np.array(
        [p for own in lists for p in own], np.int32
    )


def seconds(*functions: Callable, rounds: int = 5) -> list[float]:
    """Median processor seconds of a call of each function, in turns; unlike wall time they do not count what else the
    machine does."""
    found = [[] for _ in functions]
    for _ in range(rounds):
        for function, times in zip(functions, found, strict=True):
            start = time.process_time()
            function()
            times.append(time.process_time() - start)
    return [statistics.median(times) for times in found]


def fresh_memory(wanted: bool) -> None:
    """Makes the C library hand out unused pages for arrays of 256 kB and more, or memory that it kept (glibc only)."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(-3, 1 << 18 if wanted else 1 << 25)  # M_MMAP_THRESHOLD
        set_option(-1, 1 << 18 if wanted else 1 << 30)  # M_TRIM_THRESHOLD


def write_once(nodes: int, pairs: int) -> Callable:
    """A function that allocates and fills arrays of the output's sizes."""
    return lambda: (np.full(nodes + 1, 1, np.int64), np.full(pairs, 1, np.int32))


def peak_over_output(parent: np.ndarray) -> float:
    """By how much the closure raises this process's peak of resident memory, over the size of its output (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _resident("VmRSS")
    offsets, ancestors = tree_closure(parent)
    return (_resident("VmHWM") - before) / (offsets.nbytes + ancestors.nbytes)


def _resident(key: str) -> int:
    """Bytes that /proc/self/status gives for `key`."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def networkx_closure(child: np.ndarray, parents: np.ndarray) -> networkx.DiGraph:
    """networkx's closure of the graph with edges parent -> child."""
    return networkx.transitive_closure_dag(networkx.DiGraph(zip(parents.tolist(), child.tolist())))


def main() -> None:
    """Prints a table and the RESULT lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="networkx once instead of three times")
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    known = parser.parse_args()
    fresh_memory(True)
    small, large = random_tree(*SMALL), random_tree(*LARGE)
    dag = with_second_parents(small)
    tree_closure(small[:10].clip(-1, 0))
    closure(np.array([0, 0, 1, 3]), np.array([0, 0, 1], np.int32))
    rows = {}
    for name, parent, pairs in (("tree, 111,103 nodes", small, SMALL[2]), ("tree, 2,500,000 nodes", large, LARGE[2])):
        assert len(tree_closure(parent)[1]) == pairs
        rows[name] = pairs, *seconds(lambda p=parent: tree_closure(p), write_once(len(parent), pairs))
    pairs = len(closure(*dag)[1])
    rows["DAG, 111,103 nodes"] = pairs, *seconds(lambda: closure(*dag), write_once(len(small), pairs))
    peak = peak_over_output(large)
    rounds = 1 if known.quick else 3
    peers = {
        "tree, 111,103 nodes": seconds(lambda: networkx_closure(np.arange(1, len(small)), small[1:]), rounds=rounds)[0],
        "DAG, 111,103 nodes": seconds(
            lambda: networkx_closure(np.repeat(np.arange(len(small)), np.diff(dag[0])), dag[1]), rounds=rounds
        )[0],
    }
    fresh_memory(False)
    warm, once_warm = seconds(lambda: tree_closure(small), write_once(len(small), SMALL[2]), rounds=9)
    print(f"{'':24} {'pairs':>12} {'ours s':>9} {'write s':>9} {'networkx s':>11}")
    for name, (pairs, ours, once) in rows.items():
        print(f"{name:24} {pairs:12,} {ours:9.4f} {once:9.4f} {peers.get(name, float('nan')):11.2f}")
    tree, big, graph = rows["tree, 111,103 nodes"], rows["tree, 2,500,000 nodes"], rows["DAG, 111,103 nodes"]
    results = {
        "speedup_vs_networkx": peers["tree, 111,103 nodes"] / tree[1],
        "speedup_vs_networkx_dag": peers["DAG, 111,103 nodes"] / graph[1],
        "times_write_once": max(tree[1] / tree[2], big[1] / big[2]),
        "times_write_once_warm": warm / once_warm,
        "peak_over_output": peak,
    }
    report("closure", results, known.record)


if __name__ == "__main__":
    main()

"""Graphs per second through one contrastive training step at v2's width, and molecules per second through preparation.

Peers: a `torch_geometric` `DataLoader` with `GINEConv` in float32, and one `Data` object per molecule by `from_smiles`
(and, with exactly our columns, atom by atom).
Steps are interleaved in one process on one thread, and medians of CPU time compared. The model is the same on both
sides: layers, batch normalisation, readout, head, loss, optimiser. Without --quick, both are also trained on generated
graphs with planted motifs, and probed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from rdkit import Chem
from torch import Tensor, nn
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, global_add_pool
from torch_geometric.utils import from_smiles

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.recorded import report
from rematch.arms import arms_of
from rematch.card import Card
from rematch.prepared import Prepared
from rematch.statistics import paired
from rematch.studies.graph_embeddings import data, generate
from rematch.studies.graph_embeddings.batch import collate, one_hot
from rematch.studies.graph_embeddings.contrast import contrastive_loss
from rematch.studies.graph_embeddings.evaluate import Probe, means, probes_of, run_probe
from rematch.studies.graph_embeddings.flat import FlatGraphs, from_arrays
from rematch.studies.graph_embeddings.molecules import read_smiles
from rematch.studies.graph_embeddings.settings import Settings
from rematch.studies.graph_embeddings.train import learner
from rematch.study import load_study

ROOT = Path(__file__).resolve().parents[1]
LINKS = [
    *("C", "CC", "O", "N(C)", "C(=O)N", "c1ccc(cc1)", "C1CCN(CC1)", "S(=O)(=O)", "C(C)C", "c1cc(F)cc(c1)", "C=C"),
    *("C(=O)O", "c1cnc(nc1)", "N1CCC(C1)", "C(Cl)C"),
]
ENDS = ["C", "F", "Cl", "O", "N", "C#N", "OC", "c1ccccc1", "c1ccncc1", "C1CC1", "C(F)(F)F"]


class PyGEncoder(nn.Module):
    """The usual way: `GINEConv` layers, pooling, head."""

    def __init__(self, settings: Settings, node_width: int, edge_width: int):
        super().__init__()
        width, dim = settings.hidden_width, settings.embedding_width
        self.input = nn.Linear(node_width, width)
        stacks = [
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(settings.num_layers)
        ]
        self.layers = nn.ModuleList(GINEConv(stack, edge_dim=edge_width) for stack in stacks)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in stacks)
        self.output = nn.Linear(width, dim)
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, batch: Data) -> Tensor:
        h = self.input(batch.x)
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            h = norm(layer(h, batch.edge_index, batch.edge_attr))
            h = torch.relu(h) if i < len(self.layers) - 1 else h
        return self.output(global_add_pool(h, batch.batch))


class PyGTrainer:
    """One contrastive step after another over a `DataLoader`."""

    def __init__(self, settings: Settings, graphs: list[Data], seed: int):
        torch.manual_seed(seed)
        self.settings = settings
        self.model = PyGEncoder(settings, graphs[0].x.shape[1], graphs[0].edge_attr.shape[1])
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.loader = DataLoader(graphs, batch_size=settings.batch_size, shuffle=True, drop_last=True)
        self.batches = iter(self.loader)

    def step(self) -> float:
        batch = next(self.batches, None)
        if batch is None:
            self.batches = iter(self.loader)
            batch = next(self.batches)
        s = self.settings
        view = batch.clone()
        keep = torch.rand(view.edge_index.shape[1]) > s.edge_drop
        view.edge_index, view.edge_attr = view.edge_index[:, keep], view.edge_attr[keep]
        view.x = view.x + s.node_noise * torch.randn_like(view.x)
        view.edge_attr = view.edge_attr + s.edge_noise * torch.randn_like(view.edge_attr)
        first, second = (self.model.head(self.model(part)) for part in (batch, view))
        loss = contrastive_loss(first, second, s.temperature, s.normalise, s.negatives)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), s.clip_norm)
        self.optimizer.step()
        return float(loss.detach())


def data_objects(graphs: FlatGraphs, node_sizes: np.ndarray, edge_sizes: np.ndarray) -> list[Data]:
    """One `Data` a graph, with each edge in both directions."""
    x, attributes = one_hot(graphs.node_codes, node_sizes), one_hot(graphs.edge_codes, edge_sizes)
    out = []
    for g in range(len(graphs)):
        nodes = slice(graphs.node_offsets[g], graphs.node_offsets[g + 1])
        rows = slice(graphs.edge_offsets[g], graphs.edge_offsets[g + 1])
        edges = torch.from_numpy(graphs.edges[rows].astype(np.int64).T)
        attribute = torch.from_numpy(attributes[rows])
        out.append(
            Data(
                x=torch.from_numpy(x[nodes]),
                edge_index=torch.cat([edges, edges.flip(0)], dim=1),
                edge_attr=torch.cat([attribute, attribute]),
            )
        )
    return out


def settings_of(arm: str, **overrides) -> Settings:
    """The settings of an arm of the study at full width."""
    study = load_study(ROOT / "config/studies/graph_embeddings.yaml", "graph_embeddings")
    return Settings(**arms_of(study, "full", overrides, {}, [arm])[arm].settings)


def prepared(settings: Settings, **sizes: int) -> Prepared:
    """Generated graphs, prepared."""
    declared = yaml.safe_load((ROOT / "config/datasets/graph_embeddings.yaml").read_text())["graph_generated"]
    with tempfile.TemporaryDirectory() as folder:
        generate.generate(Path(folder), seed=7, **sizes)
        return data.prepare(Path(folder), declared, settings, 1)


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one call: on one thread of an idle machine the wall-clock time, on a busy one still the work done."""
    start = time.process_time()
    work()
    return time.process_time() - start


def training_speed(rounds: int) -> dict[str, float]:
    """Medians of seconds a step, ours and the peer's, interleaved."""
    settings = settings_of("v2")
    ready = prepared(settings, graphs=1000, probe_graphs=20, nodes=23)
    ours = learner(settings, ready.train, 1, torch.device("cpu"))
    graphs = from_arrays(ready.train, "train")
    peer = PyGTrainer(settings, data_objects(graphs, ready.train["node_sizes"], ready.train["edge_sizes"]), 1)
    ours.step(0, 0)
    peer.step()
    times = [(seconds(lambda: ours.step(0, 0)), seconds(peer.step)) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{'one training step at v2 width, batch 384':<48}{'CPU s':>10}{'graphs/s':>12}")
    for name, value in (
        ("flat graphs, fused aggregation, mixed precision", mine),
        ("PyG DataLoader + GINEConv, float32", theirs),
    ):
        print(f"{name:<48}{value:>10.3f}{settings.batch_size / value:>12.0f}")
    return {"graphs_per_second": settings.batch_size / mine, "speedup_vs_pyg": theirs / mine}


def assembled(count: int, seed: int) -> list[str]:
    """SMILES put together from fragments, about as large as drugs."""
    generator = np.random.default_rng(seed)
    links = [generator.choice(LINKS, generator.integers(3, 7)) for _ in range(count)]
    ends = generator.choice(ENDS, (count, 2))
    return [f"C{''.join(middle)}{end}" for middle, (_, end) in zip(links, ends, strict=True)]


def same_columns(text: str) -> Data:
    """One `Data` with our seven atom columns and one bond column, asked atom by atom as a user would write it."""
    molecule = Chem.MolFromSmiles(text)
    atoms = [
        [
            *(atom.GetAtomicNum(), atom.GetTotalDegree(), atom.GetTotalNumHs(), atom.GetFormalCharge()),
            *(atom.GetIsotope(), int(atom.IsInRing()), int(atom.GetIsAromatic())),
        ]
        for atom in molecule.GetAtoms()
    ]
    bonds = [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), round(2 * bond.GetBondTypeAsDouble()))
        for bond in molecule.GetBonds()
    ]
    table = torch.tensor(bonds).reshape(-1, 3)
    edges = table[:, :2].T
    return Data(
        x=torch.tensor(atoms), edge_index=torch.cat([edges, edges.flip(0)], dim=1), edge_attr=table[:, 2:].repeat(2, 1)
    )


class Molecules(InMemoryDataset):
    """The usual way to hold molecules: one `Data` each, collated."""

    def __init__(self, smiles: list[str], read: Callable[[str], Data] = from_smiles):
        super().__init__()
        self.data, self.slices = self.collate([read(text) for text in smiles])


def object_bytes(graph: Data) -> int:
    """Bytes of the tensors of one molecule, without its Python objects."""
    return sum(value.numel() * value.element_size() for _, value in graph if isinstance(value, Tensor))


def preparation_speed(rounds: int, count: int, smiles: list[str] | None) -> dict[str, float]:
    """Medians of seconds for all molecules, ours and the peers', interleaved; memory a graph.

    The peer is PyG's `from_smiles`, which most users call: nine atom and three bond columns, of which ours leave out
    chirality, radicals, hybridisation, stereo and conjugation. A second peer reads exactly our columns.
    """
    smiles = smiles or assembled(count, 0)
    read_smiles(smiles[:50], Card("warm-up"), "warm-up")
    from_smiles(smiles[0])
    ways = (
        lambda: read_smiles(smiles, Card("molecules"), "molecules"),
        lambda: Molecules(smiles),
        lambda: Molecules(smiles, same_columns),
    )
    times = [[seconds(way) for way in ways] for _ in range(rounds)]
    mine, theirs, equal = (statistics.median(column) for column in zip(*times, strict=True))
    graphs, _ = read_smiles(smiles, Card("molecules"), "molecules")
    card = Card("molecules")
    values = data.vocabulary(graphs.node_codes, "node"), data.vocabulary(graphs.edge_codes, "edge")
    flat = data.encode(graphs, *values, card, "molecules").bytes / len(graphs)
    objects = statistics.mean(object_bytes(from_smiles(text)) for text in smiles[:200])
    print(f"\n{'preparation of ' + str(len(smiles)) + ' molecules':<48}{'µs each':>10}{'bytes each':>12}")
    print(f"{'flat arrays':<48}{mine / len(smiles) * 1e6:>10.0f}{flat:>12.0f}")
    print(f"{'from_smiles, one Data each (tensors only)':<48}{theirs / len(smiles) * 1e6:>10.0f}{objects:>12.0f}")
    print(f"{'our columns atom by atom, one Data each':<48}{equal / len(smiles) * 1e6:>10.0f}")
    same = {"preparation_speedup_same_columns": equal / mine}
    return same | {"preparation_speedup": theirs / mine, "bytes_per_graph": flat, "memory_ratio": objects / flat}


def quality(seeds: int) -> dict[str, float]:
    """The mean probe (motif, edge labels, depth) after equal steps, ours minus the peer's, with its 95 % interval.

    The peer's loop is a user's: it drops the two directions of an edge apart, and rounds in float32.
    """
    settings = settings_of("v2", width_scale=0.25, epochs=12, probe_folds=5)
    ready = prepared(settings, graphs=2000, probe_graphs=600, nodes=14)
    graphs, probes = from_arrays(ready.train, "train"), from_arrays(ready.test, "probe/motifs")
    sizes = ready.train["node_sizes"], ready.train["edge_sizes"]
    tasks = list(probes_of(ready.test, "motifs"))
    objects, probed = data_objects(graphs, *sizes), DataLoader(data_objects(probes, *sizes), batch_size=600)
    pairs = []
    for seed in range(1, seeds + 1):
        ours, peer = learner(settings, ready.train, seed, torch.device("cpu")), PyGTrainer(settings, objects, seed)
        for epoch in range(settings.epochs):
            for step in range(ours.steps_per_epoch):
                ours.step(epoch, step)
                peer.optimizer.param_groups[0]["lr"] = ours.inner.optimizer.param_groups[0]["lr"]
                peer.step()
            ours.end_epoch(epoch, {})
        with torch.no_grad():
            mine = ours.inner.model.eval()(collate(probes, np.arange(len(probes)), *sizes)).numpy()
            theirs = torch.cat([peer.model.eval()(batch) for batch in probed]).numpy()
        pairs.append([mean_probe(tasks, rows) for rows in (mine, theirs)])
        print(f"mean probe after equal steps, seed {seed}: ours {pairs[-1][0]:.3f}, PyG {pairs[-1][1]:.3f}")
    mine, theirs = np.array(pairs).T
    found = paired(theirs, mine)
    print(f"ours minus PyG: {found.difference:+.4f}, 95 % from {found.low:+.4f} to {found.high:+.4f}")
    return {"probe_difference": found.difference, "probe_difference_low": found.low}


def mean_probe(tasks: list[Probe], rows: np.ndarray) -> float:
    """The study's primary metric of embeddings `(num_graphs, width)` of the probe graphs."""
    scores = [score for task in tasks for score in run_probe(task, rows[task.rows], rows[task.rows])[0]]
    return next(score.value for score in means(scores) if score.name == "probe")


def main() -> None:
    """Prints the tables and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer molecules, no probe of trained models")
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    parser.add_argument("--smiles", type=Path, help="a file with one SMILES a line instead of assembled ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    smiles = options.smiles.read_text().split() if options.smiles else None
    results = training_speed(5 if options.quick else 9)
    results |= preparation_speed(5, 1000 if options.quick else 5000, smiles)
    results |= {} if options.quick else quality(16)
    print()
    report("graph_embeddings", results, options.record)


if __name__ == "__main__":
    main()

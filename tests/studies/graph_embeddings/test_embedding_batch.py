"""Batches, views, and the aggregation in two ways."""

import numpy as np
import pytest
import torch
from flat_samples import SIZES, random_graphs, settings, triangle_path_dot
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from rematch.studies.graph_embeddings.batch import Augmentation, augment, collate, one_hot, side_by_side, widths
from rematch.studies.graph_embeddings.flat import FlatGraphs
from rematch.studies.graph_embeddings.message import gine_sum, gine_sum_by_scatter
from rematch.studies.graph_embeddings.model import build

HAND = np.array([3]), np.array([3])


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def test_collate_by_hand():
    batch = collate(triangle_path_dot(), np.array([1, 0]), *HAND)
    assert batch.graph.tolist() == [0, 0, 1, 1, 1] and batch.size == 2
    assert batch.edges.tolist() == [[0, 2, 3, 2], [1, 3, 4, 4]]
    assert batch.nodes.argmax(dim=1).tolist() == [2, 1, 1, 1, 2]
    assert batch.attributes.tolist()[0] == [0, 0, 1, 1]  # label 2, and the column of ones


def test_graphs_without_labels():
    bare = triangle_path_dot()
    bare = FlatGraphs(
        bare.node_offsets, bare.edge_offsets, bare.edges, np.zeros((6, 0), np.uint8), np.zeros((4, 0), np.uint8)
    )
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    batch = collate(bare, np.arange(3), *none)
    assert widths(*none) == (1, 0) and batch.nodes.tolist() == [[1.0]] * 6 and batch.attributes.tolist() == [[1.0]] * 4
    view = augment(batch, Augmentation(edge_noise=0.5, edge_drop=0.5), drawn())
    assert (view.attributes == 1).all()
    assert build(settings(layer_norm="none"), *widths(*none), 1)(view).shape == (3, 16)


def test_one_hot_of_two_columns():
    assert one_hot(np.array([[0, 1], [1, 2]]), np.array([2, 3])).tolist() == [[1, 0, 0, 1, 0], [0, 1, 0, 0, 1]]


@limits(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.9))
def test_dropping_keeps_whole_edges_and_all_nodes(seed, share):
    batch = collate(random_graphs(5, seed), np.arange(5), *SIZES)
    view = augment(batch, Augmentation(edge_drop=share), drawn(seed))
    assert torch.equal(view.nodes, batch.nodes) and torch.equal(view.graph, batch.graph)
    before = {tuple(edge): row.tolist() for edge, row in zip(batch.edges.T.tolist(), batch.attributes, strict=True)}
    after = {tuple(edge): row.tolist() for edge, row in zip(view.edges.T.tolist(), view.attributes, strict=True)}
    assert after.items() <= before.items()  # an edge stands once, so both of its directions go or stay


def test_drop_rate_and_noise_are_as_asked():
    batch = collate(random_graphs(400, 1), np.arange(400), *SIZES)
    view = augment(batch, Augmentation(0.2, 0.3, 0.1, 0.0), drawn())
    assert view.edges.shape[1] / batch.edges.shape[1] == pytest.approx(0.9, abs=0.02)
    assert float((view.nodes - batch.nodes).std()) == pytest.approx(0.2, rel=0.05)
    assert (view.attributes[:, -1] == 1).all()
    masked = augment(batch, Augmentation(node_mask=0.3), drawn())
    assert float((masked.nodes.sum(dim=1) == 0).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert torch.equal(augment(batch, Augmentation(), drawn()).edges, batch.edges)


def test_side_by_side_is_both():
    model = build(settings(layer_norm="none"), 4, 4, 1)
    one, two = (collate(random_graphs(3, seed), np.arange(3), *SIZES) for seed in (1, 2))
    torch.testing.assert_close(model(side_by_side(one, two)), torch.cat([model(one), model(two)]))


def test_aggregation_by_hand():
    h = torch.tensor([[1.0, -1.0], [2.0, 5.0], [0.5, 0.5]])
    weight = torch.tensor([[0.0, -2.0]])
    out = gine_sum(h, weight, torch.ones(1, 1), torch.tensor([[0], [1]]))
    assert out.tolist() == [[1 + 2, -1 + 3], [2 + 1, 5 + 0], [0.5, 0.5]]  # the third node has no edge


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_fused_equals_scatter_forward_and_backward(kind):
    batch = collate(random_graphs(20, 5), np.arange(20), *SIZES)
    batch = augment(batch, Augmentation(edge_noise=0.2), drawn())
    found = []
    for function in (gine_sum, gine_sum_by_scatter):
        h = torch.randn(len(batch.nodes), 24, generator=drawn(1)).to(kind).requires_grad_()
        weight = torch.randn(5, 24, generator=drawn(2)).requires_grad_()
        out = function(h, weight, batch.attributes, batch.edges)
        (out * torch.randn(out.shape, generator=drawn(3))).sum().backward()
        found.append((out, h.grad.float(), weight.grad))
    tolerance = dict(atol=1e-4, rtol=1e-4) if kind is torch.float32 else dict(atol=0.05, rtol=0.05)
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, **tolerance)


def test_encoder_equals_gineconv_of_pyg():
    nn_ = pytest.importorskip("torch_geometric.nn")
    model = build(settings(layer_norm="none", num_layers=1), 4, 4, 3)
    layer = nn_.GINEConv(model.layers[0], edge_dim=4)
    with torch.no_grad():
        layer.lin.weight.copy_(model.edge_weights[0][:-1].T)
        layer.lin.bias.copy_(model.edge_weights[0][-1])
    batch = collate(random_graphs(6, 2), np.arange(6), *SIZES)
    both = torch.cat([batch.edges, batch.edges.flip(0)], dim=1)
    attributes = batch.attributes[:, :-1].repeat(2, 1)
    h = layer(model.input(batch.nodes), both, attributes)
    torch.testing.assert_close(model(batch), model.output(nn_.global_add_pool(h, batch.graph)))


@pytest.mark.parametrize("jumping, parts", [("last", 1), ("concat", 3)])
def test_readout_embedding_is_what_the_output_layer_reads(jumping, parts):
    batch = collate(random_graphs(5, 4), np.arange(5), *SIZES)
    full = build(settings(jumping=jumping, num_layers=3), 4, 4, 1).eval()
    kept = build(settings(jumping=jumping, num_layers=3, embedding="readout"), 4, 4, 1).eval()
    kept.load_state_dict(
        {k: v for k, v in full.state_dict().items() if not k.startswith(("output", "head"))}, strict=False
    )
    embeddings = kept(batch)
    assert embeddings.shape == (5, parts * settings().hidden_width)
    torch.testing.assert_close(full.output(embeddings), full(batch))
    assert kept.project(embeddings).shape == full.project(full(batch)).shape


@pytest.mark.parametrize(
    "changes",
    [{}, {"readout": "mean"}, {"jumping": "concat"}, {"layer_norm": "none"}, {"embedding": "readout"}],
)
def test_embedding_does_not_depend_on_the_order_of_nodes(changes):
    graph = random_graphs(1, 9)
    count = int(graph.node_counts[0])
    new = np.random.default_rng(0).permutation(count)  # node i becomes new[i]
    codes = np.empty_like(graph.node_codes)
    codes[new] = graph.node_codes
    renamed = FlatGraphs(
        graph.node_offsets, graph.edge_offsets, new[graph.edges].astype(np.uint16), codes, graph.edge_codes
    )
    model = build(settings(**changes), 4, 4, 1).eval()
    one, other = (model(collate(g, np.array([0]), *SIZES)) for g in (graph, renamed))
    torch.testing.assert_close(one, other)


def test_initial_weights_do_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    one = build(settings(), 4, 4, 7)
    torch.manual_seed(2)
    other = build(settings(), 4, 4, 7)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.input.weight, build(settings(), 4, 4, 8).input.weight)

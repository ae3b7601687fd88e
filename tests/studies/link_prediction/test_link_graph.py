"""The compiled loops against dense matrices, on graphs small enough to check by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.studies.link_prediction import kernels, structure
from rematch.studies.link_prediction.graph import Graph, pair_dots, propagate
from tests.studies.link_prediction.small_graphs import SQUARE_WITH_TAIL, dense, random_graph


def test_rows_hold_both_directions_in_order():
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    assert graph.indptr.tolist() == [0, 2, 4, 6, 9, 10, 10]
    assert graph.indices.tolist() == [1, 3, 0, 2, 1, 3, 0, 2, 4, 3]
    assert graph.edge.tolist() == [0, 3, 0, 1, 1, 2, 3, 2, 4, 4]
    assert graph.degree.tolist() == [2, 2, 2, 3, 1, 0]


@pytest.mark.parametrize("width", [1, 63, 64, 65, 130])
def test_propagation_is_the_scaled_matrix_product_and_so_is_its_gradient(width):
    n, edges = 70, random_graph(width)
    graph, a = Graph.from_edges(edges, n), dense(edges, n)
    scale = np.diag(1 / np.sqrt(np.maximum(a.sum(1), 1)))
    matrix = torch.from_numpy(scale @ a @ scale)
    x = torch.randn(n, width, generator=torch.Generator().manual_seed(width), requires_grad=True)
    y = propagate(graph, x)
    torch.testing.assert_close(y.double(), matrix @ x.double(), rtol=1e-5, atol=1e-6)
    weight = torch.randn(n, width, generator=torch.Generator().manual_seed(1))
    (y * weight).sum().backward()
    torch.testing.assert_close(x.grad.double(), matrix.T @ weight.double(), rtol=1e-5, atol=1e-6)


def test_a_node_without_neighbours_receives_nothing():
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    y = propagate(graph, torch.ones(6, 3))
    assert y[5].tolist() == [0, 0, 0]
    assert y[4, 0] == pytest.approx(1 / np.sqrt(3))  # degrees 1 and 3


def test_compiled_and_plain_path_agree_on_values_and_gradients():
    edges = random_graph(3)
    graph = Graph.from_edges(edges, 70)
    x = torch.randn(70, 9, generator=torch.Generator().manual_seed(2))
    for function in (lambda h: propagate(graph, h), lambda h: pair_dots(edges, h)):
        fast, plain = x.clone().requires_grad_(), x.double().requires_grad_()
        a, b = function(fast), function(plain)
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-5)
        a.square().sum().backward()
        b.square().sum().backward()
        torch.testing.assert_close(fast.grad.double(), plain.grad, rtol=1e-4, atol=1e-4)


def test_gradients_agree_with_finite_differences():
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda h: propagate(graph, h), (x,))
    assert torch.autograd.gradcheck(lambda h: pair_dots(SQUARE_WITH_TAIL, h), (x,))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40), st.integers(0, 99))
def test_dot_products_of_any_pairs_repeated_or_looped(pairs, seed):
    pairs = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    h = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    scores = pair_dots(pairs, h)
    expected = (h[pairs[:, 0]] * h[pairs[:, 1]]).sum(1)
    torch.testing.assert_close(scores, expected)
    weight = torch.randn(len(pairs), generator=torch.Generator().manual_seed(seed))
    (mine,) = torch.autograd.grad((scores * weight).sum(), h, retain_graph=True)
    (theirs,) = (
        torch.autograd.grad((expected * weight).sum(), h, allow_unused=True) if len(pairs) else (torch.zeros_like(h),)
    )
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_weighted_dot_products_and_their_gradients_are_those_of_plain_torch():
    pairs = np.random.default_rng(0).integers(0, 70, (300, 2)).astype(np.int32)
    draw = torch.Generator().manual_seed(0)
    h, weight = (torch.randn(*shape, generator=draw, requires_grad=True) for shape in ((70, 9), (9,)))
    h64, weight64 = (x.detach().double().requires_grad_() for x in (h, weight))
    mine, theirs = pair_dots(pairs, h, weight), pair_dots(pairs, h64, weight64)
    torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(mine.square().sum(), (h, weight))
    for found, expected in zip(gradients, torch.autograd.grad(theirs.square().sum(), (h64, weight64)), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def at(array, address, buffer):
    """A copy of the array in `buffer`, starting at byte `address`."""
    view = buffer[address : address + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def pair_dots_at(width, first, second):
    """The bytes of 200 dot products and their gradient, `second` bytes between one array and the next."""
    draw, buffer = np.random.default_rng(0), np.zeros(1 << 17, np.uint8)
    rows = kernels.pair_rows(draw.integers(0, 40, (200, 2)).astype(np.int32), 40)
    values = draw.normal(size=(40, width)).astype(np.float32)
    gap = values.nbytes + second
    h, right, gradient = at(values, first, buffer), at(values, first + gap, buffer), at(values, first + 2 * gap, buffer)
    out = at(np.zeros(200, np.float32), first + 3 * gap, buffer)
    kernels.pair_dots(*rows, h, right, out)
    kernels.pair_dots_backward(*rows, out, h, gradient)
    return out.tobytes() + gradient.tobytes()


def neighbour_sum_at(width, first, second):
    draw, buffer = np.random.default_rng(0), np.zeros(1 << 17, np.uint8)
    graph = Graph.from_edges(random_graph(1), 70)
    values = draw.normal(size=(70, width)).astype(np.float32)
    x, out = at(values, first, buffer), at(values, first + values.nbytes + second, buffer)
    kernels.neighbour_sum(graph.indptr, graph.indices, x, graph.scale, out)
    return out.tobytes()


def upper_slopes_at(width, first, second):
    draw, buffer = np.random.default_rng(0), np.zeros(1 << 17, np.uint8)
    scores = at((3 * draw.normal(size=(10, width))).astype(np.float32), first + second, buffer)
    return np.float64(kernels.upper_slopes(scores, np.float32(0.7))).tobytes() + scores.tobytes()


@pytest.mark.parametrize("loop", [pair_dots_at, neighbour_sum_at, upper_slopes_at])
@pytest.mark.parametrize("width", [5, 16, 67, 130])
def test_equal_inputs_give_equal_bytes_wherever_the_arrays_lie(loop, width):
    expected = loop(width, 0, 0)
    for first in (*range(0, 68, 4), 128, 252, 256, 4092, 4096):
        for second in (0, 4, 8, 12, 32, 60, 64, 252, 256, 4096):
            assert loop(width, first, second) == expected, (first, second)


def test_kept_edges_make_the_graph_of_those_edges():
    edges = random_graph(5)
    keep = np.random.default_rng(0).random(len(edges)) < 0.4
    part, fresh = Graph.from_edges(edges, 70).keeping(keep), Graph.from_edges(edges[keep], 70)
    assert np.array_equal(part.indptr, fresh.indptr)
    assert np.array_equal(part.indices, fresh.indices)
    assert np.array_equal(part.scale, fresh.scale)


def test_membership():
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    pairs = np.array([[0, 1], [1, 0], [0, 2], [4, 3], [5, 0], [2, 2]], dtype=np.int32)
    assert graph.has(pairs).tolist() == [True, True, False, True, False, True]


def test_equal_inputs_give_equal_bits():
    graph = Graph.from_edges(random_graph(8), 70)
    x = torch.randn(70, 33, generator=torch.Generator().manual_seed(0))
    assert torch.equal(propagate(graph, x), propagate(graph, x))


def test_structural_features_against_networkx():
    networkx = pytest.importorskip("networkx")
    edges = np.concatenate([random_graph(4, 40, 0.15), [[40, 0]]]).astype(np.int32)  # a pendant node, and 41 alone
    graph, other = Graph.from_edges(edges, 42), networkx.Graph(edges.tolist())
    other.add_nodes_from(range(42))
    by_node = lambda values: [values[i] for i in range(42)]  # noqa: E731
    np.testing.assert_allclose(structure.clustering(graph), by_node(networkx.clustering(other)), atol=1e-12)
    assert structure.core_numbers(graph.indptr, graph.indices).tolist() == by_node(networkx.core_number(other))
    np.testing.assert_allclose(structure.pagerank(graph), by_node(networkx.pagerank(other, tol=1e-12)), atol=1e-6)


def test_structural_features_are_standardised_and_finite():
    table = structure.features(Graph.from_edges(random_graph(4), 72))  # two nodes without an edge
    assert table.shape == (72, 6) and table.dtype == np.float32
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(table.std(0), 1, atol=1e-5)

"""The attention layer against HGTConv, and its two ways of computing against each other."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.studies.drug_repurposing.attention import METHODS, attend
from rematch.studies.drug_repurposing.kernel import balanced_chunks, kernels, target_edges
from rematch.studies.drug_repurposing.layer import HgtLayer
from rematch.studies.drug_repurposing.plan import attention_plan

PTR = [0, 30, 50, 90]
ENDS = [(0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (0, 2)]


def random_relations(seed: int, counts=(60, 60, 10, 10, 200, 0)) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    draw = [
        (rng.integers(PTR[s], PTR[s + 1], n), rng.integers(PTR[t], PTR[t + 1], n)) for (s, t), n in zip(ENDS, counts)
    ]
    return [np.stack(both) for both in draw]


def random_layer(width: int = 8, heads: int = 2) -> HgtLayer:
    generator = torch.Generator().manual_seed(0)
    layer = HgtLayer(width, heads, PTR, len(ENDS), generator)
    with torch.no_grad():
        for parameter in layer.parameters():  # biases, priors and gates that are all equal would hide mistakes
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return layer


@pytest.mark.parametrize("method", METHODS)
def test_layer_equals_hgtconv_forward_and_backward(method):
    pytest.importorskip("torch_geometric")
    from rematch.studies.drug_repurposing.peer import hgt_conv, hgt_conv_inputs

    layer, relations = random_layer(), random_relations(1)
    x = torch.randn(90, 8, generator=torch.Generator().manual_seed(2), requires_grad=True)
    conv = hgt_conv(layer, ENDS)
    expected = conv(*hgt_conv_inputs(x, PTR, [torch.from_numpy(r) for r in relations], ENDS))
    expected = torch.cat([expected[str(t)] for t in range(3)])
    found = layer(x, attention_plan(90, relations), method)
    assert torch.allclose(found, expected, atol=1e-5)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(3))
    wanted = torch.autograd.grad((expected * weight).sum(), [x, conv.k_rel.weight, conv.v_rel.weight])
    own = torch.autograd.grad((found * weight).sum(), [x, layer.key_relation, layer.value_relation])
    assert torch.allclose(own[0], wanted[0], atol=1e-5)
    for mine, theirs in zip(own[1:], wanted[1:]):
        assert torch.allclose(mine.transpose(0, 1).reshape(theirs.shape), theirs, atol=1e-5)


def test_compiled_attention_equals_double_precision():
    plan = attention_plan(90, random_relations(4))
    generator = torch.Generator().manual_seed(5)
    q = torch.randn(plan.query_rows, 8, generator=generator, requires_grad=True)
    kv = torch.randn(plan.kv_rows, 16, generator=generator, requires_grad=True)
    grad = torch.randn(plan.query_rows, 8, generator=generator)
    found = attend(q, kv, plan, 2, "compiled")
    exact = attend(q.double(), kv.double(), plan, 2, "torch")
    assert torch.allclose(found.double(), exact, atol=1e-5)
    own = torch.autograd.grad(found, [q, kv], grad)
    wanted = torch.autograd.grad(exact, [q, kv], grad.double())
    for mine, theirs in zip(own, wanted):
        assert torch.allclose(mine, theirs.float(), atol=1e-5)


def test_torch_attention_has_the_right_gradient():
    plan = attention_plan(5, [np.array([[0, 1, 1, 2], [3, 3, 4, 3]]), np.array([[3, 4], [0, 0]])])
    q = torch.randn(plan.query_rows, 4, dtype=torch.float64, requires_grad=True)
    kv = torch.randn(plan.kv_rows, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: attend(a, b, plan, 2, "torch"), (q, kv))


def test_compiled_result_does_not_depend_on_the_number_of_threads():
    plan = attention_plan(90, random_relations(6))
    q, kv = torch.randn(plan.query_rows, 8, requires_grad=True), torch.randn(plan.kv_rows, 16, requires_grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            out = attend(q, kv, plan, 2, "compiled")
            results.append([out, *torch.autograd.grad(out.square().sum(), [q, kv])])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, three) for one, three in zip(*results))


def test_weights_of_a_target_sum_to_one():
    plan = attention_plan(90, random_relations(7))
    ones = torch.cat([torch.randn(plan.kv_rows, 8), torch.ones(plan.kv_rows, 8)], dim=1)
    sums = attend(torch.randn(plan.query_rows, 8), ones, plan, 2, "torch")
    total = torch.zeros(plan.num_targets, 8)
    total.index_add_(0, torch.from_numpy(plan.segment_target).long(), sums[torch.from_numpy(plan.segment_row).long()])
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)


def test_products_are_taken_on_the_smaller_side():
    hub_is_source = np.array([[0, 0, 0], [1, 2, 3]])
    hub_is_target = hub_is_source[::-1]
    plan = attention_plan(4, [hub_is_source, hub_is_target])
    assert plan.at_source.relations == (0,) and plan.at_source.nodes.tolist() == [0]
    assert plan.at_target.relations == (1,) and plan.at_target.nodes.tolist() == [0]
    assert (plan.kv_rows, plan.query_rows, plan.num_edges, plan.num_targets) == (5, 5, 6, 4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12), min_size=1, max_size=4))
def test_a_plan_holds_every_edge_once_in_both_groupings(relations):
    arrays = [np.array(edges, np.int64).reshape(-1, 2).T for edges in relations]
    plan = attention_plan(7, arrays)
    assert plan.num_edges == sum(array.shape[1] for array in arrays)
    segment = np.repeat(np.arange(len(plan.segment_row)), np.diff(plan.segment_ptr))
    by_target = sorted(zip(plan.edge_kv.tolist(), segment.tolist()))
    kv = np.repeat(np.arange(plan.kv_rows), np.diff(plan.kv_ptr))
    assert by_target == sorted(zip(kv.tolist(), plan.kv_segment.tolist()))


def test_order_of_edges_changes_nothing_but_rounding():
    relations, layer, x = random_relations(8), random_layer(), torch.randn(90, 8)
    mixed = [r[:, np.random.default_rng(0).permutation(r.shape[1])] for r in relations]
    first, second = (layer(x, attention_plan(90, r), "torch") for r in (relations, mixed))
    assert torch.allclose(first, second, atol=1e-6)


def test_a_node_without_messages_keeps_its_gated_features():
    layer, x = random_layer(), torch.randn(90, 8)
    out = layer(x, attention_plan(90, [np.zeros((2, 0), np.int64)] * 6), "torch")
    gate = layer.skip[0].sigmoid()
    assert torch.allclose(out[0], (1 - gate) * x[0] + gate * layer.out_bias[0], atol=1e-6)


def test_chunks_cover_all_rows_once():
    bounds = balanced_chunks(np.array([0, 5, 5, 6, 20, 21]), 3)
    assert bounds[0][0] == 0 and bounds[-1][1] == 5
    assert all(first[1] == second[0] for first, second in pairwise(bounds))


def test_width_must_be_a_multiple_of_heads():
    with pytest.raises(ValueError, match=r"hidden: expected a multiple of heads = 4, found 10"):
        HgtLayer(10, 4, PTR, 6, torch.Generator())


@pytest.mark.parametrize("width", [3, 20, 64])
def test_equal_numbers_give_equal_bytes_wherever_the_arrays_lie(width):
    """The kernels may add in another order than written. Compilers keep two versions of a loop, for arrays that lie
    far apart and close together, and start loops at aligned addresses: neither may show."""
    heads, plan = 4, attention_plan(90, random_relations(9))
    rng = np.random.default_rng(0)
    shapes = {"q": (plan.query_rows, heads * width), "kv": (plan.kv_rows, 2 * heads * width)}
    shapes |= {"grad": shapes["q"], "out": shapes["q"], "grad_q": shapes["q"], "grad_kv": shapes["kv"]}
    shapes |= dict.fromkeys(("log_sum", "mean_grad"), (plan.num_targets, heads))
    given = {name: rng.standard_normal(shapes[name]).astype(np.float32) for name in ("q", "kv", "grad")}
    memory = np.zeros(sum(int(np.prod(shape)) for shape in shapes.values()) + 8 * 600, np.float32)
    found = set()
    for trial in range(60):
        largest_gap = (1, 2, 17, 600)[trial % 4]  # 1: arrays touch
        tables, start = {}, 0
        for name in rng.permutation(list(shapes)):
            start += int(rng.integers(largest_gap))
            tables[name] = memory[start : start + int(np.prod(shapes[name]))].reshape(shapes[name])
            tables[name][:] = given.get(name, 0)
            start += tables[name].size
        sweep(kernels(heads, width), plan, tables)
        found.add(b"".join(tables[name].tobytes() for name in sorted(set(shapes) - set(given))))
    assert len(found) == 1


def sweep(compiled, plan, tables) -> None:
    """All three kernels over the whole plan."""
    longest = int(np.diff(target_edges(plan)).max())
    index = (plan.target_ptr, plan.segment_ptr, plan.segment_row, plan.edge_kv)
    t = [tables[name] for name in ("q", "kv", "out", "grad", "log_sum", "mean_grad", "grad_q", "grad_kv")]
    q, kv, out, grad, log_sum, mean_grad, grad_q, grad_kv = t
    compiled.forward(0, plan.num_targets, longest, q, kv, *index, out, log_sum)
    compiled.backward_queries(0, plan.num_targets, q, kv, out, grad, log_sum, *index, grad_q, mean_grad)
    index = (plan.kv_ptr, plan.kv_segment, plan.segment_row, plan.segment_target)
    compiled.backward_keys(0, plan.kv_rows, q, kv, grad, log_sum, mean_grad, *index, grad_kv)

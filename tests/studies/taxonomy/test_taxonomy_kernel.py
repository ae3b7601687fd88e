"""The compiled kernel against geoopt, autograd and its torch twin; what it may touch and what it must leave."""

import geoopt
import numpy as np
import pytest
import torch
from numba.extending import is_jitted
from small_hierarchies import DIAMOND, prepared, random_tree, settings

from rematch.studies.taxonomy import closure, compiled, geometry, kernel, moving, sampling
from rematch.studies.taxonomy.compiled import draw_batch, source_digest, train_pairs
from rematch.studies.taxonomy.train import learner
from rematch.studies.taxonomy.update import update

BALL = geoopt.PoincareBall(c=1.0)
CPU = torch.device("cpu")


def _points(count, seed, dim=5, reach=0.95):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, dim, generator=draw, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True) * torch.rand(count, 1, generator=draw, dtype=torch.float64) * reach


@pytest.mark.parametrize("seed", range(3))
def test_distance_gradient_projection_and_exponential_map_are_geoopts(seed):
    u, x = _points(50, seed).requires_grad_(), _points(50, seed + 10).requires_grad_()
    ours = geometry.distance(u, x)
    torch.testing.assert_close(ours, BALL.dist(u, x), rtol=1e-9, atol=1e-9)
    by_u, by_x = torch.autograd.grad(ours.sum(), (u, x))
    found_u, found_x = geometry.distance_gradients(u, x)
    torch.testing.assert_close(found_u, BALL.egrad2rgrad(u, by_u), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found_x, BALL.egrad2rgrad(x, by_x), rtol=1e-8, atol=1e-10)
    far = u.detach() * 3
    torch.testing.assert_close(geometry.project(far, 1 - 1e-5), BALL.projx(far), rtol=1e-6, atol=1e-7)
    step = torch.randn(50, 5, dtype=torch.float64)
    torch.testing.assert_close(geometry.exponential_at_origin(step), BALL.expmap0(step), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(geometry.radius(u), BALL.dist0(u), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_distance_exponential_map_and_coordinates_of_the_hyperboloid_are_geoopts(seed):
    def lifted(x):
        return torch.cat([torch.sqrt(1 + x.square().sum(-1, keepdim=True)), x], -1)

    space = geoopt.Lorentz(k=torch.tensor(1.0, dtype=torch.float64))
    u, x = _points(50, seed), _points(50, seed + 10)
    far_u, far_x = geometry.to_hyperboloid(u), geometry.to_hyperboloid(x)
    torch.testing.assert_close(geometry.distance(u, x), space.dist(lifted(far_u), lifted(far_x)), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(geometry.to_ball(far_u), u, rtol=1e-12, atol=1e-12)
    tangent = space.proju(lifted(far_u), torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator()))
    reached = geometry.follow(far_u, tangent[:, 1:])
    torch.testing.assert_close(lifted(reached), space.expmap(lifted(far_u), tangent), rtol=1e-7, atol=1e-7)
    assert torch.equal(geometry.follow(far_u, torch.zeros_like(far_u)), far_u)


CHOICES = [
    dict(),
    dict(sharpness=4, pair_weights="sqrt-depth", negative_sampling="mixed"),
    dict(loss="margin", anchor="ancestor", negative_sampling="same-depth", radial_weight=0.5),
    dict(loss="margin", initialisation="depth-radius", learning_rate=5.0, radial_weight=0.1),
    dict(geometry="euclidean", sharpness=2),
    dict(geometry="euclidean", loss="margin"),
    dict(geometry="lorentz", learning_rate=0.3),
    dict(geometry="lorentz", loss="margin", negatives=20),
]


@pytest.mark.parametrize("changes", CHOICES)
@pytest.mark.parametrize("edges", [random_tree(60, 1), DIAMOND])
def test_one_step_of_the_kernel_is_one_step_of_the_torch_path(tmp_path, changes, edges):
    data = prepared(tmp_path, edges).train
    model = learner(settings(**changes), data, 5, CPU)
    for _ in range(2):
        model.step(0, 0)  # away from the start, where all distances are alike
    recipe = model._recipe(0)
    ends = (model.descendants[:6], model.ancestors[:6])
    anchors, positives = (e.copy() for e in (ends[::-1] if recipe.from_ancestor else ends))
    rows, counts = np.zeros((6, recipe.negatives + 2), np.int64), np.zeros(6, np.int64)
    draw_batch(model.relations, anchors, positives, 7, np.uint64(3), recipe, rows, counts)
    torch_table = torch.from_numpy(model._own())
    weights = torch.from_numpy(model.node_weights[ends[0]])
    loss = update(torch_table, *map(torch.from_numpy, (anchors.astype(np.int64), rows[:, :-1], counts)), weights,
                  torch.from_numpy(model.targets), recipe)  # fmt: skip
    before = model.table.copy()
    found, used = train_pairs(model.table, model.relations, anchors, positives, 7, np.uint64(3), 6, model.node_weights,
                              model.targets, recipe)  # fmt: skip
    assert used == (counts - 1).sum() and abs(found - float(loss)) < 1e-6
    assert not np.array_equal(before, model.table)
    np.testing.assert_allclose(model._own(), torch_table.numpy(), rtol=0, atol=1e-6)


def _ball_step(start, grad):
    return BALL.projx(start - 0.1 * BALL.egrad2rgrad(start, grad))


def _hyperboloid_step(start, grad):
    space = geoopt.Lorentz(k=torch.tensor(1.0, dtype=torch.float64))
    point = torch.cat([torch.sqrt(1 + start.square().sum(-1, keepdim=True)), start], -1)
    whole = torch.cat([torch.zeros_like(grad[:, :1]), grad], -1)  # space coordinates alone are free
    return space.expmap(point, -0.1 * space.egrad2rgrad(point, whole))[:, 1:]


@pytest.mark.parametrize(
    ("space", "to_ball", "step"),
    [("poincare", torch.Tensor.clone, _ball_step), ("lorentz", geometry.to_ball, _hyperboloid_step)],
)
def test_the_step_is_the_riemannian_gradient_of_the_softmax_loss(tmp_path, space, to_ball, step):
    model = learner(settings(batch=1, geometry=space), prepared(tmp_path, random_tree(40, 2)).train, 5, CPU)
    model.table[:, :5] = _points(40, 3).numpy()
    recipe = model._recipe(0)
    anchors, positives = model.descendants[30:31].copy(), model.ancestors[30:31].copy()
    rows, counts = np.zeros((1, recipe.negatives + 2), np.int64), np.zeros(1, np.int64)
    draw_batch(model.relations, anchors, positives, 0, np.uint64(3), recipe, rows, counts)
    table = torch.from_numpy(model._own()).requires_grad_()
    seen = torch.from_numpy(rows[0, : counts[0]])
    points = to_ball(table)
    loss = -torch.log_softmax(-BALL.dist(points[int(anchors[0])], points[seen]), 0)[0]
    loss.backward()
    expected = step(table.detach(), table.grad)
    found, _ = train_pairs(model.table, model.relations, anchors, positives, 0, np.uint64(3), 1, model.node_weights,
                           model.targets, recipe)  # fmt: skip
    assert abs(found - loss.item()) < 1e-8
    np.testing.assert_allclose(model._own(), expected.numpy(), atol=1e-8)


def _placed(array, buffer, at):
    """A copy of the array that starts `at` bytes into the buffer, and where it ends."""
    end = at + array.nbytes
    copy = buffer[at:end].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy, end


@pytest.mark.parametrize("changes", CHOICES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_bytes_do_not_depend_on_where_the_arrays_lie(tmp_path, changes, precision):
    if changes.get("geometry") == "lorentz" and precision == "float32":
        pytest.skip("refused by the settings")
    arm = settings(precision=precision, dim=10, **{"negatives": 50} | changes)
    model = learner(arm, prepared(tmp_path, random_tree(150, 7)).train, 5, CPU)
    ends = (
        (model.ancestors, model.descendants) if model._recipe(0).from_ancestor else (model.descendants, model.ancestors)
    )
    sources = [model.table, *(np.ascontiguousarray(e[:200]) for e in ends), model.node_weights, model.targets]
    results = set()
    room = np.zeros(4096 + sum(s.nbytes + 64 for s in sources), np.uint8)
    start = -room.ctypes.data % 64
    # tables at every offset a number may have in a cache line, the other arrays right behind or before it
    for shift in range(0, 64, model.table.itemsize):
        for order in (slice(None), slice(None, None, -1)):
            at, placed = start + shift, []
            for source in sources[order]:
                copy, at = _placed(source, room, at + -at % source.itemsize)
                placed.append(copy)
            table, anchors, positives, weights, targets = placed[order]
            loss, _ = train_pairs(table, model.relations, anchors, positives, 0, np.uint64(3), arm.batch, weights,
                                  targets, model._recipe(0))  # fmt: skip
            results.add((table.tobytes(), loss))
    assert len(results) == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_only_touched_rows_move_and_all_stay_in_the_ball(tmp_path, precision):
    data = prepared(tmp_path, random_tree(300, 4)).train
    model = learner(settings(precision=precision, learning_rate=3.0, radial_weight=0.5, negatives=5), data, 5, CPU)
    recipe = model._recipe(0)
    for position in range(0, 200, 8):
        anchors, positives = model.descendants[position : position + 8], model.ancestors[position : position + 8]
        rows, counts = np.zeros((8, 7), np.int64), np.zeros(8, np.int64)
        draw_batch(model.relations, anchors, positives, position, np.uint64(9), recipe, rows, counts)
        before = model.table.copy()
        train_pairs(model.table, model.relations, anchors, positives, position, np.uint64(9), 8, model.node_weights,
                    model.targets, recipe)  # fmt: skip
        touched = np.unique(np.concatenate([anchors, *(r[:c] for r, c in zip(rows, counts))]))
        others = np.setdiff1d(np.arange(300), touched)
        assert before[others].tobytes() == model.table[others].tobytes()
        assert (np.linalg.norm(model.table, axis=1) < 1).all()
    assert np.linalg.norm(model.table, axis=1).max() > 0.99  # the projection had work to do


@pytest.mark.parametrize("edges", [random_tree(150, 5), DIAMOND * 3 + random_tree(100, 6)])
@pytest.mark.parametrize("anchor", ["ancestor", "descendant"])
@pytest.mark.parametrize("sampling", ["uniform", "same-depth", "mixed"])
def test_negatives_are_distinct_and_no_relatives(tmp_path, edges, anchor, sampling):
    result = prepared(tmp_path, edges)
    model = learner(settings(anchor=anchor, negative_sampling=sampling), result.train, 5, CPU)
    recipe = model._recipe(0)
    ends = (model.descendants, model.ancestors)
    anchors, positives = ends[::-1] if anchor == "ancestor" else ends
    rows, counts = np.zeros((len(anchors), 12), np.int64), np.zeros(len(anchors), np.int64)
    draw_batch(model.relations, anchors, positives, 0, np.uint64(1), recipe, rows, counts)
    related = set(zip(model.descendants.tolist(), model.ancestors.tolist()))
    depth = result.train["depth"]
    for u, v, row, count in zip(anchors, positives, rows, counts):
        negatives = row[1:count]
        assert row[0] == v and len(set(negatives)) == count - 1 and not {u, v} & set(negatives)
        for x in negatives:
            assert ((int(x), int(u)) if anchor == "ancestor" else (int(u), int(x))) not in related
        if sampling == "same-depth":
            assert (depth[negatives] == depth[v]).all()
    assert counts.max() == 11


def test_draws_are_a_function_of_the_position(tmp_path):
    model = learner(settings(), prepared(tmp_path, random_tree(150, 5)).train, 5, CPU)
    recipe, many = model._recipe(0), slice(0, 40)
    whole = np.zeros((40, 12), np.int64), np.zeros(40, np.int64)
    draw_batch(model.relations, model.descendants[many], model.ancestors[many], 0, np.uint64(1), recipe, *whole)
    part = np.zeros((15, 12), np.int64), np.zeros(15, np.int64)
    some = slice(25, 40)
    draw_batch(model.relations, model.descendants[some], model.ancestors[some], 25, np.uint64(1), recipe, *part)
    assert np.array_equal(whole[0][some], part[0])


def test_uniform_negatives_are_uniform(tmp_path):
    result = prepared(tmp_path, [(f"n{i}", "n0") for i in range(1, 200)])
    model = learner(settings(), result.train, 5, CPU)
    one = np.full(4000, 7, np.int32), np.zeros(4000, np.int32)
    rows, counts = np.zeros((4000, 12), np.int64), np.zeros(4000, np.int64)
    draw_batch(model.relations, *one, 0, np.uint64(1), model._recipe(0), rows, counts)
    seen = np.bincount(rows[:, 1:11].ravel(), minlength=200)
    assert seen[0] == seen[7] == 0
    others = np.delete(seen, [0, 7])
    expected = 4000 * 10 / 198
    assert ((others - expected) ** 2 / expected).sum() < 280  # chi squared with 197 degrees of freedom, p < 0.0001


def test_nothing_is_cached_that_is_compiled_from_other_files_too():
    entries = {train_pairs, draw_batch}
    inner = [f for module in (kernel, moving, sampling, compiled) for f in vars(module).values() if is_jitted(f)]
    assert len(inner) > 8 and entries < set(inner)
    kept = {f for f in inner if type(f._cache).__name__ != "NullCache"}
    assert kept == entries
    assert all(type(f._cache).__name__ == "NullCache" for f in (closure._tree_fill, closure._dag_fill))


def test_the_compiled_code_carries_the_digest_of_its_sources():
    for function in (train_pairs, draw_batch):
        assert [cell.cell_contents for cell in function.py_func.__closure__] == [source_digest()]

"""Tiles of scores: the same values and gradients as all scores at once, whatever their size, and little memory."""

from dataclasses import replace

import pytest
import torch

from cl_viz.core.errors import InputError
from cl_viz.losses import _tiled_softmax as tiled
from cl_viz.losses import compute, losses
from cl_viz.losses._tiled_softmax import LeftOut
from tests.losses.loss_cases import inputs_of, raw_rows, unit_rows

QUERIES, CANDIDATES = raw_rows(14, 3, 1), raw_rows(9, 3, 2)
KEYS, OTHER_KEYS = torch.arange(14) % 4, torch.arange(9) % 3
LEFT_OUT = {
    "nothing": LeftOut(),
    "period": LeftOut(period=5),
    "other keys": LeftOut(0, KEYS, OTHER_KEYS),
    "same keys": LeftOut(0, KEYS, OTHER_KEYS, equal=False),
    "both": LeftOut(4, KEYS, OTHER_KEYS),
}
AMONG = {
    "nothing": LeftOut(), "itself": LeftOut(14), "samples": LeftOut(7), "classes": LeftOut(14, KEYS, KEYS),
    "others": LeftOut(0, KEYS, KEYS, equal=False),
}  # fmt: skip
TILES = [1, 3, 4, 5, 14, 100]


def _mask(left_out, n_queries, n_candidates):
    """Return which pairs have a part, one by one."""
    kept = torch.ones(n_queries, n_candidates, dtype=torch.bool)
    for query in range(n_queries):
        for candidate in range(n_candidates):
            if left_out.period and (query - candidate) % left_out.period == 0:
                kept[query, candidate] = False
            if left_out.query_keys is not None:
                same = bool(left_out.query_keys[query] == left_out.candidate_keys[candidate])
                kept[query, candidate] &= same == left_out.equal
    return kept


def _expected(queries, candidates, left_out):
    scores = queries @ candidates.T
    return scores.masked_fill(~_mask(left_out, *scores.shape), -torch.inf).logsumexp(dim=1)


def _gradients(value, leaves):
    finite = value.masked_fill(value.isinf(), 0.0)
    weights = torch.linspace(0.5, 1.5, len(value), dtype=value.dtype)
    return torch.autograd.grad((weights * finite).sum(), leaves)


@pytest.mark.parametrize("tile", [0, *TILES])
@pytest.mark.parametrize("left_out", LEFT_OUT.values(), ids=LEFT_OUT)
def test_sums_over_candidates_whatever_the_tile(left_out, tile):
    leaves = [QUERIES.clone().requires_grad_(), CANDIDATES.clone().requires_grad_()]
    expected = _expected(*leaves, left_out)
    value = tiled.log_sum_exp(*leaves, left_out, tile)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for found, wanted in zip(_gradients(value, leaves), _gradients(expected, leaves), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("tile", [0, *TILES])
@pytest.mark.parametrize("left_out", AMONG.values(), ids=AMONG)
def test_sums_among_points_whatever_the_tile(left_out, tile):
    leaf = QUERIES.clone().requires_grad_()
    expected = _expected(leaf / 0.3, leaf, left_out)
    value = tiled.log_sum_exp_among(leaf, 0.3, left_out, tile)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(_gradients(value, leaf), _gradients(expected, leaf), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("tile", [0, *TILES])
def test_sums_over_rows_and_columns_whatever_the_tile(tile):
    leaves = [QUERIES.clone().requires_grad_(), CANDIDATES.clone().requires_grad_()]
    of_rows, of_columns = tiled.log_sum_exp_both_ways(*leaves, tile)
    scores = leaves[0] @ leaves[1].T
    torch.testing.assert_close(of_rows, scores.logsumexp(dim=1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(of_columns, scores.logsumexp(dim=0), rtol=1e-12, atol=1e-12)
    found = _gradients(torch.cat([of_rows, of_columns]), leaves)
    wanted = _gradients(torch.cat([scores.logsumexp(dim=1), scores.logsumexp(dim=0)]), leaves)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("tile", [0, *TILES])
def test_sums_of_softplus_whatever_the_tile(tile):
    leaves = [QUERIES.clone().requires_grad_(), CANDIDATES.clone().requires_grad_()]
    value = tiled.softplus_sum(*leaves, -0.7, LeftOut(5), tile)
    kept = _mask(LeftOut(5), 14, 9)
    expected = torch.log1p(torch.exp(leaves[0] @ leaves[1].T - 0.7)).masked_fill(~kept, 0.0).sum(dim=1)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    for found, wanted in zip(_gradients(value, leaves), _gradients(expected, leaves), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("tile", [2, 5])
def test_gradients_of_tiles_are_slopes(tile):
    leaves = [QUERIES[:6].clone().requires_grad_(), CANDIDATES[:6].clone().requires_grad_()]
    keys = torch.arange(6) % 2
    check = torch.autograd.gradcheck
    assert check(lambda a, b: tiled.log_sum_exp(a, b, LeftOut(6), tile), leaves)
    assert check(lambda a, b: tiled.log_sum_exp_both_ways(a, b, tile), leaves)
    assert check(lambda a: tiled.log_sum_exp_among(a, 0.2, LeftOut(6, keys, keys), tile), leaves[0])
    assert check(lambda a, b: tiled.softplus_sum(a, b, 0.3, LeftOut(6), tile), leaves)
    # One side alone, as where the candidates are constants.
    assert check(lambda a: tiled.log_sum_exp(a, CANDIDATES, LeftOut(6), tile), leaves[0])
    assert check(lambda b: tiled.log_sum_exp(QUERIES, b, LeftOut(6), tile), leaves[1])


TILED = [
    "ntxent", "infonce_one_sided", "clip", "dcl", "dcl_one_way", "dclw", "dclw_one_way", "supcon_out", "supcon_in",
    "debiased", "hard_negative_reweighting", "siglip", "dhel", "dhel_pairwise_views", "mv_dhel", "mv_infonce",
    "mv_all_energies", "mv_cross_view", "ntxent_multi_positive", "ntxent_pairwise_views", "ntxent_one_vs_rest",
    "ntxent_additive_margin", "ntxent_angular_margin", "mean_shifted", "macl", "gcl", "rgcl", "npairs",
]  # fmt: skip
VARIANTS = {
    "ntxent_additive_margin": [{}, {"symmetric": False}],
    "supcon_out": [{}, {"anchors": "first_view", "without_positive": "drop"}],
    "dhel": [{}, {"second_view": False}],
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("tile", [1, 5, 24])
@pytest.mark.parametrize("name", TILED)
def test_losses_are_the_same_by_tiles(name, tile, dtype):
    spec = losses()[name]
    for parameters in VARIANTS.get(name, [{}]):
        for given in (inputs_of(spec, dtype=dtype), inputs_of(spec, dtype=dtype, n_views=3)):
            given = replace(given, labels=torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 4, 1, 1, 0]))
            found = []
            for size in (0, tile):
                rows = [view.clone().requires_grad_() for view in given.views]
                value = spec.compute(replace(given, views=tuple(rows), tile=size), spec.params(**parameters))
                found.append([value, *torch.autograd.grad(value.sum(), rows, allow_unused=True)])
            exact = {"rtol": 1e-9, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 2e-4, "atol": 2e-4}
            for one, other in zip(*found, strict=True):
                torch.testing.assert_close(one, other, **exact)


def test_a_queue_is_taken_by_tiles_too():
    views, queue = (unit_rows(6, 4, 1), unit_rows(6, 4, 2)), unit_rows(11, 4, 3).requires_grad_()
    found = []
    for tile in (0, 4):
        value = compute("infonce_one_sided", views, queue=queue, tile=tile)
        found.append((value, torch.autograd.grad(value.sum(), queue)[0]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["ntxent", "infonce_one_sided", "clip", "debiased", "hard_negative_reweighting"])
def test_a_single_sample_by_tiles_has_no_loss_and_no_gradient(name):
    rows = [unit_rows(1, 4, seed).requires_grad_() for seed in (1, 2)]
    value = compute(name, rows, tile=1)
    assert value.abs().max() < 1e-12
    assert all(gradient.abs().max() < 1e-12 for gradient in torch.autograd.grad(value.sum(), rows))


@pytest.mark.parametrize("name", ["ntxent", "clip", "dcl", "supcon_out", "dhel"])
def test_low_temperature_by_tiles_is_finite_in_every_type(name):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        first = unit_rows(10, 4, 1).to(dtype)
        views = [first.requires_grad_(), torch.cat([first.detach()[:5], -first.detach()[5:]]).requires_grad_()]
        value = compute(name, views, torch.arange(10) % 3, tile=3, temperature=0.001)
        assert torch.isfinite(value).all()
        assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(value.mean(), views))


def test_a_large_batch_goes_by_tiles_and_a_small_one_does_not():
    assert tiled.tile_rows(500, 500, None) == 0
    assert 0 < tiled.tile_rows(2048, 2048, None) < 2048
    assert tiled.tile_rows(5, 0, 3) == 0
    assert tiled.tile_rows(5, 10**9, None) == 16
    with pytest.raises(InputError, match="tile = -1"):
        compute("ntxent", (QUERIES, QUERIES), tile=-1)


class _Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """The most numbers any tensor made on the way has, forwards and backwards."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return made


@pytest.mark.parametrize(
    "name", ["ntxent", "infonce_one_sided", "clip", "dcl", "dclw", "supcon_out", "supcon_in", "debiased",
             "hard_negative_reweighting", "siglip", "dhel"],
)  # fmt: skip
def test_no_tensor_of_a_large_batch_has_a_number_for_each_pair(name):
    views = [unit_rows(1500, 4, seed, torch.float32).requires_grad_() for seed in (1, 2)]
    with _Largest() as largest:
        compute(name, views, torch.arange(1500) % 50).mean().backward()
    # A tile holds 2**19 numbers, two of them at most stand side by side; the scores of 3,000 points would be 9 million.
    assert largest.numbers <= 2**20

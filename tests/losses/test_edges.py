"""Few samples, no negatives, no positives: the value where there is one; and more of one loss in terms of another."""

import math
from dataclasses import replace

import pytest
import torch

from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses
from tests.losses.loss_cases import call, inputs_of, unit_rows

PAIR = LossInputs((unit_rows(10, 6, 1), unit_rows(10, 6, 2)))
ONE_CLASS = replace(PAIR, labels=torch.zeros(10, dtype=torch.int64))
TILES = [None, 0, 3]


def equal(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def _gradients(value, rows):
    return torch.autograd.grad(value.sum(), rows, allow_unused=True)


@pytest.mark.parametrize("tile", TILES)
def test_an_empty_queue_leaves_no_loss(tile):
    rows = [view.clone().requires_grad_() for view in PAIR.views]
    value = call("infonce_one_sided", LossInputs(tuple(rows), queue=torch.zeros(0, 6), tile=tile))
    assert value.abs().max() == 0
    assert all(gradient.abs().max() == 0 for gradient in _gradients(value, rows))


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("name", ["supcon_out", "supcon_in", "supcon_per_positive", "triplet", "focal_supcon"])
def test_a_single_row_has_neither_positives_nor_negatives(name, tile):
    row = unit_rows(1, 4, 1).requires_grad_()
    value = call(name, LossInputs((row,), labels=torch.tensor([3]), tile=tile))
    assert value.tolist() == [0.0]
    (gradient,) = _gradients(value, row)
    assert gradient is None or gradient.abs().max() == 0


@pytest.mark.parametrize("tile", TILES)
def test_one_class_alone_has_positives_and_no_negatives(tile):
    given = replace(ONE_CLASS, tile=tile)
    # Nothing of another class: the decoupled forms are solved, SupCon still wants all scores alike.
    for name in ("supcon_per_positive", "triplet"):
        assert call(name, given).abs().max() == 0
    scores = (torch.cat(PAIR.views) @ torch.cat(PAIR.views).T / 0.1).fill_diagonal_(-torch.inf)
    mean = scores.masked_fill(torch.eye(20, dtype=torch.bool), 0.0).sum(dim=1) / 19
    equal(call("supcon_out", given, temperature=0.1), scores.logsumexp(dim=1) - mean)
    equal(call("supcon_in", given, temperature=0.1), torch.full((20,), math.log(19), dtype=torch.float64))


def test_one_sample_of_two_modalities_keeps_its_own_question():
    one = inputs_of(losses()["siglip"], 1)
    first, second = one.views
    equal(call("siglip", one), torch.log1p(torch.exp(-(10 * (first * second).sum(dim=1) - 10))))
    equal(call("mv_cross_view", inputs_of(losses()["mv_cross_view"], 1)), torch.zeros(2, dtype=torch.float64))


def test_ntxent_is_softplus_of_the_decoupled_loss():
    for tau in (0.05, 0.5):
        equal(
            call("ntxent", PAIR, temperature=tau),
            torch.nn.functional.softplus(call("dcl", PAIR, temperature=tau)),
        )


def test_a_wide_weight_is_no_weight():
    torch.testing.assert_close(
        call("dclw", PAIR, sigma=100.0, temperature=0.2), call("dcl", PAIR, temperature=0.2), rtol=0, atol=0.2
    )
    # Weights have mean 1: where positives score alike they are all 1.
    same = LossInputs((PAIR.views[0], PAIR.views[0]))
    equal(call("dclw", same, temperature=0.2), call("dcl", same, temperature=0.2))


def test_clip_is_infonce_from_both_sides():
    turned = LossInputs(PAIR.views[::-1])
    one, other = (call("infonce_one_sided", given, temperature=0.1) for given in (PAIR, turned))
    equal(call("clip", PAIR, temperature=0.1), torch.cat([one, other]))


def test_a_batch_as_its_own_queue():
    first, second = PAIR.views
    # A queue of the other rows' keys is the batch; each anchor has its own, so one anchor is asked.
    alone = LossInputs((first[:1], second[:1]), queue=second[1:])
    equal(call("infonce_one_sided", alone), call("infonce_one_sided", PAIR)[:1])


@pytest.mark.parametrize("name", ["ntxent", "infonce_one_sided", "clip", "supcon_in", "supcon_per_positive", "siglip"])
def test_what_is_a_cross_entropy_is_not_negative(name):
    labelled = replace(PAIR, labels=torch.arange(10) % 4)
    for tau in (0.01, 0.1, 10.0):
        parameters = {"logit_scale": 1 / tau} if name == "siglip" else {"temperature": tau}
        assert (call(name, labelled, **parameters) >= 0).all()


def test_bounds_of_decoupled_losses_and_of_uniformity():
    apart = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    value = call("dcl", LossInputs((apart, apart)), temperature=0.2)
    assert (value >= math.log(10) - 2 / 0.2).all()
    two = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).double()
    equal(call("uniformity", LossInputs((two,)), t=2.0), torch.tensor(-8.0, dtype=torch.float64))


def test_siglip_counts_each_pair_once():
    first, second = PAIR.views
    logits = 10 * first @ second.T - 10
    sign = 2 * torch.eye(10, dtype=torch.float64) - 1
    for tile in TILES:
        equal(call("siglip", replace(PAIR, tile=tile)), -torch.log(torch.sigmoid(sign * logits)).sum(dim=1))


@pytest.mark.parametrize("name", sorted(losses()))
def test_half_precision_is_finite_everywhere_at_the_lowest_temperature(name):
    spec = losses()[name]
    given = inputs_of(spec, 12)
    halves = {
        field: None if getattr(given, field) is None else getattr(given, field).half()
        for field in ("queue", "prototypes")
    }
    lowest = {info.name: info.low for info in spec.params.describe() if info.name == "temperature"}
    views = tuple(view.half().requires_grad_() for view in given.views)
    value = spec.compute(replace(given, views=views, **halves), spec.params(**lowest))
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all()
    gradients = torch.autograd.grad(value.mean(), views, allow_unused=True)
    assert all(gradient is None or torch.isfinite(gradient).all() for gradient in gradients)


def test_double_differentiation_works_for_small_batches():
    rows = [view.clone().requires_grad_() for view in PAIR.views]
    (slope,) = torch.autograd.grad(call("ntxent", LossInputs(tuple(rows))).mean(), rows[:1], create_graph=True)
    assert torch.autograd.grad(slope.square().sum(), rows[0])[0].abs().max() > 0

"""Losses of which part is a constant: the gradient is that of the rest, and constants get none."""

from dataclasses import replace

import pytest
import torch

from cl_viz.core.errors import InputError
from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses
from cl_viz.losses.clusters import cluster_densities
from tests.losses.loss_cases import call, inputs_of, raw_rows, unit_rows


def _leaves(*rows):
    return tuple(view.clone().requires_grad_() for view in rows)


def _gradients(value, leaves):
    return torch.cat(torch.autograd.grad(value, leaves))


PAIR = (unit_rows(8, 5, 1), unit_rows(8, 5, 2))


def test_the_surrogate_has_the_gradient_of_both_directions_global_loss():
    leaves = _leaves(*PAIR)
    exact = _gradients(2 * call("gcl", LossInputs(leaves), temperature=0.2).mean(), leaves)
    surrogate = _gradients(call("sogclr", LossInputs(leaves), temperature=0.2).mean(), leaves)
    torch.testing.assert_close(surrogate, exact, rtol=1e-10, atol=1e-12)


def test_each_sample_has_its_own_temperature():
    leaves = _leaves(*PAIR)
    each = torch.linspace(0.1, 0.5, 8, dtype=torch.float64)
    given = LossInputs(leaves, temperatures=each)
    exact = _gradients(2 * call("rgcl", given, rho=0.3).mean(), leaves)
    surrogate = _gradients(call("sogclr", given).mean(), leaves)
    torch.testing.assert_close(surrogate, exact, rtol=1e-10, atol=1e-12)
    with pytest.raises(InputError, match="temperatures"):
        call("rgcl", replace(given, temperatures=each[:3]))
    with pytest.raises(InputError, match="temperatures"):
        call("sogclr", replace(given, temperatures=-each))


def test_a_larger_moving_average_weakens_the_push():
    first, second = PAIR
    points = torch.cat(PAIR)
    scores = points @ points.T / 0.5
    own = torch.eye(8, dtype=torch.bool).repeat(2, 2)
    mean = scores.exp().masked_fill(own, 0.0).sum(dim=1) / 14
    positive = (first * second).sum(dim=1)
    average = torch.full((8,), 3.0, dtype=torch.float64)
    tracked = 0.25 * average.repeat(2) + 0.75 * mean
    push = (scores.exp().masked_fill(own, 0.0) * scores * 0.5).sum(dim=1) / 14 / tracked
    value = call("sogclr", LossInputs(PAIR, moving_average=average), temperature=0.5, gamma=0.75)
    torch.testing.assert_close(value, push[:8] + push[8:] - 2 * positive, rtol=1e-10, atol=1e-12)
    only_batch = call("sogclr", LossInputs(PAIR, moving_average=average), temperature=0.5, gamma=1.0)
    torch.testing.assert_close(only_batch, call("sogclr", LossInputs(PAIR), temperature=0.5))


def test_the_bimodal_surrogate_has_the_gradient_of_its_global_loss():
    leaves = _leaves(*PAIR)
    scores = leaves[0] @ leaves[1].T
    own = torch.eye(8, dtype=torch.bool)
    exact = sum(
        0.1 * ((way - way.diagonal()[:, None]) / 0.1).masked_fill(own, -torch.inf).logsumexp(dim=1).mean() / 2
        for way in (scores, scores.T)
    )
    surrogate = call("sogclr_bimodal", LossInputs(leaves), temperature=0.1).mean()
    torch.testing.assert_close(_gradients(surrogate, leaves), _gradients(exact, leaves), rtol=1e-10, atol=1e-12)


def test_model_aware_weights_are_constants():
    leaves = _leaves(*PAIR)
    alignment = (PAIR[0] * PAIR[1]).sum(dim=1).mean().item()
    nll = call("ntxent", LossInputs(leaves), temperature=0.3 * (1 + 0.5 * alignment))
    expected = (nll / (1 - torch.exp(-nll)).detach()).mean()
    value = call("macl", LossInputs(leaves), temperature=0.3).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(_gradients(value, leaves), _gradients(expected, leaves), rtol=1e-10, atol=1e-12)
    with pytest.raises(InputError, match="temperature"):
        call("macl", LossInputs((PAIR[0], -PAIR[0])), alpha=1.0, reference=1.0)


def test_assignments_are_constants_that_use_all_prototypes():
    leaves = _leaves(*PAIR)
    prototypes = unit_rows(3, 5, 7)
    codes = []
    for view in PAIR:
        plan = torch.exp(view @ prototypes.T / 0.05)
        for _ in range(3):
            plan = plan / plan.sum(dim=0) / 3
            plan = plan / plan.sum(dim=1, keepdim=True) / 8
        codes.append(8 * plan)
    shares = [(leaf @ prototypes.T / 0.1).log_softmax(dim=1) for leaf in leaves]
    expected = -(codes[0] * shares[1] + codes[1] * shares[0]).sum(dim=1).mean() / 2
    value = call("swav", LossInputs(leaves, prototypes=prototypes)).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(_gradients(value, leaves), _gradients(expected, leaves), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("protonce", ("second", "queue", "prototypes")), ("protonce_instance_part", ("second", "queue")),
        ("feature_transformation", ("second", "queue")), ("mochi", ("queue",)),
    ],
)  # fmt: skip
def test_constants_get_no_gradient(name, constant):
    given = inputs_of(losses()[name])
    first, second = _leaves(*given.views)
    leaves = {"second": second}
    for field in ("queue", "prototypes"):
        if getattr(given, field) is not None:
            (leaves[field],) = _leaves(getattr(given, field))
    matrices = {field: leaf for field, leaf in leaves.items() if field != "second"}
    value = call(name, replace(given, views=(first, second), **matrices)).mean()
    gradients = torch.autograd.grad(value, [first, *leaves.values()], allow_unused=True)
    assert gradients[0] is not None
    for field, gradient in zip(leaves, gradients[1:], strict=True):
        assert (gradient is None) == (field in constant), field


def test_the_anchor_alone_is_moved_by_sorting():
    first, second = _leaves(*PAIR)
    stopped = call("groco", LossInputs((first, second)), negatives=5)
    of_the_first = torch.autograd.grad(stopped[:8].sum(), (first, second), allow_unused=True)
    assert of_the_first[0].abs().max() > 0
    assert of_the_first[1] is None or of_the_first[1].abs().max() == 0


def test_densities_follow_the_spread():
    prototypes = torch.eye(4, dtype=torch.float64)
    own = torch.tensor([0] * 5 + [1] * 5 + [2])
    points = prototypes[own] + torch.cat([0.1 * raw_rows(5, 4, 0), 0.5 * raw_rows(5, 4, 1), 0.3 * raw_rows(1, 4, 2)])
    spread = [
        float((points[own == k] - prototypes[k]).norm(dim=1).sum() / (5 * torch.log(torch.tensor(15.0))))
        for k in (0, 1)
    ]
    # Clusters of one point or none take the largest spread; then the 10th and 90th percentiles, and the mean.
    expected = torch.tensor([spread[0], spread[1], spread[1], spread[1]], dtype=torch.float64)
    low, high = torch.quantile(expected, 0.1), torch.quantile(expected, 0.9)
    expected = expected.clamp(low, high)
    found = cluster_densities(points, prototypes, own, 0.2)
    torch.testing.assert_close(found, 0.2 * expected / expected.mean(), rtol=1e-6, atol=0)
    assert found.mean().item() == pytest.approx(0.2)
    onto = cluster_densities(prototypes, prototypes, torch.arange(4), 0.2)
    torch.testing.assert_close(onto, torch.full((4,), 0.2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "changed", "parameters", "said"),
    [
        ("protonce", {"assignments": torch.full((12,), 9)}, {}, "assignments"),
        ("protonce", {"densities": torch.zeros(4)}, {}, "densities"),
        ("mochi", {"draws": {"pairs": torch.zeros(2, 12, 3, dtype=torch.int64)}}, {}, "pairs"),
        ("mochi", {"draws": {"singles": torch.full((12, 2), 7)}}, {"with_query": 2}, "beyond"),
        ("feature_transformation", {"draws": {"positive": torch.zeros(3)}}, {}, "positive"),
        ("mixco", {"draws": {"permutation": torch.arange(4)}}, {}, "permutation"),
        ("mean_shifted", {"center": torch.zeros(3)}, {}, "center"),
        ("soft_top_k", {}, {"k": 4}, "k = 4"),
        ("label_binary", {"label_matrix": torch.zeros(12, 9)}, {}, "label matrix"),
        ("top_negatives", {}, {"count": 23}, "count"),
        ("ascl", {}, {"neighbours": 8}, "queue of 7"),
    ],
)
def test_what_does_not_fit_is_refused(name, changed, parameters, said):
    given = replace(inputs_of(losses()[name]), **changed)
    with pytest.raises(InputError, match=said):
        call(name, given, **parameters)


def test_rows_without_a_direction_or_an_inverse_are_refused():
    point = unit_rows(1, 5, 0)
    with pytest.raises(InputError, match="centre"):
        call("mean_shifted", LossInputs((point, point), center=point[0]))
    with pytest.raises(InputError, match="inverse"):
        call("w_mse", LossInputs((raw_rows(4, 5, 0), raw_rows(4, 5, 1))))
    flat = raw_rows(12, 5, 0)
    flat[:, 0] = 1.0
    with pytest.raises(InputError, match="inverse"):
        call("w_mse", LossInputs((flat, raw_rows(12, 5, 1))))
    assert torch.isfinite(call("w_mse", LossInputs((flat, raw_rows(12, 5, 1))), shrinkage=0.1)).all()
    with pytest.raises(InputError, match="halved"):
        call("kernel_infonce_product", LossInputs((torch.ones(4, 1), torch.ones(4, 1))))
    with pytest.raises(InputError, match="too many"):
        call("symile_tuples", LossInputs((torch.zeros(1000, 2),) * 3))


@pytest.mark.parametrize("name", ["kernel_infonce", "kernel_contrastive", "triplet", "cacr", "ntxent_angular_margin"])
def test_points_that_coincide_have_finite_gradients(name):
    parameters = {
        "kernel_infonce": {"gamma": 0.5}, "kernel_contrastive": {"kernel": "imq"}, "ntxent_angular_margin": {},
        "triplet": {}, "cacr": {},
    }[name]  # fmt: skip
    rows = _leaves(PAIR[0].repeat(2, 1), PAIR[0].repeat(2, 1))
    value = call(name, LossInputs(rows, labels=torch.arange(16) % 3), **parameters)
    assert torch.isfinite(value).all()
    assert torch.isfinite(_gradients(value.sum(), rows)).all()

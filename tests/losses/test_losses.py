"""What must hold of every loss, and what is known in closed form."""

import math

import pytest
import torch

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.specs import LossInputs
from cl_viz.losses import losses


def _unit(n_rows, dimension, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n_rows, dimension, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def _inputs(n_rows=12, dimension=5):
    labels = torch.arange(n_rows) % 3
    return LossInputs(views=(_unit(n_rows, dimension, 1), _unit(n_rows, dimension, 2)), labels=labels)


def _call(name, inputs, **parameters):
    spec = losses()[name]
    return spec.compute(inputs, spec.params(**parameters))


@pytest.mark.parametrize("name", sorted(losses()))
def test_gradient_is_the_slope(name):
    spec = losses()[name]
    parameters = spec.params(stop_gradient=False) if name in ("simsiam", "byol") else spec.params()
    first, second = (view.clone().requires_grad_() for view in _inputs(6, 3).views)

    def value(x, y):
        return spec.compute(LossInputs(views=(x, y), labels=torch.arange(6) % 3), parameters).mean()

    assert torch.autograd.gradcheck(value, (first, second), atol=1e-6)


@pytest.mark.parametrize("name", sorted(losses()))
def test_order_of_the_samples_does_not_matter(name):
    inputs = _inputs()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    shuffled = LossInputs(views=tuple(view[order] for view in inputs.views), labels=inputs.labels[order])
    torch.testing.assert_close(_call(name, inputs).mean(), _call(name, shuffled).mean(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "anchors"),
    [("ntxent", 24), ("infonce_one_sided", 12), ("clip", 24), ("dcl", 24), ("supcon_out", 24), ("simsiam", 12)],
)
def test_one_value_an_anchor(name, anchors):
    assert _call(name, _inputs()).shape == (anchors,)


@pytest.mark.parametrize("name", ["ntxent", "infonce_one_sided", "clip"])
def test_a_single_sample_has_no_loss(name):
    assert _call(name, _inputs(1)).abs().max() < 1e-12


def test_at_complete_collapse_the_softmax_loss_counts_candidates():
    point = _unit(1, 4, 0).repeat(8, 1)
    inputs = LossInputs(views=(point, point))
    torch.testing.assert_close(_call("ntxent", inputs).mean().item(), math.log(15))
    torch.testing.assert_close(_call("dcl", inputs).mean().item(), math.log(14))
    torch.testing.assert_close(_call("uniformity", inputs).item(), 0.0, atol=1e-12, rtol=0)
    torch.testing.assert_close(_call("negative_cosine", inputs).mean().item(), -1.0)


def test_without_shared_labels_supcon_is_ntxent():
    inputs = _inputs()
    alone = LossInputs(views=inputs.views, labels=torch.arange(12))
    torch.testing.assert_close(_call("supcon_out", alone, temperature=0.3), _call("ntxent", alone, temperature=0.3))


def test_dropping_anchors_without_positive_changes_only_the_mean():
    inputs = LossInputs(views=(_unit(6, 4, 0),), labels=torch.tensor([0, 1, 1, 2, 3, 3]))
    kept = _call("supcon_out", inputs)
    dropped = _call("supcon_out", inputs, without_positive="drop")
    assert kept.shape == (6,)
    assert dropped.shape == (4,)
    torch.testing.assert_close(kept.sum(), dropped.sum())


def test_the_stopped_branch_gets_no_gradient():
    views = tuple(view.clone().requires_grad_() for view in (*_inputs().views, *_inputs(12, 5).views))
    spec = losses()["simsiam"]
    spec.compute(LossInputs(views=views), spec.params()).mean().backward()
    assert views[0].grad is not None
    assert views[2].grad is None


@pytest.mark.parametrize("name", ["dcl", "align_uniform", "vicreg"])
def test_too_few_samples_is_an_error(name):
    with pytest.raises(InputError, match="N = 1"):
        _call(name, _inputs(1))


def test_a_missing_input_names_what_to_add():
    with pytest.raises(MissingInputError, match="second"):
        _call("ntxent", LossInputs(views=(_unit(4, 3, 0),)))
    with pytest.raises(MissingInputError, match="label"):
        _call("supcon_out", LossInputs(views=(_unit(4, 3, 0), _unit(4, 3, 1))))
    with pytest.raises(InputError, match="shape"):
        _call("ntxent", LossInputs(views=(_unit(4, 3, 0), _unit(5, 3, 1))))
    with pytest.raises(InputError, match="labels"):
        _call("supcon_out", LossInputs(views=(_unit(4, 3, 0),), labels=torch.zeros(3, dtype=torch.int64)))

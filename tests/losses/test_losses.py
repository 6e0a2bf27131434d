"""What must hold of every loss."""

from dataclasses import replace

import pytest
import torch

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.specs import LossInputs
from cl_viz.losses import compute, losses
from tests.losses.loss_cases import call, inputs_of, raw_rows, reordered, unit_rows

ALL = sorted(losses())
SCORED = [name for name in ALL if "temperature" in {info.name for info in losses()[name].params.describe()}]

# Where part of a loss is a constant by definition its gradient is no slope of its value; the constant part is switched
# off here, or given. test_constant_parts.py looks at the rest.
WITHOUT_CONSTANTS = {
    "byol": {"stop_gradient": False},
    "simsiam": {"stop_gradient": False},
    "dclw": {"stop_gradient": False},
    "dclw_one_way": {"stop_gradient": False},
    "groco": {"stop_gradient": False},
    "mochi": {"with_query": 0, "pairs": 4},
    # At the default temperature the threshold of well-separated scores is flat: finite differences see rounding.
    "soft_top_k": {"iterations": 64, "temperature": 0.5},
}
CONSTANT_WEIGHTS = {"macl", "sogclr", "sogclr_bimodal", "swav"}
CONSTANT_KEYS = {"ascl", "feature_transformation", "protonce", "protonce_instance_part"}
# Random draws go by a sample's place in the batch.
DRAWN_BY_PLACE = {"mixco", "mochi", "symile_drawn"}


@pytest.mark.parametrize("name", [name for name in ALL if name not in CONSTANT_WEIGHTS])
def test_gradient_is_the_slope(name):
    spec = losses()[name]
    given = replace(inputs_of(spec, 6, 3), densities=torch.tensor([0.2, 0.3, 0.1, 0.4]), center=raw_rows(1, 3, 5)[0])
    parameters = spec.params(**WITHOUT_CONSTANTS.get(name, {}))
    rows = [
        view.clone().requires_grad_(not index or name not in CONSTANT_KEYS) for index, view in enumerate(given.views)
    ]

    def value(*views):
        return spec.compute(replace(given, views=views), parameters).mean()

    assert torch.autograd.gradcheck(value, rows, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in ALL if name not in DRAWN_BY_PLACE])
def test_order_of_the_samples_does_not_matter(name):
    inputs = inputs_of(losses()[name])
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        call(name, inputs).mean(), call(name, reordered(inputs, order)).mean(), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize("temperature", [0.01, 0.001])
def test_single_precision_at_low_temperature_is_finite(name, temperature):
    spec = losses()[name]
    given = inputs_of(spec, dtype=torch.float32)
    # Pairs that agree and pairs that do not: the largest and the smallest possible scores.
    first = given.views[0]
    given = replace(given, views=(first, torch.cat([first[:4], -first[4:8], given.views[1][8:]])))
    rows = [view.clone().requires_grad_() for view in given.views]
    value = spec.compute(replace(given, views=tuple(rows)), spec.params(temperature=temperature))
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all()
    gradients = torch.autograd.grad(value.mean(), rows, allow_unused=True)
    assert all(gradient is None or torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", ALL)
def test_both_precisions_agree(name):
    spec = losses()[name]
    double, single = (call(name, inputs_of(spec, dtype=dtype)) for dtype in (torch.float64, torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double().mean(), double.mean(), rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "anchors"),
    [
        ("ntxent", 24), ("infonce_one_sided", 12), ("clip", 24), ("siglip", 12), ("dcl", 24), ("dcl_one_way", 12),
        ("supcon_out", 24), ("supcon_in", 24), ("triplet", 24), ("simsiam", 12), ("debiased", 24), ("mochi", 12),
        ("mv_infonce", 12), ("poly_view_geometric", 24), ("swav", 12), ("groco", 24), ("label_binary", 12),
    ],
)  # fmt: skip
def test_one_value_an_anchor(name, anchors):
    assert call(name, inputs_of(losses()[name])).shape == (anchors,)


@pytest.mark.parametrize(
    "name",
    ["ntxent", "infonce_one_sided", "clip", "ntxent_additive_margin", "ntxent_angular_margin", "debiased", "npairs",
     "hard_negative_reweighting", "top_negatives", "mv_infonce", "poly_view_geometric", "poly_view_arithmetic",
     "ntxent_pairwise_views", "ntxent_multi_positive", "symile_tuples", "symile_drawn", "soft_clip", "mean_shifted"],
)  # fmt: skip
def test_a_single_sample_has_no_loss_and_no_gradient(name):
    given = inputs_of(losses()[name], 1)
    rows = [view.clone().requires_grad_() for view in given.views]
    parameters = {"norm_weight": 0.0} if name == "npairs" else {}
    value = call(name, replace(given, views=tuple(rows)), **parameters)
    assert value.abs().max() < 1e-12
    gradients = torch.autograd.grad(value.sum(), rows)
    assert all(gradient.abs().max() < 1e-12 for gradient in gradients)


@pytest.mark.parametrize(
    "name",
    [
     "dcl", "dcl_one_way", "dclw", "align_uniform", "decoupled_uniformity", "vicreg", "barlow_twins", "w_mse", "dhel",
     "dhel_pairwise_views", "kernel_contrastive", "cacr", "cacr_repulsion", "spectral", "kernel_spectral", "gcl",
     "rgcl", "sogclr", "sogclr_bimodal", "macl", "mv_dhel", "mv_all_energies", "groco"],
)  # fmt: skip
def test_too_few_samples_is_an_error(name):
    with pytest.raises(InputError, match="N = 1"):
        call(name, inputs_of(losses()[name], 1))


@pytest.mark.parametrize("name", ALL)
def test_a_missing_input_names_what_to_add(name):
    spec = losses()[name]
    given = inputs_of(spec)
    without = {
        "two_views": (replace(given, views=given.views[:1]), "second"),
        "three_views": (replace(given, views=given.views[:2]), "third"),
        "labels": (replace(given, labels=None), "label"),
        "queue": (replace(given, queue=None), "queue"),
        "prototypes": (replace(given, prototypes=None), "prototypes"),
    }
    for need in spec.needs:
        lacking, said = without[need]
        with pytest.raises(MissingInputError, match=said):
            spec.compute(lacking, spec.params())


@pytest.mark.parametrize("name", [name for name in ALL if "two_views" in losses()[name].needs])
def test_views_of_other_shape_are_refused(name):
    given = inputs_of(losses()[name])
    with pytest.raises(InputError, match="shape"):
        call(name, replace(given, views=(given.views[0], given.views[1][:-1])))


@pytest.mark.parametrize("name", [name for name in ALL if {"queue", "prototypes"} & set(losses()[name].needs)])
def test_a_matrix_of_other_dimension_is_refused(name):
    given = inputs_of(losses()[name])
    wrong = unit_rows(7, 3, 0)
    changed = {field: wrong for field in ("queue", "prototypes") if getattr(given, field) is not None}
    with pytest.raises(InputError, match="dimension 5"):
        call(name, replace(given, **changed))


@pytest.mark.parametrize("name", [name for name in ALL if "labels" in losses()[name].needs])
def test_labels_must_be_as_many_as_samples(name):
    with pytest.raises(InputError, match="labels"):
        call(name, replace(inputs_of(losses()[name]), labels=torch.zeros(3, dtype=torch.int64)))


@pytest.mark.parametrize("name", ["feature_transformation", "mixco", "mochi", "protonce", "symile_drawn"])
def test_draws_are_those_of_the_seed_and_leave_the_global_generator(name):
    given = inputs_of(losses()[name])
    parameters = {"negatives": 1} if name.startswith("protonce") else {}
    given = replace(given, assignments=torch.arange(12) % 2)
    state = torch.get_rng_state()
    again = [call(name, given, seed=4, **parameters) for _ in range(2)]
    other = [call(name, given, seed=seed, **parameters) for seed in range(5, 9)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again[0], again[1])
    assert any(not torch.equal(again[0], value) for value in other)


@pytest.mark.parametrize("name", ["ntxent", "infonce_one_sided", "clip", "dcl", "dhel", "macl", "debiased", "siglip"])
def test_half_precision_does_not_overflow_at_low_temperature(name):
    scale = {"logit_scale": 100.0, "logit_bias": -10.0} if name == "siglip" else {"temperature": 0.01}
    views = tuple(view.to(torch.float16) for view in inputs_of(losses()[name]).views)
    assert torch.isfinite(call(name, LossInputs(views), **scale)).all()


@pytest.mark.parametrize("name", ["simsiam", "byol"])
def test_three_views_are_neither_two_branches_nor_predictions_and_targets(name: str) -> None:
    with pytest.raises(InputError, match="3 views given"):
        compute(name, torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0)))

"""Losses called by name on plain arrays: rows are normalised, needs checked, hyper-parameters held in their ranges."""

import ml_dtypes
import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.losses import compute, losses, missing_inputs
from tests.losses.loss_cases import call, inputs_of, raw_rows, unit_rows

RAW = (raw_rows(10, 6, 1), raw_rows(10, 6, 2))
LABELS = np.array(list("abcabcaabc"))


@pytest.mark.parametrize("name", sorted(losses()))
def test_any_loss_by_name_is_the_loss_of_its_spec(name):
    given = inputs_of(losses()[name])
    extras = {"queue": given.queue, "prototypes": given.prototypes}
    value = compute(name, [3 * view if losses()[name].rows == "unit" else view for view in given.views],
                    given.labels, **extras)  # fmt: skip
    torch.testing.assert_close(value, call(name, given), rtol=1e-9, atol=1e-9)


def test_a_loss_of_raw_rows_is_given_them_as_they_are():
    value = compute("vicreg", RAW)
    torch.testing.assert_close(value, call("vicreg", inputs_of(losses()["vicreg"], 10, 6)))
    assert abs(compute("vicreg", [5 * view for view in RAW]) - value) > 1


def test_arrays_tensors_mappings_stacks_and_sets_are_the_same():
    arrays = [view.numpy() for view in RAW]
    expected = compute("ntxent", RAW, temperature=0.2)
    embeddings = cl_viz.EmbeddingSet.from_arrays(dict(zip("ab", arrays, strict=True)), label=LABELS)
    for views in (arrays, dict(zip("ab", arrays, strict=True)), np.stack(arrays), torch.stack(RAW), embeddings):
        torch.testing.assert_close(compute("ntxent", views, temperature=0.2), expected)
    torch.testing.assert_close(compute("supcon_out", embeddings), compute("supcon_out", RAW, LABELS))
    torch.testing.assert_close(compute("supcon_out", RAW[0], LABELS), compute("supcon_out", [RAW[0]], LABELS))


def test_gradient_flows_through_the_normalisation():
    rows = [view.clone().requires_grad_() for view in RAW]
    compute("ntxent", rows).mean().backward()
    for view in rows:
        assert view.grad is not None
        # A unit loss does not change along a row.
        assert (view.grad * view).sum(dim=1).abs().max() < 1e-12
        assert view.grad.abs().max() > 1e-3


def test_what_is_missing_is_named_all_at_once():
    with pytest.raises(MissingInputError, match="a second view and a queue of negatives and prototypes missing"):
        compute("protonce", RAW[0])
    with pytest.raises(MissingInputError, match="labels"):
        compute("supcon_out", RAW)
    assert missing_inputs("protonce", views=1) == ("a second view", "a queue of negatives", "prototypes")
    assert missing_inputs("ntxent", views=2) == ()
    assert missing_inputs("triplet_explicit", views=2, labels=True) == ("a third view",)


def test_label_matrices_take_the_place_of_labels():
    matrix = np.eye(4)[np.arange(10) % 4]
    one = compute("label_softmax", RAW[0], prototypes=unit_rows(4, 6, 3), label_matrix=matrix)
    other = compute("label_softmax", RAW[0], np.arange(10) % 4, prototypes=unit_rows(4, 6, 3))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("views", "labels", "parameters", "said"),
    [
        (RAW, None, {"temperature": 0.0}, "0.001 to 100"), (RAW, None, {"tau": 0.1}, "unknown parameter 'tau'"),
        (RAW, None, {"temperature": "low"}, "cannot be used"), ((RAW[0], 0 * RAW[1]), None, {}, "no direction"),
        ((RAW[0], RAW[1] / 0), None, {}, "NaN or infinity"), (torch.zeros(2, 3, 4, 5), None, {}, "rows by columns"),
        ((RAW[0], RAW[1][:4]), None, {}, "shape"), (RAW[:0], None, {}, "no view"),
        (RAW, np.zeros((10, 2)), {}, "labels of shape"), (RAW, np.full(10, np.nan), {}, "labels are NaN"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_what_can(views, labels, parameters, said):
    with pytest.raises(InputError, match=said):
        compute("ntxent", views, labels, **parameters)


def test_an_unknown_loss_lists_those_there_are():
    with pytest.raises(InputError, match="ntxent"):
        compute("nt-xent", RAW)
    with pytest.raises(InputError, match="ntxent"):
        missing_inputs("nt-xent", views=2)


def test_samples_without_a_label_are_refused_where_labels_are_needed():
    labels = np.array(["a", None, "b", "a", "b", "a", "b", "a", "b", "a"], dtype=object)
    embeddings = cl_viz.EmbeddingSet.from_arrays(RAW[0].numpy(), label=labels)
    with pytest.raises(InputError, match="1 of 10 samples have no label"):
        compute("supcon_out", embeddings)
    assert torch.isfinite(compute("uniformity", embeddings))


def test_views_that_are_not_aligned_are_refused():
    first, second = RAW[0].numpy(), RAW[1].numpy()
    pairs = np.array([[0, 1], [1, 0], [2, 2]])
    embeddings = cl_viz.EmbeddingSet.from_arrays({"image": first, "text": second}, pairs=pairs)
    with pytest.raises(InputError, match="not aligned"):
        compute("clip", embeddings)


@pytest.mark.parametrize("dtypes", [(torch.float16, torch.float16), (torch.bfloat16, torch.float32),
                                    (torch.float32, torch.float64), (torch.float16, torch.float64)])  # fmt: skip
@pytest.mark.parametrize("name", ["ntxent", "clip", "supcon_out", "align_uniform", "vicreg", "siglip", "dhel"])
def test_mixed_and_half_types_are_computed_in_the_widest_and_at_least_in_single(name, dtypes):
    views = [view.to(dtype, copy=True).requires_grad_() for view, dtype in zip(RAW, dtypes, strict=True)]
    value = compute(name, views, np.arange(10) % 3)
    assert value.dtype == torch.promote_types(torch.promote_types(*dtypes), torch.float32)
    exact = compute(name, [view.detach().double() for view in views], np.arange(10) % 3)
    torch.testing.assert_close(value.double(), exact, rtol=2e-5, atol=2e-5)
    value.mean().backward()
    assert [view.grad.dtype for view in views] == list(dtypes)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_stored_types_of_dumps_can_be_given(dtype):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    arrays = [(20 * view).numpy().astype(kind) for view in RAW]
    value = compute("ntxent", arrays)
    exact = compute("ntxent", [array.astype(np.float64) for array in arrays])
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)

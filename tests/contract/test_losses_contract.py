"""What every loss promises: one value per anchor, differentiable, the same for the same input."""

from __future__ import annotations

import pytest
import torch

from cl_viz.core.errors import ClVizError
from cl_viz.core.specs import LossInputs, LossSpec
from cl_viz.losses import losses

N_SAMPLES, DIM = 8, 5
DRAWN_BY_PLACE = {"mixco", "mochi", "symile_drawn"}


def _inputs(spec: LossSpec, seed: int = 0) -> tuple[LossInputs, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)

    def rows(count: int) -> torch.Tensor:
        drawn = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
        made = drawn / drawn.norm(dim=1, keepdim=True) if spec.rows == "unit" else drawn
        return made.requires_grad_()

    count = 3 if "three_views" in spec.needs else 2 if "two_views" in spec.needs else 1
    views = [rows(N_SAMPLES) for _ in range(count)]
    made = LossInputs(
        tuple(views),
        labels=torch.arange(N_SAMPLES) % 3 if "labels" in spec.needs else None,
        queue=rows(6).detach() if "queue" in spec.needs else None,
        prototypes=rows(4).detach() if "prototypes" in spec.needs else None,
    )
    return made, views


@pytest.fixture(params=list(losses()))
def spec(request: pytest.FixtureRequest) -> LossSpec:
    return losses()[request.param]


def test_one_finite_value_per_anchor(spec: LossSpec) -> None:
    inputs, _ = _inputs(spec)
    value = spec.compute(inputs, spec.params())
    assert value.ndim <= 1
    assert value.numel() in (1, N_SAMPLES, 2 * N_SAMPLES)
    assert torch.isfinite(value).all()
    assert value.dtype == torch.float64


def test_the_gradient_reaches_the_embeddings(spec: LossSpec) -> None:
    inputs, views = _inputs(spec)
    spec.compute(inputs, spec.params()).mean().backward()
    gradients = [view.grad for view in views if view.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


def test_inputs_are_left_as_they_were(spec: LossSpec) -> None:
    inputs, views = _inputs(spec)
    before = [view.detach().clone() for view in views]
    first = spec.compute(inputs, spec.params())
    second = spec.compute(inputs, spec.params())
    assert torch.equal(first, second)
    assert all(torch.equal(view, kept) for view, kept in zip(views, before, strict=True))


def test_the_order_of_samples_does_not_matter(spec: LossSpec) -> None:
    if spec.name in DRAWN_BY_PLACE:
        pytest.skip("its random draws go by a sample's place in the batch")
    inputs, views = _inputs(spec)
    order = torch.randperm(N_SAMPLES, generator=torch.Generator().manual_seed(3))
    shuffled = LossInputs(
        tuple(view[order] for view in views),
        None if inputs.labels is None else inputs.labels[order],
        inputs.queue,
        inputs.prototypes,
    )
    params = spec.params()
    torch.testing.assert_close(spec.compute(shuffled, params).mean(), spec.compute(inputs, params).mean())


def test_an_input_that_is_missing_is_said(spec: LossSpec) -> None:
    inputs, _ = _inputs(spec)
    if "two_views" in spec.needs:
        with pytest.raises(ClVizError, match="view"):
            spec.compute(LossInputs(inputs.views[:1], inputs.labels, inputs.queue, inputs.prototypes), spec.params())
    if "three_views" in spec.needs:
        with pytest.raises(ClVizError, match="view"):
            spec.compute(LossInputs(inputs.views[:2]), spec.params())
    if "labels" in spec.needs:
        with pytest.raises(ClVizError, match="label"):
            spec.compute(LossInputs(inputs.views, None, inputs.queue, inputs.prototypes), spec.params())

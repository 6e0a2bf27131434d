"""Lesson 1 says of pairs, scores and pushes what the losses themselves say."""

import math

import numpy as np
import pytest
import torch

from cl_viz import lessons
from cl_viz.core.specs import LossInputs
from cl_viz.core.view import Lines
from cl_viz.lessons._seen_pairs import pushes, six_samples
from cl_viz.lessons.lesson_1_what_a_loss_sees import SPEC
from cl_viz.losses import losses


@pytest.mark.parametrize("samples", [2, 5, 8])
def test_the_negatives_that_are_told_are_those_of_the_loss(samples: int) -> None:
    told = SPEC.step("pairs").told(SPEC.step("pairs").params.make({"samples": samples}))
    assert f"{2 * samples - 2} negatives" in told


@pytest.mark.parametrize(("angle", "score"), [(0, 1.0), (60, 0.5), (90, 0.0), (180, -1.0)])
def test_scores_are_cosines(angle: int, score: float) -> None:
    curve = lessons.view("what_a_loss_sees", "cosine", angle=angle)
    assert isinstance(curve, Lines)
    assert np.interp(angle, curve.series[0].x, curve.series[0].y) == pytest.approx(score, abs=1e-9)
    assert SPEC.step("scores").prediction.answer() == pytest.approx(math.cos(math.radians(60)))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_pushes_are_the_gradient_of_nt_xent_in_the_scores(temperature: float) -> None:
    """The derivative of the first anchor's loss in each negative row, along the anchor, is its weight."""
    first, second = (torch.from_numpy(np.array(six_samples().views[view], dtype=float)) for view in six_samples().views)
    first.requires_grad_(), second.requires_grad_()
    spec = losses()["ntxent"]
    values = spec.compute(LossInputs(views=(first, second)), spec.params.make({"temperature": temperature}))
    gradients = torch.autograd.grad(values[0], (first, second))
    weights = (torch.stack(gradients) @ first[0].detach()).sum(dim=0).numpy()[1:]
    expected = weights / weights.sum()
    assert list(pushes(temperature).values()) == pytest.approx(expected.tolist(), rel=1e-6)


def test_the_flow_brings_views_together_and_samples_apart() -> None:
    assert str(SPEC.step("flow").prediction.answer()).startswith("The two views of a sample meet")


@pytest.mark.parametrize(
    "controls", [{"view_turn": 10, "spacing": 10}, {"view_turn": 60, "spacing": 60}, {"spacing": 0}]
)
def test_other_encoders_fail_the_exercise(controls: dict[str, int]) -> None:
    assert not lessons.check("what_a_loss_sees", **controls).passed

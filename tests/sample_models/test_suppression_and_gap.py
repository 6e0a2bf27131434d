"""What was trained into the bundled runs is found by the diagnostics of suppression and the gap, and only there."""

from __future__ import annotations

import pytest

import cl_viz
from cl_viz.core.run import Run


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    names = ("mnist-healthy", "mnist-colour-shortcut", "mnist-supervised-parity", "mnist-two-towers")
    return dict(zip(names, cl_viz.sample_runs(list(names)), strict=True))


@pytest.mark.parametrize("layer", ["projector", "backbone"])
def test_the_colour_shortcut_suppresses_the_digit(runs: dict[str, Run], layer: str) -> None:
    found = cl_viz.diagnose("feature_suppression", runs["mnist-colour-shortcut"], layer=layer)
    assert found.level == "bad"
    assert "while colour is read" in found.findings[0].message
    assert cl_viz.diagnose("feature_suppression", runs["mnist-healthy"], layer=layer).level == "good"


def test_supervision_on_parity_leaves_the_digits_little_room(runs: dict[str, Run]) -> None:
    parity = cl_viz.diagnose("subclass_collapse", runs["mnist-supervised-parity"])
    assert parity.findings[0].quantity == "subclass_to_class"
    assert parity.level == "bad"
    as_parity = runs["mnist-healthy"].get().with_roles(label="parity", subclass="digit")
    healthy = cl_viz.diagnose("subclass_collapse", as_parity)
    assert healthy.level == "good"
    assert (parity["subclass_accuracy"].value or 0) < (healthy["subclass_accuracy"].value or 0) - 0.1


def test_two_towers_lie_apart_and_two_augmentations_do_not(runs: dict[str, Run]) -> None:
    towers = cl_viz.diagnose("modality_gap", runs["mnist-two-towers"])
    assert towers.level == "watch"
    assert (towers["separability_auc"].value or 0) > 0.99
    healthy = cl_viz.diagnose("modality_gap", runs["mnist-healthy"])
    assert healthy.level == "good"
    assert (healthy["gap_norm"].value or 0) < (healthy["gap_norm"].reference or 0)


def test_the_digit_is_found_in_the_healthy_run_and_not_behind_the_shortcut(runs: dict[str, Run]) -> None:
    for name, quantity in (("neighbor_accuracy", "accuracy"), ("linear_probe", "accuracy"),
                           ("label_retrieval", "precision_at_1")):  # fmt: skip
        healthy = cl_viz.diagnose(name, runs["mnist-healthy"])
        shortcut = cl_viz.diagnose(name, runs["mnist-colour-shortcut"])
        assert (healthy[quantity].value or 0) > 0.8
        assert (shortcut[quantity].value or 1) < 0.2
        assert shortcut.findings[0].level == "watch"

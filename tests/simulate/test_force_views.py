"""Where losses push, as figures and sentences."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.simulate.flow_start import FlowStart, start_from
from cl_viz.simulate.force_views import (
    Forces,
    alignment_heatmap,
    force_findings,
    force_shares,
    force_values,
    force_weights,
)
from cl_viz.simulate.forces import gradient_alignment, loss_forces
from cl_viz.testing import clusters, paired_sphere

LOSSES = ("ntxent", "supcon_out", "vicreg")


@pytest.fixture(scope="module")
def start() -> FlowStart:
    return start_from(clusters(200, 8, 4, 0.4), n=120)


@pytest.fixture(scope="module")
def forces(start: FlowStart) -> Forces:
    return {loss: loss_forces(loss, start, batches=3, batch_size=40) for loss in LOSSES}


def test_weights_of_ntxent_grow_exponentially_with_the_score(start: FlowStart) -> None:
    """d ln w / ds is 1 / temperature for one anchor; anchors differ by their normalisers."""
    steep, flat = (
        {"x": loss_forces("infonce_one_sided", start, parameters={"temperature": t}, batches=2, batch_size=60)}
        for t in (0.1, 1.0)
    )
    slopes = []
    for forces in (steep, flat):
        view = force_weights(forces)
        assert view is not None
        assert view.y.log
        curve = next(series for series in view.series if series.meaning == "negative")
        slopes.append(np.polyfit(curve.x, np.log(curve.y), 1)[0])
    assert slopes[0] > 4
    assert slopes[1] == pytest.approx(1, abs=0.4)


def test_losses_without_pair_weights_are_left_out_of_the_weights_only(forces: Forces) -> None:
    view = force_weights(forces)
    assert view is not None
    assert {series.run for series in view.series} == {"ntxent", "supcon_out"}
    assert force_weights({"vicreg": forces["vicreg"]}) is None
    shares = force_shares(forces)
    assert shares is not None
    assert {series.run for series in shares.series} == {"ntxent", "supcon_out"}
    assert force_shares({"vicreg": forces["vicreg"]}) is None
    assert list(force_values(forces).columns["Loss"]) == list(LOSSES)


def test_the_title_compares_how_hard_the_hardest_are_pushed(start: FlowStart) -> None:
    found = {
        name: loss_forces("ntxent", start, parameters={"temperature": temperature}, batches=2, batch_size=60)
        for name, temperature in (("hot", 10.0), ("cold", 0.05))
    }
    view = force_weights(found)
    assert view is not None
    ratio_hot, ratio_cold = (float(part.split(" (")[0]) for part in view.title.split(": ")[1].split(" to "))
    assert "(hot) to" in view.title
    assert ratio_hot == pytest.approx(1.1, abs=0.2)
    assert ratio_cold > 5


def test_shares_carry_their_spread_and_stay_in_range(forces: Forces) -> None:
    view = force_shares(forces)
    assert view is not None
    for series in view.series:
        assert series.low is not None
        assert series.high is not None
        assert (series.low >= 0).all()
        assert (series.low <= series.y).all()
        assert (series.y <= series.high).all()
        assert (series.high <= 1).all()
    ntxent = next(series for series in view.series if series.run == "ntxent")
    assert list(ntxent.x) == ["positives", "false negatives", "hardest 1 %"]


def test_findings_state_shares_with_their_sample_or_what_is_missing(forces: Forces) -> None:
    found = {finding.message.split(" ")[0].rstrip(":"): finding for finding in force_findings(forces)}
    assert "% on false negatives" in found["ntxent"].message
    assert all("N = 40 samples a batch, 3 batches" in finding.message for finding in found.values())
    assert found["supcon_out"].level == "good"
    assert "no false negatives" in found["supcon_out"].message
    assert found["vicreg"].level == "unknown"
    assert found["vicreg"].advice
    unlabelled = start_from(paired_sphere(100, 8, 0.9), n=80)
    (finding,) = force_findings({"NT-Xent": loss_forces("ntxent", unlabelled, batches=2, batch_size=40)})
    assert finding.level == "unknown"
    assert "labels" in finding.advice


def test_gradients_of_a_loss_and_itself_are_alike(start: FlowStart) -> None:
    choices = [("ntxent", {}), ("ntxent", {"temperature": 0.5}), ("alignment", {})]
    view = alignment_heatmap(gradient_alignment(choices, start, batches=2, batch_size=40), ("one", "same", "other"))
    assert np.diagonal(view.values) == pytest.approx(1)
    assert view.values[0, 1] == pytest.approx(1)
    assert "Least alike" in view.title
    assert "other" in view.title
    cl_viz.render(view)


def test_every_figure_can_be_drawn(forces: Forces) -> None:
    for view in (force_weights(forces), force_shares(forces), force_values(forces)):
        assert view is not None
        assert view.title
        cl_viz.render(view, run_colours=dict(zip(LOSSES, (2, 0, 5), strict=True)))

"""Flows as figures at any step, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import Cancelled
from cl_viz.simulate.flow_start import named_start
from cl_viz.simulate.flow_views import (
    CURVES,
    flow_curve,
    flow_findings,
    flow_positions,
    flow_scores,
    flow_spectrum,
)
from cl_viz.simulate.gradient_flow import MEASURES, Flow, FlowConfig, gradient_flow

SHORT = FlowConfig(steps=30, records=7)


@pytest.fixture(scope="module")
def flows() -> dict[str, Flow]:
    start = named_start("cone", n=48, dim=3, n_classes=3)
    return {loss: gradient_flow(replace(SHORT, loss=loss), start) for loss in ("ntxent", "supcon_out", "alignment")}


def test_every_figure_can_be_drawn_at_every_step(flows: dict[str, Flow]) -> None:
    for record in (0, 3, -1, 99):
        scores = flow_scores(flows, record)
        for series in scores.series:
            assert (series.y * np.diff(series.x)).sum() == pytest.approx(1)
        assert {(series.run, series.meaning) for series in scores.series} == {
            (loss, meaning) for loss in flows for meaning in ("positive", "negative")
        }
        step = {0: 0, 3: 15}.get(record, 30)
        assert scores.title.endswith(f"step {step}")
        views = [scores, flow_spectrum(flows, record), *(flow_curve(flows, name, record) for name in ("loss", *CURVES))]
        views += [flow_positions(flow, loss, record) for loss, flow in flows.items()]
        for view in views:
            assert view is not None
            assert view.title
            cl_viz.render(view, run_colours={"ntxent": 4, "supcon_out": 2, "alignment": 0})


def test_curves_are_the_measures_with_a_line_at_the_step(flows: dict[str, Flow]) -> None:
    assert set(CURVES) <= set(MEASURES)
    view = flow_curve(flows, "class_separation", 3)
    assert view is not None
    assert view.references[0].at == 15
    by_loss = {series.run: series for series in view.series}
    assert by_loss["supcon_out"].y == pytest.approx(flows["supcon_out"].measures["class_separation"])


def test_points_of_the_sphere_lie_within_their_hemisphere(flows: dict[str, Flow]) -> None:
    view = flow_positions(flows["ntxent"], "NT-Xent", -1)
    points = np.concatenate([np.stack([s.x, s.y], axis=1) for s in view.series if s.meaning != "reference"])
    assert len(points) == 2 * 48
    outlines = [series for series in view.series if series.meaning == "reference"]
    centres = [float((outline.x.max() + outline.x.min()) / 2) for outline in outlines]
    distance = np.min([np.hypot(points[:, 0] - centre, points[:, 1]) for centre in centres], axis=0)
    assert distance.max() < 1 + 1e-5
    front = flows["ntxent"].positions[-1][..., 1].ravel() <= 0
    assert (points[:, 0] < 1.01).sum() == front.sum()
    assert view.equal


def test_points_in_many_dimensions_keep_their_axes_over_the_flow() -> None:
    from cl_viz.simulate.flow_start import start_from
    from cl_viz.testing import clusters

    flow = gradient_flow(SHORT, start_from(clusters(60, 8, 12, 0.3), n=60))
    first, last = flow_positions(flow, "x", 0), flow_positions(flow, "x", -1)
    assert first.x.range == last.x.range
    assert [series.name for series in first.series][-1].endswith("other classes")
    assert len(first.series) == 8


def test_findings_say_where_each_loss_leads(flows: dict[str, Flow]) -> None:
    found = {finding.message.split(":")[0].split(" draws")[0]: finding for finding in flow_findings(flows)}
    assert found["supcon_out"].level == "good"
    assert "class separation goes from" in found["supcon_out"].message
    assert all("N = 48 samples" in finding.message for finding in found.values())
    longer = gradient_flow(FlowConfig(loss="alignment", steps=100), named_start("one_point", n=32, n_classes=2))
    (collapsed,) = flow_findings({"Alignment": longer})
    assert collapsed.level == "bad"
    assert "draws everything together" in collapsed.message


def test_a_loss_that_drives_classes_together_is_to_be_watched() -> None:
    apart = named_start("clusters", n=48, n_classes=3)
    found = flow_findings(
        {loss: gradient_flow(replace(SHORT, loss=loss, steps=100), apart) for loss in ("ntxent", "supcon_out")}
    )
    assert [(finding.level, finding.message.split(" ")[0].rstrip(":")) for finding in found] == [
        ("watch", "ntxent"), ("good", "supcon_out"),
    ]  # fmt: skip
    mixed = named_start("random", n=48, n_classes=3)
    (finding,) = flow_findings({"NT-Xent": gradient_flow(SHORT, mixed)})
    assert finding.message.startswith("NT-Xent: uniformity goes from")
    assert "neither before nor after" in finding.message


def test_a_flow_that_ended_early_is_said_to_and_stays_at_its_end(flows: dict[str, Flow]) -> None:
    def stop(done: float, message: str) -> None:
        if done > 0.4:
            raise Cancelled("stopped")

    ended = gradient_flow(SHORT, named_start("random", n=32), progress=stop, keep_on_cancel=True)
    assert ended.stopped
    (finding,) = flow_findings({"NT-Xent": ended})
    assert finding.level == "bad"
    assert "N = 32 samples" in finding.message
    assert flow_scores({"early": ended, "whole": flows["ntxent"]}, 6).title.endswith("step 30")

"""The Loss Lab: losses side by side on the open run, their flows, and the circle and the sphere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cl_viz.dashboard import long_work, loss_choice, loss_lab_flow, loss_work
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.simulate.gradient_flow import Flow

OpenApp = Callable[..., AppTest]
Dump = Callable[..., Path]
NTXENT, SUPCON, DCL, TRIPLES, ALIGNMENT, VICREG = (
    loss_choice._option(loss) for loss in ("ntxent", "supcon_out", "dcl", "triplet_explicit", "alignment", "vicreg")
)
FLOW, CIRCLE = {"part": "Where they lead"}, {"part": "Circle and sphere"}
SHORT = {"flow_samples": "24", "flow_steps": "10", "circle_steps": "10", "points": "16"}


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for e in [*app.markdown, *app.caption, *app.info, *app.error]).replace("\\", "")


def specs(app: AppTest) -> list[str]:
    return [element.proto.spec for element in app.get("plotly_chart")]


def test_a_flow_from_the_runs_own_rows_is_drawn_and_found(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="losses/loss_lab", losses=[NTXENT, SUPCON], **FLOW, **SHORT)
    assert not app.exception
    assert app.error == []  # type: ignore[comparison-overlap]
    assert "class separation goes from" in texts(app)
    assert "24 of" in texts(app)
    assert len(specs(app)) == 10
    code = "\n".join(element.value for element in app.code)
    assert "simulate.start_from(cl_viz.open_run(" in code
    assert "FlowConfig(loss, parameters, steps=10" in code


def test_on_batches_each_loss_has_weights_shares_a_value_and_a_cosine(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(
        dump(), page="losses/loss_lab", losses=[NTXENT, SUPCON, VICREG], batch_size="32", batches="2",
    )  # fmt: skip
    assert not app.exception
    assert app.error == []  # type: ignore[comparison-overlap]
    assert "NT-Xent: of its gradient" in texts(app)
    assert "N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}32" in texts(app)
    assert "acts on coordinates" in texts(app)
    assert len(specs(app)) == 3
    assert "Least alike" in specs(app)[2]
    assert list(app.dataframe[0].value["Loss"]) == ["NT-Xent (SimCLR)", "SupCon (out)", "VICReg"]
    code = "\n".join(element.value for element in app.code)
    assert "simulate.loss_forces(loss, start, parameters=parameters, batches=2, batch_size=32, seed=0)" in code
    assert "simulate.gradient_alignment([('ntxent', {})" in code
    app.number_input(key="batch_seed").set_value(1).run()
    assert not app.exception


def test_the_scrub_bar_moves_the_figures_and_computes_nothing(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    real = loss_lab_flow.gradient_flow

    def counting(config: Any, start: Any, **arguments: Any) -> Flow:
        computed.append(config.loss)
        return real(config, start, **arguments)

    monkeypatch.setattr(loss_lab_flow, "gradient_flow", counting)
    app = open_app(dump(), page="losses/loss_lab", losses=[NTXENT], **FLOW, **SHORT)
    before, count = specs(app), len(computed)
    assert count > 1  # a few steps tried for the estimate, then the flow
    app.select_slider(key="flow_step").set_value(0).run()
    assert len(computed) == count
    assert specs(app)[0] != before[0]
    assert "step 0" in specs(app)[0]


def test_on_the_circle_no_run_is_needed(open_app: OpenApp, tmp_path: Path) -> None:
    app = open_app(tmp_path / "none.npz", page="losses/loss_lab", losses=[NTXENT, ALIGNMENT], **CIRCLE, **SHORT)
    assert not app.exception
    assert "NT-Xent: " in texts(app)
    assert len(specs(app)) == 7
    app.segmented_control(key="space").set_value("sphere").run()
    assert not app.exception
    assert "seen from the front" in "".join(specs(app)[:2])


def test_losses_that_need_more_are_grey_with_what_is_missing(open_app: OpenApp, tmp_path: Path, dump: Dump) -> None:
    path = dump("bare.npz", other=np.arange(400))
    app = open_app(path, page="losses/loss_lab", losses=[NTXENT, SUPCON, TRIPLES], **FLOW, **SHORT)
    assert ":gray[:material/block: SupCon (out): needs labels]" in texts(app)
    assert ":gray[:material/block: Triplet, given triplets: needs a third view]" in texts(app)
    assert "NT-Xent" in texts(app)


def test_a_parameter_out_of_range_is_refused_and_the_others_go_on(open_app: OpenApp, dump: Dump) -> None:
    query = {"ntxent.temperature": "-1"}
    app = open_app(dump(), page="losses/loss_lab", losses=[NTXENT, SUPCON], **FLOW, **SHORT, **query)
    assert "Allowed: 0.001 to 100" in texts(app)
    assert "SupCon: class separation goes from" in texts(app)
    app.number_input(key="ntxent.temperature").set_value(0.3).run()
    assert "NT-Xent: class separation" in texts(app) or "NT-Xent drives" in texts(app)


def test_a_loss_keeps_its_colour_when_another_goes(open_app: OpenApp, dump: Dump) -> None:
    app = open_app(dump(), page="losses/loss_lab", losses=[NTXENT, SUPCON, DCL], **FLOW, **SHORT)
    before = dict(app.session_state["_loss_colours"])
    app.multiselect(key="losses").set_value([SUPCON, DCL]).run()
    after = app.session_state["_loss_colours"]
    assert after == {option: before[option] for option in (SUPCON, DCL)}
    app.multiselect(key="losses").set_value([SUPCON, DCL, ALIGNMENT]).run()
    assert app.session_state["_loss_colours"][ALIGNMENT] == before[NTXENT]


def test_long_flows_are_asked_for_with_an_estimate(
    open_app: OpenApp, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_work, "ASK_ABOVE_SECONDS", 0.0)
    app = open_app(dump(), page="losses/loss_lab", losses=[NTXENT, SUPCON], **FLOW, **SHORT)
    assert "takes about" in texts(app)
    assert specs(app) == []
    next(button for button in app.button if button.label == "Compute all").click().run()
    assert not app.exception
    assert len(specs(app)) == 10


def test_an_answer_is_computed_once_and_a_failure_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(progress: Any) -> str:
        made.append("good")
        return "answer"

    def fail(progress: Any) -> str:
        raise ValueError("no")

    store: BoundedStore[object] = BoundedStore(10)
    monkeypatch.setattr(loss_work, "_store", lambda: store)
    works = [loss_work.Work("good", "key of good", lambda: 0.0, make), loss_work.Work("bad", "k", lambda: 0.0, fail)]
    for _ in range(2):
        assert loss_work.answers("Test", works) == {"good": "answer"}
    assert made == ["good"]

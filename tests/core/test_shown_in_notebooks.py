"""What notebooks show of results, figures, sets and errors; what is looked up by a name that is not there."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, UnknownNameError
from cl_viz.core.finding import Finding, Findings, Source
from cl_viz.core.notebook_html import cells, chip
from cl_viz.core.quantity import Interval, Quantity
from cl_viz.core.result import Caveats, Result
from cl_viz.core.run import Run
from cl_viz.core.view import Axis, Heatmap, Histogram, PointMap, Series, Table
from cl_viz.diagnostics import DIAGNOSTICS

EVIL = "<img src=x onerror=alert(1)>"
CURVE = Histogram(
    "Overlap 3 %", Axis("Score"), Axis("Density"),
    (Series("positives", np.array([0.0, 0.5, 1.0]), np.array([1.0, 3.0])),),
)  # fmt: skip


def result(**changed: Any) -> Result:
    quantities = {
        "auc": Quantity(
            "auc", "AUC", 0.75, "probability", Interval(0.7, 0.8), n=12, range=(0.0, 1.0), reference=0.5,
            reference_label="chance",
        ),
        "gap": Quantity("gap", "Gap", None, missing="add a second view"),
    }  # fmt: skip
    findings = (
        Finding("d", "good", "fine"),
        Finding("d", "bad", "not fine", "mend it", Source("A paper", "https://a.b")),
    )
    made = Result("d", "r", quantities, {"curve": CURVE}, findings, Caveats(12, 0, 3, ("a",), step=7))
    return replace(made, **changed)


def test_a_result_shows_findings_with_their_sources_numbers_figures_and_caveats() -> None:
    shown = result()._repr_html_()
    assert shown.index("not fine") < shown.index("fine</td>")
    for part in ("✕ bad", "<code>auc</code>", "0.750 [0.700, 0.800]", "0.500 (chance)", "unknown: add a second view",
                 "<code>curve</code>", 'href="https://a.b"', "N = 12 samples"):  # fmt: skip
        assert part in shown
    assert (
        "javascript:"
        not in result(findings=(Finding("d", "bad", "m", source=Source("s", "javascript:alert(1)")),))._repr_html_()
    )
    assert "<table><thead>" not in result(quantities={}, views={})._repr_html_()


def test_the_table_of_a_result_has_its_quantities_by_name() -> None:
    table = result().table()
    assert table.loc["auc", ["value", "low", "high", "n", "unit"]].tolist() == [0.75, 0.7, 0.8, 12, "probability"]
    assert np.isnan(table.loc["gap", "value"])
    assert table.loc["gap", "missing"] == "add a second view"
    assert table["step"].tolist() == [7, 7]


def test_a_result_draws_its_figures_by_name() -> None:
    drawn = result().figure()
    assert isinstance(drawn, go.Figure)
    assert drawn == cl_viz.render(CURVE.__class__(**{**vars(CURVE), "n": 12})) == cl_viz.render(result())
    assert result().figure("curve", "dark").layout != drawn.layout
    with pytest.raises(InputError, match=r"no figure 'curv'.*What to do: did you mean 'curve'"):
        result().figure("curv")
    with pytest.raises(InputError, match=r"there is no figure.*see the findings"):
        result(views={}).figure()
    with pytest.raises(InputError, match=r"int is not a figure.*cl_viz.diagnose"):
        cl_viz.render(3)  # type: ignore[arg-type]


def test_a_figure_as_data_is_drawn_by_a_notebook_and_one_line_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")
    assert CURVE._repr_mimebundle_()["application/vnd.plotly.v1+json"]["data"]
    monkeypatch.setattr(plotly.io.renderers, "default", "browser")
    assert CURVE._repr_mimebundle_() == {}
    assert repr(CURVE) == "Histogram: Overlap 3 %"
    assert repr(result().views) == "curve: Histogram: Overlap 3 %, N = 12"


def test_a_figure_gives_its_numbers_as_a_frame() -> None:
    assert CURVE.table()[["series", "x_low", "x_high", "y"]].values.tolist() == [
        ["positives", 0.0, 0.5, 1.0], ["positives", 0.5, 1.0, 3.0],
    ]  # fmt: skip
    table = Table("t", {"row": np.arange(2), "text": np.array(["a", "b"])})
    assert table.table().to_dict("list") == {"row": [0, 1], "text": ["a", "b"]}
    heat = Heatmap("h", Axis("x"), Axis("y"), np.eye(2), ("r1", "r2"), ("c1", "c2"), Axis("s"))
    assert heat.table().values.tolist() == [["r1", "c1", 1.0], ["r1", "c2", 0.0], ["r2", "c1", 0.0], ["r2", "c2", 1.0]]
    points = PointMap("p", np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([4, 9]), np.array(["a", "b"]), Axis("label"))
    assert points.table().to_dict("list") == {"row": [4, 9], "x": [0.0, 2.0], "y": [1.0, 3.0], "label": ["a", "b"]}


@pytest.mark.parametrize("name", ["auk", "nonsense"])
def test_a_name_that_is_not_there_is_told_which_are(name: str) -> None:
    with pytest.raises(KeyError, match=r"d: no quantity .*Allowed: auc, gap") as caught:
        result()[name]
    assert isinstance(caught.value, UnknownNameError)
    assert ("did you mean 'auc'" in str(caught.value)) == (name == "auk")
    assert result().quantities.get(name) is None


def test_results_survive_a_process_boundary_with_their_names() -> None:
    again = pickle.loads(pickle.dumps(result()))
    assert again.quantities == result().quantities
    assert again.findings == result().findings
    assert isinstance(again.findings, Findings)
    with pytest.raises(InputError, match="d: no quantity"):
        again["nonsense"]


def test_findings_are_a_tuple_that_shows_itself_and_gives_a_frame() -> None:
    found = result().findings
    assert isinstance(found, tuple)
    assert [entry.level for entry in found] == ["bad", "good"]
    assert repr(found) == "bad (d): not fine mend it\ngood (d): fine"
    assert found.of("good") == (found[1],)
    assert "<code>d</code>" in found._repr_html_()
    table = found.table()
    assert table["level"].tolist() == ["bad", "good"]
    assert table["source"].tolist() == ["A paper https://a.b", ""]
    assert repr(Findings()) == "no findings"


def test_quantities_and_caveats_are_read_in_one_line() -> None:
    assert repr(result()["auc"]) == "AUC: 0.750 [0.700, 0.800] probability, N = 12"
    assert repr(result().quantities).splitlines()[1] == "gap: Gap: unknown: add a second view"
    assert repr(result().caveats).splitlines() == result().caveats.lines()


def test_what_comes_from_files_is_escaped() -> None:
    evil = replace(CURVE, title=EVIL)
    entries = {EVIL: Quantity(EVIL, EVIL, 1.0, unit=EVIL, reference=0.0, reference_label=EVIL)}
    told = (Finding(EVIL, "bad", EVIL, EVIL, Source(EVIL, EVIL)),)
    found = result(diagnostic=EVIL, run=EVIL, quantities=entries, views={EVIL: evil}, findings=told)
    embeddings = EmbeddingSet.from_arrays(
        {EVIL: np.eye(4)}, metadata={EVIL: np.arange(4)}, roles={"label": EVIL}, name=EVIL
    )
    shown = [
        found,
        found.findings,
        found.quantities,
        found.views,
        found.findings[0],
        embeddings,
        Run.from_set(embeddings),
    ]
    for entry in shown:
        assert EVIL not in entry._repr_html_()
    assert EVIL not in cells([EVIL], [[EVIL]], code=(0,))


def test_the_colours_of_levels_can_be_read() -> None:
    """White text needs a contrast of 4.5 to the colour behind it."""
    for level in ("bad", "watch", "unknown", "good"):
        colour = chip(level).split("background:#")[1][:6]
        parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
        assert 1.05 / (luminance + 0.05) >= 4.5


def test_a_set_shows_views_and_roles_and_a_run_of_one_set_what_is_in_it() -> None:
    embeddings = EmbeddingSet.from_arrays(
        np.eye(4, dtype=np.float32), label=[0, 1, 0, 1], metadata={"file": list("abcd")}
    )
    shown = embeddings._repr_html_()
    for part in ("view view_1", "4 rows of 4 (float32)", "file, label (label)", "memory"):
        assert part in shown
    assert "N=4, D=4" in Run.from_set(embeddings)._repr_html_()


def test_a_registry_lists_its_names_with_their_questions() -> None:
    assert f"spectrum: {DIAGNOSTICS['spectrum'].question}" in repr(DIAGNOSTICS).splitlines()
    assert "<code>spectrum</code>" in DIAGNOSTICS._repr_html_()
    assert DIAGNOSTICS._ipython_key_completions_() == list(DIAGNOSTICS)
    assert result()._ipython_key_completions_() == ["auc", "gap"]


def test_an_error_shows_the_line_that_asked_and_not_the_way_inside() -> None:
    with pytest.raises(InputError) as caught:
        EmbeddingSet.from_arrays(np.eye(4), nonsense=[1, 2])
    shown = "".join(caught.value._render_traceback_())
    assert "nonsense=[1, 2]" in shown
    assert "embedding_set.py" not in shown
    assert shown.endswith("Allowed: label, subclass, group, text, image, id.")
    assert "InputError: embeddings: unknown role 'nonsense'" in shown

"""A diagnostic with controls: they start where asked, change the figure, make no pass twice, and can be missing."""

from __future__ import annotations

import sys
from typing import Any

import ipywidgets
import plotly.graph_objects as go
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.engine import scanner


def controls(shown: Any) -> dict[str, Any]:
    return {control.description: control for control in shown.children[0].children}


def test_a_control_changes_the_figure_without_another_pass(
    labelled_set: cl_viz.EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    made = scanner.scan
    monkeypatch.setattr(scanner, "scan", lambda *given, **named: passes.append(1) or made(*given, **named))
    shown = cl_viz.explore("score_distribution", labelled_set, params={"temperature": 0.2})
    assert set(controls(shown)) == {
        info.name.replace("_", " ") for info in DIAGNOSTICS["score_distribution"].params.describe()
    }
    assert controls(shown)["temperature"].value == 0.2
    (before,) = shown.children[1].children
    told = shown.children[2].value
    controls(shown)["bins"].value = 20
    (after,) = shown.children[1].children
    assert len(after.data[0].x) < len(before.data[0].x)
    controls(shown)["temperature"].value = controls(shown)["temperature"].options[0][1]
    assert shown.children[2].value != told
    assert len(passes) == 1


def test_what_cannot_be_computed_is_said_and_the_controls_stay(labelled_set: cl_viz.EmbeddingSet) -> None:
    shown = cl_viz.explore("spectrum", labelled_set)
    controls(shown)["view"].value = 9
    assert "view 9 was asked for" in shown.children[2].value
    controls(shown)["view"].value = 1
    assert len(shown.children[1].children) == 1


def test_without_the_library_the_figure_alone_is_shown(
    labelled_set: cl_viz.EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert type(cl_viz.explore("spectrum", labelled_set)) is go.Figure


def test_a_figure_that_is_not_there_is_named_with_those_that_are(labelled_set: cl_viz.EmbeddingSet) -> None:
    with pytest.raises(InputError, match="distribution"):
        cl_viz.explore("score_distribution", labelled_set, "landscape")


@pytest.mark.parametrize("name", ["hardness", "isotropy", "modality_gap", "batch_size", "dimension_ranks"])
def test_every_kind_of_parameter_has_a_control(name: str, labelled_set: cl_viz.EmbeddingSet) -> None:
    shown = cl_viz.explore(name, labelled_set)
    assert isinstance(shown, ipywidgets.Widget)
    assert len(controls(shown)) == len(DIAGNOSTICS[name].params.describe())

"""Parameters -> controls. A value that is not its default stands in the address, so that a link restores it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from cl_viz.core.params import ParamInfo, Params
from cl_viz.core.result import Result
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard.state import OpenRun
from cl_viz.dashboard.text import escape

OWN = "each run's own"
"""Choice that leaves a parameter to the card of each run."""

SLIDER_WIDTH = 150
"""Pixels; controls stand in a row that wraps."""

_LAST = "last"
_WORDS = {"cross": "across views", "all": "all"}
_PER_DECADE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def control(info: ParamInfo, runs: Sequence[OpenRun]) -> None:
    """Draw the control that fits a parameter's type and range; of views, those that the runs have."""
    if info.name == "view":
        info = replace(info, high=max([2, *(len(opened.run.get().view_names) for opened in runs)]))
    label = _label(info)
    common: dict[str, Any] = {
        "key": info.name,
        "help": escape(info.help.replace("0: ", "Left empty: ") if info.zero else info.help),
        "bind": "query-params",
        "persist_state": "page",
    }
    if info.choices is not None:
        st.segmented_control(
            label,
            list(info.choices),
            default=info.default,
            required=True,
            format_func=in_words,
            **common,
        )
    elif isinstance(info.default, bool):
        st.toggle(label, value=info.default, **common)
    elif info.log or info.card_key is not None:
        options = log_options(info)
        if _on_card(info, runs):
            st.select_slider(label, [OWN, *options], value=OWN, width=SLIDER_WIDTH, **common)
        else:
            st.select_slider(label, options, value=f"{info.default:g}", width=SLIDER_WIDTH, **common)
    elif info.zero:
        # Empty stands for 0: a number of 0 would be taken for one.
        least, step = (1, 1) if isinstance(info.default, int) else (0.0, 0.01)
        st.number_input(label, least, info.high, None, step, placeholder=info.zero, width=SLIDER_WIDTH, **common)
    elif info.low is not None and info.high is not None:
        st.slider(label, info.low, info.high, info.default, _step(info), width=SLIDER_WIDTH, **common)
    else:
        st.number_input(label, info.low, info.high, info.default, width=SLIDER_WIDTH, **common)


def say_settled(results: Sequence[Result]) -> None:
    """Say what came out of the controls that leave the choice to the data, where they do."""
    parts = []
    for name in dict.fromkeys(name for result in results for name in result.settled):
        values = dict.fromkeys(result.settled[name] for result in results if name in result.settled)
        label = name.replace("_", " ")
        if len(values) == 1:
            parts.append(f"{label} {next(iter(values))}")
        else:
            parts += [f"{label} {result.settled[name]} ({result.run})" for result in results if name in result.settled]
    if parts:
        st.caption(f"Chosen by the data: {escape(', '.join(parts))}")


def in_words(value: object) -> str:
    """Return what a control shows for one of its choices; an address holds the same."""
    return _WORDS.get(str(value), str(value))


def chosen(spec: DiagnosticSpec, runs: Sequence[OpenRun]) -> dict[str, Any]:
    """Return the values of a diagnostic's controls; those at their default, or left to the card, are left out."""
    return chosen_values(spec.params, runs)


def chosen_values(params: type[Params], runs: Sequence[OpenRun] = ()) -> dict[str, Any]:
    """Return the values of the controls of some parameters, as `chosen` does."""
    values: dict[str, Any] = {}
    for info in params.describe():
        value = st.session_state.get(info.name)
        if value is None or value == OWN:
            continue
        if isinstance(info.default, (int, float)) and not isinstance(info.default, bool):
            value = type(info.default)(value)
        # Where a card may give the value, its default is a choice; where none does, it is an assumption.
        if value != info.default or _on_card(info, runs):
            values[info.name] = value
    return values


def log_options(info: ParamInfo) -> list[str]:
    """Return values spaced evenly on a logarithmic scale, as text, with both ends and the default among them."""
    low, high = float(info.low or 0.001), float(info.high or 1000.0)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = {round(digit * 10.0**decade, 12) for decade in decades for digit in _PER_DECADE}
    values |= {low, high, float(info.default)}
    return [f"{value:g}" for value in sorted(values) if low <= value <= high]


def step_control(runs: Sequence[OpenRun]) -> int | None:
    """Draw the control of the training step, where the shown runs share several; None stands for the last."""
    steps = _shared([run.run.steps for run in runs])
    if len(steps) < 2:
        return None
    options = [*(f"{step}" for step in steps[:-1]), _LAST]
    value = st.select_slider(
        "Training step",
        options,
        value=_LAST,
        width=SLIDER_WIDTH,
        key="step",
        bind="query-params",
        help="The checkpoint whose embeddings are shown.",
    )
    return None if value == _LAST else int(value)


def layer_control(runs: Sequence[OpenRun]) -> str | None:
    """Draw the control of the layer, where the shown runs share several; None stands for the first."""
    layers = _shared([run.run.layers for run in runs])
    if len(layers) < 2:
        return None
    value = st.segmented_control(
        "Layer",
        layers,
        default=layers[0],
        required=True,
        key="layer",
        bind="query-params",
        help="The output of the encoder whose embeddings are shown.",
    )
    return None if value == layers[0] else str(value)


def place_parameters(opened: OpenRun, step: int | None, layer: str | None) -> dict[str, str]:
    """Return step and layer for the address of a page that shows one run, as its controls understand them."""
    found = {}
    if len(opened.run.layers) > 1:
        found["layer"] = str(layer or opened.run.layers[0])
    if len(opened.run.steps) > 1:
        found["step"] = _LAST if step is None or step == opened.run.steps[-1] else f"{step}"
    return found


def _shared(entries: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what all sequences have, in the order of the first."""
    if not entries:
        return []
    return [entry for entry in entries[0] if entry is not None and all(entry in others for others in entries)]


def _on_card(info: ParamInfo, runs: Sequence[OpenRun]) -> bool:
    return info.card_key is not None and any(run.run.card.get(info.card_key) is not None for run in runs)


def _label(info: ParamInfo) -> str:
    words = info.name.replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}" + (f" ({info.unit})" if info.unit else "")


def _step(info: ParamInfo) -> int | float:
    assert info.low is not None
    assert info.high is not None
    if isinstance(info.default, int):
        return max(1, int((info.high - info.low) // 49))
    return float((info.high - info.low) / 100)

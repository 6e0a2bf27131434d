"""Choosing losses side by side, each with its hyper-parameters and its colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st

from cl_viz.core.errors import InputError
from cl_viz.core.params import ParamInfo
from cl_viz.core.specs import LossSpec
from cl_viz.dashboard import errors, state
from cl_viz.dashboard.sidebar import chip
from cl_viz.dashboard.text import cite, escape
from cl_viz.figures.theme import THEMES, loss_colour
from cl_viz.losses import FAMILIES, losses

MOST_LOSSES = 8
"""As many as there are colours."""
KEY = "losses"
DEFAULT = ("ntxent", "dcl", "align_uniform")
_AGAIN = " (again)"
_SEPARATOR = " › "

Missing = Callable[[str], tuple[str, ...]]
"""Name of a loss -> what it still needs, in words."""


@dataclass(frozen=True)
class Choice:
    """One chosen loss.

    Attributes
    ----------
    loss : str
        Name in the registry.
    label : str
        Shown to people; differs between two choices of one loss.
    parameters : Mapping
        Hyper-parameters that differ from their defaults.
    colour : int
        Number of its colour.
    """

    loss: str
    label: str
    parameters: Mapping[str, Any]
    colour: int

    @property
    def spec(self) -> LossSpec:
        """Its entry in the registry."""
        return losses()[self.loss]


def choose(missing: Missing) -> list[Choice]:
    """Draw the choice of losses and their hyper-parameters; return those that can be computed.

    A loss whose needs are not met is listed with what is missing, and a hyper-parameter out of range is refused with
    the allowed range; both are left out.
    """
    options = _options()
    default = [_option(loss) for loss in DEFAULT]
    left, right = st.columns([5, 1], vertical_alignment="center", gap="small")
    with left:
        picked = st.multiselect(
            "Losses",
            options,
            default=default,
            key=KEY,
            max_selections=MOST_LOSSES,
            bind="query-params",
            placeholder="Search a loss or a family; a chosen loss can be chosen again",
            label_visibility="collapsed",
        )
    with right, st.popover("All losses", icon=":material/list:", width="stretch"):
        _listed(missing)
    colours = state.loss_colours(picked)
    chosen = []
    with st.container(horizontal=True, gap="small"):
        for option in picked:
            made = _chosen(option, colours[option], missing)
            if made is not None:
                chosen.append(made)
    if picked and all(missing(_names()[option][0]) for option in picked):
        _none_can_be_computed(missing)
    return chosen


def _none_can_be_computed(missing: Missing) -> None:
    """Say what to do where every chosen loss needs more than there is."""
    able = sum(not missing(loss) for loss in losses())
    open_to = f"{able} of the {len(losses())} losses can be computed here" if able else "no loss can be computed here"
    st.info(
        f"None of the chosen losses can be computed: {open_to}. Choose one that is not grey under All losses, or "
        "add what these need.",
        icon=":material/help:",
    )


def colours_of(choices: Sequence[Choice]) -> dict[str, int]:
    """Return the number of each loss's colour, by its label: what figures are drawn with."""
    return {choice.label: choice.colour for choice in choices}


def explain(choices: Sequence[Choice]) -> None:
    """Explain the chosen losses: formula, hyper-parameters, traps, sources."""
    for spec in dict.fromkeys(choice.loss for choice in choices):
        loss = losses()[spec]
        st.markdown(f"**{escape(loss.label)}**")
        # One formula a line: side by side they would be cut off.
        lines = loss.formula.replace(r",\quad", r" \\[6pt]").replace(r", \quad", r" \\[6pt]")
        st.latex(rf"\begin{{gathered}} {lines} \end{{gathered}}")
        st.markdown(escape(loss.traps))
        st.markdown("\n".join(f"- {cite(source)}" for source in loss.sources))


def _chosen(option: str, colour: int, missing: Missing) -> Choice | None:
    loss, label = _names()[option]
    spec = losses()[loss]
    lacking = missing(loss)
    if lacking:
        with st.container(width="content"):
            st.markdown(f":gray[:material/block: {escape(label)}: needs {escape(' and '.join(lacking))}]")
        return None
    picture = f"![colour {colour + 1}]({chip(loss_colour(colour, THEMES[state.theme()]))})"
    prefix = loss if not label.endswith(_AGAIN) else f"{loss}-again"
    with st.container(width="content"), st.popover(f"{picture} {escape(label)}", help="Hyper-parameters"):
        for info in spec.params.describe():
            _control(info, prefix)
        if not spec.params.describe():
            st.caption("This loss has no hyper-parameters.")
    values = {info.name: st.session_state.get(f"{prefix}.{info.name}", info.default) for info in spec.params.describe()}
    # A whole number may have been typed where a fraction is wanted.
    typed = {
        info.name: type(info.default)(values[info.name]) if isinstance(info.default, float) else values[info.name]
        for info in spec.params.describe()
        if values[info.name] is not None
    }
    differing = {info.name: typed[info.name] for info in spec.params.describe() if typed[info.name] != info.default}
    try:
        spec.params.make(differing)
    except InputError as error:
        errors.show(error)
        return None
    return Choice(loss, label, differing, colour)


def _control(info: ParamInfo, prefix: str) -> None:
    """Draw the control of a hyper-parameter; a typed number may be any, and is refused with the allowed range."""
    words = info.name.replace("_", " ")
    label = f"{words[:1].upper()}{words[1:]}" + (f" ({info.unit})" if info.unit else "")
    bounds = "" if info.choices is not None or isinstance(info.default, bool) else f" Allowed: {info.allowed}."
    common: dict[str, Any] = {
        "key": f"{prefix}.{info.name}",
        "help": escape(f"{info.help}{bounds}"),
        "bind": "query-params",
    }
    if info.choices is not None:
        st.segmented_control(label, list(info.choices), default=info.default, required=True, **common)
    elif isinstance(info.default, bool):
        st.toggle(label, value=info.default, **common)
    elif isinstance(info.default, int):
        st.number_input(label, value=info.default, step=1, **common)
    else:
        st.number_input(label, value=float(info.default), step=_step(float(info.default)), format="%g", **common)


def _step(default: float) -> float:
    return abs(default) / 10 or 0.1


@lru_cache(maxsize=1)
def _names() -> dict[str, tuple[str, str]]:
    """Return loss and label of each option, families together."""
    found = {}
    for family in FAMILIES.values():
        for spec in family.losses:
            for suffix in ("", _AGAIN):
                found[f"{family.label}{_SEPARATOR}{spec.label}{suffix}"] = (spec.name, f"{spec.label}{suffix}")
    return found


def _option(loss: str) -> str:
    return next(option for option, (name, _) in _names().items() if name == loss)


def _options() -> list[str]:
    """Return what can be chosen: every loss, and those that are chosen once more."""
    taken = {*st.session_state.get(KEY, ()), *st.query_params.get_all(KEY)}
    return [option for option in _names() if not option.endswith(_AGAIN) or {option, option[: -len(_AGAIN)]} & taken]


def _listed(missing: Missing) -> None:
    """List every loss by family; one that cannot be computed is grey, with what it needs."""
    for family in FAMILIES.values():
        lines = []
        for spec in family.losses:
            lacking = missing(spec.name)
            text = escape(spec.label)
            lines.append(f"- {text}" if not lacking else f"- :gray[{text}: needs {escape(' and '.join(lacking))}]")
        st.markdown(f"**{escape(family.label)}**\n" + "\n".join(lines))

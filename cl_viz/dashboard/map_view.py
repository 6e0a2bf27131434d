"""The Map page: its controls, the maps, and what hangs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard import (
    errors,
    forms,
    map_colouring,
    map_finding,
    map_layouts,
    map_neighbors,
    map_panels,
    state,
)
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.map_colouring import Shown
from cl_viz.dashboard.map_component import draw_map
from cl_viz.dashboard.map_memory import SLOTS, MapMemory, component_key, memory
from cl_viz.dashboard.map_selection import Rows, clicked_row, selected
from cl_viz.dashboard.text import escape
from cl_viz.engine.memory import array_bytes
from cl_viz.figures.map_colours import Colouring
from cl_viz.figures.map_scene import Cloud, Scene, make_scene
from cl_viz.projections import PROJECTIONS, Projection

_ALONE = "none"
_AT_ONCE = "pca"
"""The method that needs no waiting."""
_AXES = {"pca": "Component {} (cosine units)"}
_HEIGHT = 400
"""Pixels of a map: half of a window of 1280 x 800, so that the legend is seen there too."""
_NARROW, _WIDE = 100, 140
"""Pixels of controls: all of them fit in one row of a window of 1280."""
_KEPT_BYTES = 4e8


@dataclass(frozen=True)
class Asked:
    """What the controls say.

    Attributes
    ----------
    runs : tuple of OpenRun
        One, or two that are shown side by side.
    choice : MapChoice
    step : int or None
        None stands for the last.
    layer : str or None
    over_steps : bool
        Whether the maps of all steps of the run are laid over each other.
    colour : str
        What colours the points.
    """

    runs: tuple[state.OpenRun, ...]
    choice: map_layouts.MapChoice
    step: int | None
    layer: str | None
    over_steps: bool
    colour: str


def controls(runs: Sequence[state.OpenRun]) -> Asked:
    """Draw the controls of the map, in one row."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        pair = _run_controls(runs)
        method = st.selectbox(
            "Method", sorted(PROJECTIONS, key=lambda name: name != _AT_ONCE), key="method", bind="query-params",
            width=_NARROW, format_func=lambda name: PROJECTIONS[name].label,
            help="PCA is a linear shadow and there at once; the others keep neighbours better and take longer.",
        )  # fmt: skip
        colour_place = st.container(width=_WIDE)
        step = forms.step_control(pair)
        with st.popover("More", icon=":material/tune:", help="Layer, dimensions, view, parameters of the method, seed"):
            layer = forms.layer_control(pair)
            found = pair[0].run.get(step, layer)
            dim, view, over_steps = _dimension_control(method), _view_control(found), _over_steps_control(pair)
            params, seed = _parameters(method)
        with colour_place:
            colour = _colour_control(found, view)
    return Asked(tuple(pair), map_layouts.MapChoice(method, dim, view, seed, params), step, layer, over_steps, colour)


def _run_controls(runs: Sequence[state.OpenRun]) -> list[state.OpenRun]:
    """Draw the choice of the run and of one to stand beside it; return one run or two."""
    if len(runs) < 2:
        return list(runs)
    by_name = {opened.name: opened for opened in runs}
    reference = state.reference_run()
    first = reference.name if reference is not None and reference.name in by_name else runs[0].name
    left = st.selectbox(
        "Run", list(by_name), list(by_name).index(first), key="map_run", bind="query-params", width=_WIDE,
        help="The run whose map is shown.",
    )  # fmt: skip
    others = [_ALONE, *(name for name in by_name if name != left)]
    right = st.selectbox(
        "Beside it", others, key="beside", bind="query-params", width=_WIDE,
        help="A run of the same samples. Its map is laid over the first one's, and a selection is shown in both.",
    )  # fmt: skip
    return [by_name[name] for name in (left, right) if name in by_name]


def _dimension_control(method: str) -> int:
    dims = PROJECTIONS[method].dims
    chosen = st.segmented_control(
        "Dimensions", list(dims), default=dims[0], required=True, key="dim", bind="query-params",
        help="Two unless two hide what you look for: only a flat map has lasso and box.",
    )  # fmt: skip
    return int(chosen)


def _view_control(found: EmbeddingSet) -> str:
    names = list(found.view_names)
    if len(names) < 2:
        return names[0]
    chosen = st.segmented_control(
        "View", names, default=names[0], required=True, key="map_view", bind="query-params",
        help="Which of the embeddings of a sample is mapped.",
    )  # fmt: skip
    return str(chosen)


def _over_steps_control(pair: Sequence[state.OpenRun]) -> bool:
    if len(pair) > 1 or len(pair[0].run.steps) < 2:
        return False
    return st.toggle(
        "Same frame at every step",
        key="over_steps",
        bind="query-params",
        help="Makes the maps of all steps and lays each over the one before, so that samples can be followed.",
    )


def _colour_control(found: EmbeddingSet, view: str) -> str:
    return st.selectbox(
        "Colour", map_colouring.options(found, view), key="colour", bind="query-params",
        help="A column of the metadata, how much of a sample's neighbourhood the map loses, or a number a sample.",
    )  # fmt: skip


def _parameters(method: str) -> tuple[dict[str, Any], int]:
    """Draw the method's parameters; nothing changes until they are handed in."""
    spec = PROJECTIONS[method]
    infos = spec.params.describe()
    with st.form(f"parameters of {method}", border=False):
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            for info in infos:
                forms.control(info, ())
            seed = st.number_input(
                "Seed", 0, 2**31 - 1, 0, key="map_seed", bind="query-params", width=forms.SLIDER_WIDTH,
                help="The same set, parameters and seed give the same map.",
            )  # fmt: skip
        st.form_submit_button("Use these", icon=":material/check:")
    st.caption(spec.description)
    values: dict[str, Any] = {}
    for info in infos:
        value = st.session_state.get(info.name, info.default)
        numeric = isinstance(info.default, (int, float)) and not isinstance(info.default, bool)
        values[info.name] = type(info.default)(value) if numeric and value is not None else value
    return map_layouts.made_params(method, values).as_dict(), int(seed)


def maps(asked: Asked) -> tuple[list[Shown], dict[str, Projection]]:
    """Return the maps that are shown, and those of other steps by place; empty while they are made."""
    snapshots = [opened.run.at(asked.step, asked.layer) for opened in asked.runs]
    sets = [opened.run.get(*snapshot) for opened, snapshot in zip(asked.runs, snapshots, strict=True)]
    elsewhere: dict[str, Projection] = {}
    frame = "/".join([asked.choice.key, *(each.fingerprint for each in sets)])
    if asked.over_steps:
        run, layer = asked.runs[0].run, snapshots[0].layer
        steps = [snapshot.step for snapshot in run.snapshots if snapshot.layer == layer]
        made = map_layouts.layouts([run.get(step, layer) for step in steps], asked.choice)
        if made is None:
            return [], {}
        elsewhere = {f"{SLOTS[0]}@{step}": each for step, each in zip(steps, made, strict=True)}
        made = [made[steps.index(snapshots[0].step)]]
        frame = "/".join([asked.choice.key, "all steps", *(each.fingerprint for each in elsewhere.values())])
    else:
        made = map_layouts.layouts(sets, asked.choice) or []
    parts = zip(SLOTS, asked.runs, sets, snapshots, made, strict=False)
    return [
        Shown(slot, opened, each, asked.choice.view, snapshot, frame, projection)
        for slot, opened, each, snapshot, projection in parts
    ], elsewhere


def show(asked: Asked) -> None:
    """Draw the maps that were asked for, and what hangs on them."""
    shown, elsewhere = maps(asked)
    if shown:
        colours = map_colouring.no_colours(shown)
        with errors.boundary("map colours"):
            colours = map_colouring.colourings(asked.colour, shown, asked.step, asked.layer)
        linked(asked, shown, colours, elsewhere)


@st.fragment
def linked(
    asked: Asked, shown: Sequence[Shown], colours: Sequence[Colouring], elsewhere: Mapping[str, Projection]
) -> None:
    """Draw the maps and what hangs on them; what happens on a map runs only this part again."""
    kept = memory()
    for entry in shown:
        kept.enter(entry.slot, entry.frame, entry.step)
    kept.colour_by(colours[0].label)
    # What is selected is said above the maps: the row is there from the start, so that no map moves.
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        map_finding.fields(kept, shown)
        rows, clicked = selected(kept, shown, colours, elsewhere), clicked_row(kept, shown, colours)
        map_finding.keeping(kept, shown, rows[0])
        _selection_line(kept, shown, rows, clicked is not None)
    map_finding.problem(kept)
    _draw_maps(kept, asked, shown, colours, rows)
    map_layouts.judging(
        [entry.embedding_set for entry in shown], asked.choice, every_error=asked.colour == map_colouring.ERROR
    )
    if clicked is not None:
        with errors.boundary("map sample"):
            map_neighbors.sample_panels(shown, clicked)
    listed = 0
    if any(found is not None and found.any() for found in rows):
        with errors.boundary("map selection"):
            listed = map_panels.selection_panels(shown, colours, rows)
    kept.write_address([entry.slot for entry in shown])
    map_panels.buttons(shown, asked.choice.arguments, rows[listed], listed)
    map_panels.notes(shown, colours)


def _selection_line(kept: MapMemory, shown: Sequence[Shown], rows: Sequence[Rows | None], clicked: bool) -> None:
    _selection_text(shown, rows, clicked)
    if rows[0] is not None or clicked:
        st.button("Clear selection", icon=":material/close:", type="tertiary", on_click=kept.clear)


def _selection_text(shown: Sequence[Shown], rows: Sequence[Rows | None], clicked: bool) -> None:
    if rows[0] is not None:
        several = len(shown) > 1
        counts = [
            f"{int(found.sum()):,} of {entry.n:,} samples{f' of {entry.opened.name}' if several else ''}"
            for entry, found in zip(shown, rows, strict=True)
            if found is not None
        ]
        st.markdown(escape(f"Selected: {'; '.join(counts)}"))
    elif not clicked:
        hint = "Draw a lasso or a box to select samples; click one to see its nearest."
        st.caption(hint if shown[0].projection.dim == 2 else "Click a sample to see its nearest ones.")


def _draw_maps(
    kept: MapMemory,
    asked: Asked,
    shown: Sequence[Shown],
    colours: Sequence[Colouring],
    rows: Sequence[Rows | None],
) -> None:
    label = PROJECTIONS[asked.choice.method].label
    for cell, entry, colouring, found in zip(st.columns(len(shown), gap="small"), shown, colours, rows, strict=True):
        with cell:
            map_panels.heading(entry, label, len(shown) > 1)
            # The map on which an outline was drawn makes the others faint by itself, without being drawn again.
            own = kept.outlined == entry.place and kept.picked is None
            scene = _scene(kept, entry, colouring, None if own else found)
            if own and scene.header["kind"] == "picture":
                # It has no points that the browser could make faint.
                scene = _scene(kept, entry, colouring, found)
            draw_map(
                scene,
                key=component_key(entry.slot),
                height=_HEIGHT,
                description=f"Map of {entry.opened.name} by {label}, coloured by {colouring.label}.",
                status=_status(scene, entry),
                command=kept.panes[entry.slot].command,
                on_window=partial(kept.note_window, entry.slot),
                on_outlines=partial(kept.note_outlines, entry.slot),
                on_click=partial(kept.note_click, entry.slot),
                on_hidden=partial(kept.note_hidden, entry.slot),
            )


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[Any]:
    return BoundedStore(_KEPT_BYTES, array_bytes)


def _scene(kept: MapMemory, entry: Shown, colouring: Colouring, chosen: NDArray[np.bool_] | None) -> Scene:
    """Return what is sent of a map; what was sent last is kept, so that an unrelated change paints nothing again."""
    pane = kept.panes[entry.slot]
    cloud = _cloud(entry)
    many = len(cloud.rows) > 0 and cloud.flat
    what = (
        colouring.label, kept.hidden, state.theme(), pane.window if many else None, pane.size,
        None if chosen is None else hash(chosen.tobytes()),
    )  # fmt: skip
    key = ("scene", entry.frame, entry.place, what)
    found = _store().get(key)
    if found is None:
        made = make_scene(
            cloud, colouring, theme=state.theme(), window=pane.window, size=pane.size, hidden=kept.hidden, chosen=chosen
        )
        found = _store().put(key, made)
    scene: Scene = found
    return scene


def _cloud(entry: Shown) -> Cloud:
    """Return the points of a map, sorted out once."""
    key = ("cloud", id(entry.projection.coordinates), entry.frame, entry.place)
    found = _store().get(key)
    if found is None:
        title = _AXES.get(entry.projection.method, f"{PROJECTIONS[entry.projection.method].label} {{}} (no unit)")
        axes = tuple(title.format(number + 1) for number in range(entry.projection.dim))
        # The projection is kept with it, so that no other array can take over its identity.
        found = _store().put(key, (Cloud(entry.projection.coordinates, axes), entry.projection))
    cloud: Cloud = found[0]
    return cloud


def _status(scene: Scene, entry: Shown) -> str:
    n, header = int(entry.projection.usable.sum()), scene.header
    if header["kind"] == "picture":
        return f"{header['n']:,} samples in view, shown as their density; zoom in to see them one by one."
    left_out = entry.n - n
    text = f"{header['n']:,} of {n:,} samples are drawn"
    if header["thinned"]:
        text += ", evenly spaced by row"
    return f"{text}; {left_out:,} have no place." if left_out else f"{text}."

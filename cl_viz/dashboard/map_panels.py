"""What stands under the maps: the selection as numbers, scores, mix, table and cards; the neighbours of one sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Role
from cl_viz.core.result import Source
from cl_viz.core.view import View, told
from cl_viz.dashboard import drawn_figures, figure_buttons, panels, sample_cards, state
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.map_colouring import Shown
from cl_viz.dashboard.text import cite, escape
from cl_viz.diagnostics._selection import selection_mix, selection_scores
from cl_viz.figures import render
from cl_viz.figures.map_colours import Categories, Colouring, Scale, by_entries
from cl_viz.projections import PROJECTIONS, Projection

T = TypeVar("T")

PAGE = 50
"""Rows of the table that are shown at once."""
_CARDS = 12
_LONGEST = 200
_READING = """
**Neighbours kept**: the share of a sample's nearest by cosine that are among its nearest in the map, mean over
samples; 1 less that share is a sample's *error of the map*. **Trustworthiness**: 1 where no sample has neighbours in
the map that are far from it in truth. Who is near whom can be read as far as these numbers are high; empty space,
sizes of clumps and distances between them cannot.
"""
_TRUSTWORTHINESS = Source(
    "Venna and Kaski 2001, Neighborhood preservation in nonlinear projection methods",
    "https://doi.org/10.1007/3-540-44668-0_68",
)
_MIX: tuple[Role, ...] = ("label", "group", "subclass")


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[Any]:
    return BoundedStore(64)


def _kept(entry: Shown, what: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept of a view of a set, so that a move of the map computes nothing again."""
    key = (entry.embedding_set.fingerprint, entry.view, what)
    found: tuple[T] | None = _store().get(key)
    return (found or _store().put(key, (make(),)))[0]


def selection_panels(
    shown: Sequence[Shown], colours: Sequence[Colouring], rows: Sequence[NDArray[np.bool_] | None]
) -> int:
    """Draw what is known of the selected rows of each map; return whose rows the table shows.

    Parameters
    ----------
    shown : sequence of Shown
        One map, or two side by side.
    colours : sequence of Colouring
        Of each map.
    rows : sequence of NDArray[np.bool_], shape (N,)
        Selected rows of each map; at least one of a map.
    """
    filled = [index for index, found in enumerate(rows) if found is not None and found.any()]
    if len(shown) == 1:
        left, right = st.columns(2, gap="medium")
        with left:
            _scores(shown[0], _of(rows, 0))
        with right:
            _class_mix(shown[0], colours[0], _of(rows, 0))
        chosen = 0
    else:
        for cell, index in zip(st.columns(len(shown), gap="medium"), range(len(shown)), strict=True):
            with cell:
                st.markdown(f"**{escape(shown[index].opened.name)}**")
                if index not in filled:
                    st.caption("None of the selected samples is in this run.")
                    continue
                _scores(shown[index], _of(rows, index))
                _class_mix(shown[index], colours[index], _of(rows, index))
        chosen = _run_of_table(shown, filled)
    st.header("The samples behind this", anchor=False)
    entry = shown[chosen]
    places = _table(entry, colours[chosen], np.flatnonzero(_of(rows, chosen)))
    with st.expander("As cards", icon=":material/grid_view:", expanded=True):
        sample_cards.draw_grid(entry.opened, entry.embedding_set, places[:_CARDS], view=entry.view)
    return chosen


def _of(rows: Sequence[NDArray[np.bool_] | None], index: int) -> NDArray[np.bool_]:
    found = rows[index]
    assert found is not None
    return found


def _run_of_table(shown: Sequence[Shown], filled: Sequence[int]) -> int:
    """Draw the choice of the run whose samples are listed."""
    names = [shown[index].opened.name for index in filled]
    name = st.segmented_control(
        "Samples as in", names, default=names[0], required=True, key="samples_of", bind="query-params",
        help="The samples are the same; their numbers, and what lies near them, are those of the run.",
    )  # fmt: skip
    return filled[names.index(str(name))] if name in names else filled[0]


def _scores(entry: Shown, rows: NDArray[np.bool_]) -> None:
    # Numbers that stand for the rows: the rows themselves are as many as the set.
    what = ("scores", int(rows.sum()), hash(rows.tobytes()))
    scores = _kept(entry, what, lambda: selection_scores(entry.embedding_set, entry.view, rows))
    if scores is None:
        st.caption("Scores within the selection are unknown: select two or more samples.")
    else:
        _figure(scores, f"scores {entry.slot}")


def _class_mix(entry: Shown, colouring: Colouring, rows: NDArray[np.bool_]) -> None:
    mix = _mix(entry, colouring)
    if mix is None:
        st.caption("The mix of classes is unknown: add labels on the Data page.")
    else:
        _figure(selection_mix(mix.names, mix.codes, rows, mix.label), f"mix {entry.slot}")


def _mix(entry: Shown, colouring: Colouring) -> Categories | None:
    """Return the kinds whose mix is told: those that colour the map, else the labels."""
    if isinstance(colouring, Categories) and len(colouring.names) > 1:
        return colouring
    column = next((found for role in _MIX if (found := entry.embedding_set.role(role, entry.view)) is not None), None)
    return None if column is None else by_entries("label", column)


def _figure(view: View, name: str) -> None:
    drawn_figures.chart(render(view, state.theme()), f"map {name}", told(view), panels.SIDE_HEIGHT)


def _table(entry: Shown, colouring: Colouring, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw one page of the selected rows and return them."""
    pages = -(-len(places) // PAGE)
    number = 1
    if pages > 1:
        number = st.number_input(
            f"Page of {pages:,}", 1, pages, 1, key=f"map page {pages}", width=150, help=f"{PAGE} samples a page."
        )
    shown = places[(number - 1) * PAGE : number * PAGE]
    frame = sample_frame(entry, shown)
    if isinstance(colouring, Scale):
        frame[colouring.label] = colouring.values[shown]
    if entry.projection.complete:
        # Of a few rows that were drawn it says nothing of these.
        frame["error of the map"] = entry.projection.error[shown]
    config: dict[str, Any] = {
        str(name): st.column_config.NumberColumn(str(name), format="%.3g")
        for name, kind in frame.dtypes.items()
        if kind.kind == "f"
    }
    pictures = sample_cards.thumbnails(entry.opened, entry.embedding_set, shown, entry.view)
    if any(pictures):
        frame.insert(1, "picture", pictures)
        config["picture"] = st.column_config.ImageColumn("picture", width="small")
    st.dataframe(frame, hide_index=True, column_config=config, width="stretch", height=panels.SIDE_HEIGHT)
    return shown


def sample_frame(entry: Shown, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Return row numbers and metadata of some rows; text is cut, pictures are left out."""
    found: dict[str, NDArray[np.generic]] = {"row": rows}
    image = entry.embedding_set.roles.get("image")
    for name, column in entry.embedding_set.columns(entry.view).items():
        if name != image and column.ndim == 1:
            values = column[rows]
            cut = [str(value)[:_LONGEST] for value in values]
            found[name if name != "row" else "row (column)"] = values if values.dtype.kind in "iufb" else np.array(cut)
    return pd.DataFrame(found)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.2g}"


def heading(entry: Shown, label: str, several: bool) -> None:
    """Draw a map's title; beside another map it names the run."""
    owner = f"{entry.opened.name}: " if several else ""
    st.markdown(f"**{escape(owner + kept_in_words(entry.projection, label))}**")


def kept_in_words(projection: Projection, label: str) -> str:
    """Return what a map keeps of the neighbourhoods, each number with its N.

    Parameters
    ----------
    projection : Projection
    label : str
        Of its method.
    """
    recall, trust, usable = projection.neighbor_recall, projection.trustworthiness, int(projection.usable.sum())
    if not projection.judged:
        return f"{label} of {usable:,} samples; what it keeps is not known yet"
    if recall.value is None or trust.value is None:
        return f"{label} of {usable:,} samples; too few to say what it keeps"
    trusted, n = f"trustworthiness {trust.value:.2f}", f"N = {recall.n:,}"
    if trust.n < recall.n:
        # Ranks among all samples are looked up for a draw only.
        found = f"{n}; {trusted}, N = {trust.n:,} of {trust.population:,}"
    else:
        of = f" of {recall.population:,}" if recall.n < recall.population else ""
        found = f"{trusted}, {n}{of}"
    if recall.interval is not None:
        found += f", 95 %: {_percent(recall.interval[0])} to {_percent(recall.interval[1])} %"
    return f"{label} keeps {_percent(recall.value)} % of the {recall.k} nearest neighbours ({found})"


def buttons(
    shown: Sequence[Shown], arguments: Mapping[str, Any], rows: NDArray[np.bool_] | None, listed: int = 0
) -> None:
    """Draw the row of quiet buttons under the maps.

    Parameters
    ----------
    shown : sequence of Shown
    arguments : Mapping
        What `cl_viz.project` was given besides the set.
    rows : NDArray[np.bool_] or None
        Selected rows of the map that is listed; None for all.
    listed : int
        The map whose samples are taken away as CSV.
    """
    first = shown[0]
    spec = PROJECTIONS[first.projection.method]
    with st.container(horizontal=True, gap="xsmall"):
        with st.popover("How to read this", type="tertiary", icon=":material/menu_book:"):
            st.markdown(spec.description)
            st.markdown(_READING)
            st.markdown("\n".join(f"- {cite(source)}" for source in (*spec.sources, _TRUSTWORTHINESS)))
        with st.popover("Python", type="tertiary", icon=":material/code:"):
            st.caption("The same coordinates in a notebook:")
            st.code(_lines(shown, arguments), language="python", wrap_lines=True)
        st.download_button(
            "CSV",
            lambda: _csv(shown[listed], rows),
            "map.csv",
            "text/csv",
            key="map csv",
            icon=":material/table:",
            type="tertiary",
            on_click="ignore",
            help="Coordinates, error and metadata: of the selection, or of all samples",
        )
        with st.popover("Link", type="tertiary", icon=":material/link:"):
            st.caption("This address restores what you see, on a server with the same runs:")
            st.code(figure_buttons.address(), language=None, wrap_lines=True)


def _lines(shown: Sequence[Shown], arguments: Mapping[str, Any]) -> str:
    """Return Python that makes the same maps; what is a default of the method is left out."""
    method = arguments["method"]
    defaults = {info.name: info.default for info in PROJECTIONS[method].params.describe()}
    params = {name: value for name, value in arguments["params"].items() if value != defaults[name]}
    given = f"{method!r}, dim={arguments['dim']}, view={arguments['view']!r}, seed={arguments['seed']}"
    given += f", params={params!r}" if params else ""
    runs = [_expression(entry) for entry in shown]
    if len(runs) == 1:
        return f"import cl_viz\nfound = cl_viz.project({runs[0]}, {given})\nfound.coordinates, found.error"
    return f"import cl_viz\nfound = cl_viz.project_aligned([{', '.join(runs)}], {given})"


def _expression(entry: Shown) -> str:
    """Return Python that opens the set: a run stands for its last step and first layer."""
    expression, at = entry.opened.expression, entry.snapshot
    return expression if at == entry.opened.run.at() else f"{expression}.get{tuple(at)!r}"


def _csv(entry: Shown, rows: NDArray[np.bool_] | None) -> str:
    places = np.arange(entry.n) if rows is None else np.flatnonzero(rows)
    frame = sample_frame(entry, places)
    for axis, values in enumerate(entry.projection.coordinates[places].T):
        frame[f"coordinate_{axis + 1}"] = values
    frame["error_of_the_map"] = entry.projection.error[places]
    return str(frame.to_csv(index=False))


def notes(shown: Sequence[Shown], colours: Sequence[Colouring]) -> None:
    """Draw what the maps rest on."""
    lines = []
    for entry in shown:
        facts = list(entry.projection.notes)
        owner = f"{entry.opened.name}: " if len(shown) > 1 else ""
        lines.append(escape(f"{owner}{' · '.join(facts)}"))
    first = colours[0]
    if isinstance(first, Categories) and first.distinct > len(first.names) - first.grey:
        kept = len(first.names) - first.grey
        lines.append(escape(f"{first.label}: the {kept} most frequent of {first.distinct:,} entries have a colour"))
    st.caption("  \n".join(lines))

"""Parts that several pages share: questions over training, their empty state, figures in two columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import panels, state


def several_steps(runs: Sequence[state.OpenRun]) -> list[state.OpenRun]:
    """Return the runs with several training steps."""
    return [opened for opened in runs if len([step for step in opened.run.steps if step is not None]) > 1]


def one_step_each() -> None:
    """Say what to add for questions over training."""
    st.info(
        "Unknown: the shown runs have one training step each. Record a training with `cl_viz.Recorder`, or save "
        "embeddings at several steps, to see it.",
        icon=":material/help:",
    )


def over_training(spec: DiagnosticSpec, runs: Sequence[state.OpenRun], layer: str | None) -> list[panels.Shown]:
    """Draw all figures of a question over training, of the runs that have several steps; return what is shown."""
    trained = several_steps(runs)
    if not trained:
        one_step_each()
        panels.explained(spec)
        return []
    shown = panels.ask(spec, trained, layer=layer)
    two_columns(shown)
    panels.explained(spec)
    panels.quantities(shown)
    panels.caveats(shown)
    return [shown]


def pairs(
    shown: panels.Shown,
    *figures: tuple[str, str],
    height: int = panels.SIDE_HEIGHT,
    leads_to_pairs: Collection[str] = (),
    of_one: Collection[str] = (),
) -> None:
    """Draw figures, each a view and the quantity that its title compares, two in a row; those that no run has are not.

    Parameters
    ----------
    shown : Shown
    *figures : tuple of str
    height : int
        Pixels.
    leads_to_pairs : collection of str
        Views in which a click leads to pairs.
    of_one : collection of str
        Views that show one run: the reference run, or else the first that has them.
    """
    there = [figure for figure in figures if panels.has_view(shown, figure[0])]
    for start in range(0, len(there), 2):
        columns = st.columns(2, gap="medium")
        for column, (view, quantity) in zip(columns, there[start : start + 2], strict=False):
            with column:
                panels.figure(
                    panels.one_of(shown, view) if view in of_one else shown,
                    view,
                    quantity=quantity,
                    height=height,
                    explained=False,
                    leads_to_pairs=view in leads_to_pairs,
                    wide=False,
                )
    single = next((view for view, _ in there if view in of_one), None)
    if single is not None:
        panels.say_whose(shown, panels.one_of(shown, single), "Figures of one run show")


def two_columns(
    shown: panels.Shown, left_out: Collection[str] = (), suffix: str = "", *, marked: int | None = None
) -> None:
    """Draw the figures of a diagnostic in two columns; titles compare the quantity of their name and `suffix`.

    `marked` is a training step that is marked in them.
    """
    names = list(dict.fromkeys(name for result in shown.results for name in result.views if name not in left_out))
    for start in range(0, len(names), 2):
        columns = st.columns(2, gap="medium")
        for column, name in zip(columns, names[start : start + 2], strict=False):
            with column:
                panels.figure(
                    shown, name, quantity=f"{name}{suffix}", height=panels.SIDE_HEIGHT, explained=False, marked=marked
                )

"""Which shown runs a study of harm is asked about, one of each family, and what to open where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cl_viz.dashboard import opening, state

_EXAMPLES = ("mnist-rare-4-seed-0", "mnist-balanced-seed-0")


def one_of_each_family(runs: Sequence[state.OpenRun]) -> list[state.OpenRun]:
    """Return one run with a rare class a family and class, the reference run where it is one; else all runs.

    Runs of one family, rare class and ratio are averaged over their seeds, so that each of them would say the same.
    """
    reference = state.reference_run()
    ordered = sorted(runs, key=lambda run: reference is None or run.name != reference.name)
    kept: dict[object, state.OpenRun] = {}
    for opened in ordered:
        card = opened.run.card
        if card.get("under_represented_class") is not None:
            family = card.get("family") or card.get("recipe") or opened.name
            key = (str(family), str(card["under_represented_class"]), str(card.get("imbalance_ratio")))
            kept.setdefault(key, opened)
    return [run for run in runs if run in kept.values()] or list(runs)


def what_to_open(study: str) -> None:
    """Say which runs a study needs, and offer two samples."""
    st.info(
        f"{study} compares runs: open one whose card names an under-represented class together with its balanced twin.",
        icon=":material/help:",
    )
    st.button(
        "Open two such samples",
        key="_open_harm_samples",
        icon=":material/add:",
        help=" and ".join(_EXAMPLES),
        on_click=_open_examples,
    )


def _open_examples() -> None:
    for name in _EXAMPLES:
        opening.open_sample(name)

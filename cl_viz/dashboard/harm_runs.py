"""Which shown runs a study of harm is asked about: one of each family, since its members have one answer."""

from __future__ import annotations

from collections.abc import Sequence

from cl_viz.dashboard import state


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

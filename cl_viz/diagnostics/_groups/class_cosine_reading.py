"""What the cosines between classes say, in sentences and figures."""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Finding, Level, format_number
from cl_viz.core.view import Axis, Heatmap, Table, View
from cl_viz.diagnostics._groups.class_cosine_measures import ClassCosines, Floats
from cl_viz.diagnostics._thresholds.harm import GRETTON, MAITY, ONE_DIRECTION, SEPARATE_MEANS

NAME = "class_cosines"
SHOWN_CLASSES = 40
_LISTED_PAIRS = 200
_DESCRIBES = "This describes the run; it is no harm."


def finding(
    found: ClassCosines,
    closest: tuple[int, int] | None,
    weakest: tuple[int, int] | None,
    chance: float | None,
    n: int,
    *,
    close: bool,
) -> Finding:
    """Return whether two classes, the least separated, have means of their own.

    `close` says whether these two are shown to be nearly equal, and not only not told apart.
    """
    assert closest is not None
    first, second = (found.names[k] for k in closest)
    nearest = f"{first} and {second}, mean cosine {format_number(float(found.corrected[closest]))} (N = {n:,})"
    if weakest is None or chance is None:
        return _open(
            f"Unknown whether classes are told apart: the closest are {nearest}.", "add a second sample of every class."
        )
    between = np.triu_indices(len(found.names), 1)
    apart = int(np.argmin(found.corrected[between]))
    level = ONE_DIRECTION.level(float(found.corrected[between][apart]))
    if SEPARATE_MEANS.level(chance) != "good" and (close or level == "good"):
        return _within_chance(found, weakest, chance, n, close=close)
    if level != "good":
        return _in_one_direction(found, (int(between[0][apart]), int(between[1][apart])), level, n)
    said = f"All classes have means of their own; the closest are {nearest}. {_DESCRIBES}"
    return Finding(NAME, "good", said, source=MAITY, quantity="closest")


def _open(said: str, remedy: str) -> Finding:
    return Finding(NAME, "unknown", said, f"To see it, {remedy}", GRETTON, "least_separation")


def _within_chance(found: ClassCosines, weakest: tuple[int, int], chance: float, n: int, *, close: bool) -> Finding:
    """Say that the least separated classes lie no further apart than chance, and whether this shows anything."""
    first, second = (found.names[k] for k in weakest)
    sizes = " and ".join(f"{found.counts[k]:,}" for k in weakest)
    odds = f"p = {format_number(chance, 2)}, N = {n:,}"
    if close:
        return Finding(
            NAME,
            "watch",
            f"The means of classes {first} and {second} lie no further apart than chance ({sizes} samples, {odds}).",
            "Look at their samples: the encoder does not tell these classes apart by their mean. " + _DESCRIBES,
            GRETTON,
            "least_separation",
        )
    n_pairs = len(found.names) * (len(found.names) - 1) // 2
    which = "the two" if n_pairs == 1 else f"the least separated of {n_pairs:,} pairs,"
    return _open(
        f"Unknown whether all classes have means of their own: {which} {first} and {second} lie no further apart than "
        f"chance, and with {sizes} samples may differ all the same ({odds}).",
        "add samples of these classes.",
    )


def _in_one_direction(found: ClassCosines, farthest: tuple[int, int], level: Level, n: int) -> Finding:
    """Say that even the two classes that lie farthest apart share a direction."""
    first, second = (found.names[k] for k in farthest)
    return Finding(
        NAME,
        level,
        f"All classes lie in nearly one direction: even the farthest, {first} and {second}, have mean cosine "
        f"{format_number(float(found.corrected[farthest]))} (N = {n:,}).",
        "Mend the collapse, or take the common mean off, before classes are compared. " + _DESCRIBES,
        ONE_DIRECTION.source,
        "closest",
    )


def views(found: ClassCosines, matrix: Floats, closest: tuple[int, int] | None, run: str) -> dict[str, View]:
    """Return the matrix of mean cosines and the list of the closest pairs."""
    first, second = np.triu_indices(len(found.names), 1)
    order = np.argsort(-found.corrected[first, second], kind="stable")[:_LISTED_PAIRS]
    first, second = first[order], second[order]
    shown = np.sort(list(dict.fromkeys(np.stack([first, second], axis=1).ravel().tolist()))[:SHOWN_CLASSES])
    names = tuple(found.names[k] for k in shown)
    part = "" if len(shown) == len(found.names) else f", {len(shown)} of {len(found.names)} classes"
    assert closest is not None
    title = (
        f"Closest classes {found.names[closest[0]]} and {found.names[closest[1]]}: mean cosine "
        f"{format_number(float(found.corrected[closest]))}{part}"
    )
    columns = {
        "Class": np.array([found.names[k] for k in first], dtype=object),
        "Other class": np.array([found.names[k] for k in second], dtype=object),
        "Mean cosine": found.corrected[first, second],
        "Separation": found.separation[first, second],
        "Samples": found.counts[first],
        "Samples of the other": found.counts[second],
    }
    score = Axis("Mean cosine", "cosine", (-1.0, 1.0))
    return {
        "matrix": Heatmap(
            title, Axis("Class"), Axis("Class"), matrix[np.ix_(shown, shown)], names, names, score, centre=0.0, run=run
        ),
        "pairs": Table("Pairs of classes, closest first", columns, run),
    }

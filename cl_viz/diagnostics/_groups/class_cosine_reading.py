"""What the cosines between classes say, in sentences and figures."""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Finding, Source, format_number
from cl_viz.core.view import Axis, Heatmap, Table, View
from cl_viz.diagnostics._groups.class_cosine_measures import ClassCosines, Floats
from cl_viz.diagnostics._thresholds.harm import MAITY, ONE_DIRECTION

NAME = "class_cosines"
SHOWN_CLASSES = 40
_LISTED_PAIRS = 200
CHANCE = 0.05
"""Share of permutations above which two classes lie no further apart than chance."""
GRETTON = Source(
    "Gretton et al. 2012, A Kernel Two-Sample Test", "https://jmlr.org/papers/v13/gretton12a.html"
)  # fmt: skip


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
    cosine = f"mean cosine {format_number(float(found.corrected[closest]))} (N = {n:,})"
    describes = "This describes the run; it is no harm."
    if weakest is None or chance is None:
        return Finding(
            NAME,
            "unknown",
            f"Unknown whether classes are told apart: the closest are {first} and {second}, {cosine}.",
            "To see it, add a second sample of every class.",
            GRETTON,
            "least_separation",
        )
    between = np.triu_indices(len(found.names), 1)
    apart = int(np.argmin(found.corrected[between]))
    least = float(found.corrected[between][apart])
    level = ONE_DIRECTION.level(least)
    if chance > CHANCE and (close or level == "good"):
        first, second = (found.names[k] for k in weakest)
        sizes = " and ".join(f"{found.counts[k]:,}" for k in weakest)
        if not close:
            n_pairs = len(found.names) * (len(found.names) - 1) // 2
            which = "the two" if n_pairs == 1 else f"the least separated of {n_pairs:,} pairs,"
            return Finding(
                NAME,
                "unknown",
                f"Unknown whether all classes have means of their own: {which} {first} and {second} lie no further "
                f"apart than chance, and with {sizes} samples may differ all the same (p = "
                f"{format_number(chance, 2)}, N = {n:,}).",
                "To see it, add samples of these classes.",
                GRETTON,
                "least_separation",
            )
        return Finding(
            NAME,
            "watch",
            f"The means of classes {first} and {second} lie no further apart than chance ({sizes} samples, p = "
            f"{format_number(chance, 2)}, N = {n:,}).",
            "Look at their samples: the encoder does not tell these classes apart by their mean. " + describes,
            GRETTON,
            "least_separation",
        )
    if level != "good":
        first, second = (found.names[places[apart]] for places in between)
        return Finding(
            NAME,
            level,
            f"All classes lie in nearly one direction: even the farthest, {first} and {second}, have mean cosine "
            f"{format_number(least)} (N = {n:,}).",
            "Mend the collapse, or take the common mean off, before classes are compared. " + describes,
            ONE_DIRECTION.source,
            "closest",
        )
    return Finding(
        NAME,
        "good",
        f"All classes have means of their own; the closest are {first} and {second}, {cosine}. {describes}",
        source=MAITY,
        quantity="closest",
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

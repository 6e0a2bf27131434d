"""The figures of `individual_temperatures`, as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Bars, Histogram, Lines, Reference, Series, Table, View
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.hardness_views import row_columns
from cl_viz.diagnostics._temperature.row_temperatures import RowDivergences

TEMPERATURE = Axis("Temperature of a row", "", (0.005, 5.0), log=True)
RHOS: Values = 0.01 * 2.0 ** (np.arange(21) / 2)
ROWS = 100
"""Rows of a table."""
CLASSES = 30


@dataclass(frozen=True)
class Individual:
    """The best temperatures of the rows of every view."""

    anchors: Anchors
    parts: tuple[RowDivergences, ...]
    rho: float
    smallest: float
    largest: float

    @cached_property
    def by_view(self) -> tuple[Values, ...]:
        """Best temperature of each row; NaN without negatives."""
        return tuple(part.best(self.rho, self.smallest, self.largest) for part in self.parts)

    @cached_property
    def every(self) -> Values:
        """Those of all views that are defined."""
        joined = np.concatenate(self.by_view)
        return joined[np.isfinite(joined)]

    @property
    def middle(self) -> str:
        """Between which temperatures 90 % of them lie, in words."""
        low, high = (format_number(float(np.quantile(self.every, q))) for q in (0.05, 0.95))
        return f"temperatures of {low} to {high}" if low != high else f"a temperature of {low}"

    def share_at(self, end: float) -> float:
        """Share of the rows that stand at an end of the range; NaN without rows."""
        return float((self.every == end).mean()) if len(self.every) else float("nan")


def views(found: Individual) -> dict[str, View]:
    """Return the figures; those whose input is missing are left out."""
    if not len(found.every):
        return {}
    made: dict[str, View] = {"histogram": histogram(found), "by_rho": by_rho(found)}
    bars = by_label(found)
    if bars is not None:
        made["by_label"] = bars
    made["lowest"] = ends(found, "lowest")
    made["highest"] = ends(found, "highest")
    return made


def histogram(found: Individual) -> Histogram:
    """Best temperatures of all rows."""
    edges = np.geomspace(0.005, 5.0, 91)
    # Values at an end of the range belong into the bin inside it.
    counts = np.histogram(np.clip(found.every, 0.005, 5.0), edges)[0] / len(found.every)
    middle = float(np.median(found.every))
    references = [Reference("lowest allowed", found.smallest), Reference("highest allowed", found.largest)]
    trained = found.anchors.run_temperature
    if trained is not None:
        references.append(Reference("trained at", trained))
    return Histogram(
        f"Median temperature {format_number(middle)}, 90 % of the rows at {found.middle}",
        TEMPERATURE,
        Axis("Rows", "share"),
        (Series("rows", edges, counts, "other", found.anchors.inputs.run, n=len(found.every)),),
        tuple(references),
    )


def by_rho(found: Individual) -> Lines:
    """Median and spread of the best temperatures at every rho."""
    some = [part.some for part in found.parts]
    best = [np.concatenate([part.best(float(rho), found.smallest, found.largest) for part in some]) for rho in RHOS]
    known = [values[np.isfinite(values)] for values in best]
    low, middle, high = (np.array([np.quantile(values, q) for values in known]) for q in (0.05, 0.5, 0.95))
    limit = float(np.log(max(1.0, found.anchors.n_negatives)))
    return Lines(
        f"At rho {found.rho:g} the median row chooses {format_number(float(np.median(found.every)))}",
        Axis("Rho", "nats", (0.01, 12.0), log=True),
        Axis("Temperature, median and 90 % of the rows", "", (0.005, 5.0), log=True),
        (Series("temperature", RHOS, middle, "other", found.anchors.inputs.run, low, high, n=len(known[0])),),
        (Reference("chosen", found.rho), Reference("log M", limit)),
        markers=False,
        n=len(found.every),
    )


def by_label(found: Individual) -> Bars | None:
    """Median of the best temperatures of each label, lowest first; None without labels or with very many."""
    codes = found.anchors.inputs.embedding_set.codes("label")
    if codes is None or not 1 < len(codes[1]) <= CLASSES:
        return None
    place = {view: index for index, view in enumerate(found.anchors.inputs.embedding_set.view_names)}
    owner = np.concatenate([codes[0][place[part.view]][part.rows] for part in found.parts])
    best = np.concatenate(found.by_view)
    kept = (owner >= 0) & np.isfinite(best)
    labels = np.unique(owner[kept])
    if not len(labels):
        return None
    medians = np.array([np.median(best[kept & (owner == label)]) for label in labels])
    order = np.argsort(medians, kind="stable")
    names = np.array([codes[1][label] for label in labels[order]], dtype=object)
    return Bars(
        f"Lowest for label {names[0]} ({format_number(float(medians[order[0]]))}), highest for {names[-1]} "
        f"({format_number(float(medians[order[-1]]))})",
        Axis("Label"),
        Axis("Median temperature"),
        (Series("median", names, medians[order], "other", found.anchors.inputs.run, n=int(kept.sum())),),
    )


def ends(found: Individual, end: str) -> Table:
    """The rows of the first view with the lowest or highest best temperature."""
    part, best = found.parts[0], found.by_view[0]
    sign = 1.0 if end == "lowest" else -1.0
    known = np.flatnonzero(np.isfinite(best))
    order = known[np.argsort(sign * best[known], kind="stable")][:ROWS]
    columns = {
        "row": part.rows[order],
        "temperature": best[order],
        **row_columns(found.anchors, part.view, part.rows[order]),
    }
    return Table(f"Samples with the {end} temperature", columns, found.anchors.inputs.run)

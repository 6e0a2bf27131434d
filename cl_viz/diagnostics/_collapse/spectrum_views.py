"""The figures of `spectrum`, as data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Lines, Reference, Series, View
from cl_viz.diagnostics._collapse.spectrum import Spectrum
from cl_viz.diagnostics._collapse.spectrum_findings import Reading

INDEX = Axis("Dimension", "rank")


def views(readings: Mapping[str, Reading], chosen: str, run: str) -> dict[str, View]:
    """Return the spectrum of every view, and how the variance adds up."""
    return {"spectrum": _spectrum(readings, chosen, run), "cumulative": _cumulative(readings, chosen, run)}


def _places(count: int) -> NDArray[np.float64]:
    return np.arange(1, count + 1, dtype=np.float64)


def _spectrum(readings: Mapping[str, Reading], chosen: str, run: str) -> Lines:
    reading = readings[chosen]
    series = [
        Series(
            view,
            _places(found.shown.above_floor),
            found.shown.values[: found.shown.above_floor],
            run=run,
            n=found.shown.n,
        )
        for view, found in readings.items()
    ]
    # The null of raw rows has their total variance; that of unit rows is the sphere itself.
    shown = reading.shown
    scale = 1.0 if shown.scale == "unit" else float(shown.values.sum())
    null = reading.null
    series.append(
        Series(
            "uniform sphere",
            _places(len(null.values)),
            scale * null.values,
            "reference",
            run,
            scale * null.low,
            scale * null.high,
        )
    )
    # Far below all eigenvalues the floor would only press them together.
    reached = shown.above_floor < len(shown.values)
    floor = (Reference("numerical floor", shown.floor, "y"),) if reached else ()
    return Lines(
        _title(reading), INDEX, Axis("Eigenvalue", _unit(shown), log=True), tuple(series), floor, markers=False
    )


def _title(reading: Reading) -> str:
    size = len(reading.shown.values)
    if reading.before_cliff < size:
        return f"A cliff after {reading.before_cliff} of {size} dimensions"
    return (
        f"No cliff, {reading.shown.above_floor} of {size} dimensions above the numerical floor, total variance "
        f"{format_number(reading.total_variance)}"
    )


def _unit(found: Spectrum) -> str:
    rows = "unit rows" if found.scale == "unit" else "raw rows"
    return f"variance of {rows}" if found.centred else f"mean square of {rows}"


def _cumulative(readings: Mapping[str, Reading], chosen: str, run: str) -> Lines:
    series = []
    for view, found in readings.items():
        shares = np.cumsum(found.shown.kept) / max(float(found.shown.kept.sum()), np.finfo(np.float64).tiny)
        series.append(Series(view, _places(len(shares)), shares, run=run, n=found.shown.n))
    null = readings[chosen].null.values
    series.append(Series("uniform sphere", _places(len(null)), np.cumsum(null), "reference", run))
    shares = series[list(readings).index(chosen)].y
    needed = int(np.searchsorted(shares, 0.99 - 1e-12)) + 1
    title = (
        f"{needed} of {len(shares)} dimensions hold 99 % of the variance" if shares[-1] > 0 else "No variance at all"
    )
    return Lines(
        title, INDEX, Axis("Share of the variance up to here", "share", (0.0, 1.0)), tuple(series), markers=False
    )

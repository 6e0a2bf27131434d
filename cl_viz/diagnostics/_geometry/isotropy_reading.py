"""What isotropy says, in sentences and figures."""

from __future__ import annotations

import math

import numpy as np

from cl_viz.core.result import Finding, Level, Quantity, format_number
from cl_viz.core.view import Axis, Bars, Lines, Reference, Series, View
from cl_viz.diagnostics._geometry.isotropy_measures import RowKind, ViewIsotropy
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level

NAME = "isotropy"
_FEWEST = 3
"""Rows of a view from which its covariance can have two directions."""
_TELLING = 0.05
"""Mean cosine of centred rows, beyond that of any rows that cancel, from which it is worth a clause."""


def views_of(views: list[ViewIsotropy], quantities: dict[str, Quantity], rows: RowKind, run: str) -> dict[str, View]:
    """Return all measures, and what the partition function sums to along every eigenvector."""
    cosine, centred = quantities["mean_cosine"], quantities["mean_cosine_centred"]
    names = ["cosine", "centred", "IsoScore", "IsoScore*", "Z, unit", "Z, raw"]
    keys = ["mean_cosine", "mean_cosine_centred", "isoscore", "isoscore_star", "partition_unit", "partition_raw"]
    known = [
        (name, quantities[key]) for name, key in zip(names, keys, strict=True) if quantities[key].value is not None
    ]
    values = np.array([quantity.value for _, quantity in known])
    low = np.array([math.nan if q.interval is None else q.interval.low for _, q in known])
    high = np.array([math.nan if q.interval is None else q.interval.high for _, q in known])
    return {
        "measures": Bars(
            f"Mean cosine {format_number(cosine.value or 0.0)}{_clause(centred, 'without the mean')}",
            Axis("Measure"),
            Axis("Value", "", (-0.1, 1.05)),
            (Series("isotropy", np.array([name for name, _ in known], dtype=object), values, "other", run, low, high),),
        ),
        "partition": _partition_view(views, quantities, rows, run),
    }


def _partition_view(views: list[ViewIsotropy], quantities: dict[str, Quantity], rows: RowKind, run: str) -> Lines:
    key = f"partition_{rows}"
    found = [view.partitions[rows] for view in views]
    ranks = np.arange(1, len(found[0].positive) + 1, dtype=np.float64)
    sides = (("eigenvector", [one.positive for one in found]), ("its negative", [one.negative for one in found]))
    series = [Series(name, ranks, np.mean(logs, axis=0), "other", run) for name, logs in sides]
    return Lines(
        f"The least direction has {format_number(100 * (quantities[key].value or 0.0))} % of the largest's sum",
        Axis("Eigenvector of X'X, largest first", "rank", log=True),
        Axis("log mean exp(c . x)", f"{rows} rows, mean over views"),
        tuple(series),
        (Reference("no part along c", 0.0, "y"),),
        markers=False,
    )


def findings(quantities: dict[str, Quantity]) -> tuple[Finding, ...]:
    """Return whether the rows fill a cone, and whether they use their dimensions evenly."""
    cosine, centred, score = (quantities[name] for name in ("mean_cosine", "mean_cosine_centred", "isoscore"))
    assert cosine.value is not None
    level = _thresholds.ANISOTROPY.level(cosine.value)
    rest = _clause(centred, "once the mean row is taken off")
    cone = Finding(
        NAME,
        level,
        f"Two different rows have a mean cosine of {cosine.text()}{rest} (N = {cosine.n:,})."
        f"{open_level(cosine, _thresholds.ANISOTROPY.level)}",
        "" if level == "good" else "Take the mean off before retrieval; lower the temperature or add negatives.",
        _thresholds.LIANG,
        "mean_cosine",
    )
    # Two rows differ along one line, whatever the encoder: a uniform sphere has IsoScore 0 there too.
    few = not score.reference or (score.n or 0) < _FEWEST
    if score.value is None or few:
        advice = f"add samples, {_FEWEST} or more" if few else "look for collapse first: the rows do not differ"
        return (
            Finding(
                NAME,
                "unknown",
                f"Unknown: how evenly the dimensions are used (N = {score.n:,}).",
                f"To see it, {advice}.",
                _thresholds.RUDMAN,
                "isoscore",
            ),
            cone,
        )
    sphere = score.reference or 0.0

    def evenness(value: float) -> Level:
        return _thresholds.ISOSCORE.level(value) if _thresholds.ISOSCORE_OF_SPHERE.met(value / sphere) else "good"

    used = evenness(score.value)
    dimensions = Finding(
        NAME,
        used,
        f"IsoScore is {score.text()} where a uniform sphere of this N and D has "
        f"{format_number(sphere)} (N = {score.n:,}).{open_level(score, evenness)}",
        "" if used == "good" else "Look at the spectrum: a few directions carry nearly all of the variance.",
        _thresholds.RUDMAN,
        "isoscore",
    )
    return cone, dimensions


def _clause(centred: Quantity, when: str) -> str:
    """Say what centred rows keep of the mean cosine, unless it is what directions that cancel have: -1 / (N - 1)."""
    value, n_rows = centred.value, centred.n or 0
    if value is None or n_rows < 2 or abs(value + 1 / (n_rows - 1)) <= _TELLING:
        return ""
    return f", {format_number(value)} {when}"

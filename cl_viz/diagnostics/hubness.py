"""Are a few samples everybody's neighbours?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Level, Quantity, Result, Source, format_number, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Series, Table, View
from cl_viz.diagnostics._dense import neighbors as dense
from cl_viz.diagnostics._geometry.near_rows import NearRows, near_rows
from cl_viz.diagnostics._geometry.sphere_null import HubnessNull, hubness_of_sphere
from cl_viz.diagnostics._group_jackknife import GROUPS, interval_of_left_out, left_out_groups
from cl_viz.diagnostics._proportions import share_over_views
from cl_viz.diagnostics._sample_columns import sample_columns
from cl_viz.diagnostics._thresholds import geometry as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

_ANYWHERE = (-math.inf, math.inf)
LISTED = 200
"""Rows of the table of hubs."""
_EQUAL = 1e-6
"""Distance of a cosine to 1 within which two rows are one direction: a few steps of float32."""
FELDBAUER = Source(
    "Feldbauer et al. 2018, Fast Approximate Hubness Reduction for Large High-Dimensional Data (Robin Hood, Gini)",
    "https://doi.org/10.1109/ICBK.2018.00055",
)


@dataclass(frozen=True)
class HubnessParams(Params):
    """How many neighbours count, and from where on a row is a hub."""

    k: int = param(10, "Neighbours of each row that count; 5 and 10 are common.", low=1, high=100, unit="neighbours")
    hub_size: float = param(
        2.0, "A row is a hub if it occurs at least this many times k times.", low=1.1, high=20.0, unit="times k"
    )


@dataclass(frozen=True)
class _View:
    """Occurrences of one view: how often each usable row is among the k nearest of others."""

    near: NearRows
    counts: NDArray[np.int64]
    null: HubnessNull


def compute(inputs: SetInputs, params: HubnessParams) -> Result:
    """Compute the hubness of one embedding set, every view on its own; numbers are means over views."""
    embedding_set = inputs.embedding_set
    views = []
    for name in embedding_set.view_names:
        near = near_rows(embedding_set, inputs.neighbors, name, params.k)
        null = hubness_of_sphere(len(near), embedding_set.dim, params.k, params.hub_size)
        views.append(_View(near, near.occurrences(params.k), null))
    quantities = _quantities(views, params, inputs)
    used = len(views[0].near) if embedding_set.aligned else sum(len(view.near) for view in views)
    total = embedding_set.n if embedding_set.aligned else sum(embedding_set.sizes)
    notes = (
        "neighbours within each view by cosine, a row is not its own; mean over views",
        f"uniform sphere: {min(view.null.n_rows for view in views):,} rows in {embedding_set.dim} dimensions",
        "seed: of the uniform sphere and of the groups left out for intervals",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(views, quantities, params, inputs),
        findings=(_finding(views, quantities, params),),
        caveats=inputs.plain_caveats(used, total - used, seed=0, notes=notes),
        params=params.as_dict(),
    )


def _measures(counts: NDArray[np.int64], params: HubnessParams) -> dict[str, float]:
    return {
        "skewness": dense.skewness(counts),
        "robin_hood": dense.robin_hood(counts),
        "gini": dense.gini(counts),
        "antihub_share": dense.antihub_share(counts),
        "hub_share": dense.hub_share(counts, params.k, params.hub_size),
        "hub_occurrence": dense.hub_occurrence_share(counts, params.k, params.hub_size),
        "largest": float(counts.max()),
    }


def _quantities(views: list[_View], params: HubnessParams, inputs: SetInputs) -> dict[str, Quantity]:
    by_view = [_measures(view.counts, params) for view in views]
    nulls = {
        "skewness": float(np.mean([view.null.skewness for view in views])),
        "antihub_share": float(np.mean([view.null.antihub_share for view in views])),
        "hub_occurrence": float(np.mean([view.null.hub_occurrence for view in views])),
    }
    aligned = inputs.embedding_set.aligned
    n_used = len(views[0].near) if aligned else sum(len(view.near) for view in views)
    intervals = _intervals(by_view, views, params) if aligned or len(views) == 1 else {}
    found = {}
    for spec in SPEC.quantities:
        values = [measures[spec.name] for measures in by_view]
        value = float(max(values) if spec.name == "largest" else np.mean(values))
        reference = nulls.get(spec.name)
        defined = math.isfinite(value)
        found[spec.name] = Quantity(
            spec.name,
            spec.label,
            value if defined else None,
            spec.unit,
            intervals.get(spec.name) if defined else None,
            n=n_used,
            range=spec.range,
            reference=reference if reference is not None and math.isfinite(reference) else None,
            reference_label="" if reference is None else "uniform sphere, same D",
            missing="" if defined else "not defined where all rows occur equally often: add samples",
        )
    return found


def _intervals(
    by_view: list[dict[str, float]], views: list[_View], params: HubnessParams
) -> dict[str, Interval | None]:
    """Return the intervals of the means over views of one set of samples, by name."""
    found: dict[str, Interval | None] = {}
    for name, values in _left_out(views, params).items():
        value, limits = float(np.mean([measures[name] for measures in by_view])), SPEC.quantity(name).range
        found[name] = interval_of_left_out(value, values, len(views[0].near), limits or _ANYWHERE)
    counts = np.stack([view.counts for view in views], axis=1)
    hubs = counts >= params.hub_size * params.k
    found |= {"antihub_share": share_over_views(counts == 0), "hub_share": share_over_views(hubs)}
    if hubs.sum(axis=0).min() >= _FEWEST_HUBS:
        taken = (hubs * counts).sum(axis=0) / counts.sum(axis=0)
        # What a row adds to the places of hubs, less its part of all places.
        moved = ((hubs - taken) * counts / params.k).mean(axis=1)
        found["hub_occurrence"] = influence_interval(float(taken.mean()), moved, limits=(0.0, 1.0))
    return found


def _left_out(views: list[_View], params: HubnessParams) -> dict[str, NDArray[np.float64]]:
    """Return the measures that have an interval without each group of samples, mean over views, shape (groups,)."""
    narrow = [view.near.narrow(params.k) for view in views]
    group = left_out_groups(len(narrow[0]))
    if group is None:
        return {}
    values = np.empty((len(_WITH_INTERVAL), len(narrow), GROUPS))
    for place in range(GROUPS):
        for number, near in enumerate(narrow):
            counts = near.occurrences(params.k, group != place)
            values[:, number, place] = [measure(counts) for measure in _WITH_INTERVAL.values()]
    return dict(zip(_WITH_INTERVAL, values.mean(axis=1), strict=True))


_WITH_INTERVAL = {"skewness": dense.skewness, "robin_hood": dense.robin_hood, "gini": dense.gini}
"""Smooth statistics of the counts. Shares of rows beyond a count are not: leaving rows out moves counts across it, and
that jackknife is twice as long as it should be. Whether a row is a hub is nearly a matter of where it lies, and rows
are drawn independently; that the counts add up makes them vary a little less."""
_FEWEST_HUBS = 10
"""In every view, from which the share of places that they take varies about evenly around its mean."""


def _views(
    views: list[_View], quantities: dict[str, Quantity], params: HubnessParams, inputs: SetInputs
) -> dict[str, View]:
    longest = max(int(view.counts.max()) for view in views)
    shares = [np.bincount(view.counts, minlength=longest + 1) / len(view.counts) for view in views]
    at, null = np.arange(longest + 1, dtype=np.float64), views[0].null.shares
    series = (
        Series("rows", at, _at_least(np.mean(shares, axis=0)), "other", inputs.run, n=len(views[0].counts)),
        Series(
            f"uniform sphere, D = {inputs.embedding_set.dim}",
            np.arange(len(null), dtype=np.float64),
            _at_least(null),
            "reference",
            inputs.run,
        ),
    )
    skewness, largest = quantities["skewness"], quantities["largest"]
    text = "not defined" if skewness.value is None else format_number(skewness.value)
    occurrence = Lines(
        f"Skewness {text}; the largest hub is among the {params.k} nearest of {format_number(largest.value or 0)} rows",
        Axis("Occurrences among the nearest of others", f"times, k = {params.k}"),
        Axis("Rows that occur at least so often", "share, mean over views", log=True),
        series,
        markers=False,
    )
    return {"occurrence": occurrence, "hubs": _hubs(views[0], params, inputs)}


def _at_least(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of rows that occur at least so often, NaN where it is 0: the scale is logarithmic."""
    found: NDArray[np.float64] = np.cumsum(share[::-1])[::-1]
    return np.where(found > 1e-12, found, np.nan)


def _hubs(view: _View, params: HubnessParams, inputs: SetInputs) -> Table:
    order = np.argsort(-view.counts, kind="stable")[:LISTED]
    order = order[view.counts[order] >= params.hub_size * params.k]
    rows = view.near.rows[order]
    columns: dict[str, NDArray[np.generic]] = {"row": rows, "occurrences": view.counts[order]}
    labels = inputs.embedding_set.codes("label")
    if labels is not None:
        codes = labels[0][inputs.embedding_set.view_names.index(view.near.view)][view.near.rows]
        columns["own label among them"] = np.array([_own_label(view.near, codes, int(row), params.k) for row in order])
    columns |= sample_columns(inputs.embedding_set, view.near.view, rows)
    hubs = f"{len(order):,} hubs" if len(order) < LISTED else f"The {LISTED} largest hubs"
    return Table(f"{hubs}: rows that occur at least {params.hub_size * params.k:g} times", columns, inputs.run)


def _own_label(near: NearRows, codes: NDArray[np.int64], place: int, k: int) -> float:
    """Return the share of this one's label among the labelled rows that have it among their nearest; NaN without."""
    having = (near.places[:, :k] == place).any(axis=1) & (codes >= 0)
    return float((codes[having] == codes[place]).mean()) if codes[place] >= 0 and having.any() else math.nan


def _finding(views: list[_View], quantities: dict[str, Quantity], params: HubnessParams) -> Finding:
    skewness, hubs = quantities["skewness"], quantities["hub_occurrence"]
    if skewness.value is None:
        return Finding(
            SPEC.name,
            "unknown",
            "Unknown: whether a few samples are everybody's neighbours.",
            f"To see it, {skewness.missing.split(': ')[-1]}.",
            _thresholds.RADOVANOVIC,
            "skewness",
        )
    # The k-th neighbour as near as can be: which of so many equal rows comes first is chance, not geometry.
    tied = [float((view.near.scores[:, params.k - 1] >= 1 - _EQUAL).mean()) for view in views]
    if min(tied) == 1.0:
        return Finding(
            SPEC.name,
            "unknown",
            f"Unknown: whether a few samples are everybody's neighbours. Every row equals its {params.k} nearest, and "
            f"ties decide who they are (N = {skewness.n:,}).",
            "To see it, look for collapse or repeated rows first.",
            _thresholds.RADOVANOVIC,
            "skewness",
        )
    chance = skewness.reference or 0.0

    def judged(value: float) -> Level:
        return _thresholds.HUBNESS.level(value - chance)

    level = judged(skewness.value)
    null = "" if skewness.reference is None else f" (uniform sphere: {format_number(skewness.reference)})"
    return Finding(
        SPEC.name,
        level,
        f"The {params.k}-occurrence has skewness {skewness.text()}{null}, and hubs take "
        f"{format_number(100 * (hubs.value or 0.0))} % of all places (N = {skewness.n:,})."
        f"{open_level(skewness, judged)}",
        "" if level == "good" else "Look at the hubs; removing the mean or rescaling distances locally helps.",
        _thresholds.RADOVANOVIC,
        "skewness",
    )


def _share(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "share", (0.0, 1.0), "lower")


SPEC = DiagnosticSpec(
    name="hubness",
    title="Hubness",
    question="Are a few samples everybody's neighbours?",
    section="Geometry",
    page="geometry/alignment_uniformity",
    needs="set",
    params=HubnessParams,
    compute=compute,
    passes=("neighbors",),
    quantities=(
        QuantitySpec(
            "skewness",
            "Skewness of the k-occurrence",
            "Third standardised moment (biased, ddof 0) of how often each row is among the k nearest of others.",
            "",
            None,
            "lower",
        ),
        _share("robin_hood", "Robin Hood index", "Share of the places that would have to move to make all rows equal."),
        _share("gini", "Gini coefficient", "Of the occurrences: 0 all rows alike, towards 1 few rows take all places."),
        _share("antihub_share", "Antihubs", "Share of the rows that are nobody's neighbour."),
        _share("hub_share", "Hubs", "Share of the rows that occur at least hub size times k times."),
        _share("hub_occurrence", "Places taken by hubs", "Share of all neighbour places that hubs take."),
        QuantitySpec(
            "largest", "Largest hub", "Occurrences of the largest hub of any view.", "times", (0.0, math.inf), "lower"
        ),
    ),
    definition=(
        "Every row has k nearest others by cosine, so a row is somebody's neighbour k times on average. Hubs are rows "
        "that occur far more often, antihubs rows that never occur. Hubs answer queries that have nothing to do with "
        "them, antihubs are never found."
    ),
    formula=(
        r"O_k(j) = \#\{i \neq j : j \in \mathrm{kNN}(i)\}, \quad \overline{O_k} = k, \quad"
        r" S_k = \frac{\frac1N \sum_j (O_k(j) - k)^3}{\left(\frac1N \sum_j (O_k(j) - k)^2\right)^{3/2}}, \quad"
        r" \mathrm{RH} = \frac{\sum_j |O_k(j) - k|}{2 N k}"
    ),
    reading=(
        "Skewness near that of a uniform sphere: no hubs. By a rule of thumb, 1 above it is noticeable and 2 strong. "
        "Hubs lie near the mean of the data (or of their cluster), so a cone has many; removing the mean is the first "
        "remedy. The uniform sphere has no place nearer to all others, so its skewness is small in every dimension: "
        "what exceeds it is the encoder's own."
    ),
    traps=(
        "A row is never its own neighbour here; scikit-hubness on raw vectors counts it (version 0.30 of its "
        "repository), which makes k one too small and gives 1.14 where the definition gives 1.05. Skewness depends on "
        "k and on N: compare runs at the same. Of rows with equal scores, such as duplicates, any may come first: "
        "their occurrences are arbitrary among them. The uniform sphere is drawn with at most 4,096 rows; from some "
        "hundred rows on its skewness does not depend on N. Intervals of skewness and of the two "
        "indices leave groups of samples out; those of shares of rows take rows as draws; that of the places of hubs "
        f"needs {_FEWEST_HUBS} hubs. The largest hub is a single row: how far it would move no sample shows."
    ),
    sources=(_thresholds.RADOVANOVIC, FELDBAUER),
    thresholds=(_thresholds.HUBNESS,),
)

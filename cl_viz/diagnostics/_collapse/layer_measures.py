"""What is compared between the layers of a run: ranks, spread, agreement of views, neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Interval, influence_interval
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._collapse import spectral_ranks as ranks
from cl_viz.diagnostics._collapse.spectrum import Spectrum, spectrum_of
from cl_viz.diagnostics._groups.labelled_neighbors import labelled_neighbors
from cl_viz.diagnostics._groups.probes import vote
from cl_viz.diagnostics._proportions import share_of_hits
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import Relation

NEIGHBORS = 20
Estimate = tuple[float | None, Interval | None, str]
"""Value, interval, and what is missing where there is no value."""


@dataclass(frozen=True)
class LayerMeasures:
    """What is measured of one layer.

    Attributes
    ----------
    layer : str
    spectrum : Spectrum
        Of the centred unit rows.
    values : dict
        Estimate of each measure by name.
    hits : NDArray[np.bool_] or None, shape (n,)
        Whether each labelled row is classified by its neighbours as it should be; None without labels.
    hit_rows : NDArray[np.int64] or None, shape (n,)
        The rows they are about.
    """

    layer: str
    spectrum: Spectrum
    values: dict[str, Estimate]
    hits: NDArray[np.bool_] | None
    hit_rows: NDArray[np.int64] | None


def measure_layer(inputs: SetInputs, layer: str, view: str) -> LayerMeasures:
    """Measure one layer; neighbours and uniformity need a pass over all pairs of it."""
    unit, raw = spectrum_of(inputs, view), spectrum_of(inputs, view, "raw")
    rows, hits = _neighbor_hits(inputs, view)
    total = float(unit.values.sum())
    values: dict[str, Estimate] = {
        "entropy_rank": (ranks.entropy_rank(raw.kept), None, ""),
        "rankme": (ranks.rankme(spectrum_of(inputs, view, "raw", False).singular_values), None, ""),
        "total_variance": (min(total, 2.0), None, ""),
        "alignment": _alignment(inputs),
        "uniformity": (_uniformity(inputs, view), None, ""),
        "neighbor_accuracy": _accuracy(hits),
    }
    return LayerMeasures(layer, unit, values, hits, rows)


def _alignment(inputs: SetInputs) -> Estimate:
    embedding_set = inputs.embedding_set
    if len(embedding_set.views) < 2 or not embedding_set.aligned:
        return None, None, "add a second view, row by row (Data page)"
    first, second = embedding_set.view_names[:2]
    usable = embedding_set.usable_rows[first]
    parts = []
    for rows in row_blocks(embedding_set.views[first]):
        keep = usable[rows]
        blocks = [
            np.asarray(embedding_set.views[view][rows][keep], dtype=np.float64)
            / embedding_set.quality[view].norms[rows][keep][:, None]
            for view in (first, second)
        ]
        parts.append(np.square(blocks[0] - blocks[1]).sum(axis=1))
    squares = np.concatenate(parts)
    mean = float(squares.mean())
    return min(mean, 4.0), influence_interval(mean, squares - mean, limits=(0.0, 4.0)), ""


def _uniformity(inputs: SetInputs, view: str) -> float:
    """Log mean of exp(-2 d²) over the pairs within a view, from the histogram of their scores."""
    pairs = inputs.statistics.pairs
    place = [pairs.blocks.index((view, view))]
    own = replace(
        pairs,
        blocks=((view, view),),
        counts=pairs.counts[place],
        sums=pairs.sums[place],
        squares=pairs.squares[place],
        low=pairs.low[place],
        high=pairs.high[place],
    )
    return min(0.0, max(-8.0, own.histogram(list(Relation)).log_mean_exp(4.0) - 4.0))


def _neighbor_hits(inputs: SetInputs, view: str) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_] | None]:
    labels = inputs.embedding_set.codes("label")
    if labels is None:
        return None, None
    codes = dict(zip(inputs.embedding_set.view_names, labels[0], strict=True))[view]
    if len(np.unique(codes[codes >= 0])) < 2:
        return None, None
    near = labelled_neighbors(inputs, view)
    predicted = vote(codes[near.indices], near.scores, len(labels[1]), NEIGHBORS, None)
    own = codes[near.rows]
    return near.rows[own >= 0], (predicted == own)[own >= 0]


def _accuracy(hits: NDArray[np.bool_] | None) -> Estimate:
    if hits is None:
        return None, None, "add a label column with two values or more (Data page)"
    return float(hits.mean()), share_of_hits(hits), ""

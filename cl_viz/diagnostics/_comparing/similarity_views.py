"""How alike two runs are, as figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.view import Axis, Bars, Lines, Series, Table, View
from cl_viz.diagnostics._comparing.similarity_measures import (
    ComparedView,
)
from cl_viz.diagnostics._sample_columns import sample_columns
from cl_viz.engine.inputs import PairInputs

if TYPE_CHECKING:
    from cl_viz.diagnostics.run_similarity import RunSimilarityParams

LISTED = 200
_K_SHOWN = (1, 2, 5, 10, 20, 50, 100, 200)


def views_of(
    views: list[ComparedView], quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs
) -> dict[str, View]:
    """Return the measures, the neighbours kept by k, the samples that moved, and the canonical correlations."""
    shown: dict[str, View] = {"measures": _bars(quantities, params, inputs)}
    if quantities["neighbor_overlap"].value is not None:
        shown["overlap"] = _overlap_by_k(views, quantities, params, inputs)
        shown["moved"] = _moved(views[0], params, inputs)
    correlations = views[0].moments.cca()
    if quantities["cca_squared"].value is not None:
        ranks = np.arange(1, len(correlations) + 1, dtype=np.float64)
        shown["correlations"] = Lines(
            f"Mean squared canonical correlation {quantities['cca_squared'].text()}",
            Axis("Canonical direction", "rank"),
            Axis("Correlation", "", (0.0, 1.05)),
            (Series("correlation", ranks, correlations, "other", inputs.run, n=len(views[0].rows)),),
        )
    return shown


def _bars(quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs) -> Bars:
    known = [(label, quantities[name]) for name, label in _BARS if quantities[name].value is not None]
    values = np.array([quantity.value for _, quantity in known])
    low = np.array([math.nan if q.interval is None else q.interval.low for _, q in known])
    high = np.array([math.nan if q.interval is None else q.interval.high for _, q in known])
    labels = np.array([label for label, _ in known], dtype=object)
    parts = [f"{label} {format_number(quantity.value or 0.0)}" for label, quantity in known if label in _TITLE]
    return Bars(
        f"{inputs.run} and {inputs.reference.run}: {', '.join(parts) or 'not defined'}",
        Axis("Measure"),
        Axis("Similarity", "1 is the same", (-0.05, 1.05)),
        (Series("similarity", labels, values, "other", inputs.run, low, high, n=quantities["cka_biased"].n),),
    )


_BARS = (
    ("cka_debiased", "CKA"),
    ("cka_biased", "CKA, biased"),
    ("cca_squared", "CCA, R²"),
    ("svcca", "SVCCA"),
    ("procrustes_similarity", "Procrustes"),
    ("neighbor_overlap", "neighbours kept"),
    ("neighbor_jaccard", "Jaccard"),
)
_TITLE = ("CKA", "neighbours kept")


def _overlap_by_k(
    views: list[ComparedView], quantities: dict[str, Quantity], params: RunSimilarityParams, inputs: PairInputs
) -> Lines:
    most = min(view.neighbors.most() for view in views)
    shown = np.array(sorted({k for k in (*_K_SHOWN, params.k) if k <= most}), dtype=np.int64)
    shares = np.array([np.mean([view.neighbors.kept(int(k)).mean() for view in views]) for k in shown])
    chance = shown / (len(views[0].rows) - 1)
    at = shown.astype(np.float64)
    return Lines(
        f"{format_number(100 * (quantities['neighbor_overlap'].value or 0.0))} % of the {params.k} nearest neighbours "
        f"are kept (chance {format_number(100 * params.k / (len(views[0].rows) - 1))} %)",
        Axis("Neighbours compared", "k", log=True),
        Axis("Neighbours kept", "share", (0.0, 1.05)),
        (
            Series("neighbours kept", at, shares, "other", inputs.run, n=len(views[0].rows)),
            Series("unrelated embeddings", at, chance, "reference", inputs.run),
        ),
    )


def _moved(view: ComparedView, params: RunSimilarityParams, inputs: PairInputs) -> Table:
    everyone = view.neighbors.kept(params.k)
    if len(everyone) != len(view.rows):
        everyone = np.full(len(view.rows), math.nan)
    order = np.argsort(everyone, kind="stable")[:LISTED]
    rows = view.rows[order]
    return Table(
        "Samples whose neighbourhood changed most",
        {
            "row": rows,
            f"neighbours kept of {params.k}": everyone[order],
            **sample_columns(inputs.own.embedding_set, view.name, rows),
        },
        inputs.run,
    )

"""Do the modalities lie apart, and does closing the gap help?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Result, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._geometry import modality_measures as measures
from cl_viz.diagnostics._geometry.gap_measures import BATCH, DELTAS, NULL_DRAWS, GapMeasures, measured
from cl_viz.diagnostics._geometry.modality_pairs import centre_distances
from cl_viz.diagnostics._geometry.modality_reading import findings, views
from cl_viz.diagnostics._groups.labelled_view import view_name
from cl_viz.diagnostics._proportions import share_of_hits, wilson
from cl_viz.diagnostics._thresholds import modality_gap as _thresholds
from cl_viz.diagnostics._training_temperature import training_temperature
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class ModalityGapParams(Params):
    """Which views, and how many of their pairs."""

    first_view: int = param(
        0,
        "The view that is moved, counted from 1. 0: whichever lies farthest from the other.",
        low=0,
        high=16,
        zero="automatic",
    )
    second_view: int = param(
        0,
        "The view that stays, counted from 1. 0: whichever lies farthest from the other.",
        low=0,
        high=16,
        zero="automatic",
    )
    temperature: float = training_temperature("Temperature of the contrastive loss along the shift")
    pairs: int = param(
        2000, "Pairs drawn for all but the centres: the plane, uniformities, the shift.", low=50, high=20_000, log=True
    )
    queries: int = param(
        500,
        "Samples searched for in each direction; the gallery is always all samples.",
        low=10,
        high=100_000,
        log=True,
    )
    seed: int = param(0, "Seed of the draws and of the split.", low=0, high=10_000)


def compute(inputs: SetInputs, params: ModalityGapParams) -> Result:
    """Measure the gap between two views, and what closing it would change."""
    embedding_set = inputs.embedding_set
    if len(embedding_set.view_names) < 2:
        raise MissingInputError(
            "the set has one view", where=inputs.run, remedy="add a second view or modality of the same samples"
        )
    names, among = _chosen_views(inputs, params)
    found = measured(inputs, params, names, among)
    quantities = _quantities(found)
    drawn = len(found.drawn.rows)
    usable = int(embedding_set.usable_rows[names[0]].sum())
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(found, quantities, DELTAS, params.temperature, inputs),
        findings=findings(SPEC.name, found, quantities),
        caveats=inputs.plain_caveats(
            len(found.pairs.samples),
            len(embedding_set.views[names[0]]) - usable,
            seed=params.seed,
            notes=(
                f"gap from {names[0]} to {names[1]}: centres of {len(found.pairs.samples):,} samples with "
                f"{len(found.pairs.links):,} pairs; the partners of a sample share its weight",
                f"plane, uniformities, alignment and shift on {drawn:,} pairs, the loss on {min(drawn, BATCH):,} at "
                f"temperature {params.temperature:g}",
                f"null of the gap: the two rows of a pair exchanged at random, {NULL_DRAWS} times"
                + (
                    f"; its 5 % are shared by the {found.chosen_among} pairs of views" if found.chosen_among > 1 else ""
                ),
                f"retrieval: {len(found.there.before):,} and {len(found.back.before):,} queries in all usable rows",
            ),
        ),
        params=params.as_dict(),
        settled={
            name: view
            for name, view in zip(("first_view", "second_view"), names, strict=True)
            if not getattr(params, name)
        },
    )


def _chosen_views(inputs: SetInputs, params: ModalityGapParams) -> tuple[tuple[str, str], int]:
    """Return the two views, and among how many pairs they lie farthest apart.

    Raises
    ------
    MissingInputError
        If a view does not exist, is asked to be compared with itself, or shares too few samples with any other.
    """
    embedding_set, numbers = inputs.embedding_set, (params.first_view, params.second_view)
    asked = [view_name(embedding_set, number) if number else None for number in numbers]
    if asked[0] is not None and asked[0] == asked[1]:
        raise MissingInputError(
            f"{asked[0]} was asked to be compared with itself", where=inputs.run, remedy="choose two different views"
        )
    if asked[0] is not None and asked[1] is not None:
        return (asked[0], asked[1]), 1
    if len(embedding_set.view_names) == 2:
        one, other = embedding_set.view_names
        return ((other, one) if asked[0] == other or asked[1] == one else (one, other)), 1
    wanted = {name for name in asked if name is not None}
    every = inputs.remember("centre distances", lambda: centre_distances(embedding_set))
    distances = {pair: distance for pair, distance in every.items() if wanted <= set(pair)}
    if not distances:
        raise MissingInputError(
            f"no other view shares ten samples with {wanted.pop()}", where=inputs.run, remedy="choose another view"
        )
    one, other = max(distances, key=distances.__getitem__)
    return ((other, one) if asked[0] == other or asked[1] == one else (one, other)), len(distances)


def _quantities(found: GapMeasures) -> dict[str, Quantity]:
    drawn, plane = found.drawn, found.separability
    n_drawn, n_samples = len(drawn.rows), len(found.pairs.samples)
    gap = found.pairs.gap_norm
    aligned = 2 - 2 * drawn.scores
    first, second, across = (
        measures.spread_of(*rows)
        for rows in ((drawn.first, drawn.first), (drawn.second, drawn.second), (drawn.first, drawn.second))
    )
    both = measures.Spread((first.value + second.value) / 2, (first.influence + second.influence) / 2)
    own = float(np.clip(drawn.own_score(), -1, 1))
    spread = influence_interval(gap, found.pairs.influence, limits=(0.0, 2.0)) if found.real and gap < 2 else None
    values: dict[str, tuple[float | None, Interval | None, int, str]] = {
        "gap_norm": (min(2.0, gap), spread, n_samples, "samples"),
        "separability": (plane.accuracy, wilson(plane.hits, plane.n), plane.n, "held-out rows"),
        "separability_auc": (plane.auc, _auc_interval(plane), plane.n, "held-out rows"),
        "separability_margin": (plane.margin, None, plane.n, "held-out rows"),
        "alignment": (float(aligned.mean()), _mean_interval(aligned, (0.0, 4.0)), n_drawn, "pairs"),
        "positive_mean": (float(drawn.scores.mean()), _mean_interval(drawn.scores, (-1.0, 1.0)), n_drawn, "pairs"),
        "own_mean": (own, _influenced(own, drawn.own_influence(), (-1.0, 1.0)), n_drawn, "samples"),
        "uniformity_first": (min(0.0, first.value), _influenced(first.value, first.influence), n_drawn, "samples"),
        "uniformity_second": (min(0.0, second.value), _influenced(second.value, second.influence), n_drawn, "samples"),
        "uniformity_mean": (min(0.0, both.value), _influenced(both.value, both.influence), n_drawn, "samples"),
        "cross_uniformity": (min(0.0, across.value), _influenced(across.value, across.influence), n_drawn, "samples"),
    }  # fmt: skip
    best = float(DELTAS[int(found.losses.argmin())])
    values["lowest_loss_shift"] = best, None, min(n_drawn, BATCH), "pairs"
    # A gap that is rounding has no direction to move along: the centres meet where they are.
    meeting = found.closing_shift() if gap > 1e-12 else 0.0
    values["closing_shift"] = meeting, None, n_drawn, "pairs"
    for direction, closing in (("there", found.there), ("back", found.back)):
        for when, hits in (("before", closing.before), ("after", closing.after)):
            ends = share_of_hits(hits)
            values[f"recall_at_1_{direction}_{when}"] = (float(hits.mean()), ends, len(hits), "queries")
    made = {}
    for spec in SPEC.quantities:
        value, interval, count, unit = values[spec.name]
        null = {"gap_norm": found.null_end, "separability": 0.5, "separability_auc": 0.5}.get(spec.name)
        label = "views exchanged at random (95 %)" if spec.name == "gap_norm" else "mixed views"
        made[spec.name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, count, unit, spec.range, null,
            label if null is not None else "",
            # Only the shift at which the centres meet may have no value.
            "along this gap the centres do not meet at any shift up to 1.5" if value is None else "",
        )  # fmt: skip
    return made


def _mean_interval(values: NDArray[np.float64], limits: tuple[float, float]) -> Interval | None:
    """Return the interval of a mean over samples; None where all are alike, and their spread says nothing."""
    mean = float(values.mean())
    return _influenced(mean, values - mean, limits)


def _influenced(
    value: float, influence: NDArray[np.float64], limits: tuple[float, float] = (-math.inf, 0.0)
) -> Interval | None:
    """Return the interval from each sample's influence; None where none moves anything, or at an end of the range."""
    if influence.std() <= 1e-12 or not limits[0] < value < limits[1]:
        return None
    return influence_interval(value, influence, limits=limits)


def _auc_interval(plane: measures.Separability) -> Interval | None:
    """Return the interval of the AUC of held-out pairs, given the plane that the others drew; None as in `_influenced`.

    At an AUC of 0 or 1 no pair moves anything either, and the rule of three says how many could be missed.
    """
    if 0 < plane.auc < 1 and plane.influence.std() <= 1e-12:
        return None
    return influence_interval(plane.auc, plane.influence, limits=(0.0, 1.0))


def _recall(direction: str, when: str) -> QuantitySpec:
    ways = {"there": "first view to second", "back": "second view to first"}
    times = {"before": "as it is", "after": "gap closed"}
    return QuantitySpec(
        f"recall_at_1_{direction}_{when}",
        f"Recall@1, {ways[direction]}, {times[when]}",
        "Share of the queries whose first result is a row of their own sample"
        + ("." if when == "before" else ", after the first view was moved by the gap vector and normalised again."),
        "share",
        (0.0, 1.0),
        "higher",
    )


SPEC = DiagnosticSpec(
    name="modality_gap",
    title="Modality gap",
    question="Do the modalities lie apart, and does closing the gap help?",
    section="Geometry",
    page="geometry/modality_gap",
    needs="set",
    tells="cause",
    params=ModalityGapParams,
    compute=compute,
    quantities=(
        QuantitySpec("gap_norm", "Gap", "Distance of the centres of the two views' unit rows; the partners of a sample "
                     "share its weight.", "Euclidean", (0.0, 2.0)),
        QuantitySpec("separability", "Linear separability", "Share of held-out rows whose view a logistic regression "
                     "names; 80 % of the pairs train it.", "share", (0.0, 1.0), "lower"),
        QuantitySpec("separability_auc", "Linear separability, AUC", "Probability that the plane puts a held-out row "
                     "of one view above one of the other.", "probability", (0.0, 1.0), "lower"),
        QuantitySpec("separability_margin", "Margin", "Smallest signed distance of a held-out row to the plane; "
                     "negative where one lies on the wrong side.", "Euclidean", None, "lower"),
        QuantitySpec("alignment", "Alignment", "Mean squared distance of the two rows of a pair.", "squared distance",
                     (0.0, 4.0), "lower"),
        QuantitySpec("positive_mean", "Mean score of pairs", "Mean cosine of the two rows of a pair.", "cosine",
                     (-1.0, 1.0), "higher"),
        QuantitySpec("own_mean", "Mean score within a view", "Mean cosine of different samples of one view, the mean "
                     "of both views.", "cosine", (-1.0, 1.0)),
        QuantitySpec("uniformity_first", "Uniformity, first view", "Log mean of exp(-2 d²) over pairs of rows of the "
                     "first view.", "log", (-8.0, 0.0), "lower"),
        QuantitySpec("uniformity_second", "Uniformity, second view", "The same of the second view.", "log", (-8.0, 0.0),
                     "lower"),
        QuantitySpec("uniformity_mean", "Uniformity, mean of views", "Mean of the two.", "log", (-8.0, 0.0), "lower"),
        QuantitySpec("cross_uniformity", "Uniformity, across views", "Log mean of exp(-2 d²) over rows of two views "
                     "that are not a pair.", "log", (-8.0, 0.0), "lower"),
        QuantitySpec("lowest_loss_shift", "Shift of the lowest loss", "Shift, from -0.5 to 1.5, at which the "
                     "contrastive loss of a batch is lowest; 0 where training holds the gap where it is.", "Euclidean",
                     (-0.5, 1.5)),
        QuantitySpec("closing_shift", "Shift at which the centres meet", "Shift, up to 1.5, at which the signed "
                     "distance of the centres crosses 0, between two of its steps by a straight line.", "Euclidean",
                     (0.0, 1.5)),
        *(_recall(direction, when) for direction in ("there", "back") for when in ("before", "after")),
    ),
    definition=(
        "Two encoders trained against each other often fill two separate regions of the sphere. The gap vector is the "
        "difference of the two centres, its length the modality gap. The shift moves every row of the first view "
        "against the gap vector, normalises it again, and asks what the distance of the centres, the loss and "
        "retrieval do. A plane between the views says whether they overlap at all."
    ),
    formula=(
        r"\Delta = \frac1N \sum_i z_i - \frac1N \sum_i z'_i, \qquad"
        r" z_i(\delta) = \frac{z_i - \delta\,\hat\Delta}{\lVert z_i - \delta\,\hat\Delta \rVert}, \qquad"
        r" U_\times = \log \operatorname{mean}_{i \ne k} e^{-2\lVert z_i - z'_k \rVert^2}"
    ),
    reading=(
        "A gap is what exchanging the two rows of pairs at random would not give: that length is drawn beside it. Two "
        "augmented views of one encoder have none. Published models: CLIP on MSCOCO 0.82 at its own loss minimum; "
        "a contrastive gap of 0.66 with separability 1.00 at 128 dimensions, brought to 0.08 and 0.73 by uniformity "
        "and alignment terms. Closing the gap need not help retrieval: it moves all candidates of a query alike, and "
        "left it unchanged in the paper. The loss along the shift says whether training holds the gap open."
    ),
    traps=(
        "The gap depends on the temperature, the initialisation and the data, not only on the quality of the encoder. "
        "Separability saturates at 1, the more easily the closer D comes to N: read AUC and margin too. The split is "
        "by pair, never by row. With several captions an image, means are weighted by image; otherwise a "
        "much-described image would pull its centre. Uniformity across views leaves the pairs themselves out. The "
        "first view alone is moved, as the authors do; its rows leave the gap's length behind once they are normalised "
        "again, so that the centres meet at a delta longer than the gap. Intervals of separability are given the plane "
        "that was drawn. The margin is that of a single row and the shift of the lowest loss one of a few steps: "
        "neither has an interval."
    ),
    sources=(_thresholds.LIANG, _thresholds.FAHIM, _thresholds.SEPARABLE.source),
    thresholds=(_thresholds.BEYOND_EXCHANGE, _thresholds.SEPARABLE, _thresholds.CLOSING_HELPS),
)  # fmt: skip

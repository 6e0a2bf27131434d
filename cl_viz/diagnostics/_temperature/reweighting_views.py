"""The figures of `negative_reweighting`, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Lines, Reference, Series, View
from cl_viz.diagnostics._temperature.fewer_anchors import at_most
from cl_viz.diagnostics._temperature.reweighting_measures import ReweightingMeasures
from cl_viz.diagnostics._temperature.temperature_curves import MOST
from cl_viz.engine.statistics import Statistics

BETAS = np.array([0.0, 0.3125, 0.625, 1.25, 2.5, 5.0])
PRIORS = np.linspace(0.0, 0.5, 51)
SHARES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
PUBLISHED = (("CIFAR", 0.0819), ("SVHN", 0.0315))
"""Kept shares of Wang and Liu 2021; ImageNet100's 0.034 lies on SVHN's."""


def views(measures: ReweightingMeasures) -> dict[str, View]:
    """Return the figures."""
    few = _on_fewer(measures)
    return {
        "weights": weights(measures, few),
        "clamped": clamped(measures, few),
        "truncation": truncation(measures, few),
    }


def _on_fewer(measures: ReweightingMeasures) -> ReweightingMeasures:
    """Return the same question to fewer anchors: curves follow a slider."""
    anchors = measures.anchors
    statistics = anchors.statistics

    def make() -> Statistics:
        return replace(statistics, anchors={view: at_most(s, MOST) for view, s in statistics.anchors.items()}, _memo={})

    fewer = statistics.remember(("statistics of fewer anchors", MOST), make)
    return replace(measures, anchors=replace(anchors, statistics=fewer))


def _curve(measures: ReweightingMeasures, name: str, x: np.ndarray, ask: Callable[[float], float]) -> np.ndarray:
    """Return a curve; kept as long as the temperature and the negatives stay."""
    anchors = measures.anchors
    key = (name, anchors.roles, measures.temperature)
    return anchors.statistics.remember(key, lambda: np.array([ask(float(value)) for value in x]))


def weights(measures: ReweightingMeasures, few: ReweightingMeasures) -> Lines:
    """How many negatives carry the weights, and how much of the weighted push is on false ones, by beta."""
    anchors, run = measures.anchors, measures.anchors.inputs.run
    size = _curve(few, "weights", BETAS, few.sample_size) / max(1.0, anchors.n_negatives)
    series = [Series("negatives that carry the weights", BETAS, size, "other", run, n=few.anchors.n_anchors)]
    if anchors.has_labels:
        push = _curve(few, "weighted push", BETAS, few.false_negative_push)
        n_labelled = few.anchors.labelled.n_anchors
        series.append(Series("push on the same label", BETAS, push, "false_negative", run, n=n_labelled))
    here = measures.sample_size(measures.beta)
    return Lines(
        f"With beta {measures.beta:g} the weights rest on {format_number(here)} of {anchors.n_negatives:,.0f} "
        "negatives",
        Axis("Beta", "", (0.0, 5.0)),
        Axis("Share", "of negatives; of push", (0.0, 1.0)),
        tuple(series),
        (Reference("chosen", measures.beta),),
        n=anchors.n_anchors,
    )


def clamped(measures: ReweightingMeasures, few: ReweightingMeasures) -> Lines:
    """Share of the positives at which the estimate is clamped, by class prior."""
    anchors, run = measures.anchors, measures.anchors.inputs.run

    share = few.clamped_shares(PRIORS)
    references = [Reference("chosen", measures.prior)]
    if anchors.has_labels and anchors.false_negative_share <= PRIORS[-1]:
        references.append(Reference("false negatives by label", anchors.false_negative_share))
    here = float(measures.here[1].mean())
    return Lines(
        f"{format_number(100 * here)} % of the positives are clamped at class prior {measures.prior:g}",
        Axis("Class prior", "share of negatives", (0.0, 0.5)),
        Axis("Clamped positives", "share", (0.0, 1.0)),
        (Series("clamped", PRIORS, share, "other", run, n=few.anchors.n_anchors),),
        tuple(references),
        markers=False,
        n=anchors.n_anchors,
    )


def truncation(measures: ReweightingMeasures, few: ReweightingMeasures) -> Lines:
    """Share of the push that the hardest negatives take, by how many are kept."""
    share = _curve(few, "kept push", SHARES, few.kept_push)
    here = measures.kept_push(measures.kept_share)
    return Lines(
        f"The hardest {100 * measures.kept_share:g} % of the negatives take {format_number(100 * here)} % of the push",
        Axis("Negatives kept", "share, the hardest", (0.001, 1.0), log=True),
        Axis("Push that is kept", "share", (0.0, 1.0)),
        (Series("kept push", SHARES, share, "other", measures.anchors.inputs.run, n=few.anchors.n_anchors),),
        (Reference("chosen", measures.kept_share), *(Reference(name, at) for name, at in PUBLISHED)),
        n=measures.anchors.n_anchors,
    )

"""Sets and figures of the lesson on false and hard negatives: what changed features make of the scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.params import Params, param
from cl_viz.core.result import Result, format_number
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Series
from cl_viz.lessons._measuring import measured
from cl_viz.testing import clusters

EXTRAPOLATED, GIVEN = 1.5, 0.8
QUEUED, TEMPERATURE = 600, 0.1
"""Samples of which about half become the queue: its hardest 1.6 % are several items; the temperature of the push."""


@dataclass(frozen=True)
class TransformParams(Params):
    """How far positives are pushed apart before the loss sees them."""

    coefficient: float = param(
        EXTRAPOLATED, "Lambda: 1 leaves the pair as it is, 2 exchanges and doubles it.", low=1.0, high=2.0
    )
    positives: str = param(
        "extrapolate", "Positives of the six classes: pushed apart, or left.", choices=("extrapolate", "keep")
    )
    queue: str = param(
        "mix", "Queue mixing: every negative is averaged with another of the queue, or left.", choices=("mix", "keep")
    )
    hard_mixtures: str = param(
        "add", "Hard mixtures: new negatives between each anchor's hardest, or none.", choices=("add", "none")
    )


def transformed_score(score: float, coefficient: float) -> float:
    """Return the product of a positive pair after extrapolation, for a score before it.

    ``q' = lam q + (1 - lam) k`` and ``k' = lam k + (1 - lam) q``; rows are not normalised again.
    """
    across = coefficient * (1 - coefficient)
    return 2 * across + (coefficient**2 + (1 - coefficient) ** 2) * score


def stretch(params: TransformParams) -> Lines:
    before = np.linspace(-1, 1, 41)
    after = np.array([transformed_score(float(score), params.coefficient) for score in before])
    found = transformed_score(GIVEN, params.coefficient)
    return Lines(
        f"A positive of {GIVEN:g} becomes {format_number(found)} at lambda {format_number(params.coefficient)}",
        Axis("Score before", "cosine", (-1.0, 1.0)),
        Axis("Product after", "", (-9.0, 1.0)),
        (Series("transformed", before, after, "positive"),),
        (Reference(f"{GIVEN:g}", GIVEN),),
        markers=False,
    )


@lru_cache(maxsize=1)
def queued() -> EmbeddingSet:
    """Return six classes with samples enough for a queue."""
    return clusters(QUEUED, 16, 6, 0.6)


_MIXTURES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {"add": {"mixed_pairs": 0.8, "mixed_with_query": 0.2}, "none": {"mixed_pairs": 0.0, "mixed_with_query": 0.0}}
)


def changed(positives: str, queue: str, hard_mixtures: str) -> Result:
    """Return what the diagnostic says of one choice of the three changes."""
    return measured(
        "feature_transformation", queued(), positive_change=positives, negative_change=queue, hardest=1.6,
        temperature=TEMPERATURE, **_MIXTURES[hard_mixtures],
    )  # fmt: skip


def _told(result: Result, name: str, scale: float = 1.0) -> str:
    value = result[name].value
    assert value is not None, f"{name} is unknown"
    return format_number(scale * value)


def transformed(params: TransformParams) -> Histogram:
    found = changed(params.positives, params.queue, params.hard_mixtures).views["distribution"]
    assert isinstance(found, Histogram)
    return found


def told_transform(params: TransformParams) -> str:
    result = changed(params.positives, params.queue, params.hard_mixtures)
    sizes = sample_sizes()
    mixtures = (
        f"{_told(result, 'mixed_push', 100)} % of the push falls on the {sizes.mixtures} mixtures of an anchor"
        if params.hard_mixtures == "add"
        else "nothing is added"
    )
    return (
        f"At lambda {format_number(params.coefficient)} a positive of {GIVEN:g} becomes "
        f"{format_number(transformed_score(GIVEN, params.coefficient))}. Of the six classes, with drawn lambdas: "
        f"positives go from {_told(result, 'positive_mean_before')} to "
        f"{_told(result, 'positive_mean_after')} on average, effective negatives from "
        f"{_told(result, 'effective_negatives_before')} to "
        f"{_told(result, 'effective_negatives_after')}; {mixtures} (N = {sizes.anchors} anchors and a queue of "
        f"{sizes.queue}, of {QUEUED} samples; temperature {TEMPERATURE:g})."
    )


@dataclass(frozen=True)
class SampleSizes:
    """How many anchors, queue items, hardest items and mixtures of an anchor there are."""

    anchors: int
    queue: int
    hardest: int
    mixtures: int


def sample_sizes() -> SampleSizes:
    """Return the sizes that the diagnostic tells in its notes."""
    anchors, mixtures = changed("keep", "keep", "add").caveats.notes[:2]
    counts = [int(found) for note in (anchors, mixtures) for found in re.findall(r"(?<![_\d])\d+", note)]
    return SampleSizes(counts[0], counts[1], counts[3], counts[2])


def transform_answer() -> float:
    return transformed_score(GIVEN, EXTRAPOLATED)


def transform_numbers() -> Mapping[str, str]:
    none, mixed, hard, pushed, both, every = (
        changed(*choice)
        for choice in (
            ("keep", "keep", "none"), ("keep", "mix", "none"), ("keep", "keep", "add"), ("extrapolate", "keep", "none"),
            ("keep", "mix", "add"), ("extrapolate", "mix", "add"),
        )
    )  # fmt: skip
    sizes = sample_sizes()
    effective = "effective_negatives_after"
    return {
        "queue": str(sizes.queue),
        "hardest": str(sizes.hardest),
        "mixtures": str(sizes.mixtures),
        "temperature": f"{TEMPERATURE:g}",
        "before": _told(none, effective),
        "by_queue": _told(mixed, effective),
        "by_hard": _told(hard, effective),
        "by_positives": _told(pushed, effective),
        "by_all": _told(every, effective),
        "variance": _told(none, "negative_variance_after"),
        "queue_variance": _told(mixed, "negative_variance_after"),
        "hard_push": _told(hard, "mixed_push", 100),
        "both_push": _told(both, "mixed_push", 100),
        "same": _told(hard, "hardest_same_label", 100),
    }

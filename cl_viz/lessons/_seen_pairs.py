"""Sets, figures and checks of the lesson on what a contrastive loss sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Animation, Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Lines, Reference, Scatter, Series
from cl_viz.lessons import _flows
from cl_viz.lessons._circle import named_points, pair_roles, turned_views
from cl_viz.lessons._measuring import drawn, number
from cl_viz.simulate import Flow
from cl_viz.testing import orthogonal_pairs

SHOWN_SAMPLES = 4
ANGLE = 60
NAMES = "ABCDEF"
PLACES = (90.0, 155.0, 205.0, 270.0, 330.0, 40.0)
"""Where the samples A to F of the third step lie, in degrees."""
OWN_TURN = 20.0
TOGETHER, APART, STILL = (
    "All rows end at one point", "The two views of a sample meet, and samples spread around the circle",
    "Only the rows that were close to each other move",
)  # fmt: skip


# -- which pairs there are -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SampleParams(Params):
    """How large the batch is."""

    samples: int = param(SHOWN_SAMPLES, "Samples in the batch; each has two views.", low=2, high=8)


def negatives(samples: int) -> float:
    """Return the negatives of an anchor: all weigh alike here, so that the effective ones are all there are."""
    found = number("hardness", "effective_negatives", orthogonal_pairs(samples, 0.5), negative_views="all")
    return round(found, 6)


def roles(params: SampleParams) -> Heatmap:
    return pair_roles(params.samples)


def told_roles(params: SampleParams) -> str:
    found = negatives(params.samples)
    return (
        f"N = {params.samples} samples are {2 * params.samples} rows; each row is an anchor once, with 1 positive and "
        f"{format_number(found)} negatives."
    )


# -- what a score is -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class AngleParams(Params):
    """How far apart two rows are."""

    angle: int = param(ANGLE, "Angle between the anchor and its positive.", low=0, high=180, unit="degrees")


@lru_cache(maxsize=64)
def turned(angle: int) -> EmbeddingSet:
    return turned_views((90.0, 270.0), -angle, "two samples")


def score_at(angle: int) -> float:
    return number("score_distribution", "positive_mean", turned(angle))


def two_points(params: AngleParams) -> Scatter:
    return named_points(
        f"Score {format_number(score_at(params.angle))} at {params.angle} degrees",
        [("anchor", 90.0, "other"), ("positive", 90.0 - params.angle, "positive")],
    )


def two_points_before() -> Scatter:
    return named_points(
        f"Two unit rows, {ANGLE} degrees apart",
        [("anchor", 90.0, "other"), ("positive", 90.0 - ANGLE, "positive")],
    )


def cosine(params: AngleParams) -> Lines:
    angle = np.arange(0, 181, 5)
    score = score_at(params.angle)
    return Lines(
        f"{params.angle} degrees are a score of {format_number(score)} and a distance of "
        f"{format_number(math.sqrt(max(0.0, 2 - 2 * score)))}",
        Axis("Angle", "degrees", (0.0, 180.0)), Axis("Score", "cosine", (-1.0, 1.0)),
        (Series("score", angle, np.cos(np.radians(angle)), "positive"),),
        (Reference(f"{params.angle} degrees", float(params.angle)),), markers=False,
    )  # fmt: skip


def told_angle(params: AngleParams) -> str:
    score = score_at(params.angle)
    return (
        f"At {params.angle} degrees the score is {format_number(score)}, and the squared distance 2 - 2s is "
        f"{format_number(2 - 2 * score)} (N = 2 samples)."
    )


# -- whom the loss pushes --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PushParams(Params):
    """How sharply the loss looks."""

    temperature: float = param(0.5, "Scores are divided by it before the softmax.", low=0.05, high=5.0, log=True)


@lru_cache(maxsize=1)
def six_samples() -> EmbeddingSet:
    """Return the samples A to F: two views each, 20 degrees apart."""
    return turned_views(PLACES, OWN_TURN, "six samples on the circle")


def pushes(temperature: float) -> dict[str, float]:
    """Return the share of the push of anchor A1 that each other sample takes with both its rows.

    The relative penalty of a negative is ``exp(s / tau)`` over the sum of all negatives' (Wang and Liu 2021, eq. 5).
    """
    first, second = (np.asarray(six_samples().views[view]) for view in ("view_1", "view_2"))
    raised = np.exp((np.stack([first, second]) @ first[0] - 1) / temperature)[:, 1:].sum(axis=0)
    return dict(zip(NAMES[1:], (raised / raised.sum()).tolist(), strict=True))


def six_points(title: str) -> Scatter:
    others = [
        (f"{name}{view + 1}", place + view * OWN_TURN, "negative")
        for name, place in zip(NAMES[1:], PLACES[1:], strict=True)
        for view in (0, 1)
    ]
    return named_points(
        title,
        [("A1", PLACES[0], "other"), ("A2", PLACES[0] + OWN_TURN, "positive"), *others],  # type: ignore[list-item]
    )


def six_before() -> Scatter:
    return six_points("Anchor A1, its positive A2, and the rows of B to F")


def hardest_at(temperature: float) -> str:
    shares = pushes(temperature)
    return max(shares, key=lambda name: shares[name])


def push_bars(params: PushParams) -> Bars:
    shares = pushes(params.temperature)
    hardest = hardest_at(params.temperature)
    return Bars(
        f"{hardest} takes {format_number(100 * shares[hardest])} % of the push at temperature {params.temperature:g}",
        Axis("Negative sample, both rows"), Axis("Share of the push", "share", (0.0, 1.0)),
        (Series("share", np.array(list(shares), dtype=object), np.array(list(shares.values())), "negative"),),
    )  # fmt: skip


def push_points(params: PushParams) -> Scatter:
    found = number("hardness", "effective_negatives", six_samples(), temperature=params.temperature)
    return six_points(f"On average the push rests on {format_number(found)} of 10 negatives")


def told_push(params: PushParams) -> str:
    shares = pushes(params.temperature)
    hardest, easiest = hardest_at(params.temperature), min(shares, key=lambda name: shares[name])
    return (
        f"At temperature {params.temperature:g} sample {hardest}, whose rows score highest with A1, takes "
        f"{format_number(100 * shares[hardest])} % of the push, and {easiest} "
        f"{format_number(100 * shares[easiest])} % (10 negatives, N = 6 samples)."
    )


def push_numbers() -> Mapping[str, str]:
    cold, warm = pushes(0.1), pushes(5.0)
    return {
        "cold": format_number(100 * max(cold.values())), "warm": format_number(100 * max(warm.values())),
        "even": format_number(100 / len(warm)),
    }  # fmt: skip


# -- where that leads ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class FlowParams(Params):
    """Where the rows are, and how sharply the loss looks."""

    space: str = param("circle", "Unit rows of two or of three coordinates.", choices=("circle", "sphere"))
    temperature: float = param(0.5, "Of NT-Xent.", choices=(0.1, 0.5, 2.0))


def course_at(space: str, temperature: float) -> Flow:
    begin = _flows.unlabelled_start("random", n=12, dim=2 if space == "circle" else 3, view_noise=0.6, seed=3)
    return _flows.flow("ntxent", begin, (("temperature", temperature),))


def moving(params: FlowParams) -> Animation:
    return _flows.moving_points(course_at(params.space, params.temperature), "NT-Xent")


def flow_answer() -> str:
    measures = course_at("circle", 0.5).measures
    if measures["mean_negative_score"][-1] > 0.5:
        return TOGETHER
    return APART if measures["mean_positive_score"][-1] > 0.9 else STILL


def told_flow(params: FlowParams) -> str:
    course = course_at(params.space, params.temperature)
    positive, negative = (course.measures[name] for name in ("mean_positive_score", "mean_negative_score"))
    return (
        f"After {int(course.recorded[-1])} steps positives score {format_number(positive[-1])} on average, negatives "
        f"{format_number(negative[-1])}; they began at {format_number(positive[0])} and {format_number(negative[0])} "
        f"(N = {course.start.n} samples)."
    )


# -- exercise --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ExerciseParams(Params):
    """An encoder of six samples that you can turn with two dials."""

    view_turn: int = param(60, "Angle between the two views of a sample.", low=0, high=180, unit="degrees")
    spacing: int = param(30, "Angle from one sample to the next.", low=0, high=60, unit="degrees")


@lru_cache(maxsize=64)
def encoder_at(view_turn: int, spacing: int) -> EmbeddingSet:
    return turned_views([spacing * sample for sample in range(6)], view_turn, "six samples in a row")


def exercise_scores(params: ExerciseParams) -> Histogram:
    encoder = encoder_at(params.view_turn, params.spacing)
    return drawn("score_distribution", "distribution", Histogram, encoder, negatives="all", bins=40)


def exercise_points(params: ExerciseParams) -> Scatter:
    points = [
        (f"{NAMES[sample]}{view + 1}", params.spacing * sample + view * params.view_turn, "positive")
        for sample in range(6)
        for view in (0, 1)
    ]
    return named_points(
        f"Views {params.view_turn} degrees apart, samples {params.spacing}",
        points,  # type: ignore[arg-type]
    )


def check(params: ExerciseParams) -> Outcome:
    encoder = encoder_at(params.view_turn, params.spacing)
    auc = number("score_distribution", "auc", encoder, negatives="all")
    negative = number("score_distribution", "negative_mean", encoder, negatives="all")
    passed = auc >= 1 and negative < LIMITS["negative_mean"]
    return Outcome(
        passed,
        f"A positive scores above a negative with probability {format_number(auc)}, and negatives score "
        f"{format_number(negative)} on average (N = 6 samples).",
        {"score_distribution.auc": auc, "score_distribution.negative_mean": negative},
    )


LIMITS = {"negative_mean": 0.0}

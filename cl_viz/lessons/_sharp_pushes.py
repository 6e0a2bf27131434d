"""Sets, figures and checks of the lesson on temperature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Animation, Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Series
from cl_viz.lessons import _flows
from cl_viz.lessons._measuring import drawn, measured, number
from cl_viz.simulate import Flow
from cl_viz.testing import clusters

SAMPLES, NEGATIVES = 120, 238
MOST, HALF, FEW = "On almost all of them", "On about half of them", "On fewer than a fifth of them"
RISES, FALLS, SAME = "It rises", "It falls", "It stays as it is: labels are not looked at"

TABLE: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "temperature": (0.07, 0.3, 0.7, 1.0),
        "accuracy": (79.75, 83.27, 82.69, 82.21),
        "uniformity": (-3.86, -3.60, -3.17, -2.96),
        "tolerance": (0.04, 0.178, 0.333, 0.372),
    }
)
"""Wang and Liu 2021, table 1, CIFAR10, the ordinary contrastive loss: linear accuracy in percent."""


@dataclass(frozen=True)
class TemperatureParams(Params):
    """How sharply the loss looks."""

    temperature: float = param(0.1, "Scores are divided by it before the softmax.", low=0.02, high=5.0, log=True)


@lru_cache(maxsize=1)
def six_classes() -> EmbeddingSet:
    """Return 120 samples of 6 classes, two views each, in 16 dimensions."""
    return clusters(SAMPLES, 16, 6, 0.6)


def hardness(quantity: str, temperature: float) -> float:
    """Return what the diagnostic of hardness measures on the six classes."""
    return number("hardness", quantity, six_classes(), temperature=temperature)


# -- on how many negatives the push rests ----------------------------------------------------------------------------
def push_histogram(params: TemperatureParams) -> Histogram:
    return drawn("hardness", "push", Histogram, six_classes(), temperature=params.temperature)


def effective_curve(params: TemperatureParams) -> Lines:
    return drawn("hardness", "effective", Lines, six_classes(), temperature=params.temperature)


def told_effective(params: TemperatureParams) -> str:
    found, hardest = (hardness(name, params.temperature) for name in ("effective_negatives", "hardest_share"))
    return (
        f"At temperature {params.temperature:g} the push rests on {format_number(found)} of {NEGATIVES} negatives, and "
        f"the hardest one takes {format_number(100 * hardest)} % of it (N = {SAMPLES} samples)."
    )


def effective_answer() -> str:
    share = hardness("effective_share", 0.1)
    return MOST if share > 0.9 else FEW if share < 0.2 else HALF


def effective_numbers() -> Mapping[str, str]:
    return {
        "cold": format_number(hardness("effective_negatives", 0.02)),
        "warm": format_number(hardness("effective_negatives", 5.0)),
        "all": str(NEGATIVES),
    }


# -- whom that hits --------------------------------------------------------------------------------------------------
def false_curve(params: TemperatureParams) -> Lines:
    return drawn("hardness", "false_negatives", Lines, six_classes(), temperature=params.temperature)


def false_share() -> float:
    """Return the share of the negatives that have the anchor's label."""
    return number("score_distribution", "false_negative_share", six_classes(), negatives="all")


def told_false(params: TemperatureParams) -> str:
    found = hardness("false_negative_push", params.temperature)
    return (
        f"At temperature {params.temperature:g} samples of the anchor's own class take {format_number(100 * found)} % "
        f"of the push; they are {format_number(100 * false_share())} % of the negatives (N = {SAMPLES} samples)."
    )


def false_answer() -> str:
    cold, warm = (hardness("false_negative_push", temperature) for temperature in (0.05, 0.5))
    return SAME if abs(cold - warm) < 0.02 else RISES if cold > warm else FALLS


# -- the dilemma -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DilemmaParams(Params):
    """Of the loss whose flow is shown."""

    temperature: float = param(0.1, "Of NT-Xent.", choices=(0.1, 0.3, 1.0))


def course_of(temperature: float) -> Flow:
    """Return where NT-Xent leads samples that begin in one cluster a class."""
    begin = _flows.start("clusters", n=32, dim=3, n_classes=4, view_noise=0.1, seed=1)
    return _flows.flow("ntxent", begin, (("temperature", temperature),), steps=40)


def moving(params: DilemmaParams) -> Animation:
    return _flows.moving_points(course_of(params.temperature), f"NT-Xent at {params.temperature:g}")


def published(params: DilemmaParams) -> Lines:
    temperatures, accuracy = (np.array(TABLE[name]) for name in ("temperature", "accuracy"))
    best = int(accuracy.argmax())
    return Lines(
        f"Published for CIFAR10: best at {temperatures[best]:g} with {accuracy[best]:g} %",
        Axis("Temperature"),
        Axis("Linear accuracy", "%", (78.0, 85.0)),
        (Series("linear accuracy", temperatures, accuracy, "other"),),
        (Reference(f"{params.temperature:g}", params.temperature),),
    )


def best_temperature() -> str:
    accuracy = TABLE["accuracy"]
    return f"{TABLE['temperature'][accuracy.index(max(accuracy))]:g}"


def told_dilemma(params: DilemmaParams) -> str:
    course = course_of(params.temperature)
    separation, uniformity = (course.measures[name] for name in ("class_separation", "uniformity"))
    return (
        f"At temperature {params.temperature:g} class separation goes from {format_number(separation[0])} to "
        f"{format_number(separation[-1])} in {int(course.recorded[-1])} steps, and uniformity from "
        f"{format_number(uniformity[0])} to {format_number(uniformity[-1])} (N = {course.start.n} samples)."
    )


def dilemma_numbers() -> Mapping[str, str]:
    return {
        f"{name}_{end}": f"{TABLE[name][place]:g}"
        for name in ("uniformity", "tolerance", "temperature")
        for end, place in (("cold", 0), ("warm", -1))
    }


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"negatives": 150.0, "false": 65.0}


def check(params: TemperatureParams) -> Outcome:
    found = measured("hardness", six_classes(), temperature=params.temperature)
    negatives, false = (hardness(name, params.temperature) for name in ("effective_negatives", "false_negative_push"))
    return Outcome(
        negatives < LIMITS["negatives"] and 100 * false < LIMITS["false"],
        f"At temperature {params.temperature:g} the push rests on {format_number(negatives)} of {NEGATIVES} negatives, "
        f"and {format_number(100 * false)} % of it falls on the anchor's class (N = {found.caveats.n_used} samples).",
        {"hardness.effective_negatives": negatives, "hardness.false_negative_push": false},
    )

"""Sets, figures and checks of the lesson on false and hard negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Bars, Lines, Reference, Series
from cl_viz.lessons._measuring import drawn, number
from cl_viz.lessons._sharp_pushes import NEGATIVES, SAMPLES, six_classes
from cl_viz.testing import planted_false_negatives

LABELS, PER_LABEL, SCORE = 8, 8, 0.6
NONE, PART, MOST = "For almost none", "For about half", "For more than 80 %"
MORE, LESS, SAME = "A larger share", "A smaller share", "The same share"


# -- what false negatives cost ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PlantedParams(Params):
    """Eight classes of eight samples, whose scores are known."""

    temperature: float = param(0.2, "Scores are divided by it before the softmax.", low=0.05, high=5.0, log=True)
    score: float = param(SCORE, "Score of two samples of one class; others score 0.", choices=(0.0, 0.2, 0.4, 0.6, 0.8))


@lru_cache(maxsize=8)
def planted(score: float) -> EmbeddingSet:
    """Return 64 samples of 8 classes with one score within a class and 0 between classes."""
    return planted_false_negatives(LABELS, PER_LABEL, score)


def false_push(score: float, temperature: float) -> float:
    """Return the share of the push, across views, that falls on the anchor's class."""
    return number("hardness", "false_negative_push", planted(score), temperature=temperature, negative_views="cross")


def false_share() -> float:
    """Return the share of the negatives, across views, that have the anchor's class."""
    return number("score_distribution", "false_negative_share", planted(SCORE), negatives="cross")


def push_bars(params: PlantedParams) -> Bars:
    values = np.array([false_share(), false_push(params.score, params.temperature)])
    return Bars(
        f"{format_number(100 * values[0])} % of the negatives take {format_number(100 * values[1])} % of the push",
        Axis("False negatives"),
        Axis("Share", "", (0.0, 1.0)),
        (Series("share", np.array(["of the negatives", "of the push"], dtype=object), values, "false_negative", n=64),),
    )


def told_push(params: PlantedParams) -> str:
    found = false_push(params.score, params.temperature)
    return (
        f"At temperature {params.temperature:g} with a score of {params.score:g} within classes, "
        f"{format_number(100 * false_share())} % of the negatives take {format_number(100 * found)} % of the push "
        f"(N = {LABELS * PER_LABEL} samples)."
    )


def push_answer() -> float:
    return 100 * false_push(SCORE, 0.2)


# -- debiasing -------------------------------------------------------------------------------------------------------
def reweighting(quantity: str, temperature: float, beta: float, class_prior: float) -> float:
    """Return what the diagnostic of reweighting measures on six classes."""
    return number(
        "negative_reweighting", quantity, six_classes(), temperature=temperature, beta=beta, class_prior=class_prior
    )


@dataclass(frozen=True)
class DebiasedParams(Params):
    """Of the debiased loss."""

    temperature: float = param(0.2, "Of the debiased loss.", choices=(0.1, 0.2, 0.5, 1.0))
    class_prior: float = param(
        0.16, "Assumed share of the anchor's own class among the negatives.", choices=(0.0, 0.05, 0.1, 0.16, 0.3)
    )


def clamped(params: DebiasedParams) -> Lines:
    given = {"temperature": params.temperature, "beta": 0.0, "class_prior": params.class_prior}
    return drawn("negative_reweighting", "clamped", Lines, six_classes(), **given)


def told_clamped(params: DebiasedParams) -> str:
    found = reweighting("clamped_share", params.temperature, 0.0, params.class_prior)
    return (
        f"At temperature {params.temperature:g} and class prior {params.class_prior:g} the corrected sum is clamped "
        f"for {format_number(100 * found)} % of the positives (N = {SAMPLES} samples)."
    )


def clamped_answer() -> str:
    found = reweighting("clamped_share", 0.2, 0.0, 0.16)
    return NONE if found < 0.1 else MOST if found > 0.8 else PART


def six_class_share() -> float:
    """Return the share of the negatives of six classes that have the anchor's class."""
    return number("score_distribution", "false_negative_share", six_classes(), negatives="all")


def clamped_numbers() -> Mapping[str, str]:
    return {
        "share": format_number(100 * six_class_share()),
        "cold": format_number(100 * reweighting("clamped_share", 0.2, 0.0, 0.16)),
        "coldest": format_number(100 * reweighting("clamped_share", 0.1, 0.0, 0.16)),
        "warm": format_number(100 * reweighting("clamped_share", 0.5, 0.0, 0.16)),
        "high": format_number(100 * reweighting("clamped_share", 0.2, 0.0, 0.3)),
        "high_coldest": format_number(100 * reweighting("clamped_share", 0.1, 0.0, 0.3)),
    }  # fmt: skip


# -- reweighting -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class HardParams(Params):
    """Of the loss with hard negative reweighting."""

    beta: float = param(1.0, "Concentration: weights are exp(beta s / temperature).", choices=(0.0, 0.5, 1.0, 2.0))
    temperature: float = param(0.5, "Of the loss.", choices=(0.1, 0.2, 0.5, 1.0))


def weights(params: HardParams) -> Lines:
    given = {"temperature": params.temperature, "beta": params.beta, "class_prior": 0.0}
    return drawn("negative_reweighting", "weights", Lines, six_classes(), **given)


def false_by_beta(params: HardParams) -> Lines:
    betas = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    shares = np.array(
        [reweighting("reweighted_false_negative_push", params.temperature, float(beta), 0.0) for beta in betas]
    )
    at = reweighting("reweighted_false_negative_push", params.temperature, params.beta, 0.0)
    return Lines(
        f"{format_number(100 * at)} % on the anchor's own class at beta {params.beta:g}",
        Axis("Beta"),
        Axis("Share on false negatives", "share", (0.0, 1.0)),
        (Series("reweighted", betas, shares, "false_negative", n=SAMPLES),),
        (Reference(f"beta {params.beta:g}", params.beta),),
    )


def told_hard(params: HardParams) -> str:
    size, false = (
        reweighting(name, params.temperature, params.beta, 0.0)
        for name in ("weights_sample_size", "reweighted_false_negative_push")
    )
    return (
        f"At beta {params.beta:g} and temperature {params.temperature:g} the weights rest on {format_number(size)} of "
        f"{NEGATIVES} negatives, and {format_number(100 * false)} % of the sum falls on the anchor's own class "
        f"(N = {SAMPLES} samples)."
    )


def hard_answer() -> str:
    plain, hard = (reweighting("reweighted_false_negative_push", 0.5, beta, 0.0) for beta in (0.0, 1.0))
    return SAME if abs(plain - hard) < 0.01 else MORE if hard > plain else LESS


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"negatives": 100.0, "false": 85.0, "clamped": 1.0}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """Of the loss with hard negative reweighting and debiasing."""

    temperature: float = param(0.1, "Of the loss.", choices=(0.1, 0.2, 0.5, 1.0))
    beta: float = param(1.0, "Concentration of the weights.", choices=(0.0, 0.5, 1.0, 2.0))
    class_prior: float = param(0.16, "Assumed share of the own class.", choices=(0.1, 0.16, 0.3))


def exercise_weights(params: ExerciseParams) -> Lines:
    return drawn("negative_reweighting", "weights", Lines, six_classes(), **params.as_dict())


def exercise_clamped(params: ExerciseParams) -> Lines:
    return drawn("negative_reweighting", "clamped", Lines, six_classes(), **params.as_dict())


def check(params: ExerciseParams) -> Outcome:
    size, false, held = (
        reweighting(name, params.temperature, params.beta, params.class_prior)
        for name in ("weights_sample_size", "reweighted_false_negative_push", "clamped_share")
    )
    return Outcome(
        size < LIMITS["negatives"] and 100 * false < LIMITS["false"] and 100 * held < LIMITS["clamped"],
        f"The weights rest on {format_number(size)} of {NEGATIVES} negatives, {format_number(100 * false)} % of the "
        f"sum falls on the own class, and {format_number(100 * held)} % of the positives are clamped "
        f"(N = {SAMPLES} samples).",
        {
            "negative_reweighting.weights_sample_size": size,
            "negative_reweighting.reweighted_false_negative_push": false,
            "negative_reweighting.clamped_share": held,
        },
    )

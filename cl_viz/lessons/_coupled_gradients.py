"""Sets, figures and checks of the lesson on batch size and coupling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.specs import LossInputs
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.lessons._measuring import drawn, number
from cl_viz.lessons._sharp_pushes import SAMPLES, six_classes
from cl_viz.losses import losses
from cl_viz.testing import orthogonal_pairs

BATCHES = (4, 8, 16, 32, 64, 128, 256)
SMALL, SCORE, TEMPERATURE = 8, 0.9, 0.1
ALL, HALF, LITTLE = "Nearly all of it", "About half of it", "Less than 1 % of it"
SMALL_VARY, LARGE_VARY, ALIKE = "In a batch of 4", "In a batch of 120", "It is alike in both"
EQUAL, TENFOLD, HUNDREDFOLD = "They are equal", "About 10 times larger", "More than 100 times larger"


@lru_cache(maxsize=64)
def even_pairs(samples: int, score: float) -> EmbeddingSet:
    """Return pairs of one score whose negatives all score 0."""
    return orthogonal_pairs(samples, score)


def multiplier(samples: int, score: float, temperature: float) -> float:
    """Return 1 - P of every positive in a batch of `samples` even pairs."""
    return number("batch_size", "multiplier", even_pairs(samples, score), temperature=temperature, batch_size=samples)


# -- what is left of the gradient ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CouplingParams(Params):
    """A batch whose negatives are all equally hard."""

    batch: int = param(SMALL, "Samples in the batch.", choices=BATCHES)
    score: float = param(SCORE, "Score of every positive.", low=0.0, high=1.0)
    temperature: float = param(TEMPERATURE, "Of NT-Xent.", low=0.05, high=2.0, log=True)


def multiplier_curve(params: CouplingParams) -> Lines:
    # In closed form: 2 N - 2 negatives of score 0.
    negatives = 2 * np.array(BATCHES) - 2
    kept = negatives / (negatives + np.exp(params.score / params.temperature))
    at = multiplier(params.batch, params.score, params.temperature)
    return Lines(
        f"{format_number(100 * at)} % of the gradient is left in a batch of {params.batch}",
        Axis("Batch size", "samples", log=True),
        Axis("1 - P", "share of the gradient", (0.0, 1.0)),
        (Series("NT-Xent", np.array(BATCHES), kept, "other"),),
        (Reference(f"batch of {params.batch}", float(params.batch)),),
    )


def told_multiplier(params: CouplingParams) -> str:
    found = multiplier(params.batch, params.score, params.temperature)
    return (
        f"Positives score {params.score:g}, all {2 * params.batch - 2} negatives 0: at temperature "
        f"{params.temperature:g} a factor of {format_number(found)} is left of every gradient (N = {params.batch} "
        f"samples)."
    )


def multiplier_answer() -> str:
    found = multiplier(SMALL, SCORE, TEMPERATURE)
    return ALL if found > 0.9 else LITTLE if found < 0.01 else HALF


# -- how much it varies ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class VariationParams(Params):
    """A batch of real, unequal samples."""

    batch: int = param(16, "Samples in the batch, drawn from 120.", choices=(4, 8, 16, 32, 64, 120))
    temperature: float = param(TEMPERATURE, "Of NT-Xent.", low=0.05, high=2.0, log=True)


def of_batch(quantity: str, batch: int, temperature: float) -> float:
    """Return what the diagnostic of batch size measures on six classes."""
    return number("batch_size", quantity, six_classes(), temperature=temperature, batch_size=batch)


def by_batch(params: VariationParams) -> Lines:
    given = {"temperature": params.temperature, "batch_size": params.batch}
    return drawn("batch_size", "by_batch_size", Lines, six_classes(), **given)


def variation_curve(params: VariationParams) -> Lines:
    given = {"temperature": params.temperature, "batch_size": params.batch}
    return drawn("batch_size", "variation", Lines, six_classes(), **given)


def told_variation(params: VariationParams) -> str:
    kept, variation = (of_batch(name, params.batch, params.temperature) for name in ("multiplier", "variation"))
    return (
        f"In batches of {params.batch} at temperature {params.temperature:g} the factor is {format_number(kept)} on "
        f"average, and its standard deviation {format_number(100 * variation)} % of that (N = {SAMPLES} samples)."
    )


def variation_answer() -> str:
    small, large = (of_batch("variation", batch, TEMPERATURE) for batch in (4, 120))
    return ALIKE if abs(small - large) < 0.01 else SMALL_VARY if small > large else LARGE_VARY


# -- what DCL does ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DecoupledParams(Params):
    """Both losses on the same batches."""

    score: float = param(SCORE, "Score of every positive; all negatives score 0.", low=0.0, high=1.0)
    temperature: float = param(TEMPERATURE, "Of both losses.", low=0.05, high=2.0, log=True)


@lru_cache(maxsize=256)
def gradient_norm(loss: str, batch: int, score: float, temperature: float) -> float:
    """Return the length of a loss's gradient in the rows of a batch of even pairs."""
    views = tuple(
        torch.from_numpy(np.array(view, dtype=np.float64)).requires_grad_()
        for view in even_pairs(batch, score).views.values()
    )
    spec = losses()[loss]
    value = spec.compute(LossInputs(views=views), spec.params.make({"temperature": temperature})).mean()
    return float(torch.stack(torch.autograd.grad(value, views)).norm())


def ratio(batch: int, score: float, temperature: float) -> float:
    """Return how many times larger the gradient of DCL is than that of NT-Xent."""
    return gradient_norm("dcl", batch, score, temperature) / gradient_norm("ntxent", batch, score, temperature)


def ratio_curve(params: DecoupledParams) -> Lines:
    ratios = np.array([ratio(batch, params.score, params.temperature) for batch in BATCHES])
    return Lines(
        f"DCL's gradient is {format_number(ratios[1])} times that of NT-Xent in a batch of {BATCHES[1]}, "
        f"{format_number(ratios[-1])} times in one of {BATCHES[-1]}",
        Axis("Batch size", "samples", log=True),
        Axis("Gradient of DCL over that of NT-Xent", "times", (0.8, 1e5), log=True),
        (Series("ratio", np.array(BATCHES), ratios, "other"),),
        (Reference("equal", 1.0, "y"),),
    )


def told_ratio(params: DecoupledParams) -> str:
    small, large = (ratio(batch, params.score, params.temperature) for batch in (SMALL, BATCHES[-1]))
    return (
        f"At temperature {params.temperature:g} and positives of {params.score:g} DCL's gradient is "
        f"{format_number(small)} times that of NT-Xent with N = {SMALL} samples, and {format_number(large)} times with "
        f"N = {BATCHES[-1]}."
    )


def ratio_answer() -> str:
    found = ratio(SMALL, SCORE, TEMPERATURE)
    return EQUAL if found < 1.5 else HUNDREDFOLD if found > 100 else TENFOLD


def ratio_numbers() -> Mapping[str, str]:
    return {"hot": format_number(ratio(BATCHES[-1], SCORE, 0.5)), "large": str(BATCHES[-1])}


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"multiplier": 0.8, "negatives": 60.0}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """What fits on your GPU."""

    batch: int = param(8, "Samples in the batch; more than 64 do not fit.", choices=(4, 8, 16, 32, 64))
    temperature: float = param(0.05, "Of NT-Xent.", low=0.02, high=2.0, log=True)


def exercise_curve(params: ExerciseParams) -> Lines:
    given = {"temperature": params.temperature, "batch_size": params.batch}
    return drawn("batch_size", "by_batch_size", Lines, six_classes(), **given)


def exercise_effective(params: ExerciseParams) -> Lines:
    return drawn("hardness", "effective", Lines, six_classes(), temperature=params.temperature)


def check(params: ExerciseParams) -> Outcome:
    kept = of_batch("multiplier", params.batch, params.temperature)
    negatives = number("hardness", "effective_negatives", six_classes(), temperature=params.temperature)
    return Outcome(
        kept >= LIMITS["multiplier"] and negatives < LIMITS["negatives"],
        f"A batch of {params.batch} keeps a factor of {format_number(kept)}, and the push rests on "
        f"{format_number(negatives)} effective negatives (N = {SAMPLES} samples).",
        {"batch_size.multiplier": kept, "hardness.effective_negatives": negatives},
    )

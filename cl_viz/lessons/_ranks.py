"""Sets, figures and checks of the lesson on collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Animation, Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Bars, Lines, Series
from cl_viz.lessons import _flows
from cl_viz.lessons._measuring import drawn, number
from cl_viz.simulate import Flow, start_from
from cl_viz.testing import clusters, collapsed, exact_spectrum, nested_classes, rank_sphere

POINT_DIM, SPHERE_DIM, SPECTRUM_DIM = 32, 64, 128
LOW, MIDDLE, FULL = "1 dimension", "About half of the 32", "All 32 dimensions"
SMALLER, ALIKE, LARGER = "RankMe is smaller", "The two agree", "RankMe is several times larger"
CLIFF_OPTIONS = ("About 8", "About 14", "About 40", "Exactly 64")
_RANKS = {
    "numerical rank": "numerical_rank",
    "RankMe": "rankme",
    "RankMe, centred": "rankme_centred",
    "covariance entropy": "covariance_entropy_rank",
    "participation": "participation_ratio",
    "stable rank": "stable_rank",
}


def rank(found: EmbeddingSet, name: str) -> float:
    """Return one of the ranks of a set."""
    return number("dimension_ranks", name, found)


def rank_bars(found: EmbeddingSet, title: str) -> Bars:
    """Return several ranks of one set."""
    values = np.array([rank(found, name) for name in _RANKS.values()])
    return Bars(
        title,
        Axis(""),
        Axis("Rank", f"dimensions of {found.dim}", (0.0, float(found.dim))),
        (Series("rank", np.array(list(_RANKS), dtype=object), values, "other", n=found.n),),
    )


# -- complete collapse -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SpreadParams(Params):
    """How far rows are from one point."""

    spread: float = param(0.01, "Noise around the one direction, in each coordinate.", low=0.0001, high=1.0, log=True)


@lru_cache(maxsize=64)
def one_point(spread: float) -> EmbeddingSet:
    """Return 128 rows that are one direction but for noise."""
    return EmbeddingSet.from_arrays(
        np.asarray(collapsed(128, POINT_DIM, spread).views["view_1"]), name="one point with noise"
    )


def point_ranks(params: SpreadParams) -> Bars:
    found = one_point(params.spread)
    variance = number("spectrum", "total_variance", found)
    return rank_bars(found, f"Numerical rank {format_number(rank(found, 'numerical_rank'))}, but total variance "
                     f"{format_number(variance)} of 1")  # fmt: skip


def told_point(params: SpreadParams) -> str:
    found = one_point(params.spread)
    return (
        f"With noise {params.spread:g} the unit rows have a total variance of "
        f"{format_number(number('spectrum', 'total_variance', found))} (1 if spread over the sphere). Numerical rank "
        f"{format_number(rank(found, 'numerical_rank'))}, RankMe {format_number(rank(found, 'rankme'))}, centred "
        f"{format_number(rank(found, 'rankme_centred'))} of {POINT_DIM} (N = {found.n} samples)."
    )


def point_answer() -> str:
    found = rank(one_point(0.01), "numerical_rank")
    return LOW if found < 2 else FULL if found > 31 else MIDDLE


# -- dimensional collapse --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CliffParams(Params):
    """How many dimensions are used, and how clean the others are."""

    kept: int = param(8, "Dimensions that the rows fill evenly.", choices=(2, 4, 8, 16, 32))
    noise: float = param(0.05, "Noise in the other dimensions.", choices=(0.0, 0.001, 0.01, 0.05, 0.1))


@lru_cache(maxsize=32)
def flat_sphere(kept: int, noise: float) -> EmbeddingSet:
    """Return 256 rows that fill a few of 64 dimensions."""
    return EmbeddingSet.from_arrays(rank_sphere(256, SPHERE_DIM, kept, noise), name="flat sphere")


def cliff(params: CliffParams) -> Lines:
    return drawn("spectrum", "spectrum", Lines, flat_sphere(params.kept, params.noise))


def cliff_ranks(params: CliffParams) -> Bars:
    found = flat_sphere(params.kept, params.noise)
    return rank_bars(
        found,
        f"RankMe {format_number(rank(found, 'rankme'))}, participation ratio "
        f"{format_number(rank(found, 'participation_ratio'))}",
    )


def told_cliff(params: CliffParams) -> str:
    found = flat_sphere(params.kept, params.noise)
    parts = ", ".join(f"{label} {format_number(rank(found, name))}" for label, name in _RANKS.items())
    return f"{params.kept} of {SPHERE_DIM} dimensions are used: {parts} (N = {found.n} samples)."


def cliff_answer() -> str:
    found = rank(flat_sphere(8, 0.05), "rankme")
    return min(CLIFF_OPTIONS, key=lambda option: abs(float(option.split()[-1]) - found))


# -- which rank ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DecayParams(Params):
    """A spectrum that falls as a power."""

    decay: float = param(1.5, "Eigenvalue k of the covariance is k to minus this.", choices=(0.0, 0.5, 1.0, 1.5, 2.0))
    offset: float = param(0.0, "Length of the mean, in root mean squares of the rest.", choices=(0.0, 0.5, 1.0, 2.0))


@lru_cache(maxsize=32)
def power_law(decay: float, offset: float) -> EmbeddingSet:
    """Return 300 rows with an exact spectrum, and a mean along one direction."""
    eigenvalues = np.arange(1, SPECTRUM_DIM + 1.0) ** -decay
    rows = exact_spectrum(300, eigenvalues)
    mean = offset * np.sqrt(eigenvalues.sum()) * np.ones(SPECTRUM_DIM) / np.sqrt(SPECTRUM_DIM)
    return EmbeddingSet.from_arrays(rows + mean, name="power law")


def decay_ranks(params: DecayParams | ExerciseParams) -> Bars:
    found = power_law(params.decay, params.offset)
    return rank_bars(
        found,
        f"RankMe {format_number(rank(found, 'rankme'))}, covariance entropy rank "
        f"{format_number(rank(found, 'covariance_entropy_rank'))} of one and the same set",
    )


def decay_spectrum(params: DecayParams) -> Lines:
    return drawn("spectrum", "spectrum", Lines, power_law(params.decay, params.offset), rows="raw")


def told_decay(params: DecayParams) -> str:
    found = power_law(params.decay, params.offset)
    return (
        f"Decay {params.decay:g}, mean of length {params.offset:g}: RankMe {format_number(rank(found, 'rankme'))}, "
        f"centred {format_number(rank(found, 'rankme_centred'))}, covariance entropy rank "
        f"{format_number(rank(found, 'covariance_entropy_rank'))} of {SPECTRUM_DIM} (N = {found.n} samples)."
    )


def decay_answer() -> str:
    found = power_law(1.5, 0.0)
    ratio = rank(found, "rankme") / rank(found, "covariance_entropy_rank")
    return SMALLER if ratio < 0.8 else LARGER if ratio > 2 else ALIKE


def decay_numbers() -> Mapping[str, str]:
    plain, moved = power_law(1.5, 0.0), power_law(1.5, 2.0)
    return {
        "rankme": format_number(rank(plain, "rankme")),
        "entropy": format_number(rank(plain, "covariance_entropy_rank")),
        "moved": format_number(rank(moved, "rankme")),
        "dims": str(SPECTRUM_DIM),
    }


# -- class collapse --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ApartParams(Params):
    """How much of the subclasses is left."""

    apart: float = param(
        0.0, "Distance of a subclass from its class centre, in lengths of that.", choices=(0.0, 0.1, 0.2, 0.5, 1.0)
    )


@lru_cache(maxsize=16)
def nested(apart: float, subclasses: bool) -> EmbeddingSet:
    """Return 240 samples of 4 classes with 3 subclasses each, labelled by class or by subclass."""
    found = nested_classes(240, 24, 4, 3, apart)
    return EmbeddingSet.from_arrays(
        np.asarray(found.views["view_1"]),
        label=np.asarray(found.role("subclass" if subclasses else "label")),
        name="nested classes",
    )


def accuracy(apart: float, subclasses: bool) -> float:
    """Return the share of samples whose class (or subclass) their neighbours name."""
    return number("neighbor_accuracy", "accuracy", nested(apart, subclasses))


def class_bars(params: ApartParams) -> Bars:
    values = np.array([accuracy(params.apart, subclasses) for subclasses in (False, True)])
    return Bars(
        f"Neighbours name the class of {format_number(100 * values[0])} %, the subclass of "
        f"{format_number(100 * values[1])} %",
        Axis(""),
        Axis("Accuracy of 20 neighbours", "share", (0.0, 1.0)),
        (Series("accuracy", np.array(["class", "subclass"], dtype=object), values, "other", n=240),),
    )


def told_class(params: ApartParams) -> str:
    parts = [format_number(100 * accuracy(params.apart, subclasses)) for subclasses in (False, True)]
    entropy = rank(nested(params.apart, False), "covariance_entropy_rank")
    return (
        f"At distance {params.apart:g} neighbours name the class of {parts[0]} % and the subclass of {parts[1]} %; the "
        f"covariance entropy rank is {format_number(entropy)} of 24 (N = 240 samples)."
    )


def class_answer() -> float:
    return 100 * accuracy(0.0, True)


def class_numbers() -> Mapping[str, str]:
    return {
        "none": format_number(rank(nested(0.0, False), "covariance_entropy_rank")),
        "much": format_number(rank(nested(1.0, False), "covariance_entropy_rank")),
        "chance": format_number(100 / 12),
        "within": format_number(100 / 3),
    }


# -- a spectrum on its way -------------------------------------------------------------------------------------------
@lru_cache(maxsize=4)
def course_of(loss: str) -> Flow:
    """Return the flow of 48 samples of 16 dimensions under a loss."""
    return _flows.flow(loss, start_from(clusters(48, 16, 3, 1.5), n=48), steps=60, step_size=0.1)


@dataclass(frozen=True)
class FlowParams(Params):
    """Which loss moves the rows."""

    loss: str = param("supcon_out", "Supervised, or of views alone.", choices=("supcon_out", "ntxent"))


def moving_spectrum(params: FlowParams) -> Animation:
    return _flows.moving_spectrum(course_of(params.loss), params.loss)


def dimensions(shares: np.ndarray) -> float:
    """Return the exponential of the entropy of shares of variance."""
    positive = shares[shares > 0].astype(np.float64)
    return float(np.exp(-(positive * np.log(positive)).sum()))


def told_flow(params: FlowParams) -> str:
    course = course_of(params.loss)
    first, last = (dimensions(course.spectrum[at]) for at in (0, -1))
    return (
        f"Under {params.loss} the variance goes from {format_number(first)} to {format_number(last)} of 16 dimensions "
        f"(exponential of the entropy of the spectrum; N = {course.start.n} samples, 3 classes)."
    )


def flow_answer() -> float:
    return dimensions(course_of("supcon_out").spectrum[-1])


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"rankme": 50.0, "entropy": 100.0}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """A set that deceives whoever quotes one rank."""

    decay: float = param(2.0, "Eigenvalue k of the covariance is k to minus this.", choices=(0.0, 0.5, 1.0, 2.0))
    offset: float = param(0.0, "Length of the mean, in root mean squares of the rest.", choices=(0.0, 1.0, 4.0, 8.0))


def check(params: ExerciseParams) -> Outcome:
    found = power_law(params.decay, params.offset)
    rankme, entropy = rank(found, "rankme"), rank(found, "covariance_entropy_rank")
    return Outcome(
        rankme < LIMITS["rankme"] and entropy > LIMITS["entropy"],
        f"RankMe {format_number(rankme)}, covariance entropy rank {format_number(entropy)} of {SPECTRUM_DIM} "
        f"(N = {found.n} samples).",
        {"dimension_ranks.rankme": rankme, "dimension_ranks.covariance_entropy_rank": entropy},
    )

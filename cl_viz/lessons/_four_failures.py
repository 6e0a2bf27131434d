"""Sets, figures and checks of the lesson on alignment and uniformity."""

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
from cl_viz.core.view import Axis, Lines, Reference, Scatter, Series
from cl_viz.lessons import _flows
from cl_viz.lessons._circle import circle, on_circle
from cl_viz.lessons._measuring import measured, number
from cl_viz.simulate import Flow
from cl_viz.testing import simplex_frame, sphere

N = 64
CHORDS = 8
ENCODERS = "ABCDE"
POINT, SPREAD, STAY = "All rows meet at one point", "The rows spread over the whole circle", "Nothing moves"
LOSSES = ("alignment", "uniformity", "align_uniform")
_APART = 2.6


# -- four ways to fail -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class NoiseParams(Params):
    """What the augmentations do."""

    noise: int = param(
        3, "How far the two views of a sample are turned apart, at most.", low=0, high=30, unit="degrees"
    )


@lru_cache(maxsize=64)
def encoder_at(name: str, noise: int) -> EmbeddingSet:
    """Return what one of the five encoders makes of 64 samples, on the circle.

    A puts all samples at one place, B places both views at random, C puts them at two places, D in a narrow cone, and
    E spreads them evenly.
    """
    generator = np.random.default_rng(ENCODERS.index(name))
    places = {
        "A": np.full(N, 90.0),
        "B": 360.0 * np.arange(N) / N,
        "C": np.where(np.arange(N) % 2 == 0, 60.0, 120.0),
        "D": np.linspace(60.0, 120.0, N),
        "E": 360.0 * np.arange(N) / N,
    }[name]
    turn = generator.uniform(-noise, noise, N)
    other = generator.permutation(places) if name == "B" else places + turn
    return EmbeddingSet.from_arrays({"view_1": on_circle(places), "view_2": on_circle(other)}, name=f"encoder {name}")


def alignment(name: str, noise: int) -> float:
    """Return the mean squared distance of the two views."""
    return number("alignment_uniformity", "alignment", encoder_at(name, noise))


def uniformity(name: str, noise: int) -> float:
    """Return the log mean potential at t = 2."""
    return number("alignment_uniformity", "uniformity", encoder_at(name, noise))


def five_circles() -> Scatter:
    """Return what the five encoders make of the samples, side by side, without a number."""
    series, outlines = [], []
    for place, name in enumerate(ENCODERS):
        first, second = (
            np.asarray(rows) + np.array([_APART * place, 0]) for rows in encoder_at(name, 3).views.values()
        )
        series.append(Series(name, first[:, 0], first[:, 1], "other", name, n=N))
        for sample in range(0, N, N // CHORDS):
            ends = np.stack([first[sample], second[sample]])
            outlines.append(Series("the two views of a sample", ends[:, 0], ends[:, 1], "reference"))
        outline = circle()
        outlines.append(Series("outline", outline.x + _APART * place, outline.y, "reference"))
    wide = (-1.3, _APART * (len(ENCODERS) - 1) + 1.3)
    return Scatter(
        "First views of 64 samples by five encoders, A to E from left to right",
        Axis("", "", wide),
        Axis("", "", (-1.3, 1.3)),
        (*series, *outlines),
        equal=True,
    )


def plane(params: NoiseParams) -> Scatter:
    points = [
        Series(
            name, np.array([alignment(name, params.noise)]), np.array([uniformity(name, params.noise)]), "other", name
        )
        for name in ENCODERS
    ]
    return Scatter(
        f"Below left is best: {best(params.noise)} is aligned and uniform",
        Axis("Alignment", "mean squared distance of positives", (-0.15, 2.3)),
        Axis("Uniformity", "log mean potential, t = 2", (-2.0, 0.2)),
        tuple(points),
        (Reference("uniform circle", CIRCLE, "y"),),
        named=True,
    )


def circles_again(params: NoiseParams) -> Scatter:
    del params  # the picture is that of the question
    return five_circles()


def best(noise: int) -> str:
    """Return the encoder whose sum of alignment and uniformity is lowest."""
    return min(ENCODERS, key=lambda name: alignment(name, noise) + uniformity(name, noise))


def told_plane(params: NoiseParams) -> str:
    parts = [
        f"{name} {format_number(alignment(name, params.noise))} and {format_number(uniformity(name, params.noise))}"
        for name in ENCODERS
    ]
    return f"Alignment and uniformity: {', '.join(parts)} (N = {N} samples each)."


# -- what is the best uniformity -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DimensionParams(Params):
    """A set that is as uniform as chance makes it."""

    dim: int = param(2, "Dimensions of the sphere.", choices=(2, 3, 4, 8, 16, 32, 64, 128))


DIMENSIONS = (2, 3, 4, 8, 16, 32, 64, 128)


@lru_cache(maxsize=16)
def uniform_sphere(dim: int) -> EmbeddingSet:
    """Return 256 random directions."""
    return EmbeddingSet.from_arrays(sphere(256, dim, 1), name=f"uniform sphere in {dim} dimensions")


@lru_cache(maxsize=16)
def simplex(points: int) -> EmbeddingSet:
    """Return rows that are all equally far apart."""
    return EmbeddingSet.from_arrays(simplex_frame(points, points), name=f"simplex of {points} rows")


def of_set(found: EmbeddingSet) -> float:
    """Return the uniformity of a set."""
    return number("alignment_uniformity", "uniformity", found)


def best_possible(dim: int) -> float:
    """Return the uniformity of the uniform distribution on the sphere, as the diagnostic gives it for comparison."""
    found = measured("alignment_uniformity", uniform_sphere(dim))["uniformity"].reference
    assert found is not None
    return found


def uniformity_curve(params: DimensionParams) -> Lines:
    dims = np.array(DIMENSIONS)
    value = of_set(uniform_sphere(params.dim))
    return Lines(
        f"{format_number(value)} for 256 random directions in {params.dim} dimensions",
        Axis("Dimensions", "", log=True),
        Axis("Uniformity", "log mean potential, t = 2", (-8.5, 0.0)),
        (
            Series("uniform sphere", dims, np.array([best_possible(dim) for dim in DIMENSIONS]), "other", "sphere"),
            Series("simplex of D + 1 rows", dims, -4 * (dims + 1) / dims, "other", "simplex"),
        ),
        (Reference("-4", -4.0, "y"), Reference(f"{params.dim} dimensions", float(params.dim))),
    )


def told_uniformity(params: DimensionParams) -> str:
    return (
        f"In {params.dim} dimensions N = 256 random directions have uniformity "
        f"{format_number(of_set(uniform_sphere(params.dim)))}; a perfectly uniform sphere has "
        f"{format_number(best_possible(params.dim))}."
    )


def uniformity_numbers() -> Mapping[str, str]:
    return {
        "two": format_number(of_set(simplex(2))),
        "nine": format_number(of_set(simplex(9))),
        "high": format_number(best_possible(128)),
        "low": format_number(best_possible(2)),
    }


# -- what the two forces do ------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ForceParams(Params):
    """Which of the two forces acts."""

    loss: str = param("alignment", "The force that moves the rows; align_uniform has both.", choices=LOSSES)
    space: str = param("circle", "Unit rows of two or of three coordinates.", choices=("circle", "sphere"))


def course_of(loss: str, space: str) -> Flow:
    begin = _flows.unlabelled_start("cone", n=24, dim=2 if space == "circle" else 3, view_noise=0.4, seed=2)
    return _flows.flow(loss, begin, steps=100, step_size=0.1)


def moving(params: ForceParams) -> Animation:
    return _flows.moving_points(course_of(params.loss, params.space), params.loss)


def force_answer() -> str:
    """Return what happens under alignment alone."""
    course = course_of("alignment", "circle")
    moved = float(np.abs(course.positions[-1] - course.positions[0]).max())
    if moved < 0.05:
        return STAY
    return POINT if course.measures["mean_negative_score"][-1] > 0.99 else SPREAD if (
        course.measures["uniformity"][-1] < -1.4
    ) else PAIRS  # fmt: skip


PAIRS = "The views of each sample meet halfway; the cone stays a cone"


def told_force(params: ForceParams) -> str:
    course = course_of(params.loss, params.space)
    aligned, uniform = (course.measures[name] for name in ("alignment", "uniformity"))
    return (
        f"Under {params.loss} alignment goes from {format_number(aligned[0])} to {format_number(aligned[-1])} and "
        f"uniformity from {format_number(uniform[0])} to {format_number(uniform[-1])} (N = {course.start.n} samples)."
    )


# -- exercise --------------------------------------------------------------------------------------------------------
CIRCLE = -4 + math.log(float(np.i0(4.0)))
"""Uniformity of the uniform distribution on the circle at t = 2."""
LIMITS = {"alignment": 0.1, "uniformity": -1.5, "circle": CIRCLE}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """An encoder of 64 samples on the circle."""

    arc: int = param(60, "Part of the circle that the samples fill.", low=0, high=360, unit="degrees")
    places: int = param(2, "Different places among which the samples are shared out.", choices=(1, 2, 4, 8, 64))
    noise: int = param(40, "How far the two views of a sample are apart.", low=0, high=180, unit="degrees")


@lru_cache(maxsize=128)
def built(arc: int, places: int, noise: int) -> EmbeddingSet:
    """Return the encoder that the exercise's controls build."""
    degrees = arc / places * (np.arange(N) % places)
    return EmbeddingSet.from_arrays(
        {"view_1": on_circle(degrees), "view_2": on_circle(degrees + noise)}, name="your encoder"
    )


def exercise_points(params: ExerciseParams) -> Scatter:
    found = built(params.arc, params.places, params.noise)
    series = [
        Series(view.replace("_", " "), np.asarray(rows)[:, 0], np.asarray(rows)[:, 1], "other", view, n=N)
        for view, rows in found.views.items()
    ]
    return Scatter(
        f"{params.places} place{'s' if params.places > 1 else ''} on {params.arc} degrees",
        Axis("First coordinate", "", (-1.3, 1.3)),
        Axis("Second coordinate", "", (-1.3, 1.3)),
        (*series, circle()),
        equal=True,
    )


def check(params: ExerciseParams) -> Outcome:
    found = built(params.arc, params.places, params.noise)
    aligned, uniform = (number("alignment_uniformity", name, found) for name in ("alignment", "uniformity"))
    return Outcome(
        aligned < LIMITS["alignment"] and uniform < LIMITS["uniformity"],
        f"Alignment {format_number(aligned)}, uniformity {format_number(uniform)} (N = {N} samples).",
        {"alignment_uniformity.alignment": aligned, "alignment_uniformity.uniformity": uniform},
    )

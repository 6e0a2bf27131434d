"""Sets, figures and checks of the lesson on who is harmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import Result, format_number
from cl_viz.core.run import Run
from cl_viz.core.view import Axis, Bars, Heatmap, Lines, Reference, Series, View
from cl_viz.diagnostics import diagnose
from cl_viz.simulate.stochastic_block_model import WITHIN, collapse_curves
from cl_viz.testing import planted_harm

Floats = NDArray[np.float64]
ALPHAS = (0.05, 0.1, 0.2, 0.4, 0.6)
SHARES = tuple(2.0**-power / 3 for power in range(8, -1, -1))
BLOCKS = ("block 1", "block 2", "block 3")
COLLAPSED = 0.95
"""Cosine from which the words say that two blocks are one; a convention."""
FALLS, NEARER, AWAY = (
    "Yes: its vectors become those of block 2",
    "No: it is drawn nearer to block 2, but stays apart from it",
    "No: it moves away from block 2",
)
LITTLE, HALF, ALL = "Little or none of it", "About half of it", "Nearly all of it"
PUBLISHED: Mapping[str, float] = MappingProxyType({"total": -0.972, "indirect": -0.095})
"""Maity et al. 2024, CIFAR10, SimCLR, automobiles 100 times rarer: TE and NIE on their accuracy."""


# -- the block model -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class BlockParams(Params):
    """Three blocks, of which the first is joined with the second."""

    alpha: float = param(0.2, "How often a node of block 1 is joined with one of block 2.", choices=ALPHAS)
    weights: str = param(
        "script",
        "Weights of block pairs: of the published figure, or of simulated graphs.",
        choices=("script", "graph"),
    )


@lru_cache(maxsize=64)
def block_cosines(alpha: float, weights: str) -> Floats:
    """Return the cosine of blocks 1 and 2 at the optimum for every share of block 1, shape (9,)."""
    found = collapse_curves(SHARES, [alpha], weights="graph" if weights == "graph" else "script")
    cosines: Floats = found[:, 0, 0, 1]
    return cosines


def block_curve(params: BlockParams) -> Lines:
    cosines = block_cosines(params.alpha, params.weights)
    return Lines(
        f"Cosine {format_number(cosines[0])} at a share of {format_number(100 * SHARES[0])} %",
        Axis("Share of block 1", "of all nodes", log=True),
        Axis("Cosine of blocks 1 and 2", "cosine", (-1.0, 1.05)),
        (Series("at the optimum", np.array(SHARES), cosines, "other"),),
        (Reference("one block", 1.0, "y"),),
    )


def told_block(params: BlockParams) -> str:
    cosines = block_cosines(params.alpha, params.weights)
    return (
        f"Joined with probability {params.alpha:g}, the cosine goes from {format_number(cosines[-1])} at equal shares "
        f"to {format_number(cosines[0])} at a share of {format_number(100 * SHARES[0])} % (N = 3 blocks, in the limit "
        f"of many nodes)."
    )


def block_answer() -> str:
    cosines = block_cosines(0.2, "script")
    if cosines[0] > COLLAPSED:
        return FALLS
    return NEARER if cosines[0] > cosines[-1] else AWAY


def block_numbers() -> Mapping[str, str]:
    threshold = WITHIN * (2 * np.tanh(1.0) - 1)
    ends = {alpha: format_number(block_cosines(alpha, "script")[0]) for alpha in ALPHAS}
    return {
        "lowest": ends[0.05],
        "low": ends[0.1],
        "middle": ends[0.2],
        "high": ends[0.4],
        "threshold": format_number(threshold),
    }


# -- representation harm ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MovedParams(Params):
    """How far the rare class moved."""

    moved: float = param(
        0.2, "Mean cosine of the rare class with its neighbour; 0 in the balanced twin.",
        choices=(-0.2, 0.0, 0.1, 0.2, 0.3, 0.5),
    )  # fmt: skip


@lru_cache(maxsize=16)
def moved_result(moved: float) -> Result:
    """Return representation harm where class 1 moved towards class 2."""
    runs = planted_harm(1 - moved, samples=40, classes=4, seeds=2)
    return diagnose("representation_harm", runs[0], others=runs, params={"bootstraps": 200})


def known(result: Result, name: str) -> float:
    """Return a quantity that a diagnostic measured."""
    value = result[name].value
    assert value is not None, f"{name} is unknown"
    return value


def harm_bars(params: MovedParams) -> View:
    return moved_result(params.moved).views["harm"]


def harm_matrix(params: MovedParams) -> View:
    found = moved_result(params.moved).views["matrix"]
    assert isinstance(found, Heatmap)
    return found


def told_moved(params: MovedParams) -> str:
    result = moved_result(params.moved)
    return (
        f"A mean cosine of {params.moved:g} instead of 0 is RH {result['nearest'].text()} towards the nearest class, "
        f"and {format_number(known(result, 'mean_others'))} on average over the others (N = {result.caveats.n_used} "
        f"samples, {format_number(known(result, 'paired_seeds'))} pairs of runs)."
    )


def moved_answer() -> float:
    return known(moved_result(0.2), "nearest")


# -- mediation -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MediationParams(Params):
    """What the encoder of the rare class did."""

    overlap: str = param("some", "How far class 1 moved into class 2.", choices=("none", "some", "much"))


_OVERLAPS = {"none": 0.0, "some": 0.5, "much": 0.9}
_CLASSES, _SAMPLES, _DIM, _NOISE = 3, 60, 8, 0.45


@lru_cache(maxsize=4)
def noisy_runs(overlap: float) -> tuple[Run, ...]:
    """Return a run whose class 1 lies near class 2, and its balanced twin, both with noise that lets classes touch."""
    labels = np.repeat(np.arange(_CLASSES), _SAMPLES)
    noise = np.random.default_rng(0).normal(size=(len(labels), _DIM)) * _NOISE
    runs = []
    for name, cosine in (("rare", overlap), ("balanced", 0.0)):
        means = np.eye(_CLASSES, _DIM)
        means[1, :3] = [0.0, np.sqrt(1 - cosine**2), cosine]
        card: dict[str, object] = {"seed": 0, "family": "noisy"}
        if name == "rare":
            card |= {"under_represented_class": "1", "balanced_twin": "balanced", "imbalance_ratio": 20}
        found = EmbeddingSet.from_arrays(means[labels] + noise, label=labels, name=name)
        runs.append(Run.from_set(found, card=card))
    return tuple(runs)


@lru_cache(maxsize=4)
def mediation(overlap: str) -> Result:
    """Return the effects on the accuracy of class 1."""
    runs = noisy_runs(_OVERLAPS[overlap])
    params = {"splits": 2, "bootstraps": 200}
    return diagnose("allocation_harm", runs[0], others=list(runs), params=params)


def effects(params: MediationParams) -> Bars:
    found = mediation(params.overlap).views["effects"]
    assert isinstance(found, Bars)
    return found


def told_mediation(params: MediationParams) -> str:
    result = mediation(params.overlap)
    total, indirect, reverse = (
        100 * known(result, name) for name in ("total_effect", "indirect_effect", "reverse_direct_effect")
    )
    return (
        f"On the accuracy of class 1 the total effect is {format_number(total)} points, the encoder's part (NIE) "
        f"{format_number(indirect)}; balanced labels give {format_number(reverse)} back on that encoder "
        f"(N = {_SAMPLES} samples of the class)."
    )


def mediation_answer() -> str:
    result = mediation("some")
    share = known(result, "indirect_effect") / known(result, "total_effect")
    return LITTLE if share < 0.3 else ALL if share > 0.8 else HALF


def mediation_numbers() -> Mapping[str, str]:
    return {
        "total": format_number(-100 * PUBLISHED["total"]),
        "indirect": format_number(-100 * PUBLISHED["indirect"]),
        "share": format_number(100 * PUBLISHED["indirect"] / PUBLISHED["total"], 2),
    }


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"harm": 0.2, "share": 5.0}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """A graph of three blocks, embedded by a contrastive loss."""

    alpha: float = param(0.1, "How often a node of block 1 is joined with one of block 2.", choices=ALPHAS)
    halvings: int = param(8, "How often the share of block 1, at first a third, was halved.", low=0, high=8)


@lru_cache(maxsize=64)
def block_harm(alpha: float, halvings: int) -> Result:
    """Return representation harm between the blocks' optimum at a share and at equal shares."""
    gram = collapse_curves([SHARES[-1 - halvings], SHARES[-1]], [alpha])[:, 0]
    runs = [_block_run(gram[0], "rare"), _block_run(gram[1], "balanced")]
    return diagnose("representation_harm", runs[0], others=runs, params={"bootstraps": 200})


def _block_run(gram: Floats, name: str) -> Run:
    """Return 40 rows of each block around the vectors with these cosines, in opposite pairs."""
    values, axes = np.linalg.eigh(gram)
    vectors = axes * np.sqrt(values.clip(0))
    noise = 0.05 * np.random.default_rng(0).normal(size=(3, 20, 6))
    rows = np.concatenate([np.repeat(vectors, 40, axis=0), np.concatenate([noise, -noise], axis=1).reshape(-1, 6)], 1)
    card: dict[str, object] = {"seed": 0, "family": "blocks"}
    if name == "rare":
        card |= {"under_represented_class": BLOCKS[0], "balanced_twin": "balanced", "imbalance_ratio": 100}
    return Run.from_set(EmbeddingSet.from_arrays(rows, label=np.repeat(BLOCKS, 40), name=name), card=card)


def exercise_curve(params: ExerciseParams) -> Lines:
    drawn = block_curve(BlockParams(alpha=params.alpha))
    at = SHARES[-1 - params.halvings]
    return Lines(
        drawn.title, drawn.x, drawn.y, drawn.series,
        (*drawn.references, Reference(f"{format_number(100 * at)} %", at)),
    )  # fmt: skip


def exercise_harm(params: ExerciseParams) -> View:
    return block_harm(params.alpha, params.halvings).views["harm"]


def check(params: ExerciseParams) -> Outcome:
    result = block_harm(params.alpha, params.halvings)
    harm, share = known(result, "nearest"), 100 * SHARES[-1 - params.halvings]
    return Outcome(
        harm < LIMITS["harm"] and share > LIMITS["share"],
        f"Block 1 has a share of {format_number(share)} %, and RH {format_number(harm)} towards its nearest block "
        f"(N = {result.caveats.n_used} rows).",
        {"representation_harm.nearest": harm},
    )

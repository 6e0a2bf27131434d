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
from cl_viz.engine.scanner import Scanner
from cl_viz.simulate.stochastic_block_model import WITHIN, Weights, collapse_curves
from cl_viz.testing import planted_harm

Floats = NDArray[np.float64]
ALPHAS = (0.05, 0.1, 0.2, 0.4, 0.6)
SHARES = tuple(2.0**-power / 3 for power in range(8, -1, -1))
RARER = 2.0 ** np.arange(9)
"""How many times rarer than a third block 1 is, over `SHARES` from its end: what curves are drawn over."""
BLOCKS = ("block 1", "block 2", "block 3")
STEPS = 1000
"""Of the authors' descent; near the connectivity from which blocks become one it has not quite arrived."""
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


WEIGHTS: Mapping[Weights, str] = MappingProxyType({"script": "authors' script", "graph": "simulated graphs"})
"""How pairs of blocks are weighed; see `cl_viz.simulate.stochastic_block_model.Weights`."""


@lru_cache(maxsize=2)
def _all_cosines(weights: Weights) -> Floats:
    return collapse_curves(SHARES, ALPHAS, weights=weights, steps=STEPS)[:, :, 0, 1]


def block_cosines(alpha: float, weights: Weights) -> Floats:
    """Return the cosine of blocks 1 and 2 for every share of block 1, shape (9,), after `STEPS` steps."""
    cosines: Floats = _all_cosines(weights)[:, ALPHAS.index(alpha)]
    return cosines


def block_curve(params: BlockParams) -> Lines:
    found = {weights: block_cosines(params.alpha, weights) for weights in WEIGHTS}
    ends = " and ".join(f"{format_number(cosines[0])} ({WEIGHTS[weights]})" for weights, cosines in found.items())
    return Lines(
        f"At a share of {format_number(100 * SHARES[0])} % the cosine is {ends}",
        Axis("How many times rarer block 1 is than a third", log=True),
        Axis("Cosine of blocks 1 and 2", "cosine", (-1.0, 1.05)),
        tuple(Series(WEIGHTS[weights], RARER, cosines[::-1]) for weights, cosines in found.items()),
        (Reference("one block", 1.0, "y"),),
    )


def told_block(params: BlockParams) -> str:
    script, graph = (block_cosines(params.alpha, weights) for weights in WEIGHTS)
    return (
        f"Joined with probability {params.alpha:g}, the cosine goes from {format_number(script[-1])} at equal shares "
        f"to {format_number(script[0])} at a share of {format_number(100 * SHARES[0])} % with the weights of the "
        f"authors' script, and to {format_number(graph[0])} with those of simulated graphs (N = 3 blocks, in the limit "
        f"of many nodes, after {STEPS:,} steps of the authors' descent)."
    )


def block_answer() -> str:
    cosines = block_cosines(0.2, "script")
    if cosines[0] > COLLAPSED:
        return FALLS
    return NEARER if cosines[0] > cosines[-1] else AWAY


def block_numbers() -> Mapping[str, str]:
    rows = {
        weights: " | ".join(format_number(block_cosines(alpha, weights)[0]) for alpha in ALPHAS) for weights in WEIGHTS
    }
    return {
        "share": format_number(100 * SHARES[0]),
        "alphas": " | ".join(f"{alpha:g}" for alpha in ALPHAS),
        "rule": " | ".join("---" for _ in ALPHAS),
        "script": rows["script"],
        "graph": rows["graph"],
        "steps": f"{STEPS:,}",
        "threshold": format_number(WITHIN * (2 * np.tanh(1.0) - 1)),
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
_CLASSES, SAMPLES, _DIM, _NOISE = 3, 120, 8, 0.45


@lru_cache(maxsize=4)
def noisy_run(cosine: float, rare: bool) -> Run:
    """Return a run whose class 1 lies at a cosine of class 2, with noise that lets classes touch."""
    labels = np.repeat(np.arange(_CLASSES), SAMPLES)
    noise = np.random.default_rng(0).normal(size=(len(labels), _DIM)) * _NOISE
    means = np.eye(_CLASSES, _DIM)
    means[1, :3] = [0.0, np.sqrt(1 - cosine**2), cosine]
    card: dict[str, object] = {"seed": 0, "family": "noisy"}
    if rare:
        card |= {"under_represented_class": "1", "balanced_twin": "balanced", "imbalance_ratio": 20}
    name = "rare" if rare else "balanced"
    return Run.from_set(EmbeddingSet.from_arrays(means[labels] + noise, label=labels, name=name), card=card)


@lru_cache(maxsize=1)
def _probes() -> Scanner:
    """Return the keeper of what was fitted: the balanced twin is the same at every overlap."""
    return Scanner(device="cpu")


@lru_cache(maxsize=4)
def mediation(overlap: str) -> Result:
    """Return the effects on the accuracy of class 1."""
    runs = [noisy_run(_OVERLAPS[overlap], True), noisy_run(0.0, False)]
    params = {"splits": 1, "bootstraps": 200}
    return diagnose("allocation_harm", runs[0], others=runs, params=params, scanner=_probes())


def effect(overlap: str, name: str) -> str:
    """Return an effect on the accuracy of class 1 in points, with its interval."""
    value, interval = known(mediation(overlap), name), mediation(overlap)[name].interval
    assert interval is not None, f"{name} has no interval"
    ends = f"[{format_number(100 * interval.low)}, {format_number(100 * interval.high)}]"
    return f"{format_number(100 * value)} {ends}"


def tested() -> int:
    """Return how many samples of class 1 the probes are tested on: what the intervals rest on."""
    n = mediation("some")["indirect_effect"].n
    assert n is not None
    return n


def effects(params: MediationParams) -> Bars:
    found = mediation(params.overlap).views["effects"]
    assert isinstance(found, Bars)
    return found


def told_mediation(params: MediationParams) -> str:
    total, indirect, direct, both = (
        effect(params.overlap, name) for name in ("total_effect", "indirect_effect", "direct_effect", "interaction")
    )
    return (
        f"On the accuracy of class 1 the total effect is {total} points, the encoder's part (NIE) {indirect}, the "
        f"labels' part on the balanced encoder (NDE) {direct}, and their interaction {both} (N = {tested()} tested "
        f"samples of the {SAMPLES} of the class, one pair of encoders; 95 % intervals over these samples)."
    )


def mediation_answer() -> str:
    result = mediation("some")
    share = known(result, "indirect_effect") / known(result, "total_effect")
    return LITTLE if share < 0.3 else ALL if share > 0.8 else HALF


def mediation_numbers() -> Mapping[str, str]:
    return {
        "n": str(tested()),
        "some": effect("some", "indirect_effect"),
        "much": effect("much", "indirect_effect"),
        "much_total": effect("much", "total_effect"),
        "much_direct": effect("much", "direct_effect"),
        "much_both": effect("much", "interaction"),
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
    """Return representation harm between the blocks' vectors at a share and at equal shares."""
    gram = collapse_curves([SHARES[-1 - halvings], SHARES[-1]], [alpha], steps=STEPS)[:, 0]
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
    cosine = block_cosines(params.alpha, "script")[-1 - params.halvings]
    return Lines(
        f"Cosine {format_number(cosine)} at a share of {format_number(100 * at)} %", drawn.x, drawn.y, drawn.series[:1],
        (*drawn.references, Reference(f"{format_number(100 * at)} %", 2.0**params.halvings)),
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

"""Sets, figures and checks of the lesson on two modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.lesson import Outcome
from cl_viz.core.params import Params, param
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Bars, Histogram, Lines, Reference, Series
from cl_viz.lessons._measuring import drawn, number
from cl_viz.testing import modality_pair

PAIRS, DIM = 96, 16
Way = Literal["there", "back"]
GAPS = (0.0, 0.25, 0.5, 1.0, 1.5)
MIXED_GAPS = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5)
NOISES = (0.3, 1.0, 1.5)
GUESS, SOME, ALL = "About half of them: it guesses", "About three quarters", "Nearly all of them"
RISES, FALLS, STAYS = "It rises by more than 5 points", "It falls by more than 5 points", "It hardly changes"
FEW, HALF, MOST = "For fewer than a tenth of them", "For about half of them", "For more than nine tenths"


@lru_cache(maxsize=32)
def pair(gap: float, noise: float) -> EmbeddingSet:
    """Return 96 images and their captions, with the centres `gap` apart."""
    return modality_pair(PAIRS, DIM, gap, noise)


def measured_gap(quantity: str, gap: float, noise: float) -> float:
    """Return what the diagnostic of the modality gap measures."""
    return number("modality_gap", quantity, pair(gap, noise))


def recall(gap: float, noise: float) -> float:
    """Return the share of images whose nearest caption is their own."""
    return number("cross_view_retrieval", "recall_at_1_there", pair(gap, noise))


def change(gap: float, noise: float, way: Way = "there") -> float:
    """Return by how many points Recall@1 changes when the gap is closed; ``"there"`` is from images to captions."""
    before, after = (measured_gap(f"recall_at_1_{way}_{when}", gap, noise) for when in ("before", "after"))
    return 100 * (after - before)


def signed(points: float) -> str:
    """Return a change with its sign."""
    return f"+{format_number(points)}" if points > 0 else format_number(points)


# -- what the gap is -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class GapParams(Params):
    """Images and captions of the same samples."""

    gap: float = param(0.25, "Distance of the centres of the two modalities.", choices=GAPS)


def along_gap(params: GapParams) -> Histogram:
    return drawn("modality_gap", "along_gap", Histogram, pair(params.gap, NOISES[0]))


def told_gap(params: GapParams) -> str:
    norm, share = (measured_gap(name, params.gap, NOISES[0]) for name in ("gap_norm", "separability"))
    return (
        f"The centres are {format_number(norm)} apart (at most 2), and a plane names the modality of "
        f"{format_number(100 * share)} % of the rows it has not seen (N = {PAIRS} pairs)."
    )


def gap_answer() -> str:
    share = measured_gap("separability", 0.25, NOISES[0])
    return ALL if share > 0.9 else SOME if share > 0.65 else GUESS


# -- closing it ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ClosingParams(Params):
    """A gap that is closed by moving all images by the difference of the centres."""

    gap: float = param(1.0, "Distance of the centres before.", choices=GAPS)
    noise: float = param(NOISES[1], "What image and caption do not share, relative to what they do.", choices=NOISES)


_WAYS: Mapping[Way, str] = MappingProxyType({"there": "from images to captions", "back": "from captions to images"})


def retrieval(params: ClosingParams) -> Bars:
    return drawn("modality_gap", "retrieval", Bars, pair(params.gap, params.noise))


def told_closing(params: ClosingParams) -> str:
    told = []
    for way, label in _WAYS.items():
        before, after = (
            100 * measured_gap(f"recall_at_1_{way}_{when}", params.gap, params.noise) for when in ("before", "after")
        )
        moved = signed(change(params.gap, params.noise, way))
        told.append(f"{label} from {format_number(before)} % to {format_number(after)} % ({moved} points)")
    return f"Closing a gap of {params.gap:g} takes Recall@1 {' and '.join(told)} (N = {PAIRS} pairs)."


def closing_answer() -> str:
    found = change(1.0, NOISES[1])
    return STAYS if abs(found) <= 5 else RISES if found > 0 else FALLS


def closing_numbers() -> Mapping[str, str]:
    return {
        "there": signed(change(1.0, NOISES[1])),
        "back": signed(change(1.0, NOISES[1], "back")),
        "zero_there": signed(change(0.0, NOISES[1])),
        "zero_back": signed(change(0.0, NOISES[1], "back")),
        "samples": str(round(abs(change(1.0, NOISES[1])) / 100 * PAIRS)),
        "zero_gap": format_number(measured_gap("gap_norm", 0.0, NOISES[1])),
        "n": str(PAIRS),
    }


# -- is smaller better -----------------------------------------------------------------------------------------------
MODELS = {"X": (1.0, 0.3), "Y": (0.5, 1.0), "Z": (0.0, 1.5)}
"""Gap and noise of three models."""


@dataclass(frozen=True)
class ModelParams(Params):
    """Which number of the three models is shown."""

    shown: str = param(
        "recall", "Share of images that find their caption, or distance of the centres.", choices=("recall", "gap")
    )


def of_model(name: str, shown: str) -> float:
    """Return the recall or the gap of a model."""
    return recall(*MODELS[name]) if shown == "recall" else measured_gap("gap_norm", *MODELS[name])


def best_model() -> str:
    return max(MODELS, key=lambda name: of_model(name, "recall"))


def model_bars(params: ModelParams) -> Bars:
    values = np.array([of_model(name, params.shown) for name in MODELS])
    said = ", ".join(f"{name} {format_number(value)}" for name, value in zip(MODELS, values, strict=True))
    title, axis = (
        ("Recall@1", Axis("Recall@1", "share of images", (0.0, 1.0)))
        if params.shown == "recall"
        else ("Gap", Axis("Distance of the centres", "", (0.0, 2.0)))
    )
    return Bars(
        f"{title}: {said}",
        Axis("Model"),
        axis,
        (Series("model", np.array(list(MODELS), dtype=object), values, "other", n=PAIRS),),
    )


def told_models(params: ModelParams) -> str:
    del params  # both numbers are told, whichever is shown
    parts = [
        f"{name} has a gap of {format_number(of_model(name, 'gap'))} and Recall@1 of "
        f"{format_number(100 * of_model(name, 'recall'))} %"
        for name in MODELS
    ]
    return f"{'; '.join(parts)} (N = {PAIRS} pairs each)."


def model_numbers() -> Mapping[str, str]:
    return {"measured": format_number(of_model("Z", "gap")), "n": str(PAIRS)}


# -- where the gap matters -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class MixedParams(Params):
    """Images and captions in one index."""

    gap: float = param(1.0, "Distance of the centres of the two modalities.", choices=MIXED_GAPS)


@dataclass(frozen=True)
class MixedOrder:
    """What images find in one index of all images and captions.

    Attributes
    ----------
    image_first : float
        Share of images to which another image is nearer than every caption.
    before_caption : float
        Median number of other images that are nearer to an image than its own caption.
    """

    image_first: float
    before_caption: float


@lru_cache(maxsize=16)
def mixed_order(gap: float) -> MixedOrder:
    """Search for every image in one index of all other images and all captions, by cosine."""
    found = pair(gap, NOISES[0])
    images, captions = (np.asarray(found.views[view], dtype=np.float64) for view in found.view_names)
    to_images, to_captions = images @ images.T, images @ captions.T
    np.fill_diagonal(to_images, -np.inf)
    before = (to_images > np.diagonal(to_captions)[:, None]).sum(axis=1)
    first = to_images.max(axis=1) > to_captions.max(axis=1)
    return MixedOrder(float(first.mean()), float(np.median(before)))


_SHORT = {"pairs": "own caption", "strangers, own view": "images", "strangers, other view": "captions"}
"""Names of the diagnostic's curves, short enough for half a page."""


def own_and_partner(params: MixedParams) -> Histogram:
    found = drawn("modality_gap", "scores", Histogram, pair(params.gap, NOISES[0]))
    own, positive = (measured_gap(name, params.gap, NOISES[0]) for name in ("own_mean", "positive_mean"))
    series = tuple(replace(entry, name=_SHORT.get(entry.name, entry.name)) for entry in found.series)
    title = f"On average {format_number(positive)} with the own caption, {format_number(own)} with other images"
    return replace(found, title=title, series=series)


def comes_first(params: MixedParams) -> Lines:
    shares = np.array([mixed_order(gap).image_first for gap in MIXED_GAPS])
    return Lines(
        f"At a gap of {params.gap:g} another image comes first for "
        f"{format_number(100 * mixed_order(params.gap).image_first)} % of the images",
        Axis("Distance of the centres", "", (0.0, 2.0)),
        Axis("Another image comes first", "share of images", (0.0, 1.0)),
        (Series("another image first", np.array(MIXED_GAPS), shares, "other", n=PAIRS),),
        (Reference(f"gap {params.gap:g}", params.gap),),
    )


def told_mixed(params: MixedParams) -> str:
    own, positive = (measured_gap(name, params.gap, NOISES[0]) for name in ("own_mean", "positive_mean"))
    order = mixed_order(params.gap)
    return (
        f"At a gap of {params.gap:g} an image scores {format_number(positive)} with its caption on average, and "
        f"{format_number(own)} with other images; another image comes first for "
        f"{format_number(100 * order.image_first)} % of the images, and in the median "
        f"{format_number(order.before_caption)} of {PAIRS - 1} come before the own caption (N = {PAIRS} pairs)."
    )


def mixed_answer() -> str:
    share = mixed_order(1.0).image_first
    return FEW if share < 0.1 else MOST if share > 0.9 else HALF


def mixed_numbers() -> Mapping[str, str]:
    near, far = mixed_order(1.0), mixed_order(1.5)
    return {
        "own": format_number(measured_gap("own_mean", 1.0, NOISES[0])),
        "positive": format_number(measured_gap("positive_mean", 1.0, NOISES[0])),
        "first": str(round(PAIRS * near.image_first)),
        "before": format_number(near.before_caption),
        "far_before": format_number(far.before_caption),
        "half": format_number(100 * mixed_order(0.5).image_first),
        "recall": format_number(100 * recall(1.0, NOISES[0])),
        "others": str(PAIRS - 1),
        "n": str(PAIRS),
    }


# -- exercise --------------------------------------------------------------------------------------------------------
LIMITS = {"gap": 0.8, "recall": 95.0}


@dataclass(frozen=True)
class ExerciseParams(Params):
    """A model of images and captions."""

    gap: float = param(0.0, "Distance of the centres.", choices=GAPS)
    noise: float = param(1.5, "What image and caption do not share.", choices=NOISES)


def exercise_along(params: ExerciseParams) -> Histogram:
    return drawn("modality_gap", "along_gap", Histogram, pair(params.gap, params.noise))


def exercise_retrieval(params: ExerciseParams) -> Bars:
    return drawn("modality_gap", "retrieval", Bars, pair(params.gap, params.noise))


def check(params: ExerciseParams) -> Outcome:
    norm, found = measured_gap("gap_norm", params.gap, params.noise), recall(params.gap, params.noise)
    return Outcome(
        norm > LIMITS["gap"] and 100 * found > LIMITS["recall"],
        f"The centres are {format_number(norm)} apart, and {format_number(100 * found)} % of the images find their "
        f"caption first (N = {PAIRS} pairs).",
        {"modality_gap.gap_norm": norm, "cross_view_retrieval.recall_at_1_there": found},
    )

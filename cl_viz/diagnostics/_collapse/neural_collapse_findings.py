"""What the classes say, in sentences: collapse onto their means, the frame of the means."""

from __future__ import annotations

from collections.abc import Mapping

from cl_viz.core.result import Finding, Quantity, format_number
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level

NAME = "neural_collapse"


def findings(frame: ClassFrame, quantities: Mapping[str, Quantity]) -> tuple[Finding, ...]:
    """Return a finding on class collapse, and one on the frame of the class means."""
    share = quantities["within_share"]
    if share.value is None or not frame.defined:
        message = f"Unknown: the classes' means do not differ by more than rounding (N = {frame.classes.n:,})."
        return (
            Finding(NAME, "unknown", message, "Mend the complete collapse first.", _thresholds.PAPYAN, "within_share"),
        )
    if frame.is_one_point:
        message = (
            f"All classes lie at nearly one point: total variance {format_number(frame.total_variance)} (uniform "
            f"sphere: 1, K = {frame.classes.count}, N = {frame.classes.n:,})."
        )
        advice = "Mend the complete collapse first: what tells classes apart is a remainder."
        return (Finding(NAME, "bad", message, advice, _thresholds.TOTAL_VARIANCE.source, "within_share"),)
    return _collapse(frame, share), _frame(frame, quantities)


def _is_chance(frame: ClassFrame) -> bool:
    return _thresholds.SHUFFLED_LABELS.level(frame.shuffled_p_value) != "good"


def _collapse(frame: ClassFrame, share: Quantity) -> Finding:
    classes = frame.classes
    rest = f"K = {classes.count}, N = {classes.n:,}"
    null = format_number(100 * frame.shuffled_within)
    assert share.value is not None
    text = _percent(share)
    if _is_chance(frame):
        return Finding(
            NAME,
            "watch",
            f"The classes are no further apart than shuffled labels: {text} of the variance lies within them "
            f"(shuffled: {null} %, p = {format_number(frame.shuffled_p_value)}, {rest}).",
            "Check that the labels belong to these rows; else the encoder does not see them.",
            _thresholds.SHUFFLED_LABELS.source,
            "within_share",
        )
    level = _thresholds.CLASS_SHARE.level(share.value)
    if level != "good":
        return Finding(
            NAME,
            level,
            f"The classes have collapsed to nearly one point each: {text} of the variance lies within them (shuffled "
            f"labels: {null} %, {rest}).{open_level(share, _thresholds.CLASS_SHARE.level)}",
            "Good if these labels are all that is needed; for finer labels or transfer add a self-supervised term.",
            _thresholds.CLASS_SHARE.source,
            "within_share",
        )
    message = (
        f"The classes keep their spread: {text} of the variance lies within them (shuffled labels: {null} %, {rest})."
        f"{open_level(share, _thresholds.CLASS_SHARE.level)}"
    )
    return Finding(NAME, "good", message, source=_thresholds.CLASS_SHARE.source, quantity="within_share")


def _frame(frame: ClassFrame, quantities: Mapping[str, Quantity]) -> Finding:
    source, name = _thresholds.KINI, "mean_cosine"
    simplex = format_number(frame.simplex_cosine)
    rest = (
        f"mean cosine of class means {quantities[name].text()}, {quantities['cosines_from_orthogonal'].text()} from 0, "
        f"{quantities['cosines_from_simplex'].text()} from {simplex}; "
        f"K = {frame.classes.count}, N = {frame.classes.n:,}"
    )
    if _is_chance(frame) or quantities[name].value is None:
        message = f"Unknown: which frame class means form that are no more than chance ({rest})."
        return Finding(NAME, "unknown", message, "To see it, use labels that the encoder separates.", source, name)
    words = {
        "orthogonal": "The class means form an orthogonal frame",
        "simplex": "The class means form a simplex equiangular tight frame",
        "neither": "The class means form neither an orthogonal frame nor a simplex ETF",
    }
    two = " Around their own mean two class means are opposite whatever the encoder does."
    two = two if frame.classes.count == 2 else ""
    return Finding(NAME, "good", f"{words[frame.frame]} ({rest}).{two}", source=source, quantity=name)


def _percent(share: Quantity) -> str:
    assert share.value is not None
    text = f"{format_number(100 * share.value)} %"
    if share.interval is None:
        return text
    return f"{text} [{format_number(100 * share.interval.low)}, {format_number(100 * share.interval.high)}]"

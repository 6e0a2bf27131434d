"""What a feature transformation would change, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from cl_viz.core.result import Finding, Level, Quantity, format_number
from cl_viz.diagnostics._scores.feature_mixing import Queries, Scores
from cl_viz.diagnostics._thresholds.features import BURIED_POSITIVES, MIXED_FALSE_NEGATIVES
from cl_viz.diagnostics._thresholds.open_level import open_level

NAME = "feature_transformation"
ZHU, MOCHI = BURIED_POSITIVES.source, MIXED_FALSE_NEGATIVES.source


def findings(
    quantities: Mapping[str, Quantity], positives: str, negatives: str, after: Scores, sample: Queries
) -> tuple[Finding, ...]:
    """Return what happens to positives, to negatives and, where there are mixtures, to the push."""
    found = [_positives(quantities, positives), _negatives(quantities, negatives, after, sample)]
    if after.n_mixed:
        found.append(_mixtures(quantities, after))
    return tuple(found)


def _positives(quantities: Mapping[str, Quantity], done: str) -> Finding:
    mean, buried = quantities["positive_mean_after"], quantities["buried_after"]
    assert buried.value is not None
    what = {
        "extrapolate": "Extrapolation moves the mean positive",
        "mix": "Interpolation moves the mean positive",
        "keep": "Positives are left as they are, with a mean",
    }[done]
    message = (
        f"{what} from {_number(quantities['positive_mean_before'])} to {_number(mean)}; "
        f"{format_number(100 * buried.value)} % lie below the mean of their negatives (N = {mean.n:,} anchors)."
    )

    def judged(value: float) -> Level:
        return _what_if(BURIED_POSITIVES.level(value))

    level = judged(buried.value)
    message += open_level(buried, judged)
    before = quantities["buried_before"].value or 0.0
    if level == "good":
        advice = ""
    elif before >= buried.value:
        advice = "They lay there before: train longer, or check that the views belong to the same samples."
    else:
        advice = "Raise alpha so that the coefficient rarely nears 2, or bring the features back to the sphere."
    return Finding(NAME, level, message, advice, ZHU, "buried_after")


def _negatives(quantities: Mapping[str, Quantity], done: str, after: Scores, sample: Queries) -> Finding:
    made = ["interpolated"] if done == "mix" else []
    if after.n_mixed:
        made.append("with mixtures added")
    what = f"Negatives, {' and '.join(made)}," if made else "Negatives, left as they are,"

    def change(name: str) -> str:
        pair = (quantities[f"{name}_before"], quantities[f"{name}_after"])
        return " to ".join(_number(quantity) for quantity in pair)

    spread = (
        f", their variance from {change('negative_variance')}"
        if quantities["negative_variance_before"].value is not None
        else ""
    )
    message = (
        f"{what} go in effective number from {change('effective_negatives')} "
        f"(N = {len(sample.queries):,} anchors, queue of {len(sample.queue):,}). Their mean goes from "
        f"{change('negative_mean')}{spread}."
    )
    return Finding(NAME, "good", message, "", ZHU, "negative_mean_after")


def _mixtures(quantities: Mapping[str, Quantity], after: Scores) -> Finding:
    push, same = quantities["mixed_push"], quantities["hardest_same_label"]
    assert push.value is not None
    share = after.n_mixed / after.negatives.shape[1]
    message = f"Mixtures take {format_number(100 * push.value)} % of the push"
    if same.value is None:
        return Finding(
            NAME,
            "unknown",
            f"{message} (N = {push.n:,} anchors); whether they are made of false negatives is unknown.",
            "Add labels (Data page) to see it.",
            MOCHI,
            "mixed_push",
        )
    message += (
        f", and {format_number(100 * same.value)} % of what they are made of has the anchor's label (N = {same.n:,} "
        f"anchors). They are {format_number(100 * share)} % of the negatives."
    )
    level = _what_if(MIXED_FALSE_NEGATIVES.level(same.value))
    advice = "" if level == "good" else "Mix fewer, or from a larger share of the queue: these are false negatives."
    return Finding(NAME, level, message, advice, MOCHI, "hardest_same_label")


def _what_if(level: Level) -> Level:
    """Return at most "watch": nothing that was not done to a run can be wrong with it."""
    return "watch" if level == "bad" else level


def _number(quantity: Quantity) -> str:
    return "unknown" if quantity.value is None else format_number(quantity.value)

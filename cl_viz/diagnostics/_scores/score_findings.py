"""What the score distribution says, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cl_viz.core.result import Finding, Level, Quantity, format_number
from cl_viz.diagnostics._made_views import OWN_VIEWS, views_are_made
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.diagnostics._thresholds import scores as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level

NAME = "score_distribution"


def findings(measures: ScoreMeasures, quantities: Mapping[str, Quantity]) -> tuple[Finding, ...]:
    """Return separation, spread and false negatives, one finding each."""
    return (
        _separation(measures, quantities),
        _spread(measures, quantities),
        _false_negatives(measures, quantities),
    )


def _separation(measures: ScoreMeasures, quantities: Mapping[str, Quantity]) -> Finding:
    name = "auc_per_anchor" if quantities["auc_per_anchor"].value is not None else "auc"
    quantity = quantities[name]
    assert quantity.value is not None
    by_label = measures.roles.positives == "labels"

    def judged(value: float) -> Level:
        found = _thresholds.AUC.level(value)
        # Labels need not be what the encoder was trained for: samples of one label may well lie apart.
        return "watch" if by_label and found == "bad" else found

    level = judged(quantity.value)
    pooled = quantities["auc"]
    if by_label:
        message = (
            f"Samples of one label score above {_percent(pooled)} of the pairs of different labels (AUC, "
            f"N = {pooled.n:,})."
        )
    elif name == "auc":
        message = f"A positive scores above {_percent(pooled)} of the negatives (AUC, N = {pooled.n:,})."
    else:
        message = (
            f"A positive scores above {_percent(quantity)} of its own anchor's negatives, and above {_percent(pooled)} "
            f"of all (AUC, N = {quantity.n:,})."
        )
    message += open_level(quantity, judged)
    if _thresholds.NEGATIVE_SPREAD.level(measures.negatives.variance * measures.dim) == "bad":
        advice = "Mend the collapse first: such ranks rest on the last digits."
    elif by_label:
        advice = "" if level == "good" else (
            "Check that the right column is the label, and that the encoder was meant to tell these labels apart."
        )  # fmt: skip
    elif level != "good" and views_are_made(measures.inputs.card):
        advice = OWN_VIEWS
    elif level == "watch":
        advice = "Train longer, or use harder or more negatives; look at the weakest positives."
    else:
        advice = "" if level == "good" else "Check that the views belong to the same samples."
    return Finding(NAME, level, message, advice, _thresholds.AUC.source, name)


def _spread(measures: ScoreMeasures, quantities: Mapping[str, Quantity]) -> Finding:
    mean, variance = measures.negatives.mean, measures.negatives.variance
    null = 1 / measures.dim
    spread = _thresholds.NEGATIVE_SPREAD.level(variance / null)
    cone = _thresholds.NEGATIVE_MEAN.level(mean)
    n_used = f"N = {measures.statistics.n_used:,}"
    values = (
        f"mean {format_number(mean)}, variance {format_number(variance)} "
        f"(random directions: 0 and {format_number(null)}; {n_used})"
    )
    if spread == "bad" and cone == "bad":
        return Finding(
            NAME,
            "bad",
            f"Negatives all score alike and close to 1: {values}. The embeddings have collapsed to a point.",
            "Add negatives, a stop-gradient or a variance term; check the learning rate.",
            _thresholds.NEGATIVE_SPREAD.source,
            "negative_variance_pooled",
        )
    if cone != "good":
        return Finding(
            NAME,
            cone,
            f"Negatives centre far above 0: {values}. The embeddings fill a narrow cone.",
            "Lower the temperature, or remove the common mean before retrieval.",
            _thresholds.NEGATIVE_MEAN.source,
            "negative_mean",
        )
    if spread != "good":
        return Finding(
            NAME,
            spread,
            f"Negatives score almost alike: {values}.",
            "Look at the spectrum: are all directions used for noise?",
            _thresholds.NEGATIVE_SPREAD.source,
            "negative_variance_pooled",
        )
    return Finding(
        NAME,
        "good",
        f"Negatives spread around their centre: {values}.",
        source=_thresholds.NEGATIVE_MEAN.source,
        quantity="negative_mean",
    )


def _false_negatives(measures: ScoreMeasures, quantities: Mapping[str, Quantity]) -> Finding:
    push, share = quantities["false_negative_push"], quantities["false_negative_share"]
    source = _thresholds.FALSE_NEGATIVE_PUSH.source
    if share.value is not None and share.value >= 1:
        return Finding(
            NAME,
            "unknown",
            f"Unknown: all negatives share one label (N = {share.n:,}), so none can be told to be false.",
            "To see it, add samples of another label, or choose another label column.",
            source,
            "false_negative_push",
        )
    if push.value is None or share.value is None:
        return Finding(
            NAME,
            "unknown",
            "Unknown: how much of the push falls on samples of the same label.",
            f"To see it, {push.missing}.",
            source,
            "false_negative_push",
        )
    # Beyond chance: with two classes half of the push falls on the own label even where nothing is wrong.
    chance = share.value

    def judged(value: float) -> Level:
        return _thresholds.FALSE_NEGATIVE_PUSH.level((value - chance) / (1 - chance))

    level = judged(push.value)
    message = (
        f"Negatives that share a label take {_percent(push)} of the push at temperature {measures.temperature:g} "
        f"(they are {format_number(100 * share.value)} % of the negatives {measures.where_negatives_are}, "
        f"N = {push.n:,}).{open_level(push, judged)}"
    )
    advice = "" if level == "good" else "Raise the temperature, debias the negatives, or use the labels (SupCon)."
    return Finding(NAME, level, message, advice, source, "false_negative_push")


def _percent(quantity: Quantity) -> str:
    """Return a share in percent with its interval; close to 100 with so many digits that it does not read as 100."""
    assert quantity.value is not None
    shares = [quantity.value]
    if quantity.interval is not None:
        shares += [quantity.interval.low, quantity.interval.high]
    texts = [_percent_of(share) for share in shares]
    return f"{texts[0]} %" if len(texts) == 1 else f"{texts[0]} % [{texts[1]}, {texts[2]}]"


def _percent_of(share: float) -> str:
    left = 100 * (1 - share)
    if 0 < left < 1:
        return f"{100 - left:.{min(6, 1 - math.floor(math.log10(left)))}f}"
    return format_number(100 * share)

"""Which temperatures suit these embeddings?"""

from __future__ import annotations

from dataclasses import dataclass

from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_questions import WANG_LIU, Anchors, NegativeParams
from cl_viz.diagnostics._temperature.suggested_noise import limit_intervals
from cl_viz.diagnostics._temperature.suggested_range import Suggestion, suggest, views
from cl_viz.diagnostics._thresholds import scores as _scores
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs

YEH = Source("Yeh et al. 2022, Decoupled Contrastive Learning", "https://arxiv.org/abs/2110.06848")


@dataclass(frozen=True)
class SuggestionParams(NegativeParams):
    """Negatives, and what is asked of a temperature."""

    fewest_negatives: float = param(
        _thresholds.FEW_NEGATIVES.watch,
        "Negatives that should share the push at the least (sum of squares). A rule of thumb.",
        low=2.0,
        high=100.0,
        log=True,
    )
    most_even: float = param(
        _thresholds.EVEN_PUSH.watch,
        "Share of the negatives that may carry the push at the most (entropy). A rule of thumb.",
        low=0.5,
        high=0.99,
    )
    most_false: float = param(
        _scores.FALSE_NEGATIVE_PUSH.watch,
        "Push that false negatives may take beyond their share, of what is left of it. A rule of thumb.",
        low=0.1,
        high=0.9,
    )
    least_signal: float = param(
        _thresholds.SIGNAL.watch,
        "Mean multiplier of the gradient (1 - P) that should be left at the least. A rule of thumb.",
        low=0.1,
        high=0.95,
    )


def compute(inputs: SetInputs, params: SuggestionParams) -> Result:
    """Compute the range of temperatures that meets every wish."""
    anchors = Anchors.of(inputs, params.negative_views)
    found = suggest(anchors, params.fewest_negatives, params.most_even, params.most_false, params.least_signal)
    notes = (
        "a suggestion: its limits are rules of thumb that the controls change",
        *anchors.notes,
        *anchors.notes_on_labels,
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=_quantities(found),
        views=views(found),
        findings=(_finding(found),),
        caveats=inputs.caveats(notes=notes),
        params=params.as_dict(),
    )


def _quantities(found: Suggestion) -> dict[str, Quantity]:
    intervals = limit_intervals(found)
    return {spec.name: _quantity(found, spec, intervals.get(spec.name)) for spec in SPEC.quantities}


def _quantity(found: Suggestion, spec: QuantitySpec, interval: Interval | None) -> Quantity:
    anchors, missing = found.anchors, ""
    ends = {"low": found.low, "high": found.high}
    if spec.name in ends:
        limit = ends[spec.name]
    elif spec.name in found.limits:
        limit = found.limits[spec.name].at
    else:
        limit = None
        missing = questions.NO_VIEWS if spec.name == "for_signal" else anchors.labels_missing
        if spec.name == "for_labels" and anchors.has_labels:
            missing = "add samples of another label"
    return questions.quantity(
        spec,
        limit,
        anchors.labelled.n_anchors if spec.name == "for_labels" and not missing else found.n,
        missing=missing or "no temperature from 0.005 to 5.12 meets this wish",
        interval=interval,
    )


def _finding(found: Suggestion) -> Finding:
    run, name = found.anchors.run_temperature, SPEC.name
    n_used = f"N = {found.n:,}"
    if found.low is None or found.high is None or found.low > found.high:
        text = f"No temperature meets every wish ({found.conflict}; {n_used})."
        return Finding(name, "watch", text, found.advice_on_conflict, WANG_LIU, "low")
    suggested = f"{format_number(found.low)} to {format_number(found.high)}"
    if run is None:
        text = f"Temperatures of {suggested} suit these embeddings (a suggestion, {n_used})."
        advice = "To see where the run stands, put its temperature into its card."
        return Finding(name, "good", text, advice, WANG_LIU, "low")
    if found.low <= run <= found.high:
        text = f"The run's temperature {run:g} lies in the suggested range, {suggested} ({n_used})."
        return Finding(name, "good", text, source=WANG_LIU, quantity="low")
    side, reason = ("below", found.lowest_reason) if run < found.low else ("above", found.highest_reason)
    text = f"The run's temperature {run:g} lies {side} the suggested range, {suggested} ({reason} there; {n_used})."
    advice = f"Try {'a higher' if side == 'below' else 'a lower'} temperature: a suggestion, not a law."
    return Finding(name, "watch", text, advice, WANG_LIU, "low" if side == "below" else "high")


SPEC = DiagnosticSpec(
    name="suggested_temperature",
    title="Suggested temperature",
    question="Which temperatures suit these embeddings?",
    section="Temperature",
    page="temperature/hardness",
    needs="set",
    tells="cause",
    params=SuggestionParams,
    compute=compute,
    passes=("statistics",),
    labelled_passes=("statistics",),
    quantities=(
        QuantitySpec("low", "Lowest suggested temperature", "The highest of the lower limits below."),
        QuantitySpec("high", "Highest suggested temperature", "The upper limit below."),
        QuantitySpec(
            "for_negatives",
            "Lower limit, enough negatives",
            "Lowest temperature at which enough negatives share the push (effective sample size).",
        ),
        QuantitySpec(
            "for_labels",
            "Lower limit, false negatives",
            "Lowest temperature from which on false negatives take little enough of the push beyond their share.",
        ),
        QuantitySpec(
            "for_signal",
            "Lower limit, gradient",
            "Lowest temperature at which enough of the gradient is left (1 - P of the positive).",
        ),
        QuantitySpec(
            "for_hardness",
            "Upper limit, hardness",
            "Highest temperature at which the push still tells hard negatives from easy ones (entropy).",
        ),
    ),
    definition=(
        "A temperature should be low enough that hard negatives count more than easy ones, and high enough that more "
        "than a handful of negatives share the push, that samples of the same label are not pushed apart, and that "
        "easy positives keep a gradient. Each wish is a limit read from this run's curves; the suggestion is what "
        "lies between them."
    ),
    formula=(
        r"\tau_{\mathrm{low}} = \max\{\tau: \mathrm{ESS} \geq n,\ \ \tfrac{R^{\mathrm{same}} - \pi}{1 - \pi} \leq f,"
        r"\ \ \bar q \geq q_{\min}\}, \quad \tau_{\mathrm{high}} = \max\{\tau: \overline{e^{H}/M} \leq h\}"
    ),
    reading=(
        "The suggestion speaks of these embeddings, which were trained at a temperature already: move towards it, "
        "train, and look again. A run below the range pushes hard on few negatives, many of them false; one above it "
        "treats all negatives alike (Wang and Liu found the best temperatures between, 0.2 to 0.3 on CIFAR10 and "
        "ImageNet100, and accuracy to fall on both sides)."
    ),
    traps=(
        "The four limits are rules of thumb, not results; the controls change them. Without labels one of the reasons "
        "is missing, and the range begins lower. All negatives of the set count here; in training those of a batch "
        "do, so with a small batch the limit of the gradient lies higher (see the figure of the batch size). No range "
        "says which features are learned: only a run trained at another temperature does. An end of the range has the "
        "interval of the wish that decides it, given that it decides; one at an end of the temperatures looked at, or "
        "where a handful of negatives share the push, has none. "
        "Where some rows have no label, false negatives are those of the labelled rows, among each other: "
        "a negative without a label is not known to be false, nor to be none."
    ),
    sources=(WANG_LIU, YEH, _scores.FALSE_NEGATIVE_PUSH.source),
)

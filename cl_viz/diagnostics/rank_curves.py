"""Does the rank hold while the encoder trains?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._collapse import spectral_ranks as ranks
from cl_viz.diagnostics._collapse.spectrum import spectrum_of, view_name
from cl_viz.diagnostics._collapse.sphere_spectrum import sphere_spectrum
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import SetInputs, StepInputs

CURVES = {
    "covariance_entropy_rank": ("Covariance entropy rank", "dimensions"),
    "rankme": ("RankMe", "dimensions"),
    "total_variance": ("Total variance of unit rows", ""),
}


@dataclass(frozen=True)
class RankCurveParams(Params):
    """Whose ranks."""

    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)


def _at(inputs: SetInputs, view: str) -> dict[str, float]:
    found = spectrum_of(inputs, view, "raw")
    return {
        "covariance_entropy_rank": ranks.entropy_rank(found.kept),
        "rankme": ranks.rankme(spectrum_of(inputs, view, "raw", False).singular_values),
        "total_variance": float(spectrum_of(inputs, view).values.sum()),
    }


def _filled(inputs: SetInputs, view: str) -> float:
    """Return the covariance entropy rank of unit rows as a share of that of a uniform sphere of this N and D."""
    found = spectrum_of(inputs, view)
    null = inputs.remember(("sphere spectrum", found.n, found.dim), lambda: sphere_spectrum(found.n, found.dim))
    return ranks.entropy_rank(found.kept) / ranks.entropy_rank(null.values)


def compute(inputs: StepInputs, params: RankCurveParams) -> Result:
    """Compute three ranks at every training step of one layer."""
    at_step, last = [], None
    for step in inputs.steps:
        last = inputs.at(step)
        at_step.append(_at(last, view_name(last, params.view)))
        last.progress(1.0, "spectrum")
    assert last is not None
    found = spectrum_of(last, view_name(last, params.view), "raw")
    curves = {name: np.array([values[name] for values in at_step]) for name in CURVES}
    entropy = curves["covariance_entropy_rank"]
    kept = float(entropy[-1] / entropy.max()) if entropy.max() > 0 else 0.0
    quantities = {name: _quantity(name, float(values[-1]), found.n, "samples") for name, values in curves.items()} | {
        "rank_kept": _quantity("rank_kept", kept, len(inputs.steps), "steps")
    }
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={name: _lines(name, inputs, values, found.n, found.dim) for name, values in curves.items()},
        findings=_findings(inputs.steps, curves, kept, _filled(last, found.view), found.n),
        caveats=last.plain_caveats(
            found.n,
            found.n_excluded,
            normalised=False,
            notes=(f"numbers are of view {found.view}", "the numbers are those of the last step"),
        ),
        params=params.as_dict(),
    )


def _quantity(name: str, value: float, n: int, unit_of_n: str) -> Quantity:
    spec = SPEC.quantity(name)
    inside = min(max(value, spec.range[0]), spec.range[1]) if spec.range else value
    return Quantity(name, spec.label, inside, spec.unit, n=n, unit_of_n=unit_of_n, range=spec.range)


def _lines(name: str, inputs: StepInputs, values: NDArray[np.float64], n: int, dim: int) -> Lines:
    label, unit = CURVES[name]
    title = (
        f"{label} {format_number(values[0])} at step {inputs.steps[0]:,}, {format_number(values[-1])} at step "
        f"{inputs.steps[-1]:,}"
    )
    bounded = name != "total_variance"
    return Lines(
        title,
        Axis("Training step", "steps"),
        Axis(label, unit, (0.0, 1.05 * dim) if bounded else (0.0, 1.05)),
        (Series(label.lower(), np.array(inputs.steps, dtype=np.float64), values, run=inputs.run, n=n),),
        (Reference(f"D = {dim}", float(dim), "y") if bounded else Reference("uniform sphere", 1.0, "y"),),
    )


def _findings(
    steps: tuple[int, ...], curves: dict[str, NDArray[np.float64]], kept: float, filled: float, n: int
) -> tuple[Finding, ...]:
    entropy, variance = curves["covariance_entropy_rank"], curves["total_variance"]
    best = int(entropy.argmax())
    level = _thresholds.RANK_KEPT.level(kept)
    text = (
        f"The covariance entropy rank goes from {format_number(entropy[0])} at step {steps[0]:,} to "
        f"{format_number(entropy[-1])} at step {steps[-1]:,}"
    )
    message = f"{text} (N = {n:,})."
    if level != "good":
        message = f"{text}; it was {format_number(entropy[best])} at step {steps[best]:,} (N = {n:,})."
    advice = "" if level == "good" else f"Compare the encoder of step {steps[best]:,} with the last one."
    source, few = _thresholds.RANK_KEPT.source, _thresholds.FILLED_DIMENSIONS.level(filled)
    if level == "good" and few != "good":
        # A rank that never was there has not been lost either.
        message = (
            f"{text}, and unit rows fill {format_number(100 * filled)} % of what a uniform sphere of this N and D does "
            f"(N = {n:,})."
        )
        level, source = few, _thresholds.FILLED_DIMENSIONS.source
        advice = "Few dimensions are filled at every step: look at the spectrum, and weaken the augmentation."
    found = [Finding(SPEC.name, level, message, advice, source, "rank_kept")]
    spread = _thresholds.TOTAL_VARIANCE.level(float(variance[-1]))
    where = np.flatnonzero([_thresholds.TOTAL_VARIANCE.level(float(value)) != "bad" for value in variance])
    if spread == "bad":
        since = "from the first step on" if not len(where) else f"after step {steps[int(where[-1])]:,}"
        found.append(
            Finding(
                SPEC.name,
                "bad",
                f"The unit rows are nearly one point {since}: total variance {format_number(variance[-1])} at step "
                f"{steps[-1]:,} (N = {n:,}).",
                "Add negatives, a stop-gradient or a variance term; check the learning rate.",
                _thresholds.TOTAL_VARIANCE.source,
                "total_variance",
            )
        )
    return tuple(found)


SPEC = DiagnosticSpec(
    name="rank_curves",
    title="Ranks over training",
    question="Does the rank hold while the encoder trains?",
    section="Geometry",
    page="geometry/collapse",
    needs="steps",
    params=RankCurveParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "covariance_entropy_rank",
            "Covariance entropy rank",
            "Exp of the entropy of the covariance's eigenvalue shares, last step.",
            "dimensions",
            None,
            "higher",
        ),
        QuantitySpec(
            "rankme", "RankMe", "RankMe (epsilon 1e-7) of rows as stored, last step.", "dimensions", None, "higher"
        ),
        QuantitySpec(
            "total_variance",
            "Total variance",
            "Sum of the variances of the unit rows, last step.",
            "",
            (0.0, 2.0),
            "higher",
        ),
        QuantitySpec(
            "rank_kept",
            "Rank kept",
            "Covariance entropy rank at the last step over the largest at any step.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
    ),
    definition=(
        "The covariance entropy rank, RankMe and the total variance of the unit rows at every saved training step: "
        "when dimensions are gained, and when they are lost."
    ),
    formula=(
        r"\exp H(\lambda(t) / \textstyle\sum\lambda(t)), \quad"
        r" \mathrm{RankMe}(t), \quad \sum_k \lambda^{\text{unit}}_k(t)"
    ),
    reading=(
        "Ranks usually start low, since an untrained network maps everything close to one direction, and rise. A rank "
        "that falls again is dimensional collapse under way; a total variance that falls to 0 is complete collapse. "
        "Within one run, RankMe compares like with like."
    ),
    traps=(
        "The rank of an untrained network is no yardstick. A collapsed set can have a high centred rank, since what "
        "is left is noise in all directions: read the total variance beside it. Few saved steps can miss a fall. The "
        "limits in the findings are rules of thumb."
    ),
    sources=(_thresholds.GARRIDO, _thresholds.JING, _thresholds.CHEN_HE),
    thresholds=(
        _thresholds.RANK_KEPT,
        _thresholds.FILLED_DIMENSIONS,
        _thresholds.TOTAL_VARIANCE,
    ),
)

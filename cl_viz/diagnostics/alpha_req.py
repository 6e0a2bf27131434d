"""How fast does the spectrum decay?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._collapse import spectral_ranks as ranks
from cl_viz.diagnostics._collapse.spectrum import Spectrum, intervals, spectrum_of, view_name
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

SHORTEST = 10
"""Fewest eigenvalues that a line is fitted to."""


@dataclass(frozen=True)
class AlphaParams(Params):
    """The fitted range, and whose spectrum."""

    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)
    fit_from: int = param(11, "First eigenvalue fitted, counted from 1; the largest ones bend the line.", low=1)
    fit_to: int = param(100, "Last eigenvalue fitted, counted from 1; the authors take 100.", low=10)


def compute(inputs: SetInputs, params: AlphaParams) -> Result:
    """Fit a power law to the eigenvalues of one view's covariance."""
    first, stop = params.fit_from - 1, params.fit_to
    if stop - first < SHORTEST:
        raise InputError(
            f"fit_from = {params.fit_from} and fit_to = {params.fit_to} leave fewer than {SHORTEST} eigenvalues",
            where=SPEC.name,
            remedy="choose a longer range",
        )
    view = view_name(inputs, params.view)
    found = spectrum_of(inputs, view, "raw")
    _check(inputs, found, first, stop)
    law = ranks.power_law(found.values, first, stop)
    fit = ranks.power_law_fit(found.values, law, first, stop)
    slope = np.zeros(len(found.values))
    slope[first:stop] = law.weights / found.values[first:stop]
    (interval,) = intervals(inputs, found, [(law.exponent, slope, (-np.inf, np.inf))])
    quantities = {
        "alpha": _quantity("alpha", law.exponent, found, interval),
        "fit": _quantity("fit", fit, found, None),
    }
    notes = (f"numbers are of view {view}", f"fitted to eigenvalues {params.fit_from} to {stop}, weights 1/rank")
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"decay": _view(found, law, quantities, first, stop, inputs.run)},
        findings=(_finding(found, quantities, first, stop),),
        caveats=inputs.plain_caveats(found.n, found.n_excluded, normalised=False, centred=True, notes=notes),
        params=params.as_dict(),
    )


def _check(inputs: SetInputs, found: Spectrum, first: int, stop: int) -> None:
    if found.above_floor <= stop:
        raise MissingInputError(
            f"the decay is fitted to eigenvalues {first + 1} to {stop}, and {found.above_floor} of D = {found.dim} "
            f"with N = {found.n:,} samples are more than rounding",
            where=inputs.run,
            remedy=f"use a layer with more than {stop} dimensions and more samples than that, or fit a shorter range",
        )


def _quantity(name: str, value: float, found: Spectrum, interval: Interval | None) -> Quantity:
    spec = SPEC.quantity(name)
    defined = not np.isnan(value)
    return Quantity(
        name,
        spec.label,
        value if defined else None,
        spec.unit,
        interval,
        n=found.n,
        range=spec.range,
        missing="" if defined else "use embeddings whose eigenvalues differ",
    )


def _view(
    found: Spectrum, law: ranks.PowerLaw, quantities: dict[str, Quantity], first: int, stop: int, run: str
) -> Lines:
    places = np.arange(len(found.values)) + 1.0
    above = found.values > found.floor
    fitted = places[first:stop]
    return Lines(
        f"α = {quantities['alpha'].text()} over eigenvalues {first + 1} to {stop}, R² = {quantities['fit'].text()}",
        Axis("Dimension", "rank", log=True),
        Axis("Eigenvalue", "variance of raw rows", log=True),
        (
            Series("eigenvalues", places[above], found.values[above], run=run, n=found.n),
            Series(f"fit, {run}", fitted, law.at(np.asarray(fitted, dtype=np.float64)), "reference", run),
        ),
        (Reference(f"fit from {first + 1}", float(first + 1)), Reference(f"to {stop}", float(stop))),
        markers=False,
    )


def _finding(found: Spectrum, quantities: dict[str, Quantity], first: int, stop: int) -> Finding:
    alpha, fit = quantities["alpha"], quantities["fit"]
    rest = f"eigenvalues {first + 1} to {stop}, R² {fit.text()}, N = {found.n:,}, D = {found.dim}"
    line = fit.value if fit.value is not None else 0.0
    if _thresholds.POWER_LAW_FIT.level(line) != "good":
        message = f"The spectrum follows no power law (α = {alpha.text()}, {rest})."
        advice = "Do not compare this α with others; look at the spectrum itself."
        return Finding(SPEC.name, "watch", message, advice, _thresholds.POWER_LAW_FIT.source, "fit")
    level = _thresholds.ALPHA.level(alpha.value or 0.0)
    message = (
        f"The spectrum decays with exponent α = {alpha.text()} ({rest}).{open_level(alpha, _thresholds.ALPHA.level)}"
    )
    advice = "" if level == "good" else "Few dimensions hold the variance: compare with the ranks and earlier steps."
    return Finding(SPEC.name, level, message, advice, _thresholds.ALPHA.source, "alpha")


SPEC = DiagnosticSpec(
    name="alpha_req",
    title="Spectral decay",
    question="How fast does the spectrum decay?",
    section="Geometry",
    page="geometry/collapse",
    needs="set",
    params=AlphaParams,
    compute=compute,
    quantities=(
        QuantitySpec("alpha", "Decay exponent α", "Slope of log eigenvalue against log rank, weights 1/rank, negated."),
        QuantitySpec(
            "fit",
            "R² of the line",
            "R² of the log eigenvalues over the fitted range without its first place, each counting alike.",
            "",
            (-1e12, 1.0),
            "higher",
        ),
    ),
    definition=(
        "α-ReQ fits a power law to the spectrum: the k-th eigenvalue of the covariance falls like k to the power -α. "
        "On logarithmic axes that is a straight line, fitted between the eigenvalues 11 and 100 with weights 1/k."
    ),
    formula=(
        r"\lambda_k \propto k^{-\alpha}, \quad"
        r" \min_{\alpha, c} \sum_{k} \frac1k (\log\lambda_k - c + \alpha\log k)^2"
    ),
    reading=(
        "A large α means that few dimensions hold the variance, a small one that it is spread over many, noise "
        "included. As a rule of thumb the authors' best encoders lie near 1. Believe α only where the points lie on "
        "the line: R² near 1. It does not depend on the scale of the embeddings."
    ),
    traps=(
        "The range moves α more than noise does, so it stands beside the number: compare the same range only. It "
        "needs more than 100 dimensions and many more samples; with fewer the page refuses unless the range is "
        "shortened. A finite N steepens the end of the spectrum. The authors' R² leaves the first fitted eigenvalue "
        "out, and so does this one. One library changes the given range in place: a second call with the same array "
        "fits another range. The limits in the finding are rules of thumb."
    ),
    sources=(_thresholds.AGRAWAL,),
    thresholds=(
        _thresholds.POWER_LAW_FIT,
        _thresholds.ALPHA,
    ),
)

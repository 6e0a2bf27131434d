"""Do the embeddings fill their space, or have they collapsed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._collapse.influence_of_spread import spread_of_unit_rows
from cl_viz.diagnostics._collapse.spectrum import Spectrum, intervals, spectrum_of, view_name
from cl_viz.diagnostics._collapse.spectrum_findings import Reading, findings
from cl_viz.diagnostics._collapse.spectrum_views import views
from cl_viz.diagnostics._collapse.sphere_spectrum import SphereSpectrum, sphere_spectrum
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import SetInputs

MARCHENKO = Source(
    "Marchenko and Pastur 1967, Distribution of eigenvalues for some sets of random matrices",
    "https://doi.org/10.1070/SM1967v001n04ABEH001994",
)


@dataclass(frozen=True)
class SpectrumParams(Params):
    """Whose spectrum is shown."""

    rows: Literal["unit", "raw"] = param(
        "unit", "Rows brought to unit length, as scores see them, or as they are stored.", choices=("unit", "raw")
    )
    centred: bool = param(True, "Subtract the mean first (covariance). Off: the mean is the first direction.")
    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)


def null_of(inputs: SetInputs, found: Spectrum) -> SphereSpectrum:
    """Return the null spectrum at this N and D, drawn once."""
    return inputs.remember(("sphere spectrum", found.n, found.dim), lambda: sphere_spectrum(found.n, found.dim))


def compute(inputs: SetInputs, params: SpectrumParams) -> Result:
    """Compute the spectrum of every view, and the numbers of the chosen one."""
    chosen = view_name(inputs, params.view)
    readings = {}
    for view in inputs.embedding_set.view_names:
        found = spectrum_of(inputs, view, params.rows, params.centred)
        readings[view] = Reading(found, spectrum_of(inputs, view), null_of(inputs, found))
    reading = readings[chosen]
    quantities = _quantities(inputs, reading)
    found = reading.shown
    notes = (
        f"numbers are of view {chosen}",
        f"numerical floor of an eigenvalue: {found.floor:.1e}",
        f"uniform sphere at the same N and D: {reading.null.how}",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(readings, chosen, inputs.run),
        findings=findings(readings, chosen, quantities),
        caveats=inputs.plain_caveats(
            found.n,
            found.n_excluded,
            normalised=params.rows == "unit",
            centred=params.centred,
            seed=0 if "seed" in reading.null.how else None,
            notes=notes,
        ),
        params=params.as_dict(),
    )


def _quantities(inputs: SetInputs, reading: Reading) -> dict[str, Quantity]:
    found, unit, dim = reading.shown, reading.unit, reading.shown.dim
    variance, deviation = spread_of_unit_rows(inputs, found.view)
    total = found.kept.sum()
    largest = float(found.kept[0] / total) if total > 0 else 1.0
    slope = np.zeros(len(found.values))
    if total > 0:
        slope -= largest / total
        slope[0] += 1 / total
    (share_interval,) = intervals(inputs, found, [(largest, slope, (0.0, 1.0))])
    null = reading.null
    return {
        "total_variance": _quantity("total_variance", *variance, unit.n, (1.0, "uniform sphere")),
        "std_of_unit_rows": _quantity("std_of_unit_rows", *deviation, unit.n, (dim**-0.5, "uniform sphere, 1/√D")),
        "largest_share": _quantity(
            "largest_share", largest, share_interval, found.n, (float(null.values[0]), "uniform sphere")
        ),
        "above_floor": _quantity(
            "above_floor", float(found.above_floor), None, found.n, (len(found.values), "possible")
        ),
        "largest_drop": _quantity(
            "largest_drop", reading.cliff.decades, None, found.n, (null.largest_drop, "uniform sphere")
        ),
        "before_cliff": _quantity("before_cliff", float(reading.before_cliff), None, found.n),
    }


def _quantity(
    name: str, value: float, interval: Interval | None, n: int, reference: tuple[float, str] = (np.nan, "")
) -> Quantity:
    spec = SPEC.quantity(name)
    # Sums of float64 may step over an end by their rounding.
    inside = min(max(value, spec.range[0]), spec.range[1]) if spec.range else value
    return Quantity(
        name,
        spec.label,
        inside,
        spec.unit,
        interval and interval.with_width,
        n=n,
        range=spec.range,
        reference=reference[0] if reference[1] else None,
        reference_label=reference[1],
    )


SPEC = DiagnosticSpec(
    name="spectrum",
    title="Spectrum",
    question="Do the embeddings fill their space, or have they collapsed?",
    section="Geometry",
    page="geometry/collapse",
    needs="set",
    tells="cause",
    params=SpectrumParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "total_variance",
            "Total variance",
            "Sum over dimensions of the variance (ddof = 1) of the unit rows.",
            "",
            (0.0, 2.0),
            "higher",
        ),
        QuantitySpec(
            "std_of_unit_rows",
            "Standard deviation",
            "Mean over dimensions of the standard deviation (ddof = 1) of the unit rows (SimSiam's).",
            "",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "largest_share",
            "Largest eigenvalue",
            "Share of the variance along the first direction.",
            "share",
            (0.0, 1.0),
            "lower",
        ),
        QuantitySpec(
            "above_floor",
            "Dimensions above the floor",
            "Eigenvalues that are more than the rounding of the stored rows and of the sums.",
            "dimensions",
            None,
            "higher",
        ),
        QuantitySpec(
            "largest_drop",
            "Largest drop",
            "Largest log10 ratio of neighbouring eigenvalues where under 5 % of the variance lies beyond.",
            "decades",
            None,
            "lower",
        ),
        QuantitySpec(
            "before_cliff",
            "Dimensions before the cliff",
            "Eigenvalues before a drop to a tenth or less that the null does not show; all where there is none.",
            "dimensions",
            None,
            "higher",
        ),
    ),
    definition=(
        "The covariance of the embeddings has one eigenvalue for each dimension: how much they vary along it. The "
        "figure shows them in falling order on a logarithmic scale. Complete collapse: all are near 0, every sample "
        "has the same embedding. Dimensional collapse: some are, behind a cliff, and the embeddings live in fewer "
        "dimensions than they are stored in. The grey curve is the spectrum of a uniform sphere at the same N and D: "
        "it falls too, since a finite number of samples spreads eigenvalues."
    ),
    formula=(
        r"\Sigma = \frac{1}{N-1}\sum_i (z_i - \bar z)(z_i - \bar z)^\top, \quad"
        r" \Sigma v_k = \lambda_k v_k, \quad \mathrm{std} = \frac1D\sum_d \sqrt{\Sigma_{dd}}, \quad"
        r" \text{drop} = \max_k \log_{10}\frac{\lambda_k}{\lambda_{k+1}}"
    ),
    reading=(
        "The total variance of unit rows is 1 on the uniform sphere, 0 under complete collapse, and 1 minus the "
        "squared length of the mean in between: a cone of directions lowers it without losing dimensions. SimSiam's "
        "standard deviation says the same in another unit: its best value is 1/√D. Neither sees dimensional collapse: "
        "rows that fill 3 of 32 dimensions still have nearly the largest deviation. Look for the cliff. A spectrum "
        "that falls smoothly has no cliff; how many dimensions it fills is a question for the ranks. A network "
        "that ends in a ReLU often has a few units that are always 0, and so a cliff near its end."
    ),
    traps=(
        "An eigenvalue below the numerical floor is rounding and is not drawn. The floor is the largest of three: "
        "max(N, D) times the float64 epsilon times the first eigenvalue, for sums of outer products, which square the "
        "condition number; the subtraction of the mean; and the steps of the stored type, which for float16 and for "
        "integers is the largest by far. With N ≤ D only N - 1 eigenvalues can differ from 0. Without centring the "
        "mean is the first direction, and a large one hides the others. Raw rows add the spread of the norms. A "
        "supervised loss on K classes leaves K - 1 directions: that cliff is wanted by the loss, and costs what the "
        "labels do not say. Limits: a drop to a tenth, under 5 % beyond it, and the shares in the findings are rules "
        "of thumb."
    ),
    sources=(_thresholds.JING, _thresholds.CHEN_HE, MARCHENKO),
    thresholds=(
        _thresholds.TOTAL_VARIANCE,
        _thresholds.CLIFF,
        _thresholds.LOST_DIMENSIONS,
    ),
)

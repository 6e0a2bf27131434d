"""Principal components: the directions of largest variance, and nothing bent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import ProjectionSpec
from cl_viz.projections._components import principal_components
from cl_viz.projections._inputs import ProjectionInputs


@dataclass(frozen=True)
class PcaParams(Params):
    """How the components are scaled."""

    whiten: bool = param(False, "Give every component the same spread; distances then no longer compare.")


def fit(inputs: ProjectionInputs, params: PcaParams) -> NDArray[np.float64]:
    """Return the rows along the leading components, shape (n, dim)."""
    found = principal_components(inputs.rows, inputs.dim, inputs.seed)
    shares = " + ".join(f"{100 * share:.1f}" for share in found.shares)
    inputs.notes.append(f"share of the variance along the components, centred: {shares} %")
    inputs.progress(1.0, "")
    if not params.whiten:
        return found.scores
    spread = found.scores.std(axis=0)
    scaled: NDArray[np.float64] = np.divide(found.scores, spread, out=np.zeros_like(found.scores), where=spread > 0)
    return scaled


def seconds(n: int, columns: int, params: PcaParams) -> float:
    """About how long `fit` takes on two cores."""
    return 0.1 + n * columns * min(columns, 4096) * 4e-11 + 1.5e-10 * min(columns, 4096) ** 3


SPEC = ProjectionSpec(
    name="pca",
    label="PCA",
    params=PcaParams,
    fit=fit,
    seconds=seconds,
    description=(
        "The centred unit rows along the directions of their largest variance, from the scatter matrix in float64 "
        "(above 4,096 columns by random projection). A linear shadow: distances in the map are never larger than those "
        "between the unit rows, and whatever lies in other directions is not seen. The share of the variance that each "
        "component holds is stated with the map; where it is small, the map says little. Each component points to "
        "where its largest weight is positive, so that signs do not flip between runs."
    ),
    sources=(
        Source(
            "Pearson 1901, On lines and planes of closest fit to systems of points in space",
            "https://doi.org/10.1080/14786440109462720",
        ),
    ),
    least_rows=2,
)

"""What does each layer change about who is near whom?"""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import Finding, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import View
from cl_viz.diagnostics._geometry.similarity_matrix import (
    SimilarityMatrix,
    SimilarityMatrixParams,
    heatmap,
    matrix_seconds,
    share,
    similarities,
    similarity_matrix,
)
from cl_viz.diagnostics._thresholds import comparing as _thresholds
from cl_viz.engine.inputs import LayerInputs


def compute(inputs: LayerInputs, params: SimilarityMatrixParams) -> Result:
    """Compare every layer of one run with every other, at one step."""
    sets = [inputs.at(layer) for layer in inputs.layers]
    matrix = similarity_matrix(sets, inputs.layers, params)
    quantities = _quantities(matrix)
    dims = ", ".join(f"{layer} {entry.embedding_set.dim}" for layer, entry in zip(inputs.layers, sets, strict=True))
    notes = (
        f"D by layer: {dims}",
        f"{matrix.evidence}; means over views, CKA of {params.rows} rows, neighbours by cosine",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(inputs, matrix, quantities, params),
        findings=(_finding(inputs.layers, matrix, quantities),),
        caveats=sets[0].plain_caveats(
            matrix.count, sets[0].embedding_set.n - matrix.count, normalised=params.rows == "unit", centred=True,
            notes=notes,
        ),
        params=params.as_dict(),
    )  # fmt: skip


def seconds(inputs: LayerInputs, params: SimilarityMatrixParams) -> float:
    """Return about how long `compute` takes: a product of all rows with each other a pair of layers and view."""
    sets = [inputs.at(layer).embedding_set for layer in inputs.layers]
    return matrix_seconds(sets[0].n, max(entry.dim for entry in sets), len(sets[0].views), len(sets))


def _least(matrix: SimilarityMatrix) -> tuple[int, int]:
    """Return the two layers that are least alike by CKA."""
    values = np.where(np.isfinite(matrix.cka), matrix.cka, np.inf)
    np.fill_diagonal(values, np.inf)
    one, two = np.unravel_index(int(values.argmin()), values.shape)
    return min(int(one), int(two)), max(int(one), int(two))


def _quantities(matrix: SimilarityMatrix) -> dict[str, Quantity]:
    one, two = _least(matrix)
    values = {"least_cka": float(matrix.cka[one, two]), "neighbours_kept": float(matrix.overlap[one, two])}
    return similarities(SPEC.quantities, values, matrix.count, "a layer")


def _views(
    inputs: LayerInputs, matrix: SimilarityMatrix, quantities: dict[str, Quantity], params: SimilarityMatrixParams
) -> dict[str, View]:
    one, two = (inputs.layers[place] for place in _least(matrix))
    kept = quantities["neighbours_kept"].value
    return {
        "cka": heatmap(
            matrix.cka,
            inputs.layers,
            "CKA",
            f"Least alike: {one} and {two}, CKA {quantities['least_cka'].text()}",
            "Layer",
            inputs.run,
        ),
        "neighbours": heatmap(
            matrix.overlap,
            inputs.layers,
            "Neighbours kept",
            f"{one} and {two} share {'not defined' if kept is None else f'{format_number(100 * kept)} %'} of the "
            f"{params.k} nearest neighbours",
            "Layer",
            inputs.run,
        ),
    }


def _finding(layers: tuple[str, ...], matrix: SimilarityMatrix, quantities: dict[str, Quantity]) -> Finding:
    one, two = (layers[place] for place in _least(matrix))
    cka, kept = quantities["least_cka"], quantities["neighbours_kept"]
    if cka.value is None or kept.value is None:
        return Finding(
            SPEC.name,
            "unknown",
            "Unknown: what each layer changes.",
            f"To see it, {cka.missing or kept.missing}.",
            _thresholds.KORNBLITH,
            "least_cka",
        )
    return Finding(
        SPEC.name,
        "good",
        f"The layers least alike are {one} and {two}: debiased CKA {cka.text()}, {format_number(100 * kept.value)} % "
        f"of the nearest neighbours shared (N = {cka.n:,}).",
        source=_thresholds.KORNBLITH,
        quantity="least_cka",
    )


SPEC = DiagnosticSpec(
    name="layer_similarity",
    title="Similarity of layers",
    question="What does each layer change about who is near whom?",
    section="Runs",
    page="runs/compare",
    needs="layers",
    params=SimilarityMatrixParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        share("least_cka", "Least CKA of two layers", "Debiased linear CKA of the two layers least alike.", -1.0),
        QuantitySpec(
            "neighbours_kept",
            "Neighbours they share",
            "Mean share of the k nearest others that those two layers have in common.",
            "share",
            (0.0, 1.0),
        ),
    ),
    definition=(
        "The same samples as each layer of one encoder embeds them; D differs from layer to layer, which neither CKA "
        "nor neighbours mind."
    ),
    formula=r"\mathrm{CKA}(X_l, X_m), \qquad \frac1N \sum_i \frac{|N_k^{l}(i) \cap N_k^{m}(i)|}{k}",
    reading=(
        "A projector that is much like the backbone changes little; one that is far from it throws away what the loss "
        "does not ask for, which is why the backbone is usually taken for downstream use."
    ),
    traps=(
        "CKA is dominated by the directions of largest variance: two layers can have a high CKA and share few "
        "neighbours. The backbone's rows are not normalised in training; unit rows are compared unless raw rows are "
        "chosen."
    ),
    sources=(_thresholds.KORNBLITH, _thresholds.KLABUNDE),
)

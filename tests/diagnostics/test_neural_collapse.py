"""Neural collapse: its numbers against dense definitions, known frames, shuffled labels, its findings."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core import validation
from cl_viz.core.result import Result
from cl_viz.core.run import Run
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._collapse.labelled_classes import labelled_classes, squared_scatter
from cl_viz.diagnostics._dense import neural_collapse as dense
from cl_viz.engine.inputs import gather
from cl_viz.testing import around_means, clusters, collapsed, orthogonal_frame, rotation, simplex_frame, sphere

DENSE = {
    "nc1_pinv": dense.nc1_pseudo_inverse,
    "nc1_quotient": dense.nc1_quotient,
    "nc1_cdnv": dense.nc1_cdnv,
    "nc2_equinorm": dense.nc2_equinorm,
    "nc2_equiangular": dense.nc2_equiangular,
    "nc2_etf_error": dense.nc2_etf_error,
    "of_distance": dense.orthogonal_frame_distance,
}


def classes_of(made: cl_viz.EmbeddingSet, **params: object) -> Result:
    return cl_viz.diagnose("neural_collapse", made, params=params)


def unequal(spread: float = 0.6) -> cl_viz.EmbeddingSet:
    return around_means(sphere(5, 12, 3), [10, 20, 40, 80, 50], spread)


def level(result: Result, quantity: str) -> str:
    return next(finding.level for finding in result.findings if finding.quantity == quantity)


@pytest.mark.parametrize("rows", ["unit", "raw"])
@pytest.mark.parametrize("mean", ["classes", "samples"])
def test_every_number_is_that_of_its_dense_definition(rows: str, mean: str) -> None:
    made = unequal()
    values, labels = made.views["view_1"], made.role("label")
    if rows == "unit":
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = dense.class_statistics(values, labels, mean)
    found = classes_of(made, rows=rows, mean=mean)
    for name, definition in DENSE.items():
        assert found[name].value == pytest.approx(definition(expected), rel=1e-9), name
    off = dense.uncentred_cosines(expected)[np.triu_indices(5, 1)]
    assert found["mean_cosine"].value == pytest.approx(off.mean(), rel=1e-9)
    assert found["cosines_from_orthogonal"].value == pytest.approx(np.sqrt(np.square(off).mean()), rel=1e-9)
    assert found["cosines_from_simplex"].value == pytest.approx(np.sqrt(np.square(off + 0.25).mean()), rel=1e-9)
    within = np.square(values - expected.means[labels]).sum() / np.square(values - values.mean(axis=0)).sum()
    assert found["within_share"].value == pytest.approx(within, rel=1e-9)
    assert found.views["class_cosines"].values == pytest.approx(dense.uncentred_cosines(expected), abs=1e-9)


def test_the_two_global_means_differ_with_unequal_classes_only() -> None:
    assert classes_of(unequal(), mean="classes")["nc1_pinv"].value != pytest.approx(
        classes_of(unequal(), mean="samples")["nc1_pinv"].value, rel=1e-3
    )
    equal = around_means(sphere(4, 9), [30] * 4, 0.5)
    first, second = (classes_of(equal, mean=mean, rows="raw") for mean in ("classes", "samples"))
    for name in DENSE:
        assert first[name].value == pytest.approx(second[name].value, rel=1e-8), name


def test_the_pseudo_inverse_is_cut_at_its_rank() -> None:
    """With a loose cut-off the direction that is rounding would make NC1 explode."""
    values, labels = unequal().views["view_1"], unequal().role("label")
    found = dense.class_statistics(values, labels)
    assert len(found.spreads) == 4
    between = found.centred.T @ found.centred / 5
    residual = values - found.means[labels]
    inverse = np.linalg.pinv(between, rtol=1e-8, hermitian=True)
    direct = np.trace(residual.T @ residual / len(values) @ inverse) / 5
    assert dense.nc1_pseudo_inverse(found) == pytest.approx(direct, rel=1e-9)
    assert len(dense.class_statistics(values, labels, "samples").spreads) == 4


@pytest.mark.parametrize("sizes", [[50] * 5, [10, 20, 40, 80, 100]])
def test_frames_are_told_apart_by_cosines_that_are_not_centred(sizes: list[int]) -> None:
    simplex = classes_of(around_means(simplex_frame(5, 8), sizes, 0.05))
    orthogonal = classes_of(around_means(orthogonal_frame(5, 8), sizes, 0.05))
    # The ETF error cannot tell them apart: a centred orthogonal frame is a simplex ETF.
    assert simplex["nc2_etf_error"].value < 0.03
    assert orthogonal["nc2_etf_error"].value < 0.03
    assert simplex["of_distance"].value > 0.4
    assert orthogonal["of_distance"].value < 0.03
    assert "form a simplex" in _frame(simplex)
    assert "form an orthogonal" in _frame(orthogonal)
    random = classes_of(around_means(sphere(5, 8, 4), sizes, 0.05))
    assert "neither" in _frame(random)


def _frame(result: Result) -> str:
    return next(finding.message for finding in result.findings if finding.quantity == "mean_cosine")


def test_rows_on_their_class_means_have_collapsed() -> None:
    found = classes_of(around_means(simplex_frame(4, 6), [30] * 4, 0.02))
    assert level(found, "within_share") == "watch"
    assert "one point each" in found.findings[0].message
    assert found["nc1_quotient"].value < 1e-3
    assert found["nc1_pinv"].value < 1e-3
    assert classes_of(clusters(120, 16, 4, 0.6)).level == "good"


@pytest.mark.parametrize(
    ("n", "dim", "classes"), [(60, 4, 3), (200, 30, 10), (500, 16, 2), (100, 128, 5), (300, 8, 30)]
)
def test_labels_that_mean_nothing_are_chance_and_never_bad(n: int, dim: int, classes: int) -> None:
    labels = np.random.default_rng(5).integers(0, classes, n)
    found = classes_of(cl_viz.EmbeddingSet.from_arrays(sphere(n, dim), label=labels))
    assert level(found, "within_share") == "watch"
    assert "shuffled labels" in found.findings[0].message
    assert level(found, "mean_cosine") == "unknown"


def _frame_of(made: cl_viz.EmbeddingSet) -> ClassFrame:
    inputs = gather("set", Run.from_set(made))
    return ClassFrame.of(labelled_classes(inputs, "view_1", "raw", "classes"), squared_scatter(inputs, "view_1", "raw"))


def test_shuffled_labels_leave_what_is_said_in_the_mean_and_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(120, 6)) * np.arange(1, 7) ** -0.8
    labels = np.repeat(np.arange(4), [20, 30, 30, 40])
    frames = [_frame_of(cl_viz.EmbeddingSet.from_arrays(rows, label=generator.permutation(labels))) for _ in range(300)]
    shares = [frame.classes.within_share for frame in frames]
    assert np.mean(shares) == pytest.approx(frames[0].shuffled_within, abs=3 * np.std(shares) / np.sqrt(300))
    p_values = np.array([frame.shuffled_p_value for frame in frames])
    for limit in (0.05, 0.25, 0.5):
        assert (p_values < limit).mean() == pytest.approx(limit, abs=3.5 * np.sqrt(limit * (1 - limit) / 300))


def test_a_share_that_rounding_pushed_over_one_is_what_shuffled_labels_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _frame_of(cl_viz.EmbeddingSet.from_arrays(np.tile(sphere(20, 3), (2, 1)), label=np.repeat([0, 1], 20)))
    assert frame.shuffled_p_value == pytest.approx(1, abs=1e-6)
    monkeypatch.setattr(type(frame.classes), "within_share", 1 + 1e-15)
    assert frame.shuffled_p_value == 1


def test_classes_of_one_row_are_left_out() -> None:
    made = unequal()
    rows = np.concatenate([made.views["view_1"], sphere(3, 12, 9)])
    labels = np.concatenate([made.role("label"), [7, 8, 9]])
    found = classes_of(cl_viz.EmbeddingSet.from_arrays(rows, label=labels))
    whole = classes_of(made)
    for name in DENSE:
        assert found[name].value == pytest.approx(whole[name].value, rel=1e-10), name
    assert (found.caveats.n_used, found.caveats.n_excluded) == (200, 0)
    assert "samples of classes with one sample only, left out: 3" in found.caveats.notes


@pytest.mark.parametrize("label", [None, np.zeros(30, dtype=int), np.arange(30)])
def test_without_two_classes_it_says_what_to_add(label: np.ndarray | None) -> None:
    named = {} if label is None else {"label": label}
    found = classes_of(cl_viz.EmbeddingSet.from_arrays(sphere(30, 4), **named))
    assert found.level == "unknown"
    assert not found.quantities
    assert "label column" in found.findings[0].advice


def test_a_collapsed_set_says_nothing_of_its_classes() -> None:
    rows = collapsed(90, 8, 1e-4).views["view_1"]
    found = classes_of(cl_viz.EmbeddingSet.from_arrays(rows, label=np.arange(90) % 3))
    assert [finding.level for finding in found.findings] == ["bad"]
    equal = classes_of(cl_viz.EmbeddingSet.from_arrays(np.ones((30, 4)), label=np.arange(30) % 3))
    assert equal["within_share"].value is None
    assert equal["nc1_pinv"].value is None
    assert equal.level == "unknown"


def test_order_rotation_duplicates_and_scale_do_not_matter() -> None:
    made = unequal()
    order = np.random.default_rng(0).permutation(400)
    rows = np.concatenate([made.views["view_1"]] * 2)[order] @ rotation(12, 4) * 7
    moved = cl_viz.EmbeddingSet.from_arrays(rows, label=np.concatenate([made.role("label")] * 2)[order])
    first, second = classes_of(made), classes_of(moved)
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-8), name


def test_blocks_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    made = unequal()
    whole = classes_of(made)
    monkeypatch.setattr(validation.row_blocks, "__defaults__", (7 * 12 * 8,))
    parts = classes_of(cl_viz.EmbeddingSet.from_arrays(made.views["view_1"], label=made.role("label")))
    for name, quantity in whole.quantities.items():
        assert parts[name].value == pytest.approx(quantity.value, rel=1e-9), name


def test_many_classes_are_drawn_in_part_and_counted_in_full() -> None:
    found = classes_of(around_means(sphere(70, 20), [4] * 70, 0.3))
    heatmap = found.views["class_cosines"]
    assert heatmap.values.shape == (60, 60)
    assert "60 largest of 70 classes" in heatmap.title


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says() -> None:
    def draw(seed: int) -> Result:
        return classes_of(around_means(sphere(4, 6), [40] * 4, 0.7, seed), rows="raw")

    found = [draw(seed) for seed in range(200)]
    truth = np.mean([result["within_share"].value for result in found])
    covered = np.mean([r["within_share"].interval.low <= truth <= r["within_share"].interval.high for r in found])
    # 200 draws of a 95 % event lie above 0.89 but once in two thousand.
    assert covered >= 0.89

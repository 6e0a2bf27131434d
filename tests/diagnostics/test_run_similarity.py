"""Comparison of runs: dense twins through the public call, turned copies, what is refused, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics._dense import geometry
from cl_viz.diagnostics._dense import similarity as dense
from cl_viz.diagnostics.step_similarity import chosen_steps
from cl_viz.testing import clusters, collapsed, rotation, sphere, turned_copy

EmbeddingSet = cl_viz.EmbeddingSet


def compare(own: EmbeddingSet, reference: EmbeddingSet, /, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("run_similarity", own, others=[reference], params=params)


def _one(rows: np.ndarray, **columns: object) -> EmbeddingSet:
    return EmbeddingSet.from_arrays(rows, **columns)


@pytest.mark.parametrize("kind", ["unit", "raw"])
@pytest.mark.parametrize("k", [1, 10, 40])
def test_every_number_is_that_of_its_dense_definition(kind: str, k: int) -> None:
    own = clusters(180, 10, 4, 0.6).views["view_1"] + 0.1
    other = np.tanh(own @ rotation(10, 3)[:, :7]) + 0.05 * np.random.default_rng(0).normal(size=(180, 7))
    found = compare(_one(own), _one(other), k=k, rows=kind, variance=0.9)
    pair = (own, other) if kind == "raw" else (geometry.unit_rows(own), geometry.unit_rows(other))
    kept = dense.neighbor_overlap(own, other, k)
    expected = {
        "cka_debiased": dense.cka_debiased(*pair),
        "cka_biased": dense.cka_biased(*pair),
        "cca_squared": np.square(dense.cca_correlations(*pair)).mean(),
        "svcca": dense.cca_correlations(*pair, variance=0.9).mean(),
        "procrustes_similarity": dense.procrustes_similarity(*pair),
        "procrustes_disparity": dense.procrustes_disparity(*pair),
        "neighbor_overlap": kept.mean(),
        "neighbor_jaccard": dense.jaccard(kept).mean(),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, rel=1e-8), name
    (curve,) = found.views["correlations"].series
    np.testing.assert_allclose(curve.y, dense.cca_correlations(*pair), rtol=1e-8)
    by_k = found.views["overlap"].series[0]
    for at, share in zip(by_k.x, by_k.y, strict=True):
        assert share == pytest.approx(dense.neighbor_overlap(own, other, int(at)).mean())


def test_a_turned_copy_is_the_same_in_every_measure() -> None:
    own = clusters(150, 8, 4, 0.6)
    found = compare(own, turned_copy(own, 12))
    for name, quantity in found.quantities.items():
        assert quantity.value == pytest.approx(0.0 if name == "procrustes_disparity" else 1.0, abs=1e-9), name
    assert found.level == "good"
    noisy = [compare(own, turned_copy(own, 12, noise))["cka_debiased"].value for noise in (0.0, 0.3, 1.0, 3.0)]
    assert noisy == sorted(noisy, reverse=True)


def test_cca_does_not_see_what_a_matrix_undoes() -> None:
    own = clusters(150, 8, 4, 0.6).views["view_1"]
    bent = own @ (rotation(8) * np.linspace(0.1, 5.0, 8))
    found = compare(_one(own), _one(bent), rows="raw")
    assert found["cca_squared"].value == pytest.approx(1.0, abs=1e-9)
    assert found["cka_debiased"].value < 0.99


def test_unrelated_embeddings_lie_at_chance_and_are_told() -> None:
    found = compare(_one(sphere(300, 32, 0)), _one(sphere(300, 16, 1)))
    assert found["cka_debiased"].value == pytest.approx(0.0, abs=0.02)
    assert found["cka_biased"].value == pytest.approx(found["cka_biased"].reference, rel=0.15)
    assert found["cka_biased"].value > 0.05
    assert found["cca_squared"].value == pytest.approx(found["cca_squared"].reference, rel=0.15)
    assert found["neighbor_overlap"].value == pytest.approx(10 / 299, rel=0.3)
    assert found["cka_debiased"].interval is None
    assert found.level == "watch"
    assert "no more alike" in found.findings[0].message
    assert any("would have a biased CKA of" in note for note in found.caveats.notes)


def test_cca_of_too_few_samples_is_not_given() -> None:
    found = compare(_one(sphere(40, 32, 0)), _one(sphere(40, 32, 1)))
    assert found["cca_squared"].value is None
    assert "add samples" in found["cca_squared"].missing
    assert "correlations" not in found.views
    assert dense.cca_correlations(sphere(40, 32, 0), sphere(40, 32, 1))[0] == pytest.approx(1.0)


def test_views_are_means_and_are_paired_by_name() -> None:
    own, other = clusters(120, 8, 4, 0.5, seed=0), clusters(120, 8, 4, 0.5, seed=1)
    turned_round = EmbeddingSet.from_arrays(
        {"view_2": other.views["view_2"], "view_1": other.views["view_1"]}, label=other.role("label")
    )
    found = compare(own, turned_round)
    alone = [compare(_one(own.views[view]), _one(other.views[view])) for view in ("view_1", "view_2")]
    for name in ("cka_debiased", "neighbor_overlap", "procrustes_similarity"):
        assert found[name].value == pytest.approx(np.mean([one[name].value for one in alone])), name
    assert any("view_1 with view_1" in note for note in found.caveats.notes)


def test_rows_that_are_bad_in_one_run_are_left_out_of_both() -> None:
    own, other = sphere(150, 6, 0), sphere(150, 6, 0) @ rotation(6) + 0.2 * sphere(150, 6, 1)
    bad = other.copy()
    bad[[3, 70]] = np.nan
    keep = np.setdiff1d(np.arange(150), [3, 70])
    found, clean = compare(_one(own), _one(bad)), compare(_one(own[keep]), _one(other[keep]))
    for name, quantity in clean.quantities.items():
        assert found[name].value == pytest.approx(quantity.value), name
    assert found.caveats.n_used == 148
    assert set(found.views["moved"].columns["row"]) <= set(keep.tolist())


@pytest.mark.parametrize(
    ("own", "reference", "words"),
    [
        (_one(sphere(50, 4)), _one(sphere(60, 4)), "50 samples"),
        (_one(sphere(50, 4), id=np.arange(50)), _one(sphere(50, 4), id=np.arange(50)[::-1]), "another order"),
        (_one(sphere(50, 4), label=np.arange(50) % 3), _one(sphere(50, 4), label=np.arange(50) % 5), "differ in label"),
        (_one(sphere(50, 4), text=["a"] * 50), _one(sphere(50, 4), text=["b"] * 50), "differ in text on 50 of 50"),
    ],
)
def test_other_samples_or_another_order_are_refused(own: EmbeddingSet, reference: EmbeddingSet, words: str) -> None:
    found = compare(own, reference)
    assert not found.quantities
    assert found.level == "unknown"
    assert words in found.findings[0].message
    assert "same order" in found.findings[0].advice


def test_what_says_that_samples_are_the_same_is_stated() -> None:
    rows = sphere(50, 4)
    told = compare(_one(rows, id=np.arange(50)), _one(rows, id=np.arange(50.0)))
    assert any("same samples by id" in note for note in told.caveats.notes)
    silent = compare(_one(rows), _one(rows))
    assert any("no column says" in note for note in silent.caveats.notes)
    # Equal ids decide, whatever a column of the run itself says.
    predictions = [_one(rows, id=np.arange(50), metadata={"guess": np.arange(50) % n}) for n in (2, 3)]
    assert compare(*predictions).level != "unknown"
    # Another picture of the same sample is no other sample.
    pictures = [_one(rows, label=np.arange(50), image=[f"{name}{row}" for row in range(50)]) for name in "ab"]
    assert compare(*pictures).level != "unknown"


def test_a_collapsed_run_has_no_cka() -> None:
    flat = _one(np.ones((60, 5)))
    found = compare(_one(sphere(60, 5)), flat)
    assert found["cka_biased"].value is None
    assert found.level == "unknown"


def test_samples_that_moved_come_first() -> None:
    own = clusters(120, 16, 4, 0.3).views["view_1"]
    moved = own @ rotation(16)
    moved[:5] = sphere(5, 16, seed=8)
    table = compare(_one(own), _one(moved)).views["moved"]
    assert set(range(5)) <= set(table.columns["row"][:12].tolist())
    assert (np.diff(table.columns["neighbours kept of 10"]) >= 0).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100.0))
def test_order_rotation_and_scale_do_not_matter_and_both_sides_are_alike(seed: int, scale: float) -> None:
    own, other = clusters(60, 5, 3, 0.6, seed).views["view_1"], clusters(60, 5, 3, 0.6, seed + 1).views["view_1"]
    order = np.random.default_rng(seed).permutation(60)
    first = compare(_one(own), _one(other))
    second = compare(_one(scale * other[order] @ rotation(5, seed)), _one(own[order]))
    for name, quantity in first.quantities.items():
        assert second[name].value == pytest.approx(quantity.value, rel=1e-6), name


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95 % intervals over 150 draws of 150 samples, against the mean over as many other draws of 150."""

    def draw(seed: int) -> cl_viz.Result:
        generator = np.random.default_rng(seed)
        shared = np.eye(6)[np.arange(150) % 3] + 0.5 * generator.normal(size=(150, 6))
        return compare(*(_one(shared + 0.4 * generator.normal(size=(150, 6))) for _ in range(2)))

    names = ("cka_debiased", "neighbor_overlap", "neighbor_jaccard")
    drawn = [[found[name].value for name in names] for found in map(draw, range(10_000, 10_150))]
    truth = dict(zip(names, np.mean(drawn, axis=0), strict=True))
    covered = dict.fromkeys(names, 0)
    for seed in range(150):
        found = draw(seed)
        for name in names:
            interval = found[name].interval
            assert interval is not None
            covered[name] += interval.low <= truth[name] <= interval.high
    for name, count in covered.items():
        assert count / 150 >= 0.88, (name, count / 150)


# -- steps and layers -------------------------------------------------------------------------------------------
def _trained() -> Run:
    base = clusters(120, 8, 4, 0.5)
    snapshots = {}
    for step, noise in ((0, 5.0), (10, 1.0), (30, 0.1), (40, 0.0)):
        for layer, dim in (("projector", 8), ("backbone", 12)):
            snapshots[Snapshot(step, layer)] = turned_copy(base, dim, noise + (dim > 8) * 0.3, seed=step)
    return Run("trained", snapshots)


def test_steps_are_compared_pair_by_pair() -> None:
    run = _trained()
    found = cl_viz.diagnose("step_similarity", run)
    assert found.views["cka"].row_labels == ("0", "10", "30", "40")
    matrix, neighbours = found.views["cka"].values, found.views["neighbours"].values
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(matrix.diagonal(), 1.0)
    pair = compare(run.get(10), run.get(40))
    assert matrix[1, 3] == pytest.approx(pair["cka_debiased"].value)
    assert neighbours[1, 3] == pytest.approx(pair["neighbor_overlap"].value)
    assert found["first_to_last"].value == pytest.approx(matrix[0, 3])
    assert found["neighbours_before_last"].value == pytest.approx(neighbours[2, 3])
    curves = {entry.name: entry.y for entry in found.views["with_last"].series}
    assert (np.diff(curves["CKA"]) > 0).all()
    np.testing.assert_allclose(curves["neighbours kept"], neighbours[:, -1])
    assert "from step 30 on" in found.findings[0].message


def test_layers_are_compared_though_their_dimensions_differ() -> None:
    run = _trained()
    found = cl_viz.diagnose("layer_similarity", run)
    pair = compare(run.get(None, "projector"), run.get(None, "backbone"))
    assert found["least_cka"].value == pytest.approx(pair["cka_debiased"].value)
    assert found["neighbours_kept"].value == pytest.approx(pair["neighbor_overlap"].value)
    assert "projector and backbone" in found.findings[0].message


def test_a_step_that_collapsed_is_unknown_not_a_number() -> None:
    flat = EmbeddingSet.from_arrays(np.ones((60, 5)))
    steps = {Snapshot(0, None): _one(sphere(60, 5)), Snapshot(1, None): flat}
    found = cl_viz.diagnose("step_similarity", Run("collapsing", steps))
    assert found["first_to_last"].value is None
    assert found.level == "unknown"
    assert cl_viz.render(found.views["with_last"])


def test_steps_of_other_samples_are_refused() -> None:
    steps = {Snapshot(step, None): _one(sphere(60, 5), label=np.arange(60) % (2 + step)) for step in (0, 1)}
    found = cl_viz.diagnose("step_similarity", Run("mixed", steps))
    assert not found.quantities
    assert "differ in label" in found.findings[0].message


def test_of_many_steps_some_are_chosen_evenly() -> None:
    assert chosen_steps((1, 5, 9)) == (1, 5, 9)
    chosen = chosen_steps(tuple(range(0, 1000, 10)))
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 990, 24)
    assert len(set(np.diff(chosen))) <= 2


def test_a_nearly_collapsed_step_still_compares() -> None:
    views = collapsed(80, 6, 1e-5).views["view_1"]
    found = compare(_one(views), _one(3 * views @ rotation(6)))
    assert found["cka_debiased"].value == pytest.approx(1.0, abs=1e-6)

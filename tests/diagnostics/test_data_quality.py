"""Data quality: planted faults are counted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.result import Result
from cl_viz.testing import sphere


def quality(rows: object, **roles: object) -> Result:
    return cl_viz.diagnose("data_quality", cl_viz.EmbeddingSet.from_arrays(rows, **roles))


def test_planted_faults_are_counted() -> None:
    rows = sphere(100, 6).copy()
    rows[0, 0], rows[1, 3], rows[2, 1], rows[3] = np.nan, np.nan, np.inf, 0
    rows[10] = rows[11] = rows[12]
    found = quality({"a": rows, "b": sphere(100, 6, 1)}, label=np.arange(100) % 4)
    expected = {"rows": 200, "nan_rows": 2, "infinite_rows": 1, "zero_rows": 1, "classes": 4, "smallest_class": 25}
    assert {name: found[name].value for name in expected} == expected
    assert found["unusable_share"].value == pytest.approx(4 / 200)
    assert found["duplicate_share"].value == pytest.approx(2 / 196)
    assert (found.caveats.n_used, found.caveats.n_excluded) == (96, 4)
    assert found.level == "bad"
    assert any("2 NaN and 1 infinite and 1 zero" in finding.message for finding in found.findings)


def test_what_single_precision_cannot_hold_is_counted_and_left_out() -> None:
    rows = np.asarray(sphere(40, 6), dtype=np.float64)
    rows[0] *= 1e200
    rows[1] *= 1e-200
    rows[2] *= 1e38
    rows[3] *= 1e-44
    found = quality(rows)
    assert (found["infinite_rows"].value, found["zero_rows"].value, found.caveats.n_excluded) == (1, 1, 2)


@pytest.mark.parametrize("scale", [1e37, 1e-44])
@pytest.mark.parametrize(
    ("name", "rows_as"),
    [("isotropy", "raw"), ("spectrum", "raw"), ("neural_collapse", "raw"), ("class_separation", "stored")],
)
def test_no_scale_that_counts_as_usable_changes_what_has_none(name: str, rows_as: str, scale: float) -> None:
    rows, label = np.asarray(sphere(60, 5), dtype=np.float64) + 0.2, np.arange(60) % 3
    plain, scaled = (
        cl_viz.diagnose(name, cl_viz.EmbeddingSet.from_arrays(factor * rows, label=label), params={"rows": rows_as})
        for factor in (1.0, scale)
    )
    for quantity in ("isoscore", "mean_cosine", "largest_share", "nc1_pinv", "nc1_cdnv", "silhouette_euclidean"):
        if quantity in plain.quantities:
            assert scaled[quantity].value == pytest.approx(plain[quantity].value, rel=1e-6), quantity


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), st.sampled_from(["float16", "float32", "float64", "int8"]), st.integers(0, 99))
def test_duplicates_are_exact(copies: int, dtype: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.permutation(np.arange(60 * 5)).reshape(60, 5) % 101 - 50
    rows = np.unique(rows, axis=0).astype(dtype)
    rows = rows[np.abs(rows).sum(axis=1) > 0]
    planted = np.concatenate([rows, rows[generator.integers(0, len(rows), copies)]])
    found = quality(generator.permutation(planted))
    assert found["duplicate_share"].value == pytest.approx(copies / len(planted))


def test_minus_zero_is_zero() -> None:
    found = quality(np.array([[1.0, 0.0], [1.0, -0.0], [0.5, 1.0]]))
    assert found["duplicate_share"].value == pytest.approx(1 / 3)


def test_all_rows_equal_is_collapse() -> None:
    found = quality(np.tile(sphere(1, 5), (20, 1)))
    assert any("All 20 usable rows are equal" in f.message and f.level == "bad" for f in found.findings)


def test_missing_and_lonely_labels_are_told() -> None:
    labels = np.array(["a"] * 8 + ["b", ""], dtype=object)
    found = quality(sphere(10, 4), label=labels)
    assert found["unlabelled_share"].value == pytest.approx(0.1)
    assert found["smallest_class"].value == 1
    assert found.level == "watch"
    assert quality(sphere(10, 4))["classes"].missing


def test_samples_of_two_views_are_labelled_once() -> None:
    views = {"a": sphere(30, 4), "b": sphere(30, 4, 1)}
    found = quality(views, label=np.arange(30))
    assert found["smallest_class"].value == 1
    assert any("30 have one sample only" in finding.message for finding in found.findings)
    one = quality(views, label=np.zeros(30))
    assert any(finding.message == "1 class of 30 samples." for finding in one.findings)


def test_a_set_without_usable_rows_still_has_its_counts() -> None:
    results = {r.diagnostic: r for r in cl_viz.check(cl_viz.EmbeddingSet.from_arrays(np.full((20, 4), np.nan)))}
    assert results["data_quality"]["nan_rows"].value == 20
    assert results["score_distribution"].level == "unknown"
    assert "0 usable row" in results["score_distribution"].findings[0].message


@pytest.mark.parametrize(("usable", "told"), [(0, "there is no usable row"), (1, "there is 1 usable row only")])
def test_fewer_than_two_usable_rows_leave_repeats_and_variation_unknown(usable: int, told: str) -> None:
    rows = np.full((20, 4), np.nan)
    rows[:usable] = 2.0
    found = quality(rows)
    (repeats,) = [finding for finding in found.findings if finding.quantity == "duplicate_share"]
    assert repeats.level == "unknown"
    assert told in repeats.message
    for name in ("duplicate_share", "norm_variation"):
        assert found[name].value is None
        assert "usable rows" in found[name].missing
    assert found["norm_mean"].value == (4.0 if usable else None)
    assert "not defined" not in (found.views["norms"].title if usable else "")


def test_half_precision_norms_do_not_overflow() -> None:
    rows = np.full((4, 600), 3e4, dtype=np.float16) * np.array([[1], [-1], [1], [0.5]], dtype=np.float16)
    found = quality(rows)
    assert found["norm_mean"].value == pytest.approx(np.linalg.norm(rows.astype(float), axis=1).mean())
    assert found["unusable_share"].value == 0


def test_ten_thousand_labels() -> None:
    found = quality(sphere(20_000, 3), label=np.arange(20_000) // 2)
    assert found["classes"].value == 10_000
    assert "50 largest" in found.views["labels"].title


def test_counts_of_one_are_spoken_of_as_one() -> None:
    alone = cl_viz.diagnose("data_quality", cl_viz.EmbeddingSet.from_arrays(sphere(6, 4), label=[0, 0, 1, 1, 1, 2]))
    message = next(found.message for found in alone.findings if found.quantity == "smallest_class")
    assert "1 has one sample only, and no pair of its own" in message
    each = cl_viz.diagnose("data_quality", cl_viz.EmbeddingSet.from_arrays(sphere(6, 4), label=np.arange(6)))
    message = next(found.message for found in each.findings if found.quantity == "smallest_class")
    assert "6 classes of 1 sample: 6 have one sample only, and no pair of their own" in message
    told = cl_viz.diagnose(
        "classifier_duality", cl_viz.EmbeddingSet.from_arrays(sphere(6, 4), label=[0, 0, 0, 1, 2, 3])
    )
    assert "1 label has 2 samples or more" in told.findings[0].message


def test_norms_that_agree_to_three_digits_are_not_told_apart() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    title = quality(rows).views["norms"].title
    assert title.startswith("All norms are close to 1, varying by ")
    rows[0] *= 2
    title = quality(rows).views["norms"].title
    assert title.startswith("Norms from ")


def test_repeated_rows_of_several_views_may_be_one_sample_with_several_partners() -> None:
    rows = sphere(40, 6, seed=1)
    advice = {}
    for name, views in (("one", {"a": rows[np.arange(40) % 20]}), ("two", {"a": rows, "b": rows[np.arange(40) % 20]})):
        found = cl_viz.diagnose("data_quality", cl_viz.EmbeddingSet.from_arrays(views))
        (advice[name],) = (finding.advice for finding in found.findings if finding.quantity == "duplicate_share")
    assert "one sample with several partners" in advice["two"]
    assert advice["one"].startswith("Remove repeated inputs")
    assert "partners" not in advice["one"]

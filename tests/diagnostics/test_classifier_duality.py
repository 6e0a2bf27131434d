"""Head and class means: the head is the least-squares one, and its numbers those of their definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import f, kstest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.core.run import Run
from cl_viz.diagnostics._collapse.labelled_classes import RIDGE, Head, labelled_classes, least_squares_head
from cl_viz.diagnostics._dense import neural_collapse as dense
from cl_viz.diagnostics.classifier_duality import _pillai_p_value
from cl_viz.engine.inputs import gather
from cl_viz.testing import around_means, simplex_frame, sphere


def duality(made: cl_viz.EmbeddingSet, **params: object) -> Result:
    return cl_viz.diagnose("classifier_duality", made, params=params)


def made_set(spread: float = 0.8) -> cl_viz.EmbeddingSet:
    return around_means(sphere(4, 10, 3), [30, 50, 60, 60], spread)


def head_of(made: cl_viz.EmbeddingSet) -> Head:
    inputs = gather("set", Run.from_set(made))
    return least_squares_head(inputs, labelled_classes(inputs, "view_1", "raw", "classes"))


def test_the_head_is_the_least_squares_one() -> None:
    made = made_set()
    rows, targets = made.views["view_1"], np.eye(4)[made.role("label")]
    head = head_of(made)
    centred = rows - rows.mean(axis=0)
    ridge = RIDGE * np.square(centred).sum() / 10
    padded = np.concatenate([centred, np.sqrt(ridge) * np.eye(10)])
    answer = np.linalg.lstsq(padded, np.concatenate([targets - targets.mean(axis=0), np.zeros((10, 4))]))[0]
    assert head.weights == pytest.approx(answer.T, rel=1e-8, abs=1e-12)
    assert head.bias == pytest.approx(targets.mean(axis=0) - answer.T @ rows.mean(axis=0), rel=1e-8)


def test_every_number_is_that_of_its_dense_definition() -> None:
    made = made_set()
    rows, labels, head = made.views["view_1"], made.role("label"), head_of(made)
    found = dense.class_statistics(rows, labels)
    expected = {
        "nc3_self_duality": dense.nc3_product_error(head.weights, found),
        "nc3_cosine": dense.nc3_cosines(head.weights, found).mean(),
        "nc2_etf_of_head": dense.nc2_etf_error_of_head(head.weights),
        "nc4_agreement": dense.nc4_agreement(rows, head.weights, found, head.bias),
        "head_accuracy": ((rows @ head.weights.T + head.bias).argmax(axis=1) == labels).mean(),
        "centre_accuracy": (np.linalg.norm(rows[:, None] - found.means[None], axis=2).argmin(axis=1) == labels).mean(),
    }
    result = duality(made, rows="raw")
    assert set(result.quantities) == set(expected)
    for name, value in expected.items():
        assert result[name].value == pytest.approx(value, rel=1e-9), name


def test_round_clouds_around_a_simplex_are_self_dual() -> None:
    found = duality(around_means(simplex_frame(5, 8), [200] * 5, 0.2), rows="raw")
    assert found["nc3_cosine"].value == pytest.approx(1.0, abs=0.01)
    assert found["nc3_self_duality"].value < 0.03
    assert found["nc4_agreement"].value == 1.0
    assert found.level == "good"


def test_stretched_clouds_need_a_head() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 3
    rows = np.concatenate(
        [np.eye(3)[labels] + 0.1 * generator.normal(size=(300, 3)), generator.normal(size=(300, 2))], 1
    )
    rows[:, 3:] *= 30.0
    found = duality(cl_viz.EmbeddingSet.from_arrays(rows, label=labels), rows="raw")
    assert found["head_accuracy"].value > 0.95
    assert found["centre_accuracy"].value < 0.7
    assert "agree on" in found.findings[0].message


def test_without_spread_there_is_no_head() -> None:
    found = duality(cl_viz.EmbeddingSet.from_arrays(np.ones((30, 4)), label=np.arange(30) % 3))
    assert found.level == "unknown"
    unlabelled = duality(cl_viz.EmbeddingSet.from_arrays(sphere(30, 4)))
    assert "label column" in unlabelled.findings[0].advice
    wide = cl_viz.EmbeddingSet.from_arrays(np.ones((4, 4097), dtype=np.float32), label=[0, 0, 1, 1])
    assert duality(wide).level == "unknown"


def test_random_labels_say_nothing_of_the_classes() -> None:
    fitted = duality(random_labels(60, 128))
    assert fitted["head_accuracy"].value > 0.95
    assert fitted.level == "unknown"
    assert "can be fitted to any labels" in fitted.findings[0].message
    assert "add samples" in fitted.findings[0].advice
    wrong = [duality(random_labels(400, 32, seed)) for seed in range(4)]
    assert [found.level for found in wrong] == ["unknown"] * 4
    assert "shuffled labels" in wrong[0].findings[0].message


def random_labels(n: int, dim: int, seed: int = 0) -> cl_viz.EmbeddingSet:
    return cl_viz.EmbeddingSet.from_arrays(
        sphere(n, dim, seed=seed), label=np.random.default_rng(seed + 100).integers(5, size=n)
    )


def test_the_p_value_is_even_under_random_labels_and_hotellings_of_two_classes() -> None:
    def of(made: cl_viz.EmbeddingSet) -> float:
        classes = labelled_classes(gather("set", Run.from_set(made)), "view_1", "raw", "classes")
        return _pillai_p_value(classes, head_of(made))

    drawn = [of(random_labels(120, 8, seed)) for seed in range(100)]
    assert kstest(drawn, "uniform").pvalue > 0.01
    made = random_labels(120, 8)
    classes = labelled_classes(gather("set", Run.from_set(made)), "view_1", "raw", "classes")
    head = head_of(made)
    # What rounding leaves of a trace of 0 may have any sign.
    assert _pillai_p_value(classes, replace(head, weights=-1e-18 * head.weights)) == 1
    # Of two classes the test is Hotelling's, exact.
    rows = np.random.default_rng(0).normal(loc=(5, 0), size=(60, 2))
    first, second = rows[::2], rows[1::2]
    apart = first.mean(axis=0) - second.mean(axis=0)
    pooled = (np.cov(first.T) + np.cov(second.T)) / 2
    squared = 15 * apart @ np.linalg.solve(pooled, apart)
    expected = f.sf(squared * 57 / (58 * 2), 2, 57)
    assert of(cl_viz.EmbeddingSet.from_arrays(rows, label=np.arange(60) % 2)) == pytest.approx(expected, rel=1e-4)


def test_accuracies_say_which_rows_they_are_of() -> None:
    found = duality(around_means(simplex_frame(5, 8), [200] * 5, 0.2), rows="raw")
    assert "on the rows it was fitted to the head is right" in found.findings[0].message

"""What every row sees, against dense matrices in float64."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import Cancelled, InputError
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere
from tests.engine.comparing import entr, logsumexp

TEMPERATURES = [0.01, 0.07, 0.5, 1.0]
SETS = {
    "sphere": lambda: paired_sphere(300, 16, 0.4, classes=5),
    "clusters": lambda: clusters(300, 16, 6, 0.3),
    "tight": lambda: clusters(300, 16, 6, 0.02),
    "collapsed": lambda: collapsed(200, 8, 0.003),
    "one view": lambda: cl_viz.EmbeddingSet.from_arrays(sphere(250, 8), label=np.arange(250) % 4),
}


def dense(
    embedding_set: cl_viz.EmbeddingSet, view: str, roles: PairRoles
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return scores, which of them are negatives, which have the row's label, and the positive of each row."""
    unit = {name: array / np.linalg.norm(array, axis=1, keepdims=True) for name, array in embedding_set.views.items()}
    others = [name for name in unit if name != view]
    positive = (unit[view] * unit[others[0]]).sum(axis=1) if others else None
    if roles.negatives == "all" or not others:
        others = list(unit)
    scores = np.concatenate([unit[view] @ unit[name].T for name in others], axis=1)
    n = len(unit[view])
    negative = np.tile(~np.eye(n, dtype=bool), (1, len(others)))
    same = np.zeros_like(negative)
    if embedding_set.codes("label"):
        codes = embedding_set.codes("label")[0][0]
        same = np.tile(codes[:, None] == codes[None], (1, len(others)))
    if roles.positives == "labels":
        negative &= ~same
    return scores, negative, same & negative, positive


@pytest.mark.parametrize("roles", [PairRoles(), PairRoles("views", "all"), PairRoles("labels", "cross")], ids=str)
@pytest.mark.parametrize("name", list(SETS))
def test_rows_are_those_of_dense_matrices(name: str, roles: PairRoles) -> None:
    embedding_set = SETS[name]()
    if roles.positives == "labels" and not embedding_set.codes("label"):
        pytest.skip("no labels to make positives of")
    for view, found in cl_viz.scan_rows(embedding_set, TEMPERATURES, roles=roles).items():
        scores, negative, same, positive = dense(embedding_set, view, roles)
        np.testing.assert_array_equal(found.n_negatives, negative.sum(axis=1))
        for index, temperature in enumerate(TEMPERATURES):
            logits = np.where(negative, scores / temperature, -np.inf)
            expected = logsumexp(logits, axis=1)
            np.testing.assert_allclose(found.log_sum_exp[index], expected, rtol=1e-9)
            penalty = np.exp(logits - expected[:, None])
            np.testing.assert_allclose(found.entropy[index], entr(penalty).sum(axis=1), atol=1e-8)
            if embedding_set.codes("label") and roles.positives == "views":
                np.testing.assert_allclose(found.false_negative_mass[index], (penalty * same).sum(axis=1), atol=1e-9)
            else:
                assert np.isnan(found.false_negative_mass[index]).all()
        if positive is None:
            assert np.isnan(found.positive_rank).all()
        else:
            np.testing.assert_allclose(found.positive_score, positive, atol=1e-12)
            below = ((scores < positive[:, None] - 1e-13) & negative).sum(axis=1) / negative.sum(axis=1)
            np.testing.assert_allclose(found.positive_rank, below, atol=1e-12)


def test_many_tiles_in_float32_and_rows_left_out() -> None:
    embedding_set = clusters(2500, 12, 5, 0.4)
    views = {view: array.copy() for view, array in embedding_set.views.items()}
    views["view_1"][11] = 0
    embedding_set = cl_viz.EmbeddingSet.from_arrays(views, label=embedding_set.role("label"))
    found = cl_viz.scan_rows(embedding_set, [0.05], precision="float32")["view_1"]
    exact = cl_viz.scan_rows(embedding_set, [0.05], precision="float64")["view_1"]
    assert len(found.rows) == 2499
    assert 11 not in found.rows
    np.testing.assert_allclose(found.log_sum_exp, exact.log_sum_exp, rtol=1e-5)
    np.testing.assert_allclose(found.entropy, exact.entropy, atol=1e-4)
    np.testing.assert_allclose(found.false_negative_mass, exact.false_negative_mass, atol=1e-5)
    np.testing.assert_allclose(found.positive_rank, exact.positive_rank, atol=1e-3)


@pytest.mark.parametrize("temperatures", [[], [0.0], [-0.1, 0.5], [np.nan], [np.inf]])
def test_temperatures_out_of_range_are_refused(temperatures: list[float]) -> None:
    with pytest.raises(InputError, match="above 0"):
        cl_viz.scan_rows(clusters(20, 4, 2, 0.3), temperatures)


def test_the_pass_can_be_stopped() -> None:
    def stop(done: float, message: str) -> None:
        if done > 0.2:
            raise Cancelled("stopped by the user")

    with pytest.raises(Cancelled):
        cl_viz.scan_rows(clusters(1500, 8, 4, 0.3), [0.1, 0.5], progress=stop)


@pytest.mark.parametrize("lost", [0.1, 0.9, "all but one class", "all but one row", "all"])
@pytest.mark.parametrize("negatives", ["cross", "all"])
def test_rows_without_a_label_are_unknown_here_and_in_the_questions_to_anchors(
    lost: float | str, negatives: str
) -> None:
    """Negatives without a label are not known to be of a row's own; they stay in the sum that is divided by."""
    embedding_set = clusters(60, 6, 4, 0.3)
    codes = np.asarray(embedding_set.role("label")).astype(np.int64)
    gone = {"all but one class": codes != 1, "all but one row": np.arange(60) != 7, "all": codes >= 0}
    gone_here = gone[lost] if isinstance(lost, str) else np.random.default_rng(3).random(60) < lost
    label = np.where(gone_here, None, codes.astype(object))
    partly = cl_viz.EmbeddingSet.from_arrays(dict(embedding_set.views), label=label)
    roles = PairRoles("views", negatives)  # type: ignore[arg-type]
    scanned = cl_viz.scan(partly, cache=False)
    for view, found in cl_viz.scan_rows(partly, TEMPERATURES, roles=roles).items():
        scores, negative, _, _ = dense(partly, view, roles)
        known = np.tile(~gone_here, scores.shape[1] // 60)
        same = np.tile(codes[:, None] == codes, scores.shape[1] // 60) & known & ~gone_here[:, None] & negative
        told = (known & negative).sum(axis=1) * ~gone_here
        coverage = np.where(told > 0, told / negative.sum(axis=1), np.nan)
        ask = scanned.ask(view, negatives=negatives)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.label_coverage, coverage)
        np.testing.assert_allclose(ask.label_coverage, coverage, rtol=1e-12)
        masses = ask.false_negative_mass(TEMPERATURES)
        for index, temperature in enumerate(TEMPERATURES):
            logits = np.where(negative, scores / temperature, -np.inf)
            mass = (np.exp(logits - logsumexp(logits, axis=1)[:, None]) * same).sum(axis=1)
            expected = np.where(told > 0, mass, np.nan)
            np.testing.assert_allclose(found.false_negative_mass[index], expected, atol=1e-9)
            np.testing.assert_allclose(masses[index], expected, atol=2e-3)

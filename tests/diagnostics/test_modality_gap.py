"""The modality gap: planted gaps, the null of exchanged views, captions that share a sample, and dense twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics._geometry import modality_measures as measures
from cl_viz.diagnostics._geometry.gap_measures import DELTAS, Closing
from cl_viz.diagnostics._geometry.modality_pairs import ModalityPairs
from cl_viz.diagnostics._geometry.modality_reading import mcnemar
from cl_viz.diagnostics._geometry.separating_plane import SeparatingPlane
from cl_viz.testing import modality_pair, paired_sphere, sphere


def ask(embedding_set: EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("modality_gap", embedding_set, params=params)


@pytest.mark.parametrize("gap", [0.4, 0.9, 1.5])
def test_a_planted_gap_is_measured(gap: float) -> None:
    found = ask(modality_pair(3000, 16, gap))
    assert found["gap_norm"].value == pytest.approx(gap, abs=0.02)
    interval = found["gap_norm"].interval
    assert interval is not None
    assert interval.low <= gap <= interval.high
    assert (found["separability_auc"].value or 0) > 0.9
    assert found.findings[0].level in ("watch", "bad")


def test_centres_of_equal_views_meet_where_they_are() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(40)
        found = ask(EmbeddingSet.from_arrays({"a": rows[order], "b": rows[order].copy()}))
        assert found["closing_shift"].value == 0


def test_a_wide_gap_between_views_whose_pairs_are_far_is_bad_and_says_why() -> None:
    found = ask(modality_pair(500, 16, 1.6))
    assert found.level == "bad"
    assert "strangers" in found.findings[0].message
    assert (found["own_mean"].value or 0) > (found["positive_mean"].value or 0)
    assert (found["separability_margin"].value or 0) > 0


@pytest.mark.parametrize(("n", "dim"), [(60, 4), (200, 16), (300, 64), (1000, 128), (90, 200)])
@pytest.mark.parametrize("score", [0.0, 0.9])
def test_random_directions_have_no_gap(n: int, dim: int, score: float) -> None:
    found = ask(paired_sphere(n, dim, score, seed=n))
    assert "bad" not in {finding.level for finding in found.findings}
    assert (found["separability_auc"].value or 0) < 0.75
    assert found["gap_norm"].reference is not None
    assert found["gap_norm"].value == pytest.approx(0, abs=1.3 * found["gap_norm"].reference)


def test_the_null_holds_its_level() -> None:
    above = 0
    for seed in range(200):
        first, second = (np.asarray(rows) for rows in paired_sphere(60, 8, 0.5, seed=3 * seed).views.values())
        null = measures.exchange_null(first, second, 200, seed)
        above += np.linalg.norm(measures.gap_vector(first, second)) > np.quantile(null, 0.95)
    # 200 sets without a gap: 5 % of them pass the 95 % quantile, within the binomial's reach.
    assert 1 <= above <= 22


def test_the_interval_of_a_gap_covers_it() -> None:
    held = 0
    for seed in range(100):
        pairs = ModalityPairs.of(modality_pair(150, 8, 0.8, seed=seed), "image", "text")
        error = 1.96 * np.std(pairs.influence, ddof=1) / np.sqrt(150)
        held += abs(pairs.gap_norm - 0.8) < error
    assert held >= 88


def test_every_number_is_its_dense_twin() -> None:
    made = modality_pair(200, 12, 0.7, seed=5)
    image, text = (measures.unit_rows(rows) for rows in made.views.values())
    found, off = ask(made, temperature=0.1), ~np.eye(200, dtype=bool)
    gap = image.mean(axis=0) - text.mean(axis=0)
    assert found["gap_norm"].value == pytest.approx(np.linalg.norm(gap))
    assert found["alignment"].value == pytest.approx(np.square(image - text).sum(axis=1).mean())
    assert found["positive_mean"].value == pytest.approx((image * text).sum(axis=1).mean())
    assert found["own_mean"].value == pytest.approx(np.mean([(rows @ rows.T)[off].mean() for rows in (image, text)]))
    log_mean = {
        name: np.log(np.exp(-2 * np.square(one[:, None] - two[None]).sum(-1))[off].mean())
        for name, one, two in (("first", image, image), ("second", text, text), ("cross", image, text))
    }
    assert found["uniformity_first"].value == pytest.approx(log_mean["first"])
    assert found["uniformity_second"].value == pytest.approx(log_mean["second"])
    assert found["uniformity_mean"].value == pytest.approx((log_mean["first"] + log_mean["second"]) / 2)
    assert found["cross_uniformity"].value == pytest.approx(log_mean["cross"])
    plane = measures.separability(image, text, 0)
    assert found["separability"].value == plane.accuracy
    assert found["separability_auc"].value == plane.auc
    moved = measures.unit_rows(image - gap)
    for name, one, two in (("before", image, text), ("after", moved, text)):
        scores = one @ two.T
        hits = [(scores.argmax(axis=axis) == np.arange(200)).mean() for axis in (1, 0)]
        assert found[f"recall_at_1_there_{name}"].value == pytest.approx(hits[0])
        assert found[f"recall_at_1_back_{name}"].value == pytest.approx(hits[1])
    losses = [measures.contrastive_loss(measures.unit_rows(image - delta * gap / np.linalg.norm(gap)), text, 0.1)
              for delta in DELTAS]  # fmt: skip
    assert found["lowest_loss_shift"].value == pytest.approx(DELTAS[int(np.argmin(losses))])
    shift = found.views["shift"].series[0].y  # type: ignore[union-attr]
    assert shift == pytest.approx(measures.shift_distances(image, text, DELTAS))


def test_the_shift_passes_through_the_gap_and_its_sign_turns() -> None:
    image, text = (measures.unit_rows(rows) for rows in modality_pair(400, 8, 0.9).views.values())
    found = measures.shift_distances(image, text, np.array([0.0, 0.3, 0.9, 3.0]))
    assert found[0] == pytest.approx(np.linalg.norm(measures.gap_vector(image, text)))
    assert np.all(np.diff(found) < 0)
    assert found[-1] < 0


def test_the_shift_at_which_the_centres_meet_brings_them_together() -> None:
    sets = modality_pair(400, 8, 0.9)
    result = cl_viz.diagnose("modality_gap", sets)
    found = result["closing_shift"]
    image, text = (measures.unit_rows(rows) for rows in sets.views.values())
    left = measures.shift_distances(image, text, np.array([found.value]))[0]
    # The gap itself is 200 times as long: only the straight line between two steps is left.
    assert abs(left) < 0.0045
    assert found.n == 400


@pytest.mark.parametrize("temperature", [1.0, 0.07, 0.001])
def test_the_loss_is_that_of_a_cross_entropy(temperature: float) -> None:
    import torch

    image, text = (measures.unit_rows(rows) for rows in modality_pair(50, 8, 0.5).views.values())
    scores, target = torch.from_numpy(image @ text.T / temperature), torch.arange(50)
    theirs = sum(torch.nn.functional.cross_entropy(part, target) for part in (scores, scores.T)) / 2
    assert measures.contrastive_loss(image, text, temperature) == pytest.approx(float(theirs))


def test_an_image_with_many_captions_does_not_count_many_times() -> None:
    images = sphere(30, 6)
    captions = np.concatenate([images, np.repeat(images[:1], 300, axis=0)])
    pairs = np.concatenate(
        [np.stack([np.arange(30)] * 2, axis=1), np.stack([np.zeros(300), np.arange(30, 330)], axis=1)]
    )
    made = EmbeddingSet.from_arrays({"image": images, "text": captions}, pairs=pairs.astype(int))
    found = ask(made)
    assert found["gap_norm"].value == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(images.mean(axis=0) - captions.mean(axis=0)) > 0.5
    own, others = ModalityPairs.of(made, "image", "text").weights
    assert own == pytest.approx(np.full(30, 1 / 30))
    assert others.sum() == pytest.approx(1)
    assert others[1] == pytest.approx(1 / 30)
    assert others[0] + others[30:].sum() == pytest.approx(1 / 30)


def test_a_drawn_row_is_in_one_pair_only_so_that_the_split_does_not_leak() -> None:
    # Ten documents answer forty queries.
    pairs = np.stack([np.arange(40), np.arange(40) % 12], axis=1)
    made = EmbeddingSet.from_arrays({"query": sphere(40, 6), "document": sphere(12, 6, 1)}, pairs=pairs)
    drawn = ModalityPairs.of(made, "query", "document").draw(100, 0)
    assert len(np.unique(drawn.rows[:, 1])) == len(drawn.rows)
    assert len(np.unique(drawn.rows[:, 0])) == len(drawn.rows)


@given(seed=st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_rotation_and_lengths_of_rows_do_not_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    made = modality_pair(80, 6, 0.6, seed=seed)
    turn = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    changed = EmbeddingSet.from_arrays(
        {name: generator.uniform(0.1, 8, (80, 1)) * (rows @ turn) for name, rows in made.views.items()}
    )
    before, after = ask(made), ask(changed)
    for name, quantity in before.quantities.items():
        # The plane is fitted step by step, and stops within its tolerance of the best one.
        allowed = 1e-2 if name.startswith("separability") else 1e-6
        assert after[name].value == pytest.approx(quantity.value, rel=allowed, abs=allowed), name


def test_exact_p_of_paired_hits() -> None:
    before, after = np.zeros(30), np.zeros(30)
    before[:2], after[2:12] = 1, 1
    assert mcnemar(Closing("a", "b", before, after)) == pytest.approx(binomtest(10, 12).pvalue)
    assert mcnemar(Closing("a", "b", before, before)) == 1


def test_three_views_have_every_pair_and_may_be_chosen() -> None:
    rows = sphere(100, 8)
    shifts = np.zeros((3, 8))
    shifts[1, 0], shifts[2, 0] = 0.5, 3.0
    made = EmbeddingSet.from_arrays({name: rows + shift for name, shift in zip("abc", shifts, strict=True)})
    found = ask(made, first_view=1, second_view=3)
    every = found.views["every_pair"]
    assert "a and c lie farthest" in every.title
    assert found["gap_norm"].value == pytest.approx(every.values[0, 2])  # type: ignore[union-attr]
    assert ask(made, first_view=2, second_view=2).level == "unknown"


def test_one_view_asks_for_a_second() -> None:
    found = ask(EmbeddingSet.from_arrays(sphere(20, 4)))
    assert found.level == "unknown"
    assert "second view" in found.findings[0].advice


def test_of_three_views_the_finding_is_about_those_farthest_apart() -> None:
    generator = np.random.default_rng(0)
    rows = sphere(200, 8)
    far = rows + 3.0 * np.eye(1, 8)
    made = EmbeddingSet.from_arrays({"x": rows, "y": rows + 0.01 * generator.normal(size=rows.shape), "z": far})
    found = ask(made)
    every = found.views["every_pair"].values  # type: ignore[union-attr]
    assert found["gap_norm"].value == pytest.approx(every.max())
    assert found.findings[0].level in ("watch", "bad")
    assert " and z, the farthest apart of 3 pairs of views, are" in found.findings[0].message
    near = ask(made, first_view=1, second_view=2)
    assert near.level == "good"
    assert "farthest" not in near.findings[0].message
    assert ask(made, first_view=3)["gap_norm"].value == pytest.approx(every.max())
    assert "x and z" in ask(made, first_view=1).findings[0].message


def test_the_longest_of_many_gaps_is_held_to_more_than_one_asked_for() -> None:
    generator = np.random.default_rng(1)
    made = EmbeddingSet.from_arrays({name: generator.normal(size=(60, 8)) for name in "abcdef"})
    chosen = ask(made)
    number = {name: place for place, name in enumerate("abcdef", start=1)}
    first, second = chosen.caveats.notes[0].split(":")[0].removeprefix("gap from ").split(" to ")
    asked = ask(made, first_view=number[first], second_view=number[second])
    assert chosen["gap_norm"].value == asked["gap_norm"].value
    assert (chosen["gap_norm"].reference or 0) > (asked["gap_norm"].reference or 9)


def test_closing_is_spoken_of_where_there_is_a_gap_and_in_whole_sentences() -> None:
    wide, none = ask(modality_pair(500, 16, 1.2)), ask(modality_pair(500, 16, 0.0))
    closing = next(finding for finding in wide.findings if finding.quantity == "recall_at_1_there_after")
    first, second = modality_pair(500, 16, 1.2).views
    assert f"from {first} to {second} (p = " in closing.message
    assert f"from {second} to {first} (p = " in closing.message
    assert "There is from" not in closing.message
    assert [finding.quantity for finding in none.findings] == ["gap_norm"]


@pytest.mark.parametrize("gap", [0.0, 0.4, 1.5])
def test_the_plane_is_that_of_scikit_learn(gap: float) -> None:
    from sklearn.linear_model import LogisticRegression

    first, second = modality_pair(400, 16, gap).views.values()
    rows = np.concatenate([first, second]).astype(np.float64)
    fitted = LogisticRegression(max_iter=1000).fit(rows, np.repeat([0, 1], 400))
    plane = SeparatingPlane.between(rows[:400], rows[400:])
    np.testing.assert_allclose(plane.normal, fitted.coef_[0], rtol=1e-3, atol=1e-4)
    assert plane.intercept == pytest.approx(fitted.intercept_[0], rel=1e-3, abs=1e-4)
    expected = fitted.decision_function(rows) / np.linalg.norm(fitted.coef_)
    np.testing.assert_allclose(plane.distances(rows), expected, rtol=1e-3, atol=2e-3)


def test_two_sides_that_are_one_have_no_direction() -> None:
    rows = np.ones((3, 2))
    np.testing.assert_allclose(SeparatingPlane.between(rows, rows).distances(rows), 0.0, atol=1e-12)

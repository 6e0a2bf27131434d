"""Class collapse and feature suppression: planted ones are found, absent ones are not, and numbers have twins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics import diagnose
from cl_viz.diagnostics._groups import nested_rows
from cl_viz.diagnostics._groups.decodability import decode
from cl_viz.diagnostics._groups.nested_rows import Nested, NestedScatter
from cl_viz.engine.inputs import SetInputs
from cl_viz.testing import nested_classes, sphere, suppressed_feature


def subclass(embedding_set: EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("subclass_collapse", embedding_set, params=params)


def feature(embedding_set: EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("feature_suppression", embedding_set, params=params)


def held_out(rows: np.ndarray, codes: np.ndarray, seed: int) -> tuple[int, int]:
    """Return hits and held-out rows of scikit-learn's own pipeline on the same split."""
    train, test = (np.sort(part) for part in train_test_split(
        np.arange(len(codes)), test_size=0.25, random_state=seed, stratify=codes))  # fmt: skip
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows[train], codes[train])
    return int((model.predict(rows[test]) == codes[test]).sum()), len(test)


def test_the_numbers_of_nested_classes_are_their_dense_twins() -> None:
    made = nested_classes(240, 12, 2, 3, 0.5, spread=1.0)
    rows, label, sub = made.views["view_1"], np.asarray(made.role("label")), np.asarray(made.role("subclass"))
    found = subclass(made, seed=1)
    parts = [held_out(rows[label == code], sub[label == code], 1) for code in (0, 1)]
    assert found["subclass_accuracy"].value == pytest.approx(sum(hit for hit, _ in parts) / sum(n for _, n in parts))
    hits, count = held_out(rows, label, 1)
    assert found["class_accuracy"].value == pytest.approx(hits / count)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    within = between = apart = expected = 0.0
    for code in (0, 1):
        members = unit[label == code]
        squares = np.square(members - members.mean(axis=0)).sum()
        within += squares
        expected += squares * 2 / (len(members) - 1)
        apart += len(members) * np.square(members.mean(axis=0) - unit.mean(axis=0)).sum()
        for part in np.unique(sub[label == code]):
            own = unit[sub == part]
            between += len(own) * np.square(own.mean(axis=0) - members.mean(axis=0)).sum()
    assert found["subclass_share"].value == pytest.approx(between / within)
    assert found["subclass_share"].reference == pytest.approx(expected / within)
    assert found["subclass_to_class"].value == pytest.approx(between / apart)
    chance = found["subclass_accuracy"].reference or 0
    assert found["subclass_skill"].value == pytest.approx(
        ((found["subclass_accuracy"].value or 0) - chance) / (1 - chance)
    )


def test_shuffles_that_are_added_up_one_after_another_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(120, 6))
    embedding_set = EmbeddingSet.from_arrays(rows, label=np.arange(120) % 2, subclass=np.arange(120) % 6)

    def shuffled() -> np.ndarray:
        inputs = SetInputs(embedding_set, "run")
        return NestedScatter.of(inputs, embedding_set.view_names[0], Nested.of(inputs, 1, 1000, 0)).shuffled

    together = shuffled()
    monkeypatch.setattr(nested_rows, "_MOST_SUMS", 1)
    assert len(np.unique(together)) == 19
    np.testing.assert_allclose(shuffled(), together, rtol=1e-12)


def test_the_expected_share_is_that_of_shuffled_subclasses() -> None:
    made = nested_classes(120, 12, 2, 3, 0.5)
    rows, label, sub = made.views["view_1"], np.asarray(made.role("label")), np.asarray(made.role("subclass"))
    generator, shares = np.random.default_rng(0), []
    for _ in range(60):
        shuffled = sub.copy()
        for code in (0, 1):
            shuffled[label == code] = generator.permutation(sub[label == code])
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        centre = np.array([unit[label == code].mean(axis=0) for code in label])
        mean = np.array([unit[shuffled == code].mean(axis=0) for code in shuffled])
        shares.append(np.square(mean - centre).sum() / np.square(unit - centre).sum())
    expected = subclass(made)["subclass_share"].reference
    assert expected == pytest.approx(np.mean(shares), abs=4 * np.std(shares) / np.sqrt(60))


def test_planted_class_collapse_is_bad_and_kept_subclasses_are_good() -> None:
    lost, kept = subclass(nested_classes(400, 16, 2, 4, 0.0)), subclass(nested_classes(400, 16, 2, 4, 1.0))
    assert lost.level == "bad"
    assert "no better than chance" in lost.findings[0].message
    assert (lost["p_value"].value or 0) > 0.05
    assert lost["subclass_share"].value == pytest.approx(lost["subclass_share"].reference, rel=0.5)
    assert kept.level == "good"
    assert kept["subclass_to_class"].value == pytest.approx(0.75 / (0.5 * 1.25), rel=0.05)


def test_subclasses_are_not_called_lost_for_want_of_samples() -> None:
    finding = next(
        finding for finding in subclass(nested_classes(48, 8, 2, 2, 0.2)).findings
        if finding.quantity == "subclass_accuracy"
    )  # fmt: skip
    assert finding.level == "watch"
    assert finding.message.startswith("Too few held-out samples to say whether the subclass is read: for 75 % [")


def test_the_smallest_p_that_the_shuffles_can_give_is_a_bound() -> None:
    kept, lost = (subclass(nested_classes(200, 8, 2, 2, size), shuffles=19).findings[0] for size in (1.0, 0.0))
    assert "p <= 0.050 (19 shuffles)" in kept.message
    assert "p <=" not in lost.message


def test_subclasses_that_are_small_but_there_are_read_and_their_variance_is_named() -> None:
    found = subclass(nested_classes(400, 16, 2, 4, 0.05, spread=0.02))
    assert (found["subclass_accuracy"].value or 0) > 0.95
    assert {finding.quantity: finding.level for finding in found.findings} == {
        "subclass_accuracy": "good",
        "subclass_to_class": "bad",
    }


def test_a_planted_suppressed_feature_is_named_with_what_is_read_instead() -> None:
    found = feature(suppressed_feature(300, 8))
    assert found.level == "bad"
    assert "Digit is read for" in found.findings[0].message
    assert "while colour is read for" in found.findings[0].message
    assert (found["p_value"].value or 0) > 0.05
    colour = feature(suppressed_feature(300, 8), feature="colour")
    assert (colour["accuracy"].value or 0) > 0.95
    assert colour["p_value"].value == pytest.approx(0.05)


def test_the_probe_of_a_feature_is_scikit_learns() -> None:
    made = suppressed_feature(200, 8, seed=3)
    _, codes = np.unique(made.columns()["colour"], return_inverse=True)
    hits, count = held_out(made.views["view_1"], codes, 5)
    found = feature(made, feature="colour", seed=5)
    assert found["accuracy"].value == pytest.approx(hits / count)
    assert found["accuracy"].n == count


def test_the_suppression_score_is_the_way_to_the_upper_bound() -> None:
    made = suppressed_feature(200, 8)
    found = feature(made, feature="colour", upper_bound=0.9)
    chance = found["accuracy"].reference or 0
    assert found["suppression_score"].value == pytest.approx(((found["accuracy"].value or 0) - chance) / (0.9 - chance))
    unknown = feature(made, feature="colour")["suppression_score"]
    assert unknown.value is None
    assert "upper bound" in unknown.missing
    assert "above chance" in feature(made, feature="colour", upper_bound=0.1)["suppression_score"].missing


@pytest.mark.parametrize(("n", "dim"), [(120, 4), (400, 16), (300, 64), (200, 128), (160, 300)])
def test_random_directions_are_never_bad(n: int, dim: int) -> None:
    generator = np.random.default_rng(n)
    made = EmbeddingSet.from_arrays(
        sphere(n, dim, n), label=np.arange(n) % 2, subclass=generator.permutation(np.arange(n) % 4),
        group=generator.permutation(np.arange(n) % 3),
    )  # fmt: skip
    for found in (subclass(made), feature(made)):
        assert "bad" not in {finding.level for finding in found.findings}


def test_shuffling_makes_p_uniform_where_nothing_is_there() -> None:
    values = [
        decode(sphere(60, 5, seed), np.random.default_rng(seed).permutation(np.arange(60) % 2), seed=seed).p_value
        for seed in range(40)
    ]
    assert np.mean(np.array(values) <= 0.05) <= 0.2
    assert 0.3 < np.mean(values) < 0.8


def test_columns_without_few_values_and_repeated_columns_are_no_features() -> None:
    made = EmbeddingSet.from_arrays(
        sphere(120, 6),
        metadata={
            "digit": np.arange(120) % 3, "copy": np.array(["x", "y", "z"])[np.arange(120) % 3],
            "row": np.arange(120), "same": np.zeros(120), "weight": np.linspace(0, 1, 120), "half": np.arange(120) % 2,
        },
        roles={"label": "digit"},
    )  # fmt: skip
    found = feature(made)
    assert list(found.views["table"].columns["feature"]) != []  # type: ignore[union-attr]
    assert set(found.views["table"].columns["feature"]) == {"digit", "half"}  # type: ignore[union-attr]
    assert "digit, half" in feature(made, feature="row").findings[0].advice


def test_subclasses_of_one_name_in_two_classes_are_two() -> None:
    label, sub = np.arange(160) % 2, (np.arange(160) // 2) % 2
    rows = np.eye(8)[label] + np.eye(8)[2 + 2 * label + sub]
    made = EmbeddingSet.from_arrays(
        rows + 0.05 * np.random.default_rng(0).normal(size=rows.shape), label=label, subclass=sub
    )
    found = subclass(made)
    assert (found["subclass_accuracy"].value or 0) > 0.95
    assert "4 subclasses in 2 classes" in found.caveats.notes[0]


def test_what_is_missing_is_asked_for() -> None:
    assert "subclass" in subclass(EmbeddingSet.from_arrays(sphere(60, 4), label=np.arange(60) % 2)).findings[0].advice
    alike = EmbeddingSet.from_arrays(sphere(60, 4), label=np.arange(60) % 3, subclass=np.arange(60) % 3)
    assert "finer column" in subclass(alike).findings[0].advice
    assert "known features" in feature(EmbeddingSet.from_arrays(sphere(60, 4))).findings[0].advice


def test_an_upper_bound_scales_the_score_and_its_interval() -> None:
    found = suppressed_feature(400, 16)
    plain = diagnose("feature_suppression", found)
    assert plain["suppression_score"].value is None
    accuracy, chance = plain["accuracy"], plain["accuracy"].reference
    assert accuracy.value is not None
    assert accuracy.interval is not None
    assert chance is not None
    result = diagnose("feature_suppression", found, params={"upper_bound": 1.0})
    score = result["suppression_score"]
    assert score.interval is not None
    assert score.value == pytest.approx((accuracy.value - chance) / (1 - chance))
    assert score.interval.low == pytest.approx((accuracy.interval.low - chance) / (1 - chance))
    assert any(finding.quantity == "suppression_score" for finding in result.findings)
    too_low = diagnose("feature_suppression", found, params={"upper_bound": chance / 2})
    assert "above chance" in too_low["suppression_score"].missing


def test_subclasses_beside_classes_that_do_not_differ_are_compared_with_shuffled_ones() -> None:
    generator = np.random.default_rng(3)
    label = np.arange(240) % 3
    rows = generator.normal(size=(240, 10))
    found = EmbeddingSet.from_arrays(rows, label=label, subclass=2 * label + generator.integers(0, 2, 240))
    finding = next(f for f in diagnose("subclass_collapse", found).findings if f.quantity == "subclass_to_class")
    assert finding.level != "good"
    assert "shuffled" in finding.message

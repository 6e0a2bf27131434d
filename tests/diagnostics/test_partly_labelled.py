"""Sets in which some rows have no label: what is said of labels is said of those that have one, and says so."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.view import Table
from cl_viz.diagnostics import DIAGNOSTICS, labelled_count
from cl_viz.diagnostics._dense import temperature as dense
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import clusters

N, CLASSES, TAU = 80, 4, 0.2
WHOLE = clusters(N, 8, CLASSES, 0.7, seed=5)
CODES = np.asarray(WHOLE.role("label")).astype(np.int64)


def losing(lost: np.ndarray) -> cl_viz.EmbeddingSet:
    """Return the set without the labels of these rows."""
    label = np.where(lost, None, CODES.astype(object))
    return cl_viz.EmbeddingSet.from_arrays(dict(WHOLE.views), label=label)


@cache
def scanner() -> Scanner:
    return Scanner(cache=False)


def ask(name: str, target: cl_viz.EmbeddingSet, **params: object) -> Result:
    return cl_viz.diagnose(name, target, params=params, scanner=scanner())


def by_definition(lost: np.ndarray, temperature: float) -> tuple[float, float, float]:
    """Share, push and share among the ten hardest of false negatives, by brute force on the rows with a label."""
    scores = dense.two_view_negatives(*(array[~lost] for array in WHOLE.views.values()))[1]
    codes = np.tile(CODES[~lost], 2)
    same = (codes[:, None] == codes) & np.isfinite(scores)
    push = (dense.relative_penalty(scores, temperature) * same).sum(axis=1)
    hardest = np.take_along_axis(same, np.argsort(-scores, axis=1)[:, :10], axis=1)
    return same.sum() / np.isfinite(scores).sum(), push.mean(), hardest.mean()


@pytest.mark.parametrize("lost", [0.1, 0.5, 0.8, "a class", "all but one class and one row"])
def test_false_negatives_are_those_of_anchors_and_negatives_with_a_label(lost: float | str) -> None:
    every, drawn = CODES != 1, np.random.default_rng(1).random(N)
    gone = {"a class": CODES == 1, "all but one class and one row": every & (np.arange(N) != int(np.argmax(every)))}
    gone_here = gone[lost] if isinstance(lost, str) else drawn < lost
    target, n_labelled = losing(gone_here), int((~gone_here).sum())
    expected, push, hardest = by_definition(gone_here, TAU)
    found = ask("score_distribution", target, negatives="all", temperature=TAU)
    assert found["false_negative_share"].value == pytest.approx(expected, rel=1e-9)
    assert found["false_negative_push"].value == pytest.approx(push, rel=2e-3)
    assert found["false_negative_share_top10"].value == pytest.approx(hardest, rel=1e-6)
    hardness = ask("hardness", target, negative_views="all", temperature=TAU)
    reweighted = ask("negative_reweighting", target, negative_views="all", temperature=TAU, beta=0.0)
    assert hardness["false_negative_push"].value == pytest.approx(push, rel=2e-3)
    assert hardness["false_negative_push"].reference == pytest.approx(expected, rel=1e-9)
    assert reweighted["reweighted_false_negative_push"].value == pytest.approx(push, rel=2e-3)
    for result, names in (
        (found, ("false_negative_share", "false_negative_push", "false_negative_share_top10")),
        (hardness, ("false_negative_push",)),
        (reweighted, ("reweighted_false_negative_push",)),
        (ask("suggested_temperature", target, negative_views="all"), ("for_labels",)),
    ):
        assert [result[name].n for name in names] == [n_labelled] * len(names)
        assert any(f"the {n_labelled} of {N} samples that have a label" in line for line in result.caveats.lines())
        # What needs no label is of all samples.
        assert result.caveats.n_used == N
    assert found["auc"].n == hardness["entropy"].n == N


def test_numbers_and_intervals_are_those_of_the_labelled_rows_as_a_set() -> None:
    lost = np.random.default_rng(2).random(N) < 0.4
    target, alone = losing(lost), losing(lost).select(rows=~lost)
    for name, params, quantities in (
        ("score_distribution", {}, ("false_negative_share", "false_negative_push", "false_negative_share_top10")),
        ("hardness", {}, ("false_negative_push",)),
        ("suggested_temperature", {"most_false": 0.3}, ("for_labels",)),
        ("score_distribution", {"positives": "labels"}, ("auc", "dprime", "negative_mean")),
    ):
        found, expected = (ask(name, one, **params) for one in (target, alone))
        for quantity in quantities:
            assert found[quantity] == expected[quantity], quantity
    curve, expected_curve = (
        ask("hardness", one).views["false_negatives"].series[0].y  # type: ignore[union-attr]
        for one in (target, alone)
    )
    np.testing.assert_array_equal(curve, expected_curve)


def test_captions_without_a_label_are_left_out_with_their_pairs() -> None:
    generator = np.random.default_rng(6)
    image, text = generator.normal(size=(30, 6)), generator.normal(size=(60, 6))
    pairs = np.stack([np.repeat(np.arange(30), 2), np.arange(60)], axis=1)
    of_image, of_text = np.arange(30) % 3, np.repeat(np.arange(30) % 3, 2)
    gone, gone_text = generator.random(30) < 0.4, generator.random(60) < 0.4
    labels = {
        "image": np.where(gone, None, of_image.astype(object)),
        "text": np.where(gone_text, None, of_text.astype(object)),
    }
    target = cl_viz.EmbeddingSet.from_arrays(
        {"image": image, "text": text},
        metadata={view: {"kind": column} for view, column in labels.items()},
        roles={"label": "kind"},
        pairs=pairs,
    )
    same = (of_image[:, None] == of_text) & ~gone[:, None] & ~gone_text
    known = ~gone[:, None] & ~gone_text & np.ones((30, 60), dtype=bool)
    known[pairs[:, 0], pairs[:, 1]] = same[pairs[:, 0], pairs[:, 1]] = False
    found = ask("score_distribution", target, positives="views")
    assert found["false_negative_share"].value == pytest.approx(same.sum() / known.sum(), rel=1e-12)
    only_images = target.with_roles(label=None)
    assert ask("score_distribution", only_images, positives="views")["false_negative_share"].value is None


def test_label_positives_say_of_how_many_samples_they_are() -> None:
    lost = np.random.default_rng(3).random(N) < 0.4
    found = ask("score_distribution", losing(lost), positives="labels")
    n_labelled = int((~lost).sum())
    assert found["auc"].n == n_labelled
    assert found["auc"].interval is not None
    assert any(f"the {n_labelled} of {N} samples that have a label" in line for line in found.caveats.lines())


@pytest.mark.parametrize("lost", ["all", "all but one of each class", "all but one"])
def test_what_no_label_tells_is_unknown_and_not_good(lost: str) -> None:
    kept = {"all": [], "all but one": [5]}.get(lost, [int(np.argmax(code == CODES)) for code in range(CLASSES)])
    target = losing(~np.isin(np.arange(N), kept))
    found = ask("score_distribution", target, positives="views")
    for name in ("false_negative_share", "false_negative_push", "false_negative_share_top10"):
        assert found[name].value is None
        assert "label" in found[name].missing
    (told,) = [finding for finding in found.findings if finding.quantity == "false_negative_push"]
    assert told.level == "unknown"
    for name, quantity in (
        ("hardness", "false_negative_push"),
        ("negative_reweighting", "reweighted_false_negative_push"),
        ("suggested_temperature", "for_labels"),
    ):
        missing = ask(name, target)[quantity]
        assert missing.value is None
        assert "label" in missing.missing


@pytest.mark.parametrize("name", ["score_distribution", "hardness", "uniformity_tolerance"])
def test_a_label_column_without_labels_is_not_asked_for_again(name: str) -> None:
    found = ask(name, losing(np.ones(N, dtype=bool)))
    said = [entry.missing for entry in found.quantities.values() if entry.value is None]
    said += [finding.message + finding.advice for finding in found.findings if finding.level == "unknown"]
    asked = [text for text in said if "label column" in text]
    assert asked
    assert all("in which" in text for text in asked), asked


def test_mixtures_are_judged_by_the_items_whose_label_is_known() -> None:
    lost = np.random.default_rng(4).random(N) < 0.5
    found = ask("feature_transformation", losing(lost), anchors=40, mixed_pairs=10.0, hardest=20.0)
    whole = ask("feature_transformation", WHOLE, anchors=40, mixed_pairs=10.0, hardest=20.0)
    same, every = found["hardest_same_label"], whole["hardest_same_label"]
    assert same.n is not None
    assert every.n is not None
    assert same.n < every.n
    assert same.value == pytest.approx(every.value, abs=0.1)
    assert any("both labels are known" in line for line in found.caveats.lines())


ABOUT_CLASSES = (
    "class_cosines",
    "class_separation",
    "classifier_duality",
    "cluster_agreement",
    "label_retrieval",
    "neighbor_accuracy",
    "neural_collapse",
    "uniformity_tolerance",
)


@pytest.mark.parametrize("lost", ["half", "most", "all but one row of a class"])
def test_what_is_said_of_classes_is_said_of_the_labelled_rows(lost: str) -> None:
    draws = np.random.default_rng(8).random(N)
    last = (CODES == 2) & (np.arange(N) != int(np.argmax(CODES == 2)))
    gone = {"half": draws < 0.5, "most": draws < 0.8}.get(lost, last)
    target, alone = losing(gone), losing(gone).select(rows=~gone)
    for name in ABOUT_CLASSES:
        found, expected = ask(name, target), ask(name, alone)
        for key, quantity in found.quantities.items():
            # The uniformity needs no labels.
            if key != "uniformity":
                values = [np.nan if each.value is None else each.value for each in (quantity, expected[key])]
                assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12, nan_ok=True), (name, key)
                assert quantity.n == expected[key].n
        assert found.caveats.n_excluded == 0
        told = [line for line in found.caveats.lines() if "without a label, left out" in line or "have a label" in line]
        assert len(told) == 1, name


def test_neighbours_without_a_label_take_no_place_among_those_that_vote() -> None:
    generator = np.random.default_rng(9)
    label = np.arange(700) % 2
    rows = generator.normal(size=(700, 4)) + 3 * label[:, None] * np.array([1, -1, 0, 0])
    gone = generator.random(700) < 0.96
    target = cl_viz.EmbeddingSet.from_arrays(rows, label=np.where(gone, None, label.astype(object)))
    found = ask("neighbor_accuracy", target, neighbours=20)
    alone = ask("neighbor_accuracy", target.select(rows=~gone), neighbours=20)
    # Of the 200 nearest of a row about eight have a label.
    assert found["accuracy"].value == alone["accuracy"].value
    assert found.views["curve"].series[0].y.tolist() == alone.views["curve"].series[0].y.tolist()  # type: ignore


def test_rows_without_a_label_are_not_of_another_label_than_a_hub() -> None:
    lost = np.random.default_rng(10).random(N) < 0.5
    table = ask("hubness", losing(lost), k=5, hub_size=1.5).views["hubs"]
    assert isinstance(table, Table)
    first = WHOLE.views["view_1"] / np.linalg.norm(WHOLE.views["view_1"], axis=1, keepdims=True)
    scores = first @ first.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1)[:, :5]
    hubs = table.columns["row"].astype(np.int64)
    assert len(hubs) > 3
    for hub, share in zip(hubs, table.columns["own label among them"].astype(float), strict=True):
        having = (near == hub).any(axis=1) & ~lost
        expected = np.nan if lost[hub] or not having.any() else (CODES[having] == CODES[hub]).mean()
        assert share == pytest.approx(expected, nan_ok=True)


class _Passes(Scanner):
    """Notes which passes are asked for of sets smaller than the whole."""

    def __init__(self) -> None:
        super().__init__(cache=False)
        self.again: set[str] = set()

    def keep(self, embedding_set: cl_viz.EmbeddingSet, what: Any, make: Any, scores: float = 0.0) -> Any:
        if scores and embedding_set.n < N:
            self.again.add(what)
        return super().keep(embedding_set, what, make, scores)


@pytest.mark.parametrize("name", [name for name, spec in DIAGNOSTICS.items() if spec.quick and spec.passes])
def test_second_passes_over_the_labelled_rows_are_declared(name: str) -> None:
    target, scanner = losing(np.arange(N) % 3 == 0), _Passes()
    run = Run("run", {Snapshot(step, layer): target for step in (0, 1) for layer in ("a", "b")})
    cl_viz.diagnose(name, run, scanner=scanner)
    assert scanner.again == set(DIAGNOSTICS[name].labelled_passes)


def test_labelled_rows_are_counted_where_there_is_a_second_pass() -> None:
    every = np.zeros(N, dtype=bool)
    assert labelled_count(losing(np.arange(N) < 30)) == 2 * (N - 30)
    assert labelled_count(losing(every)) == labelled_count(losing(~every)) == 0
    assert labelled_count(losing(np.arange(N) > 0)) == 0, "one row is no pair"

"""Score distribution: its numbers against dense definitions, its intervals against repetition, its findings."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.result import Result
from cl_viz.diagnostics._dense import scores as dense
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere


def score_distribution(embedding_set: cl_viz.EmbeddingSet, **params: object) -> Result:
    return cl_viz.diagnose("score_distribution", embedding_set, params=params)


def values(result: Result) -> dict[str, float | None]:
    return {name: quantity.value for name, quantity in result.quantities.items()}


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_every_number_is_that_of_its_dense_definition(spread: float) -> None:
    embedding_set = clusters(160, 20, 4, spread, seed=2)
    first, second = embedding_set.views.values()
    labels = embedding_set.role("label")
    found = values(score_distribution(embedding_set, temperature=0.2))
    scores = dense.cosine_scores(first, second)
    positives, negatives = scores.diagonal(), scores[~np.eye(160, dtype=bool)]
    rows = [scores, scores.T]
    others = [np.delete(s[i], i) for s in rows for i in range(160)]
    expected = {
        "dprime": dense.dprime(positives, negatives),
        "positive_mean": positives.mean(),
        "positive_variance": positives.var(),
        "negative_mean": negatives.mean(),
        "negative_variance": np.mean([other.var(ddof=1) for other in others]),
        "negative_variance_pooled": negatives.var(ddof=1),
        "auc_per_anchor": np.mean([(np.delete(s[i], i) < s[i, i]).mean() for s in rows for i in range(160)]),
        "false_negative_share": dense.false_negative_share(labels),
        "false_negative_share_top10": np.mean([dense.false_negative_top_share(s, labels) for s in rows]),
        "overlap_gaussian": dense.gaussian_overlap(
            positives.mean(), positives.std(ddof=1), negatives.mean(), negatives.std(ddof=1)
        ),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
    assert found["auc"] == pytest.approx(dense.auc(positives, negatives), abs=1e-3)
    push = np.mean([dense.false_negative_push(s.copy(), labels, 0.2) for s in rows])
    assert found["false_negative_push"] == pytest.approx(push, rel=1e-3)
    assert found["overlap"] == pytest.approx(dense.histogram_overlap(positives, negatives), abs=5e-4)


def test_dense_definitions_of_float32_scores_are_those_of_their_float64_copies() -> None:
    scores = [np.random.default_rng(seed).normal(seed, 1, 3000).astype(np.float32) for seed in (0, 1)]
    for measure in (dense.auc, dense.dprime):
        assert measure(*scores) == measure(*(one.astype(np.float64) for one in scores))


def test_known_answers_on_the_paired_sphere() -> None:
    found = score_distribution(paired_sphere(600, 32, 0.4, classes=6))
    assert found["positive_mean"].value == pytest.approx(0.4, abs=1e-12)
    assert found["positive_variance"].value == pytest.approx(0.0, abs=1e-12)
    assert found["negative_mean"].reference == 0.0
    assert found["negative_mean"].value == pytest.approx(0.0, abs=5e-3)
    assert found["negative_variance_pooled"].value == pytest.approx(1 / 32, rel=0.02)
    # Labels are independent of the embeddings: the push is that of the labels' share.
    assert found["false_negative_push"].value == pytest.approx(99 / 599, abs=0.01)
    assert found.level == "good"


def test_views_drawn_apart_have_an_auc_of_a_half() -> None:
    unrelated = cl_viz.EmbeddingSet.from_arrays({"a": sphere(400, 16, 0), "b": sphere(400, 16, 1)})
    found = score_distribution(unrelated)
    interval = found["auc"].interval
    assert interval is not None
    assert interval.low < 0.5 < interval.high
    assert found["auc_per_anchor"].value == pytest.approx(0.5, abs=0.05)
    assert found.level == "bad"


def test_collapse_is_found() -> None:
    found = score_distribution(collapsed(300, 32, 1e-4))
    assert [finding.level for finding in found.findings if "collapsed" in finding.message] == ["bad"]
    (separation,) = [finding for finding in found.findings if "above" in finding.message]
    assert separation.advice.startswith("Mend the collapse first")


def test_all_rows_equal_have_no_separation_and_no_dprime() -> None:
    rows = np.tile(sphere(1, 8), (50, 1))
    found = score_distribution(cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows.copy()}))
    assert found["auc"].value == pytest.approx(0.5)
    assert found["auc_per_anchor"].value == pytest.approx(0.5)
    assert found["dprime"].value is None
    assert "not defined" in found["dprime"].missing
    assert found.level == "bad"


def test_rows_of_ones_do_not_break_the_interval() -> None:
    ones = np.ones((50, 8), dtype=np.float32)
    found = score_distribution(cl_viz.EmbeddingSet.from_arrays({"a": ones, "b": ones.copy()}, label=np.arange(50) % 2))
    assert found.level == "bad"
    assert found["auc"].value == pytest.approx(0.5)


def test_one_label_for_all_says_nothing_of_false_negatives() -> None:
    embedding_set = cl_viz.EmbeddingSet.from_arrays(dict(paired_sphere(40, 8, 0.9).views), label=np.zeros(40))
    (told,) = [f for f in score_distribution(embedding_set).findings if f.quantity == "false_negative_push"]
    assert told.level == "unknown"
    assert "one label" in told.message


def test_numbers_over_anchors_say_how_many_there_are() -> None:
    embedding_set = paired_sphere(60, 8, 0.7, classes=3)
    found = cl_viz.diagnose("score_distribution", embedding_set, scanner=Scanner(anchors=20))
    assert found["auc_per_anchor"].n == 20
    assert found["auc_per_anchor"].interval is not None
    assert found["auc"].n == 60
    assert any("20 of 60 rows" in line for line in found.caveats.lines())


def test_an_auc_of_one_still_has_an_interval() -> None:
    found = score_distribution(paired_sphere(100, 64, 0.99))
    interval = found["auc"].interval
    assert found["auc"].value == 1.0
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(0.97, abs=2e-3), 1.0)


def test_label_positives_leave_false_negatives_unknown() -> None:
    embedding_set = cl_viz.EmbeddingSet.from_arrays(clusters(90, 8, 3, 0.2).views["view_1"], label=np.arange(90) % 3)
    found = score_distribution(embedding_set)
    scores = dense.cosine_scores(*[embedding_set.views["view_1"]] * 2)[np.triu_indices(90, 1)]
    same = (np.arange(90)[:, None] % 3 == np.arange(90)[None] % 3)[np.triu_indices(90, 1)]
    assert found["auc"].value == pytest.approx(dense.auc(scores[same], scores[~same]), abs=1e-3)
    for name in ("false_negative_share", "false_negative_push", "auc_per_anchor"):
        assert found[name].value is None
        assert "second view" in found[name].missing
    assert "unknown" in {finding.level for finding in found.findings}


@pytest.mark.parametrize(("n", "dim"), [(300, 8), (60, 128), (2000, 64)])
def test_random_labels_on_one_view_are_worth_a_look_and_not_bad(n: int, dim: int) -> None:
    label = np.random.default_rng(1).integers(0, 5, n)
    found = score_distribution(cl_viz.EmbeddingSet.from_arrays(sphere(n, dim), label=label))
    assert "bad" not in {finding.level for finding in found.findings}
    (separation,) = [finding for finding in found.findings if finding.quantity == "auc"]
    assert separation.level == "watch"
    assert separation.message.startswith("Samples of one label score above")
    assert "label" in separation.advice
    assert "views" not in separation.advice


@pytest.mark.parametrize("classes", [2, 10])
def test_a_push_that_is_no_more_than_chance_is_good(classes: int) -> None:
    found = score_distribution(paired_sphere(200, 16, 0.8, classes=classes), temperature=0.05)
    assert [finding.level for finding in found.findings if finding.quantity == "false_negative_push"] == ["good"]
    crowded = score_distribution(clusters(200, 16, classes, 0.3), temperature=0.05)
    assert [finding.level for finding in crowded.findings if finding.quantity == "false_negative_push"] == ["bad"]


@pytest.mark.parametrize("negatives", ["cross", "all"])
def test_captions_by_id_and_by_pairs_are_the_same_question(negatives: str) -> None:
    """Unrelated images and captions, the five captions of an image nearly equal: views do not find each other."""
    generator = np.random.default_rng(0)
    image, text = sphere(60, 16, 1), np.repeat(sphere(60, 16, 2), 5, axis=0) + 0.05 * generator.normal(size=(300, 16))
    owner = np.repeat(np.arange(60), 5)
    by_id = cl_viz.EmbeddingSet.from_arrays(
        {"image": image, "text": text},
        metadata={"image": {"id": np.arange(60)}, "text": {"id": owner}},
        roles={"id": "id"},
    )
    by_pairs = cl_viz.EmbeddingSet.from_arrays(
        {"image": image, "text": text}, pairs=np.stack([owner, np.arange(300)], axis=1)
    )
    found = [values(score_distribution(item, negatives=negatives)) for item in (by_id, by_pairs)]
    for name, value in found[0].items():
        assert found[1][name] == (value if value is None else pytest.approx(value, rel=1e-9)), name
    scores = dense.cosine_scores(image, text)
    positive = owner[None] == np.arange(60)[:, None]
    assert found[0]["positive_mean"] == pytest.approx(scores[positive].mean(), rel=1e-9)
    if negatives == "cross":
        assert found[0]["auc"] == pytest.approx(dense.auc(scores[positive], scores[~positive]), abs=1e-3)


def test_within_view_negatives_are_added_on_request() -> None:
    embedding_set = clusters(60, 8, 3, 0.5)
    found = values(score_distribution(embedding_set, negatives="all"))
    rows = np.concatenate([array / np.linalg.norm(array, axis=1)[:, None] for array in embedding_set.views.values()])
    scores = rows @ rows.T
    sample = np.arange(120) % 60
    negative = np.triu(sample[:, None] != sample[None])
    assert found["negative_mean"] == pytest.approx(scores[negative].mean(), rel=1e-9)


def test_weakest_positives_above_all_negatives_come_by_their_margin() -> None:
    embedding_set = clusters(60, 64, 60, 0.05, seed=4)
    table = score_distribution(embedding_set).views["weakest_positives"]
    scores = dense.cosine_scores(*embedding_set.views.values())
    hardest = np.where(np.eye(60, dtype=bool), -np.inf, scores).max(axis=1)
    margins = scores.diagonal() - hardest
    assert margins.min() > 0
    rows = table.columns["row"]
    np.testing.assert_array_equal(rows, np.argsort(margins)[: len(rows)])


def test_one_view_without_labels_says_what_to_add() -> None:
    found = score_distribution(cl_viz.EmbeddingSet.from_arrays(sphere(30, 5)))
    assert found.level == "unknown"
    assert not found.quantities
    assert "second view" in found.findings[0].advice


@pytest.mark.parametrize(
    "params", [{"temperature": 0.0}, {"temperature": "low"}, {"positives": "none"}, {"bins": 7}, {"colour": 1}]
)
def test_parameters_out_of_range_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Allowed"):
        score_distribution(paired_sphere(20, 5, 0.5), **params)


def test_the_card_gives_the_temperature() -> None:
    run = cl_viz.Run.from_set(clusters(80, 8, 4, 0.5), card={"temperature": 0.5})
    assert cl_viz.diagnose("score_distribution", run).params["temperature"] == 0.5
    given = cl_viz.diagnose("score_distribution", run, params={"temperature": 0.07})
    assert given.params["temperature"] == 0.07
    assert given["false_negative_push"].value > cl_viz.diagnose("score_distribution", run)["false_negative_push"].value


def test_order_of_rows_and_rotation_do_not_matter() -> None:
    embedding_set = clusters(100, 12, 4, 0.5)
    order = np.random.default_rng(0).permutation(100)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    moved = cl_viz.EmbeddingSet.from_arrays(
        {view: 3 * array[order] @ rotation for view, array in embedding_set.views.items()},
        label=embedding_set.role("label")[order],
    )
    first, second = values(score_distribution(embedding_set)), values(score_distribution(moved))
    for name, value in first.items():
        assert second[name] == pytest.approx(value, rel=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("negatives", ["cross", "all"])
def test_intervals_cover_the_truth_as_often_as_they_say(negatives: str) -> None:
    """95 % intervals over 200 draws of 60 samples, against the mean of the statistic over large draws."""

    def draw(n: int, seed: int) -> Result:
        generator = np.random.default_rng(seed)
        centres = np.eye(6)[np.arange(n) % 3]
        sample = centres + 0.5 * generator.normal(size=(n, 6))
        views = {name: sample + 0.5 * generator.normal(size=(n, 6)) for name in "ab"}
        embedding_set = cl_viz.EmbeddingSet.from_arrays(views, label=np.arange(n) % 3)
        return score_distribution(embedding_set, negatives=negatives, temperature=0.3)

    names = ("auc", "dprime", "positive_mean", "negative_mean", "negative_variance_pooled")
    large = (draw(600, 10_000 + seed) for seed in range(4))
    drawn = [[found[name].value for name in names] for found in large]
    truth = dict(zip(names, np.mean(drawn, axis=0), strict=True))
    covered = dict.fromkeys(names, 0)
    for seed in range(200):
        found = draw(60, seed)
        for name in names:
            interval = found[name].interval
            assert interval is not None
            covered[name] += interval.low <= truth[name] <= interval.high
    # 200 draws of a 95 % event lie above 0.89 but once in two thousand.
    for name, count in covered.items():
        assert count / 200 >= 0.89, (name, count / 200)
    assert np.mean([count / 200 for count in covered.values()]) < 0.99

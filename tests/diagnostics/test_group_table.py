"""Groups whose shares of hits, alignment and uniformity are known, and what chance makes of equal groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.view import Bars, Table
from cl_viz.diagnostics._groups.group_cells import Measured, by_chance, group_cells, perfect_uniformity
from cl_viz.diagnostics._groups.group_results import Accuracy, GroupsFound, findings
from cl_viz.diagnostics._proportions import wilson
from cl_viz.testing import paired_sphere, planted_groups, sphere

NAME = "group_table"


def _table(result: cl_viz.Result) -> dict[str, dict[str, float]]:
    view = result.views["table"]
    assert isinstance(view, Table)
    return {
        str(name): {column: values[line] for column, values in view.columns.items()}
        for line, name in enumerate(view.columns["Group"])
    }


def test_planted_shares_are_found_by_neighbours_and_by_the_probe() -> None:
    data = planted_groups((0.0, 0.1, 0.4), scores=(0.9, 0.8, 0.5))
    result = cl_viz.diagnose(NAME, data)
    rows = _table(result)
    # The probe fits noise besides, and errs a little more.
    for words, slack in (("neighbours", 0.021), ("linear probe", 0.08)):
        for name, share in (("a", 1.0), ("b", 0.9), ("c", 0.6)):
            found = rows[name][f"Right, {words}"]
            assert found == pytest.approx(share, abs=slack)
            interval = wilson(round(100 * found), 100)
            assert rows[name][f"Low, {words}"] == pytest.approx(interval.low)
            assert rows[name][f"High, {words}"] == pytest.approx(interval.high)
    for key in ("neighbors", "probe"):
        assert result[f"worst_{key}"].value == pytest.approx(0.6, abs=0.08)
        assert result[f"gap_{key}"].value == pytest.approx(0.4, abs=0.08)
        for name, value in ((f"worst_{key}", 0.6), (f"gap_{key}", 0.4)):
            interval = result[name].interval
            assert interval is not None
            assert interval.low < value < interval.high
    assert result["compared"].value == 3
    for name, score in (("a", 0.9), ("b", 0.8), ("c", 0.5)):
        assert rows[name]["Alignment"] == pytest.approx(2 - 2 * score)
    assert result.level in ("watch", "bad")
    assert all("group c is served worst: " in finding.message for finding in result.findings)
    assert "of its 100 samples against" in result.findings[0].message
    bars = result.views["accuracy"]
    assert isinstance(bars, Bars)
    assert bars.series[0].x[0] == "c"


def test_what_a_gap_whose_interval_holds_0_is_not_called() -> None:
    """Counts that equal groups would rarely give, and whose simultaneous intervals overlap."""
    cells = group_cells(planted_groups((0.0,) * 10), 1, "group")
    hits = np.array([79, 95, 90, 90, 90, 90, 90, 90, 90, 90])
    correct = np.concatenate([np.arange(100) < hit for hit in hits])
    accuracy = Accuracy.of(correct, np.repeat(np.arange(10), 100), 10, 20, 0)
    assert accuracy is not None
    assert accuracy.chance.share <= 0.05
    assert accuracy.intervals()[1].low == 0
    found = findings(GroupsFound(cells, None, Measured(np.zeros(10), (None,) * 10), None, accuracy, ""))
    assert [finding.level for finding in found] == ["good"]
    assert "no group is surely served worse: lowest is a, 79 %" in found[0].message


def test_shares_are_those_of_plain_scikit_learn() -> None:
    data = planted_groups((0.0, 0.3))
    rows, labels = np.asarray(data.views["view_1"]), np.asarray(data.role("label"))
    group = np.asarray(data.role("group"))
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    near = labels[np.argsort(-scores, axis=1)[:, :7]]
    voted = np.array([np.bincount(line, minlength=4).argmax() for line in near])
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    fitted = cross_val_predict(probe, rows, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    result = cl_viz.diagnose(NAME, data, params={"k": 7})
    table = _table(result)
    for words, key, predicted in (("neighbours", "neighbors", voted), ("linear probe", "probe", fitted)):
        shares = [float((predicted == labels)[group == name].mean()) for name in "ab"]
        assert [table[name][f"Right, {words}"] for name in "ab"] == pytest.approx(shares)
        assert result[f"worst_{key}"].value == pytest.approx(min(shares))
        assert result[f"gap_{key}"].value == pytest.approx(max(shares) - min(shares))


def test_uniformity_is_that_of_all_pairs_of_a_group() -> None:
    data = planted_groups((0.0, 0.3))
    rows = np.asarray(data.views["view_1"])[:100]
    squared = np.square(rows[:, None] - rows[None]).sum(axis=2)[~np.eye(100, dtype=bool)]
    assert _table(cl_viz.diagnose(NAME, data))["a"]["Uniformity"] == pytest.approx(np.log(np.exp(-2 * squared).mean()))
    even = EmbeddingSet.from_arrays(sphere(3000, 8), label=np.arange(3000) % 2)
    result = cl_viz.diagnose(NAME, even)
    view = result.views["uniformity"]
    assert isinstance(view, Bars)
    perfect = perfect_uniformity(8)
    assert view.references[0].at == pytest.approx(perfect)
    assert perfect_uniformity(3) == pytest.approx(-2.080, abs=1e-3)
    np.testing.assert_allclose(view.series[0].y, perfect, atol=0.03)
    assert view.series[0].low is not None
    assert view.series[0].high is not None
    assert ((view.series[0].low <= perfect) & (perfect <= view.series[0].high)).all()


def test_equal_groups_are_never_called_unequal() -> None:
    levels = []
    for seed in range(4):
        data = planted_groups((0.2, 0.2, 0.2, 0.2), seed=seed)
        levels.append(cl_viz.diagnose(NAME, data).level)
    for n, dim in ((120, 4), (300, 16), (600, 64)):
        # Labels and groups that the embedding knows nothing of.
        data = EmbeddingSet.from_arrays(
            sphere(n, dim, seed=n), label=np.arange(n) % 3, group=np.random.default_rng(n).integers(4, size=n)
        )
        levels.append(cl_viz.diagnose(NAME, data).level)
    assert "bad" not in levels
    assert levels.count("watch") <= 2


@pytest.mark.parametrize("groups", [3, 12])
def test_the_bias_of_the_worst_and_the_gap_of_equal_groups(groups: int) -> None:
    generator = np.random.default_rng(groups)
    counts = np.full(groups, 40)
    lowest = generator.binomial(40, 0.8, size=(4000, groups)) / 40
    truth_gap = np.ptp(lowest, axis=1).mean()
    corrected, plain, below = [], [], 0
    for _ in range(200):
        hits = generator.binomial(counts, 0.8)
        found = by_chance(hits, counts, 400, int(generator.integers(10**6)))
        assert found.gap == pytest.approx(truth_gap, abs=0.06)
        plain.append(hits.min() / 40)
        corrected.append(hits.min() / 40 - found.bias)
        below += found.share <= 0.05
    # The minimum lies below 0.8 by chance; the bootstrap takes away part of that and never all.
    assert np.mean(plain) < np.mean(corrected) <= 0.8
    assert below <= 0.09 * 200


def test_cells_of_label_and_group_and_what_is_too_small() -> None:
    data = planted_groups((0.0, 0.3))
    result = cl_viz.diagnose(NAME, data, params={"groups": "label and group"})
    rows = _table(result)
    assert set(rows) == {f"{label} · {group}" for label in range(4) for group in "ab"}
    assert {row["Samples"] for row in rows.values()} == {25}
    small = cl_viz.diagnose(NAME, data, params={"groups": "label and group", "least": 30})
    assert small.level == "unknown"
    assert small["worst_probe"].value is None
    assert "fewer than two groups have 30" in small["worst_probe"].missing
    by_label = cl_viz.diagnose(NAME, data, params={"groups": "label"})
    assert set(_table(by_label)) == {"0", "1", "2", "3"}


def test_missing_columns_are_asked_for() -> None:
    plain = paired_sphere(60, 6, 0.8)
    assert "no label column" in cl_viz.diagnose(NAME, plain).findings[0].message
    grouped = EmbeddingSet.from_arrays(dict(plain.views), group=np.arange(60) % 2)
    result = cl_viz.diagnose(NAME, grouped)
    assert result.level == "unknown"
    assert "choose a label column" in result.findings[0].advice
    assert _table(result)["0"]["Alignment"] == pytest.approx(0.4)
    single = EmbeddingSet.from_arrays(sphere(40, 4), label=np.arange(40) % 2, group=np.zeros(40))
    assert "there is 1 group" in cl_viz.diagnose(NAME, single).findings[0].message
    identifiers = EmbeddingSet.from_arrays(sphere(1500, 4), label=np.arange(1500))
    assert "identifiers make poor groups" in cl_viz.diagnose(NAME, identifiers).findings[0].message
    labelled = EmbeddingSet.from_arrays(sphere(40, 4), label=np.arange(40) % 2)
    assert "no group column" in cl_viz.diagnose(NAME, labelled, params={"groups": "group"}).findings[0].message


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_order_rotation_and_scale_do_not_matter(seed: int, scale: float) -> None:
    data = planted_groups((0.0, 0.25))
    generator = np.random.default_rng(seed)
    order, turn = generator.permutation(data.n), np.linalg.qr(generator.normal(size=(data.dim, data.dim)))[0]
    changed = EmbeddingSet.from_arrays(
        {view: scale * np.asarray(rows)[order] @ turn for view, rows in data.views.items()},
        label=np.asarray(data.role("label"))[order],
        group=np.asarray(data.role("group"))[order],
    )
    first, second = (_table(cl_viz.diagnose(NAME, found)) for found in (data, changed))
    for name, row in first.items():
        for column in ("Right, neighbours", "Alignment", "Uniformity"):
            assert second[name][column] == pytest.approx(row[column], abs=1e-6)

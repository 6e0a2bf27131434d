"""`project`: what a map holds, what it is kept under, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from sklearn.decomposition import PCA

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, InputError, MissingInputError
from cl_viz.core.progress import silent
from cl_viz.projections import PROJECTIONS, estimate, judge, lay_out
from cl_viz.projections._cache import MapCache
from cl_viz.projections._components import principal_components
from cl_viz.projections.pca import PcaParams


def test_principal_components_are_those_of_scikit_learn(clumps: EmbeddingSet) -> None:
    made = cl_viz.project(clumps, "pca", dim=3, cache=False)
    rows = clumps.views["view_1"].astype(np.float64)
    expected = PCA(3).fit(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    scores = expected.transform(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    signs = np.sign((scores * made.coordinates).sum(axis=0))
    np.testing.assert_allclose(made.coordinates, scores * signs, atol=1e-6)
    shares = [f"{100 * share:.1f}" for share in expected.explained_variance_ratio_]
    assert any(" + ".join(shares) in note for note in made.notes)


def test_components_of_wide_rows_are_those_of_the_scatter_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(3).normal(size=(60, 40)).astype(np.float32) * np.linspace(3, 0.1, 40, dtype=np.float32)
    exact = principal_components(rows, 2, 0)
    monkeypatch.setattr("cl_viz.projections._components._WIDEST", 10)
    wide = principal_components(rows, 2, 0)
    np.testing.assert_allclose(wide.scores, exact.scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(wide.shares, exact.shares, rtol=1e-3)


def test_whitened_components_have_one_spread(clumps: EmbeddingSet) -> None:
    made = cl_viz.project(clumps, "pca", params={"whiten": True}, cache=False)
    np.testing.assert_allclose(made.coordinates.std(axis=0), 1, atol=1e-5)
    assert cl_viz.project(clumps, "pca", params=PcaParams(whiten=True), cache=False).params == {"whiten": True}


def test_a_map_shows_what_it_keeps_small_and_escaped(clumps: EmbeddingSet) -> None:
    found = cl_viz.project(replace(clumps, name="<b>clumps"), "pca", cache=False)
    shown = found._repr_html_()
    assert "<b>clumps" not in shown
    assert "PCA of &lt;b&gt;clumps" in shown
    assert str(found.trustworthiness) in shown
    assert str(found.neighbor_recall) in shown
    assert len(shown) < 2_500


def test_unusable_rows_have_no_point_and_are_told(clumps: EmbeddingSet) -> None:
    rows = clumps.views["view_1"].copy()
    rows[4], rows[7, 2] = 0, np.nan
    made = cl_viz.project(EmbeddingSet.from_arrays(rows), "pca", cache=False)
    assert np.flatnonzero(~made.usable).tolist() == [4, 7]
    assert np.isnan(made.error[[4, 7]]).all()
    assert np.isfinite(made.error[made.usable]).all()
    assert made.neighbor_recall.n == made.trustworthiness.population == 88
    assert "2 rows without a direction left out" in made.notes
    assert not made.coordinates.flags.writeable
    without = cl_viz.project(EmbeddingSet.from_arrays(np.delete(rows, [4, 7], axis=0)), "pca", cache=False)
    np.testing.assert_array_equal(made.coordinates[made.usable], without.coordinates)


def test_a_view_is_mapped_by_its_own_rows(labelled_set: EmbeddingSet) -> None:
    other = cl_viz.project(labelled_set, "pca", view="view_2", cache=False)
    alone = cl_viz.project(labelled_set.select(views=["view_2"]), "pca", cache=False)
    assert other.view == "view_2"
    np.testing.assert_array_equal(other.coordinates, alone.coordinates)
    run = cl_viz.Run.from_set(labelled_set)
    np.testing.assert_array_equal(
        cl_viz.project(run, "pca", cache=False).coordinates,
        cl_viz.project(labelled_set, "pca", cache=False).coordinates,
    )


def test_kept_maps_are_found_again_and_damaged_ones_made_anew(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    first = cl_viz.project(clumps, "pca")
    entries = list(MapCache.folder().glob("*.safetensors"))
    # The layout, and what it keeps.
    assert len(entries) == 2

    def fail(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("cl_viz.projections._making.MapMaker._make_layout", fail)
    again = cl_viz.project(clumps, "pca")
    np.testing.assert_array_equal(first.coordinates, again.coordinates)
    assert (again.trustworthiness, again.neighbor_recall, again.notes) == (
        first.trustworthiness, first.neighbor_recall, first.notes,
    )  # fmt: skip
    for change in ({"seed": 1}, {"dim": 3}, {"params": {"whiten": True}}):
        with pytest.raises(AssertionError, match="made again"):
            cl_viz.project(clumps, "pca", **change)
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-8] + b"12345678")
    with pytest.raises(AssertionError, match="made again"):
        cl_viz.project(clumps, "pca")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"method": "mds"}, "Allowed: pacmap, pca, tsne, umap"),
        ({"dim": 4}, "Allowed: 2 or 3"),
        ({"view": "text"}, "Allowed: view_1"),
        ({"seed": -1}, "Allowed: a whole number from 0"),
        ({"seed": 1.5}, "Allowed: a whole number from 0"),
        ({"params": {"perplexity": 3}}, "Allowed: whiten"),
        ({"params": {"whiten": 3}}, "whiten = 3 cannot be used"),
        ({"device": "cuda:17"}, "is not here"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_can(
    clumps: EmbeddingSet, change: dict[str, object], expected: str
) -> None:
    with pytest.raises(cl_viz.ClVizError) as raised:
        cl_viz.project(clumps, **{"method": "pca", "cache": False, **change})  # type: ignore[arg-type]
    assert expected in str(raised.value)


def test_a_set_without_usable_rows_is_told(clumps: EmbeddingSet) -> None:
    with pytest.raises(MissingInputError, match="1 usable row of 3"):
        cl_viz.project(EmbeddingSet.from_arrays([[0.0, 0], [1, 0], [np.nan, 1]]), "pca")
    with pytest.raises(InputError, match="20 or more"):
        cl_viz.project(clumps.select(rows=np.arange(10)), "pacmap")


def test_progress_rises_to_one_and_can_stop(clumps: EmbeddingSet) -> None:
    seen: list[float] = []
    cl_viz.project(clumps, "pca", cache=False, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def stop(fraction: float, message: str) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        cl_viz.project(clumps, "pca", cache=False, progress=stop)


@pytest.mark.parametrize("method", list(PROJECTIONS))
def test_an_estimate_grows_with_the_rows_and_is_sane(method: str) -> None:
    small, middle, large = (estimate(n, 256, method) for n in (1_000, 20_000, 200_000))
    assert 0 < small < middle < large < 4 * 3600


def test_a_map_is_judged_after_it_is_laid_out(clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = lay_out(clumps, "pca", cache=False)
    assert not laid_out.judged
    assert "not worked out" in repr(laid_out)
    assert "not worked out" in laid_out._repr_html_()
    assert np.isnan(laid_out.error).all()
    whole = cl_viz.project(clumps, "pca", cache=False)
    found = judge(laid_out, clumps, cache=False)
    assert found.complete
    assert (found.trustworthiness, found.neighbor_recall) == (whole.trustworthiness, whole.neighbor_recall)
    np.testing.assert_array_equal(found.error, whole.error)
    np.testing.assert_array_equal(found.coordinates, whole.coordinates)
    assert judge(found, clumps) is found
    with pytest.raises(InputError, match="a map and its set"):
        judge(laid_out, clumps.select(rows=np.arange(80)))


def test_many_rows_of_principal_components_are_judged_by_a_draw(
    clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing passes over all pairs; every error is worked out where it is asked for."""
    whole = cl_viz.project(clumps, "pca", cache=False)
    monkeypatch.setattr("cl_viz.projections._making.EVERY_UP_TO", 50)
    monkeypatch.setattr("cl_viz.projections._honesty.honesty.__kwdefaults__", {"sample": 40, "progress": silent})

    def fail(*_: object) -> None:
        raise AssertionError("all pairs")

    with monkeypatch.context() as patch:
        patch.setattr("cl_viz.projections._neighbors.NeighborSearch._search", fail)
        some = cl_viz.project(clumps, "pca", cache=False)
    assert (some.neighbor_recall.n, some.neighbor_recall.population) == (40, 90)
    assert not some.complete
    assert int(np.isfinite(some.error).sum()) == 40
    assert "95 %" in str(some.neighbor_recall)
    for every in (
        judge(some, clumps, every_error=True, cache=False),
        cl_viz.project(clumps, "pca", every_error=True, cache=False),
    ):
        assert every.complete
        np.testing.assert_array_equal(every.error, whole.error)
        assert every.neighbor_recall == whole.neighbor_recall


def test_umap_tells_its_rounds_where_tqdm_would_draw_a_bar(
    clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = pytest.importorskip("umap.layouts")

    def drawn(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a bar of its own")

    monkeypatch.setattr(layouts, "tqdm", drawn)
    said: list[str] = []
    cl_viz.project(clumps, "umap", params={"epochs": 7}, cache=False, progress=lambda _, message: said.append(message))
    assert "UMAP: round 7 of 7" in said
    assert layouts.tqdm is drawn

"""Numbers that each sample has, each against its dense twin in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.diagnostics import SAMPLE_QUANTITIES
from cl_viz.diagnostics._dense import neighbors as dense_neighbors
from cl_viz.diagnostics._dense import temperature as dense
from cl_viz.diagnostics._dense.geometry import unit_rows
from cl_viz.diagnostics._sample_quantities import available_quantities
from cl_viz.engine.scanner import Scanner

TAU = 0.2
PARAMS = {"temperature": TAU, "negative_views": "all", "k": 7}


@pytest.fixture(scope="module")
def quantities(labelled_set: EmbeddingSet) -> dict[str, NDArray[np.float64]]:
    found = cl_viz.sample_quantities(labelled_set, params=PARAMS)
    return {name: quantity.values for name, quantity in found.items()}


@pytest.fixture(scope="module")
def views(labelled_set: EmbeddingSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = (unit_rows(rows) for rows in labelled_set.views.values())
    return first, second


@pytest.fixture(scope="module")
def negatives(labelled_set: EmbeddingSet) -> NDArray[np.float64]:
    """Scores of the rows of the first view with all negatives of both views, -inf elsewhere."""
    found: NDArray[np.float64] = dense.two_view_negatives(*labelled_set.views.values())[1][: labelled_set.n]
    return found


def test_all_quantities_of_a_labelled_set_with_two_views_are_there(
    quantities: dict[str, NDArray[np.float64]], labelled_set: EmbeddingSet
) -> None:
    assert list(quantities) == list(SAMPLE_QUANTITIES)
    for name, values in quantities.items():
        low, high = SAMPLE_QUANTITIES[name].range or (-np.inf, np.inf)
        assert values.shape == (labelled_set.n,)
        assert ((values >= low) & (values <= high)).all(), name
        assert not values.flags.writeable
        assert SAMPLE_QUANTITIES[name].definition.endswith(".")


def test_neighbours(
    quantities: dict[str, NDArray[np.float64]], views: tuple[NDArray[np.float64], ...], labelled_set: EmbeddingSet
) -> None:
    first, label = views[0], np.asarray(labelled_set.role("label"))
    scores = first @ first.T
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1)[:, :7]
    np.testing.assert_array_equal(quantities["hubness"], dense_neighbors.occurrences(first, 7))
    np.testing.assert_allclose(quantities["nearest_score"], scores.max(axis=1), atol=1e-12)
    np.testing.assert_allclose(quantities["label_agreement"], (label[nearest] == label[:, None]).mean(axis=1))


def test_the_row_itself_and_its_positive(
    quantities: dict[str, NDArray[np.float64]], views: tuple[NDArray[np.float64], ...], labelled_set: EmbeddingSet
) -> None:
    first, second = views
    stored = labelled_set.views["view_1"].astype(np.float64)
    np.testing.assert_allclose(quantities["norm"], np.sqrt((stored**2).sum(axis=1)))
    np.testing.assert_allclose(quantities["alignment"], np.linalg.norm(first - second, axis=1), atol=1e-12)
    np.testing.assert_allclose(quantities["positive_score"], (first * second).sum(axis=1), atol=1e-12)
    # The distance and the score of one positive are one fact.
    np.testing.assert_allclose(quantities["alignment"] ** 2, 2 - 2 * quantities["positive_score"], atol=1e-12)


def test_the_push(
    quantities: dict[str, NDArray[np.float64]], negatives: NDArray[np.float64], labelled_set: EmbeddingSet
) -> None:
    label = np.tile(np.asarray(labelled_set.role("label")), 2)
    penalty = dense.relative_penalty(negatives, TAU)
    same = label[: labelled_set.n, None] == label[None]
    entropy = dense.entropy(penalty)
    np.testing.assert_allclose(quantities["false_negative_mass"], (penalty * same).sum(axis=1), atol=1e-10)
    np.testing.assert_allclose(quantities["entropy"], entropy, atol=1e-10)
    np.testing.assert_allclose(quantities["effective_negatives"], np.exp(entropy), rtol=1e-9)
    below = (negatives < quantities["positive_score"][:, None]) & np.isfinite(negatives)
    np.testing.assert_allclose(quantities["positive_rank"], below.sum(axis=1) / np.isfinite(negatives).sum(axis=1))


def test_the_individual_temperature_minimises_the_robust_loss(
    quantities: dict[str, NDArray[np.float64]], negatives: NDArray[np.float64]
) -> None:
    best = quantities["individual_temperature"]
    inside = (best > 0.0501) & (best < 0.999)
    assert inside.sum() > 20
    for row in np.flatnonzero(inside)[::7]:
        slope = dense.temperature_slope(negatives[[row]], float(best[row]), 0.4)
        assert slope[0] == pytest.approx(0.0, abs=2e-3)
    ends = dense.temperature_slope(negatives[best <= 0.05], 0.05, 0.4)
    assert (ends >= -1e-6).all()


def test_rows_without_a_direction_label_or_partner_are_unknown(labelled_set: EmbeddingSet) -> None:
    first = labelled_set.views["view_1"].copy()
    first[3] = 0
    first[8, 0] = np.inf
    label = np.asarray(labelled_set.role("label")).astype(object)
    label[11] = None
    odd = EmbeddingSet.from_arrays({"a": first, "b": labelled_set.views["view_2"]}, label=label)
    found = cl_viz.sample_quantities(odd, ["hubness", "norm", "alignment", "label_agreement", "false_negative_mass"])
    unknown = {name: np.flatnonzero(np.isnan(quantity.values)).tolist() for name, quantity in found.items()}
    assert unknown == {
        "hubness": [3, 8], "norm": [8], "alignment": [3, 8], "label_agreement": [3, 8, 11],
        "false_negative_mass": [3, 8, 11],
    }  # fmt: skip
    assert found["norm"].values[3] == 0
    assert found["hubness"].n == 118


def test_a_second_view_has_its_own_numbers_and_pairs_are_followed(rng: np.random.Generator) -> None:
    image, text = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
    pairs = np.array([[0, 0], [0, 1], [1, 2], [2, 3], [3, 4]])
    captions = EmbeddingSet.from_arrays({"image": image, "text": text}, pairs=pairs)
    found = cl_viz.sample_quantities(captions, ["alignment", "positive_score"], view="text")
    units = unit_rows(image), unit_rows(text)
    gap = np.linalg.norm(units[0][pairs[:, 0]] - units[1][pairs[:, 1]], axis=1)
    np.testing.assert_allclose(found["alignment"].values, [*gap, np.nan], atol=1e-12)
    np.testing.assert_allclose(found["positive_score"].values, [*(1 - gap**2 / 2), np.nan], atol=1e-12)
    first = cl_viz.sample_quantities(captions, ["alignment"])["alignment"]
    np.testing.assert_allclose(first.values, [gap[:2].mean(), *gap[2:]], atol=1e-12)


def test_what_is_missing_is_left_out_or_told(labelled_set: EmbeddingSet) -> None:
    alone = EmbeddingSet.from_arrays(labelled_set.views["view_1"])
    without = {"label_agreement", "false_negative_mass", "alignment", "positive_score", "positive_rank"}
    assert set(SAMPLE_QUANTITIES) - set(available_quantities(alone, "view_1")) == without
    assert set(cl_viz.sample_quantities(alone)) == set(SAMPLE_QUANTITIES) - without
    for name in without:
        with pytest.raises(MissingInputError, match="add"):
            cl_viz.sample_quantities(alone, [name])
    few = EmbeddingSet.from_arrays(np.eye(3))
    assert "hubness" not in available_quantities(few, "view_1")
    with pytest.raises(MissingInputError, match="at least 11"):
        cl_viz.sample_quantities(few, ["hubness"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"names": ["beauty"]}, "Allowed: hubness"),
        ({"view": "text"}, "Allowed: view_1, view_2"),
        ({"params": {"k": 0}}, "k = 0 cannot be used"),
        ({"params": {"smallest": 0.5, "largest": 0.2}}, "Allowed: smallest below largest"),
    ],
)
def test_what_cannot_be_used_is_told(labelled_set: EmbeddingSet, change: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as raised:
        cl_viz.sample_quantities(labelled_set, **{"names": ["norm"], **change})  # type: ignore[arg-type]
    assert expected in str(raised.value)


def test_the_run_card_gives_the_temperature_and_passes_are_kept(labelled_set: EmbeddingSet) -> None:
    run = cl_viz.Run.from_set(labelled_set, card={"temperature": 0.07})
    scanner = Scanner()
    first = cl_viz.sample_quantities(run, ["entropy"], scanner=scanner)["entropy"]
    assert first.note == "negatives all, temperature 0.07"
    told: list[float] = []
    again = cl_viz.sample_quantities(run, ["entropy"], scanner=scanner, progress=lambda done, _: told.append(done))
    assert told == []
    np.testing.assert_array_equal(first.values, again["entropy"].values)

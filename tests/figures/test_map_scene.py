"""What is sent of a map: points or a picture, colours, hidden kinds, selections, hard inputs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cl_viz.figures.density import LARGEST, paint, whole_window
from cl_viz.figures.map_colours import (
    MOST_CATEGORIES,
    NO_ENTRY,
    OTHER,
    Categories,
    Scale,
    by_entries,
    by_numbers,
    channels,
    colour_column,
    scale_colours,
)
from cl_viz.figures.map_scene import MOST_POINTS, Cloud, make_scene
from cl_viz.figures.theme import THEMES, contrast

AXES = ("first", "second")


def picture_of(png: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png.tobytes())))


def test_a_pixel_has_the_mean_colour_of_its_points_and_up_is_up() -> None:
    points = np.array([[0.1, 0.1], [0.1, 0.1], [0.9, 0.9]])
    colours = np.array([[200, 0, 0], [0, 100, 0]], dtype=np.uint8)
    painted = paint(points, colours, np.array([0, 1, 1]), (0.0, 1.0, 0.0, 1.0), (2, 2))
    pixels = picture_of(np.frombuffer(painted.png, dtype=np.uint8))
    assert pixels[1, 0].tolist()[:3] == [100, 50, 0]
    assert pixels[0, 1].tolist()[:3] == [0, 100, 0]
    assert pixels[0, 0, 3] == 0
    assert 0 < pixels[0, 1, 3] < pixels[1, 0, 3] == 255
    assert (painted.n, painted.most) == (3, 2)


def test_what_is_beside_a_selection_becomes_faint() -> None:
    points, codes = np.array([[0.1, 0.1], [0.9, 0.9]]), np.array([0, 0])
    colours = np.array([[200, 0, 0]], dtype=np.uint8)
    painted = paint(points, colours, codes, (0.0, 1.0, 0.0, 1.0), (2, 2), np.array([True, False]))
    opacity = picture_of(np.frombuffer(painted.png, dtype=np.uint8))[..., 3]
    assert opacity[1, 0] == 255
    assert 0 < opacity[0, 1] < 90


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2)), np.ones((1, 2)), np.array([[0.0, 3.0], [1e6, 3.0]]), np.full((3, 2), 1e-30)]
)
def test_a_window_has_an_area_and_holds_all_points(points: NDArray[np.float64]) -> None:
    left, right, low, high = whole_window(points)
    assert left < right
    assert low < high
    assert all(left <= x <= right and low <= y <= high for x, y in points)


def test_few_points_are_sent_one_by_one_with_their_rows(rng: np.random.Generator) -> None:
    places = rng.normal(size=(20, 2)).astype(np.float32)
    places[[3, 7]] = np.nan
    scene = make_scene(Cloud(places, AXES), by_entries("label", np.arange(20) % 3))
    assert scene.header["kind"] == "points"
    rows = [row for row in range(20) if row not in (3, 7)]
    assert scene.arrays["row"].tolist() == rows
    assert scene.arrays["code"].tolist() == [row % 3 for row in rows]
    assert np.array_equal(scene.arrays["x"], places[rows, 0])
    assert {name: str(array.dtype) for name, array in scene.arrays.items()} == {
        "x": "float32", "y": "float32", "row": "int32", "code": "uint8",
    }  # fmt: skip


def test_many_points_become_a_picture_until_the_window_holds_few(rng: np.random.Generator) -> None:
    n = MOST_POINTS + 10_000
    cloud = Cloud(rng.uniform(0, 1, size=(n, 2)).astype(np.float32), AXES)
    colouring = by_entries("label", rng.integers(0, 5, n))
    whole = make_scene(cloud, colouring)
    assert whole.header["kind"] == "picture"
    assert whole.header["n"] == n
    assert whole.arrays["png"].nbytes < 2_000_000
    near = make_scene(cloud, colouring, window=(0.0, 0.5, 0.0, 1.0))
    assert near.header["kind"] == "points"
    assert near.arrays["x"].max() <= 0.5
    wide = make_scene(cloud, colouring, window=(-1.0, 2.0, 0.0, 1.0), size=(10_000, 10_000))
    size = picture_of(wide.arrays["png"]).shape[:2]
    assert size[0] <= LARGEST[1]
    assert size[1] <= LARGEST[0]
    assert size[1] == pytest.approx(3 * size[0], abs=2)


def test_hidden_kinds_are_not_in_a_picture_and_stay_in_the_legend(rng: np.random.Generator) -> None:
    cloud = Cloud(rng.uniform(0, 1, size=(400, 2)).astype(np.float32), AXES)
    colouring = by_entries("label", np.arange(400) % 4)
    scene = make_scene(cloud, colouring, hidden=frozenset({1}), most_points=50)
    assert scene.header["n"] == 300
    assert [entry["n"] for entry in scene.header["categories"]] == [100] * 4
    assert scene.header["hidden"] == [1]


def test_a_selection_made_elsewhere_goes_with_the_points(rng: np.random.Generator) -> None:
    chosen = np.arange(50) < 10
    scene = make_scene(
        Cloud(rng.normal(size=(50, 2)).astype(np.float32), AXES), by_entries("label", np.zeros(50)), chosen=chosen
    )
    assert scene.arrays["chosen"].tolist() == chosen.astype(int).tolist()


def test_a_map_in_space_is_thinned_and_says_so(rng: np.random.Generator) -> None:
    cloud = Cloud(rng.normal(size=(100, 3)).astype(np.float32), (*AXES, "third"))
    scene = make_scene(cloud, by_numbers("norm", rng.normal(size=100)), most_points=40)
    assert scene.header["thinned"]
    assert len(scene.arrays["z"]) <= 40
    assert scene.arrays["value"].dtype == np.float32


def test_the_revision_is_that_of_the_content(rng: np.random.Generator) -> None:
    cloud, colouring = Cloud(rng.normal(size=(9, 2)).astype(np.float32), AXES), by_entries("label", np.arange(9))
    assert make_scene(cloud, colouring).revision == make_scene(cloud, colouring).revision
    assert make_scene(cloud, colouring).revision != make_scene(cloud, colouring, theme="dark").revision


def test_a_hundred_thousand_names_become_the_most_frequent_and_one_other() -> None:
    entries = np.array([f"sample {index}" for index in range(100_000)] + ["often"] * 5, dtype=object)
    found = by_entries("id", entries)
    assert len(found.names) == MOST_CATEGORIES + 1
    assert found.names[-1] == OTHER
    assert found.distinct == 100_001
    assert "often" in found.names
    assert (found.codes == len(found.names) - 1).sum() == 100_001 - MOST_CATEGORIES
    assert found.colours("light")[-1] == THEMES["light"].muted


def test_missing_entries_are_a_kind_of_their_own_and_numbers_stand_in_order() -> None:
    found = by_entries("label", np.array(["10", "9", None, "", "word", "9"], dtype=object))
    assert found.names == ("9", "10", "word", NO_ENTRY)
    assert found.codes.tolist() == [1, 0, 3, 3, 2, 0]
    empty = by_entries("label", np.array([None, None], dtype=object))
    assert empty.names == (NO_ENTRY,)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (np.array(["a", "b"]), Categories),
        (np.array([True, False]), Categories),
        (np.arange(5), Categories),
        (np.arange(500), Scale),
        (np.array([0.5, np.nan]), Scale),
        (np.array([np.nan, np.nan]), Scale),
    ],
)
def test_a_column_gets_what_fits_it(column: NDArray[np.generic], kind: type) -> None:
    found = colour_column("column", column)
    assert isinstance(found, kind)
    if isinstance(found, Scale):
        assert found.low < found.high
        assert len(found.steps()) == len(column)
        assert (found.steps() < len(scale_colours("light"))).all()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_kind_has_a_colour_of_its_own_that_is_seen(theme: str) -> None:
    colours = by_entries("label", np.arange(MOST_CATEGORIES)).colours(theme)  # type: ignore[arg-type]
    assert len(set(colours)) == MOST_CATEGORIES
    assert all(contrast(colour, THEMES[theme].background) >= 3 for colour in colours)
    assert channels(colours).shape == (MOST_CATEGORIES, 3)

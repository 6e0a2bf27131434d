"""What a map shows of the window in view: points as arrays where they are few enough, else a picture."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.figures.density import LARGEST, Window, paint, whole_window, within
from cl_viz.figures.map_colours import Categories, Colouring, channels, scale_colours
from cl_viz.figures.theme import FONT, THEMES, ThemeName

MOST_POINTS = 50_000
"""Points that are sent one by one."""
_FEW = ((100, 11), (3_000, 6), (15_000, 4))
"""Up to so many points have so many pixels each."""
_SMALL = 3
_PICTURE = (1000, 560)


@dataclass(frozen=True, eq=False)
class Cloud:
    """The points of a map.

    Attributes
    ----------
    coordinates : NDArray[np.float32], shape (N, 2) or (N, 3)
        Rows that are not finite have no place and are left out.
    axes : tuple of str
        Title of each axis.
    """

    coordinates: NDArray[np.float32]
    axes: tuple[str, ...]

    @cached_property
    def rows(self) -> NDArray[np.int32]:
        """Rows that have a place, ascending."""
        return np.flatnonzero(np.isfinite(self.coordinates).all(axis=1)).astype(np.int32)

    @cached_property
    def points(self) -> NDArray[np.float32]:
        """Their places, shape (len(rows), dim)."""
        whole = len(self.rows) == len(self.coordinates)
        return np.ascontiguousarray(self.coordinates if whole else self.coordinates[self.rows], dtype=np.float32)

    @cached_property
    def window(self) -> Window:
        """The window that holds all points of a flat map."""
        return whole_window(self.points[:, :2])

    @property
    def flat(self) -> bool:
        """Whether the map has two dimensions."""
        return int(self.coordinates.shape[1]) == 2


@dataclass(frozen=True, eq=False)
class Scene:
    """What is sent to the browser.

    Attributes
    ----------
    header : dict
        Everything that is not a long array; plain enough for JSON.
    arrays : dict of NDArray
        ``x, y, z`` float32, ``row`` int32, ``code`` uint8, ``value`` float32, ``chosen`` uint8 for points;
        ``png`` uint8 for a picture.
    """

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @cached_property
    def revision(self) -> str:
        """Hash of all content: a browser that has it draws nothing anew."""
        digest = hashlib.blake2b(json.dumps(self.header, sort_keys=True).encode(), digest_size=12)
        for name, array in self.arrays.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()


def make_scene(
    cloud: Cloud,
    colouring: Colouring,
    *,
    theme: ThemeName = "light",
    window: Window | None = None,
    size: tuple[int, int] = _PICTURE,
    hidden: frozenset[int] = frozenset(),
    chosen: NDArray[np.bool_] | None = None,
    most_points: int = MOST_POINTS,
) -> Scene:
    """Choose and make what is sent of a map.

    Parameters
    ----------
    cloud : Cloud
    colouring : Categories or Scale
        Of all rows of the cloud's coordinates.
    theme : {"light", "dark"}
    window : Window, optional
        What is in view of a flat map; by default all of it.
    size : tuple of int
        Pixels of a picture.
    hidden : frozenset of int
        Categories that are not shown.
    chosen : NDArray[np.bool_], shape (N,), optional
        Rows of a selection that was not drawn on this map.
    most_points : int
        Above so many points in the window of a flat map a picture is made; of a map in space so many are drawn.

    Returns
    -------
    Scene
    """
    codes = (colouring.codes if isinstance(colouring, Categories) else colouring.steps())[cloud.rows]
    header = _look(cloud, colouring, theme) | {"hidden": sorted(hidden), "window": list(cloud.window)}
    marked = None if chosen is None else chosen[cloud.rows]
    places = np.arange(len(codes))
    if hidden and isinstance(colouring, Categories):
        shown = np.ones(256, dtype=bool)
        shown[list(hidden)] = False
        places = np.flatnonzero(shown[codes])
    if cloud.flat and len(places) > most_points:
        seen = places if window is None else places[within(cloud.points[places], window)]
        if len(seen) > most_points:
            return _picture(cloud, colouring, codes, seen, marked, theme, window, size, header)
        places = seen
    header["thinned"] = len(places) > most_points
    if header["thinned"]:
        places = places[:: -(-len(places) // most_points)]
    return _points(cloud, colouring, codes, places, marked, header)


def _look(cloud: Cloud, colouring: Colouring, theme: ThemeName) -> dict[str, Any]:
    chosen = THEMES[theme]
    look: dict[str, Any] = {
        "axes": list(cloud.axes),
        "flat": cloud.flat,
        "look": {"background": chosen.background, "text": chosen.text, "muted": chosen.muted, "grid": chosen.grid},
        "font": FONT,
        "colouring": colouring.label,
    }
    if isinstance(colouring, Categories):
        counts = np.bincount(colouring.codes[cloud.rows], minlength=len(colouring.names)).tolist()
        kinds = zip(colouring.names, colouring.colours(theme), counts, strict=True)
        look["categories"] = [{"name": name, "colour": colour, "n": n} for name, colour, n in kinds]
    else:
        look["scale"] = {"low": colouring.low, "high": colouring.high, "colours": list(scale_colours(theme))}
    return look


def _points(
    cloud: Cloud,
    colouring: Colouring,
    codes: NDArray[np.uint8],
    places: NDArray[np.intp],
    chosen: NDArray[np.bool_] | None,
    header: dict[str, Any],
) -> Scene:
    points = cloud.points[places]
    arrays: dict[str, NDArray[Any]] = {
        axis: points[:, index].copy() for axis, index in zip("xyz", range(points.shape[1]), strict=False)
    }
    arrays["row"] = cloud.rows[places]
    if isinstance(colouring, Categories):
        arrays["code"] = codes[places]
    else:
        arrays["value"] = colouring.values[arrays["row"]]
    if chosen is not None:
        arrays["chosen"] = chosen[places].astype(np.uint8)
    size = next((pixels for most, pixels in _FEW if len(places) <= most), _SMALL)
    return Scene(header | {"kind": "points", "size": size, "n": len(places)}, arrays)


def _picture(
    cloud: Cloud,
    colouring: Colouring,
    codes: NDArray[np.uint8],
    seen: NDArray[np.intp],
    chosen: NDArray[np.bool_] | None,
    theme: ThemeName,
    window: Window | None,
    size: tuple[int, int],
    header: dict[str, Any],
) -> Scene:
    colours = colouring.colours(theme) if isinstance(colouring, Categories) else scale_colours(theme)
    covered = cloud.window if window is None else window
    picture = paint(
        cloud.points[seen],
        channels(colours),
        codes[seen],
        covered,
        _fitted(size, covered),
        None if chosen is None else chosen[seen],
    )
    facts = {"kind": "picture", "covers": list(covered), "n": picture.n, "most": picture.most}
    return Scene(header | facts, {"png": np.frombuffer(picture.png, dtype=np.uint8)})


def _fitted(size: tuple[int, int], window: Window) -> tuple[int, int]:
    """Return pixels with the proportions of the window, inside `size`, so that pixels are square."""
    across, upwards = window[1] - window[0], window[3] - window[2]
    scale = min(min(size[0], LARGEST[0]) / across, min(size[1], LARGEST[1]) / upwards)
    return max(1, round(across * scale)), max(1, round(upwards * scale))

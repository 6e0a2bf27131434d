"""What a map of a million samples takes on the server: pictures, zooms, selections, bytes; beside datashader's.

Run it with ``python benchmarks/bench_map.py [N]``; it prints one line a measurement and writes results/map.json. Times
are seconds of one processor, so that a machine that is busy with other things measures the same.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cl_viz.dashboard.map_component import pack
from cl_viz.figures.density import Window
from cl_viz.figures.map_colours import by_entries, by_numbers
from cl_viz.figures.map_scene import Cloud, make_scene
from cl_viz.figures.polygon import inside, thinned

RESULTS = Path(__file__).parent / "results" / "map.json"
FIRST_SECONDS, ZOOM_SECONDS, MOST_BYTES = 3.0, 0.5, 2_000_000
KINDS, REPEATS = 10, 5


def clouds(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places and kinds of n samples in ten clouds."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, KINDS, n)
    places = generator.normal(size=(n, 2)) + 5 * generator.normal(size=(KINDS, 2))[kinds]
    return places.astype(np.float32), kinds


def median_seconds(work: Callable[[], Any]) -> float:
    """Return the median time of some runs."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return float(np.median(took))


def measure(n: int) -> dict[str, float]:
    """Measure what happens from the layout to the bytes that are sent."""
    places, kinds = clouds(n)
    found: dict[str, float] = {"n": n}

    began = time.process_time()
    cloud, colouring = Cloud(places, ("first", "second")), by_entries("label", kinds)
    first = pack(make_scene(cloud, colouring), {})
    found["first picture, s"], found["first picture, bytes"] = time.process_time() - began, len(first)

    left, right, low, high = cloud.window
    numbers = by_numbers("score", np.random.default_rng(1).normal(size=n))
    outline = thinned(np.stack([np.cos(np.linspace(0, 6.2, 400)), np.sin(np.linspace(0, 6.2, 400))], axis=1) * 4)
    chosen = inside([outline], places)
    found["lasso, s"] = median_seconds(lambda: inside([outline], places))
    windows: dict[str, Window] = {
        "half": (left / 2, right / 2, low / 2, high / 2),
        "tenth": (left / 10, right / 10, low / 10, high / 10),
        "hundredth": (left / 100, right / 100, low / 100, high / 100),
    }
    for name, window in windows.items():
        looks: dict[str, dict[str, Any]] = {
            "kinds": {"colouring": colouring},
            "numbers": {"colouring": numbers},
            "selection": {"colouring": colouring, "chosen": chosen},
        }
        for how, arguments in looks.items():
            settings: dict[str, Any] = {"window": window, "size": (1200, 600), **arguments}
            found[f"zoom to a {name}, {how}, s"] = median_seconds(lambda: pack(make_scene(cloud, **settings), {}))  # noqa: B023
            found[f"zoom to a {name}, {how}, bytes"] = len(pack(make_scene(cloud, **settings), {}))
    return found


def datashader_seconds(n: int) -> dict[str, float]:
    """Measure datashader on the same points: its first picture compiles, the later ones do not."""
    began = time.process_time()
    import datashader  # type: ignore[import-untyped]
    import pandas as pd
    from datashader import transfer_functions

    places, kinds = clouds(n)
    frame = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "kind": pd.Categorical(kinds)})
    colours = {kind: f"#{(kind + 1) * 1_500_000:06x}" for kind in range(KINDS)}

    def paint() -> None:
        counts = datashader.Canvas(1000, 560).points(frame, "x", "y", datashader.count_cat("kind"))
        transfer_functions.shade(counts, color_key=colours).to_bytesio()

    paint()
    first = time.process_time() - began
    return {"datashader, first picture, s": first, "datashader, a later picture, s": median_seconds(paint)}


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = measure(n)
    try:
        found |= datashader_seconds(n)
    except ImportError:
        print("datashader is not installed; nothing to compare with")
    for name, value in found.items():
        print(f"{name:44} {value:12,.3f}")
    RESULTS.write_text(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=1) + "\n")
    slow = [
        name
        for name, value in found.items()
        if name.startswith("zoom") and name.endswith(", s") and value > ZOOM_SECONDS
    ]
    large = [name for name, value in found.items() if name.endswith("bytes") and value > MOST_BYTES]
    late = ["first picture"] if found["first picture, s"] > FIRST_SECONDS else []
    print("over the limits:", ", ".join([*slow, *large, *late]) or "nothing")


if __name__ == "__main__":
    main()

"""What maps take: layouts of 10,000 samples, and pictures, zooms, selections and bytes of a map of a million.

Run it with ``python benchmarks/bench_map.py [N]``; it prints one line a measurement, writes results/map.json and the
table of docs/map.md. Times are seconds of processor time, so that a machine that is busy measures the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from published import keep, publish

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard.map_component import pack
from cl_viz.figures.density import Window
from cl_viz.figures.map_colours import by_entries, by_numbers
from cl_viz.figures.map_scene import Cloud, make_scene
from cl_viz.figures.polygon import inside, thinned
from cl_viz.projections import PROJECTIONS

FIRST_SECONDS, ZOOM_SECONDS, MOST_BYTES = 3.0, 0.5, 2_000_000
KINDS, REPEATS = 10, 5
LAYOUTS, LAYOUT_ROWS, LAYOUT_COLUMNS = ("pca", "umap", "tsne", "pacmap"), 10_000, 128


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


def layout_seconds() -> dict[str, float]:
    """Measure each method on 10,000 rows: worker processes aside, once its loops are compiled."""
    generator = np.random.default_rng(0)
    kinds = generator.integers(0, KINDS, LAYOUT_ROWS)
    centres = generator.normal(size=(KINDS, LAYOUT_COLUMNS))
    rows = (centres[kinds] + generator.normal(size=(LAYOUT_ROWS, LAYOUT_COLUMNS))).astype(np.float32)
    data = EmbeddingSet.from_arrays(rows, label=kinds)
    found: dict[str, float] = {}
    for method in LAYOUTS:
        cl_viz.project(data.select(rows=np.arange(100)), method, device="cpu", cache=False)
        began = time.process_time()
        made = cl_viz.project(data, method, device="cpu", cache=False)
        found[f"{method} of {LAYOUT_ROWS:,}, s"] = time.process_time() - began
        found[f"{method} of {LAYOUT_ROWS:,}, neighbour recall"] = made.neighbor_recall.value or 0.0
    return found


def write_table(found: dict[str, float]) -> None:
    """Write the measurements into the page about maps, between its marks."""
    n = f"{int(found['n']):,}"
    lines = ["| What | Processor time | Besides |", "| --- | --- | --- |"]
    for method in LAYOUTS:
        name, recall = f"{method} of {LAYOUT_ROWS:,}", found[f"{method} of {LAYOUT_ROWS:,}, neighbour recall"]
        label = PROJECTIONS[method].label
        columns = f"{LAYOUT_ROWS:,} samples of {LAYOUT_COLUMNS} columns"
        lines.append(f"| {label} of {columns} | {found[f'{name}, s']:.1f} s | keeps {100 * recall:.0f} % |")
    first = found["first picture, bytes"] / 1e3
    lines.append(f"| First picture of {n} samples | {found['first picture, s']:.2f} s | {first:,.0f} kB |")
    zooms = [name for name in found if name.startswith("zoom") and name.endswith(", s")]
    slowest = max(zooms, key=found.__getitem__)
    largest = max(found[f"{name.removesuffix(', s')}, bytes"] for name in zooms) / 1e3
    lines.append(f"| Slowest of {len(zooms)} zooms into them | {found[slowest]:.2f} s | at most {largest:,.0f} kB |")
    lines.append(f"| A lasso around many of them | {found['lasso, s']:.2f} s | no sample travels |")
    publish("map.md", "bench_map.py", "\n".join(lines))


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
    found = measure(n) | layout_seconds()
    try:
        found |= datashader_seconds(n)
    except ImportError:
        print("datashader is not installed; nothing to compare with")
    for name, value in found.items():
        print(f"{name:44} {value:12,.3f}")
    keep("map", {name: round(value, 4) for name, value in found.items()})
    if n == 1_000_000:
        write_table(found)
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

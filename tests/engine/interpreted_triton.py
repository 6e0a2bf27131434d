"""Runs the Triton kernel in Triton's interpreter, on tensors of the CPU, and writes what it and torch find.

A process of its own: whether Triton interprets or compiles is settled when it is first imported. Called by
`tests/engine/test_triton.py` with the file to write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch

import cl_viz
from cl_viz.engine import compiled, device_largest, triton_neighbors, triton_tiles
from cl_viz.engine.device_largest import DeviceLargest
from cl_viz.engine.nearest import nearest
from cl_viz.engine.nearest_so_far import NearestSoFar
from cl_viz.engine.pair_pass import PairAccumulator, mark_links, relation_tile
from cl_viz.engine.pair_sketch import PairSketch
from cl_viz.engine.triton_neighbors import TileLists
from cl_viz.engine.triton_tiles import Shape, TritonPairs
from cl_viz.engine.triton_trial import trial, trial_of_neighbors
from cl_viz.testing import clusters

FIELDS = ("counts", "sums", "squares", "low", "high")
SMALL = Shape(rows=16, columns=32, depth=16, programs=3)
NO_LINKS = np.zeros((0, 2), dtype=np.int64)


def exact_rows(n: int, dim: int, spread: float, seed: int) -> torch.Tensor:
    """Return rows no longer than 1 whose products have 24 bits: exact in float32, in whatever order they are summed."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=dim) + spread * generator.normal(size=(n, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return torch.from_numpy(np.trunc(rows * 4096) / 4096).to(torch.float32)


def labels(n: int, classes: int, seed: int) -> torch.Tensor:
    """Return ascending labels, some of them unknown."""
    return torch.from_numpy(np.sort(np.random.default_rng(seed).integers(-1, classes, n)))


def with_ends(rows: torch.Tensor) -> torch.Tensor:
    """Return rows whose first products are 1, -1, and a little more than that by rounding."""
    rows = rows.clone()
    rows[:4] = 0.0
    rows[:4, 0] = torch.tensor([1.0, -1.0, 1.0 + 2**-22, -1.0 - 2**-22])
    return rows


def some_links(n: int, m: int, count: int, *, above: bool) -> np.ndarray:
    links = np.unique(np.random.default_rng(5).integers(0, (n, m), size=(count, 2)), axis=0)
    return links[links[:, 0] < links[:, 1]] if above else links


def cases() -> dict[str, dict[str, Any]]:
    own = with_ends(exact_rows(45, 21, 2.0, 1))
    return {
        "a diagonal tile, labels, links": {
            "left": own, "right": own, "labels": (labels(45, 3, 1),) * 2, "diagonal": True,
            "links": some_links(45, 45, 60, above=True),
        },
        "two views, several partners": {
            "left": exact_rows(37, 33, 1.0, 2), "right": exact_rows(70, 33, 1.0, 2),
            "labels": (labels(37, 2, 2), labels(70, 2, 3)), "links": some_links(37, 70, 90, above=False),
        },
        "no labels, one row": {
            "left": exact_rows(1, 5, 1.0, 4), "right": exact_rows(67, 5, 1.0, 5), "labels": (None, None),
            "links": NO_LINKS,
        },
        "close to 1": {
            "left": exact_rows(33, 3, 0.01, 6), "right": exact_rows(31, 3, 0.01, 6),
            "labels": (labels(33, 2, 6), None), "links": NO_LINKS,
        },
        "blocks as on a device": {
            "left": exact_rows(130, 40, 1.5, 8), "right": exact_rows(65, 40, 1.5, 9),
            "labels": (labels(130, 4, 8), labels(65, 4, 9)), "links": some_links(130, 65, 20, above=False),
            "shape": Shape(),
        },
    }  # fmt: skip


def with_torch(case: dict[str, Any]) -> PairSketch:
    """Return what torch finds."""
    rows, columns = slice(0, len(case["left"])), slice(0, len(case["right"]))
    scores = case["left"] @ case["right"].T
    relation = relation_tile(*case["labels"], rows, columns, scores)
    mark_links(relation, case["links"], rows, columns)
    found = PairAccumulator([("a", "a")], {}, [case["links"]])
    found.add_tensor(0, scores, relation, diagonal=case.get("diagonal", False))
    return found.sketch


def with_triton(case: dict[str, Any]) -> PairSketch:
    """Return what the kernel finds, added in two parts of one block."""
    found = TritonPairs(PairSketch.empty([("a", "a")]), torch.device("cpu"), case.get("shape", SMALL))
    found.add(
        0, case["left"], case["right"], case["labels"], case["links"], diagonal=case.get("diagonal", False)
    )  # fmt: skip
    found.flush()
    return found.sketch


def scanned(use_triton: Callable[[bool], None]) -> dict[str, PairSketch]:
    """Return what a whole pass finds either way: two views, labels, rows that cannot be used."""
    made = clusters(60, 10, 3, 0.5)
    views = {view: array.astype(np.float32) for view, array in made.views.items()}
    views["view_1"][3] = np.nan
    embedding_set = cl_viz.EmbeddingSet.from_arrays(views, label=np.where(np.arange(60) % 7, made.role("label"), -3))
    found = {}
    for name, use in (("torch", False), ("triton", True)):
        use_triton(use)
        found[name] = cl_viz.scan(embedding_set, "cpu", anchors=0, precision="float32", cache=False).pairs
    return found


def near_cases() -> dict[str, dict[str, Any]]:
    """Return rows of one view or two, and how many neighbours: those of the second are found beside the first's."""
    few = exact_rows(7, 8, 2.0, 13)
    return {
        "one view": {"views": [exact_rows(53, 21, 2.0, 11)], "k": 5},
        "two views of different size": {"views": [exact_rows(37, 33, 1.0, 2), exact_rows(70, 33, 1.0, 2)], "k": 6},
        "one way of two": {"views": [exact_rows(20, 9, 1.0, 3), exact_rows(41, 9, 1.0, 4)], "k": 4, "both": False},
        "more than there are": {"views": [exact_rows(9, 6, 2.0, 12)], "k": 50},
        "ties": {"views": [few.repeat(6, 1)], "k": 8},
        "no room": {"views": [exact_rows(40, 12, 0.1, 14)], "k": 6, "room": 2},
        "no room in two views": {
            "views": [exact_rows(18, 12, 0.3, 14), exact_rows(50, 12, 0.3, 15)],
            "k": 6,
            "room": 1,
        },
        "scores below zero": {"views": [exact_rows(11, 5, 0.1, 16), -exact_rows(30, 5, 0.1, 16)], "k": 3},
    }


def near_of(case: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what is found for a case in tiles of 24 rows, every other of which is counted too, and what there is."""
    views = case["views"]
    names = ("a", "a") if len(views) == 1 else ("a", "b")
    left, right = views[0], views[-1]
    within = len(views) == 1
    asked = {names: (left, right)} | ({names[::-1]: (right, left)} if case.get("both", True) else {})
    near = NearestSoFar(
        {
            block: DeviceLargest(len(rows), min(case["k"], len(others) - within), rows.device)
            for block, (rows, others) in asked.items()
        }
    )
    shape = case.get("shape", SMALL)
    pairs = TritonPairs(PairSketch.empty([names]), left.device, shape)
    rows, columns = (
        [slice(start, min(start + 24, len(part))) for start in range(0, len(part), 24)] for part in (left, right)
    )
    n_tiles = 0
    for part in rows:
        for span in columns:
            if within and part.start > span.start:
                continue
            diagonal = within and part == span
            lists = TileLists(near, names, part, span, diagonal=diagonal, room=case.get("room"))
            if n_tiles % 2:
                pairs.add(
                    0, left[part], right[span], (None, None), NO_LINKS, diagonal=diagonal, lists=lists
                )  # fmt: skip
            else:
                lists.offer_with_triton(left[part], right[span], shape)
            n_tiles += 1
    found = {}
    for number, (block, (own, others)) in enumerate(asked.items()):
        exact = own @ others.T
        if within:
            exact.fill_diagonal_(-torch.inf)
        scores, numbers = near.largest[block].found(None)
        found[f"scores {number}"], found[f"numbers {number}"] = scores, numbers
        found[f"exact {number}"] = exact.cpu().numpy()
    return found


def scanned_near(use_triton: Callable[[bool], None]) -> dict[str, dict[str, np.ndarray]]:
    """Return the neighbours that a whole pass, and one for neighbours alone, find either way."""
    made = clusters(50, 10, 3, 0.5)
    views = {view: array.astype(np.float32) for view, array in made.views.items()}
    views["view_1"][3] = np.nan
    embedding_set = cl_viz.EmbeddingSet.from_arrays(views, label=made.role("label"))
    device_largest._LEAST_SAMPLED = 16
    found = {}
    for name, use in (("torch", False), ("triton", True)):
        use_triton(use)
        beside = cl_viz.scan(embedding_set, "cpu", anchors=12, neighbors=5, precision="float32", cache=False).neighbors
        alone = nearest(embedding_set, 5, "cpu", precision="float32")
        for way, blocks in (("beside", beside), ("alone", alone)):
            for (view, other), kept in blocks.items():
                found[f"neighbours {way} {view} {other}/{name}"] = {"scores": kept.scores, "indices": kept.indices}
    return found


class Forgetful(TritonPairs):
    """Loses the last row."""

    def add(self, block: int, left: torch.Tensor, right: torch.Tensor, labels: Any, links: Any, **named: Any) -> None:
        """Add all rows but the last."""
        codes = tuple(part[:-1] for part in labels)
        super().add(block, left[:-1], right[:-1], codes, links[links[:, 1] < len(right) - 1], **named)


def trials() -> dict[str, str]:
    """Return what a trial says of the kernel, and of one that counts wrongly."""
    found = {"right": trial(torch.device("cpu"))}
    triton_tiles.TritonPairs = Forgetful  # type: ignore[misc]
    found["wrong"] = trial(torch.device("cpu"))
    triton_tiles.TritonPairs = TritonPairs  # type: ignore[misc]
    found["right neighbours"] = trial_of_neighbors(torch.device("cpu"))
    append = DeviceLargest.merge_entries
    # The largest of each tile is lost.
    DeviceLargest.merge_entries = lambda self, rows, entries: append(self, rows, entries.sort(dim=1).values[:, :-1])  # type: ignore[method-assign]
    found["wrong neighbours"] = trial_of_neighbors(torch.device("cpu"))
    DeviceLargest.merge_entries = append  # type: ignore[method-assign]
    return found


def main() -> None:
    torch.set_num_threads(1)
    compiled.enable(False)
    before = triton_tiles.usable, triton_neighbors.usable, triton_neighbors.on_device

    def use_triton(use: bool) -> None:
        instead = (lambda *about: True,) * 3 if use else before
        triton_tiles.usable, triton_neighbors.usable, triton_neighbors.on_device = instead

    found = {f"{name}/torch": with_torch(case) for name, case in cases().items()}
    found |= {f"{name}/triton": with_triton(case) for name, case in cases().items()}
    found |= {f"a whole pass/{name}": sketch for name, sketch in scanned(use_triton).items()}
    arrays = {f"{name}/{field}": getattr(sketch, field) for name, sketch in found.items() for field in FIELDS}
    arrays |= {
        f"near {name}/triton/{field}": array
        for name, case in near_cases().items()
        for field, array in near_of(case).items()
    }
    arrays |= {
        f"{name}/{field}": array for name, kept in scanned_near(use_triton).items() for field, array in kept.items()
    }
    arrays |= {f"trial/{name}/said": np.array(said) for name, said in trials().items()}
    np.savez(sys.argv[1], **arrays)


if __name__ == "__main__":
    main()

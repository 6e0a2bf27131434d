"""Times `cl_viz.encode` against the bare model loop over the same batches, in one process.

Run with ``make bench``. Texts go through a small transformer, images through a small residual network; both have
random weights, since only the time matters. The bare loop has its batches ready: no file, no picture is read in it,
and nothing is written. Prints the ratios and writes benchmarks/results/encode.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cl_viz.core.specs import EncoderSpec, ImageInput, Layers, Recognised
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._encoding import Encoding

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "benchmarks" / "results" / "encode.json"
MOST = 1.1
"""What `encode` may take, as a multiple of the bare loop."""
WIDTH, WORDS, SIDE, ROUNDS = 128, 1000, 64, 5


class TextEncoder:
    """Two layers of a transformer over word numbers, the mean over the words."""

    layers = ("pooled",)

    def __init__(self) -> None:
        self.words = nn.Embedding(WORDS, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()

    def encode(self, batch: Sequence[str], view: str) -> Layers:
        """Embed texts; words are numbered by their letters."""
        found = [[sum(word.encode()) % WORDS for word in text.split()] for text in batch]
        width = max(map(len, found))
        numbers = torch.tensor([row + [0] * (width - len(row)) for row in found])
        with torch.inference_mode():
            return {"pooled": self.body(self.words(numbers)).mean(dim=1).numpy()}


class ImageEncoder:
    """A few convolutions, the mean over the picture."""

    layers = ("pooled",)

    def __init__(self) -> None:
        sizes = ((3, 32, 1), (32, 64, 2), (64, 64, 1), (64, WIDTH, 2), (WIDTH, WIDTH, 1))
        parts = [nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b, stride in sizes]
        self.body = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed pictures."""
        with torch.inference_mode():
            return {"pooled": self.body(torch.from_numpy(batch)).numpy()}


def time_of(work: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(model: Any, recognised: Recognised, data: Path, batch_size: int, views: str) -> dict[str, float]:
    """Return the medians of both, and the median of their ratios, each ratio from two runs that follow each other."""
    spec = EncoderSpec("bench", "Bench", lambda path: recognised, lambda path: model, "For this benchmark.")
    ENCODERS._entries.clear()
    ENCODERS._entries["bench"] = spec
    encoding = Encoding(data, data, views=views, batch_size=batch_size)
    batches: list[tuple[Any, str]] = []
    plain = model.encode

    def noted(batch: Any, view: str) -> Layers:
        batches.append((batch, view))
        return plain(batch, view)  # type: ignore[no-any-return]

    model.encode = noted
    encoding.run()
    model.encode = plain
    encodes, bares = [], []
    for _ in range(ROUNDS):
        bares.append(time_of(lambda: [plain(batch, view) for batch, view in batches]))
        encodes.append(time_of(encoding.run))
    ratio = statistics.median(own / bare for own, bare in zip(encodes, bares, strict=True))
    return {"encode_seconds": statistics.median(encodes), "bare_seconds": statistics.median(bares), "ratio": ratio}


def measure(n_texts: int, n_images: int) -> dict[str, dict[str, float]]:
    """Time texts of a table and pictures of an array."""
    generator = np.random.default_rng(0)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        table, array = Path(folder) / "texts.csv", Path(folder) / "images.npy"
        words = [f"word{number}" for number in range(WORDS)]
        rows = [" ".join(generator.choice(words, generator.integers(8, 33))) for _ in range(n_texts)]
        table.write_text("\n".join(["text", *rows]))
        np.save(array, generator.integers(0, 256, (n_images, SIDE, SIDE, 3)).astype(np.uint8))
        image = ImageInput((SIDE, SIDE))
        return {
            "texts": compare(
                TextEncoder(), Recognised("bench", "transformer", ("text",), ("pooled",)), table, 64, "plain"
            ),
            "images": compare(
                ImageEncoder(), Recognised("bench", "convolutions", ("image",), ("pooled",), image=image), array,
                64, "plain",
            ),
        }  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--images", type=int, default=1000)
    given = parser.parse_args()
    found = measure(given.texts, given.images)
    for name, entry in found.items():
        print(f"{name}: encode {entry['encode_seconds']:.2f} s, bare loop {entry['bare_seconds']:.2f} s, "
              f"ratio {entry['ratio']:.3f} (at most {MOST})")  # fmt: skip
    facts = {"texts": given.texts, "images": given.images, "threads": torch.get_num_threads(), "most": MOST}
    RESULTS.write_text(json.dumps({"facts": facts, "measured": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

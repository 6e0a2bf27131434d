"""Times `cl_viz.encode` against the bare model loop over the same batches, in one process.

Run with ``make bench``. Texts go through a small transformer, pictures of an array through a ResNet-18 as for CIFAR,
picture files in two random views through a ResNet-50; all have random weights, since only the time matters. The bare
loop has its batches ready: no file is read in it, no picture prepared, and nothing is written. Both take turns, and
what counts is processor time, reading threads included. Writes benchmarks/results/encode.json and a table in
docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published import keep, publish
from torch import nn

from cl_viz.core.encoder import EncoderSpec, ImageInput, Layers, Recognised
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._encoding import Encoding
from cl_viz.encoders._residual_network import ResidualNetwork
from cl_viz.encoders._residual_shape import BlockShape, ResidualShape

MOST = 1.1
"""What `encode` may take, as a multiple of the bare loop."""
WIDTH, WORDS, SIDE, ROUNDS = 128, 1000, 32, 5
FILE_SIZE = (480, 360)
"""Width and height of the picture files, in pixels."""
ROUNDS_OF_FILES = 3


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
    """Any network that gives one row a picture."""

    layers = ("pooled",)

    def __init__(self, body: nn.Module) -> None:
        self.body = body.eval()

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed pictures."""
        with torch.inference_mode():
            return {"pooled": self.body(torch.from_numpy(batch)).numpy()}


def resnet(convolutions: int, blocks: Sequence[int], *, small: bool = False) -> nn.Module:
    """Return a ResNet up to its pooling, of basic blocks (2 convolutions) or bottlenecks (3); `small` as for CIFAR."""
    stages, inputs = [], 64
    for number, count in enumerate(blocks):
        stage = []
        middle = 64 << number
        outputs = 4 * middle if convolutions == 3 else middle
        for block in range(count):
            stride = 2 if number and not block else 1
            shortcut = "convolution" if stride == 2 or inputs != outputs else ""
            stage.append(BlockShape(inputs, outputs, middle, convolutions, 1, stride, shortcut))
            inputs = outputs
        stages.append(tuple(stage))
    kernel = 3 if small else 7
    return ResidualNetwork(ResidualShape((3, 64), kernel, kernel // 2, True, not small, tuple(stages)))


def time_of(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the processor seconds of a call, all threads together, and its seconds on the clock."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - used, time.perf_counter() - began


def compare(
    model: Any, recognised: Recognised, data: Path, batch_size: int, views: str, rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the medians of both, and the medians of their ratios, each ratio from two runs that follow each other."""
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
    pairs = []
    for _ in range(rounds):
        bare = time_of(lambda: [plain(batch, view) for batch, view in batches])
        pairs.append((bare, time_of(encoding.run)))
    return {
        "rows": encoding.data.n,
        "views": len(encoding.views),
        "rounds": rounds,
        "encode_seconds": statistics.median(own[0] for _, own in pairs),
        "bare_seconds": statistics.median(bare[0] for bare, _ in pairs),
        "ratio": statistics.median(own[0] / bare[0] for bare, own in pairs),
        "ratio_on_the_clock": statistics.median(own[1] / bare[1] for bare, own in pairs),
    }


def write_texts(path: Path, n: int, random: np.random.Generator) -> None:
    """Write a table of texts of 8 to 32 words."""
    words = [f"word{number}" for number in range(WORDS)]
    rows = [" ".join(random.choice(words, random.integers(8, 33))) for _ in range(n)]
    path.write_text("\n".join(["text", *rows]), encoding="utf-8")


def write_pictures(folder: Path, n: int, random: np.random.Generator) -> None:
    """Write JPEG files that are as smooth as photographs are."""
    from PIL import Image

    folder.mkdir()
    for number in range(n):
        coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        coarse.resize(FILE_SIZE, Image.Resampling.BICUBIC).save(folder / f"{number:05d}.jpg", quality=90)


def measure(n_texts: int, n_images: int, n_files: int) -> dict[str, dict[str, float]]:
    """Time texts of a table, pictures of an array, and picture files in two random views."""
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_texts(folder / "texts.csv", n_texts, random)
        np.save(folder / "images.npy", random.integers(0, 256, (n_images, SIDE, SIDE, 3)).astype(np.uint8))
        write_pictures(folder / "pictures", n_files, random)
        texts = Recognised("bench", "transformer", ("text",), ("pooled",))
        small = Recognised("bench", "ResNet-18", ("image",), ("pooled",), image=ImageInput((SIDE, SIDE)))
        large = Recognised("bench", "ResNet-50", ("image",), ("pooled",), image=ImageInput((224, 224), 3, 256))
        return {
            "texts": compare(TextEncoder(), texts, folder / "texts.csv", 64, "plain"),
            "images": compare(
                ImageEncoder(resnet(2, (2, 2, 2, 2), small=True)), small, folder / "images.npy", 64, "plain"
            ),
            "picture_files": compare(
                ImageEncoder(resnet(3, (3, 4, 6, 3))), large, folder / "pictures", 16, "augmented", ROUNDS_OF_FILES
            ),
        }


def write_page(facts: dict[str, Any], measured: dict[str, dict[str, float]]) -> str:
    """Write what was measured into docs/performance.md and return it."""
    texts, images, files = (measured[name] for name in ("texts", "images", "picture_files"))
    lines = [
        (f"{texts['rows']:,} texts of a table, two layers of a transformer (D = {WIDTH})", texts),
        (f"{images['rows']:,} pictures of an array, {SIDE} x {SIDE}, ResNet-18 as for CIFAR", images),
        (f"{files['rows']:,} JPEG files of {FILE_SIZE[0]} x {FILE_SIZE[1]}, two random views at 224 x 224, ResNet-50",
         files),
    ]  # fmt: skip
    table = (
        "| what | bare loop | `encode` / bare loop | to reach | on the clock |\n|---|---|---|---|---|\n"
        + "\n".join(
            f"| {what} | {found['bare_seconds']:.2f} s | {found['ratio']:.3f} | <= {MOST} "
            f"| {found['ratio_on_the_clock']:.2f} |"
            for what, found in lines
        )
    )
    said = (
        f"Processor time, reading threads included; medians of {texts['rounds']} rounds ({files['rounds']} for the "
        f"files), both in turn, {facts['threads']} thread for the network. The bare loop has its batches ready in "
        "memory: it reads no file, prepares no picture and writes nothing. On the clock, reading goes beside the "
        f"network where a core is free. Load {facts['load']:.1f} before."
    )
    publish("performance.md", "bench_encode.py", table, said)
    return table


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--files", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(1)
    facts = {"threads": torch.get_num_threads(), "most": MOST, "load": os.getloadavg()[0]}
    found = measure(given.texts, given.images, given.files)
    keep("encode", {"facts": facts, "measured": found})
    print(write_page(facts, found))


if __name__ == "__main__":
    main()

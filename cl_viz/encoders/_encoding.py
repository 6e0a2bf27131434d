"""`encode`: a checkpoint is run on data, and its embeddings become a run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.encoder import Encoder, EncoderSpec, Recognised
from cl_viz.core.errors import InputError
from cl_viz.core.lazily import lazily
from cl_viz.core.progress import ProgressCallback, duration, or_bar, silent
from cl_viz.core.run import Run
from cl_viz.encoders import _encoded, _running_on
from cl_viz.encoders._data import EncodingData, open_data
from cl_viz.encoders._encoding_card import describe, sample_columns
from cl_viz.encoders._encoding_loop import EncodingLoop, Window
from cl_viz.encoders._encoding_views import ViewPlan, Views, plan_views
from cl_viz.encoders._recognising import family_of
from cl_viz.encoders._shard_folder import ShardFolder
from cl_viz.encoders._told_pixels import Pixels, told

PathLike = str | os.PathLike[str]

ALL_LAYERS = "all"
SECONDS_BETWEEN_SHARDS = 10.0
"""What a killed process loses at most, besides the batch it was in."""
_SHARD_BYTES = 256 << 20
_VERSION = 1
_SAYS_LITTLE = re.compile(r"((pytorch_)?model|checkpoint|weights|step|epoch|last|best)?[-_=.]?\d*", re.IGNORECASE)


def encode(
    checkpoint: PathLike,
    data: PathLike,
    *,
    views: Views = None,
    layer: str | None = None,
    out: PathLike | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: ProgressCallback | None = None,
    trust: bool = False,
    pixels: Pixels | None = None,
    size: int | None = None,
) -> EmbeddingSet | Run:
    """Run a checkpoint on data.

    Rows that cannot be read (a broken image, a missing text) are skipped and listed in the card. With `out`, rows are
    written as they come: the same call goes on where a killed one ended, and an ended one is opened.

    Parameters
    ----------
    checkpoint : path
        See `cl_viz.encoders.recognise`.
    data : path
        A folder of images (class folders are labels); a CSV, TSV, Parquet or JSONL table with columns of texts or of
        image paths, which start at the table's folder; a ``.npy`` array of images, (N, H, W) or (N, H, W, C); or
        ``"sample:digits"``.
    views : str, sequence of str, mapping of view name to column, or None
        ``"augmented"``: two random views of each image (SimCLR's crop, flip, colour, grey and blur). ``"plain"``: as
        the checkpoint's own evaluation. ``"dropout"``: two passes of each text (SimCSE). Else columns. By default the
        data decides: two columns that go together, image and text for two towers, two random views of images, plain
        texts.
    layer : str, optional
        By default the first; ``"all"`` returns a run with every layer.
    out : path, optional
        Folder to write to; without it nothing is kept on disk.
    batch_size : int, optional
        By default what suits the device; an encoding that goes on keeps the one it was begun with.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; half precision on CUDA.
    seed : int
        Of random views and of dropout. Each image has a seed of its own, so order and batches do not matter.
    progress : callable, optional
    trust : bool
        Also run checkpoints that are programs (ONNX, TorchScript): it runs whatever code their author put there.
    pixels : str or (mean, standard deviation), optional
        How pixels in 0..1 are normalised, where you know it and the checkpoint does not say: ``"as_they_are"``,
        ``"imagenet"``, ``"cifar10"``, ``"cifar10_of_images"``, ``"halves"``, ``"clip"``, or a number a channel of each.
    size : int, optional
        Height and width that enter the network, in pixels.

    Returns
    -------
    EmbeddingSet, or Run where all layers are asked for

    Raises
    ------
    FormatError
        If checkpoint or data cannot be used, or do not belong together.
    UnsafeFileError
        If the checkpoint would run code and is not trusted.
    InputError
        If views or layer are not there, seed, batch size, pixels or size are out of range, fewer than two rows can be
        read, or `out` cannot be written to or was begun with something else.
    DeviceError
        If the device is not here, or a batch does not fit on it.
    MissingDependencyError
        If a library that runs the checkpoint, or reads the data, is not installed.
    """
    encoding = Encoding(
        checkpoint, data, views=views, layer=layer, batch_size=batch_size, device=device, seed=seed, trust=trust,
        pixels=pixels, size=size,
    )  # fmt: skip
    progress = or_bar(progress, "Encoding")
    run = encoding.run(out, progress)
    progress(1.0, "done")
    return run if layer == ALL_LAYERS else run.get()


class Encoding:
    """A checkpoint and data that fit together, ready to run; see `encode` for the arguments and errors.

    Attributes
    ----------
    spec : EncoderSpec
    recognised : Recognised
    data : EncodingData
    views : tuple of ViewPlan
    layers : tuple of str
        Those that are kept.
    """

    def __init__(
        self,
        checkpoint: PathLike,
        data: PathLike,
        *,
        views: Views = None,
        layer: str | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        seed: int = 0,
        trust: bool = False,
        pixels: Pixels | None = None,
        size: int | None = None,
    ) -> None:
        self.checkpoint = Path(checkpoint)
        self.spec: EncoderSpec
        self.recognised: Recognised
        self.spec, found = family_of(self.checkpoint, trust)
        self.recognised = told(found, pixels, size)
        self.data: EncodingData = open_data(os.fspath(data))
        self.views: tuple[ViewPlan, ...] = plan_views(self.data, self.recognised, views)
        self.layers = _chosen_layers(self.recognised, layer)
        self.device = _running_on.resolve(device)
        if batch_size is not None and not 1 <= batch_size <= 1 << 20:
            raise InputError(f"batch_size is {batch_size}", where="encode", allowed="1 to 1,048,576")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed is {seed!r}", where="encode", allowed="a whole number from 0 on")
        self.asked_batch_size = batch_size
        self.seed = seed

    @lazily
    def encoder(self) -> Encoder:
        """The encoder on its device; built at first use."""
        built = self.spec.build(self.checkpoint)
        move = getattr(built, "to", None)
        moved: Encoder = built if move is None else move(self.device, _running_on.in_half(self.device))
        return moved

    def loop(self, batch_size: int | None = None) -> EncodingLoop:
        """Return the loop over the data."""
        size = batch_size or self.asked_batch_size or _running_on.usual_batch(self.device)
        return EncodingLoop(self.encoder, self.data, self.views, self.layers, self.recognised.image, size, self.seed)

    def estimate(self) -> float:
        """Return about how many seconds the whole takes, measured on the first batch or two."""
        loop = self.loop()
        next(loop.windows(0, min(2, self.data.n)))  # what is slow only once: allocations, threads, kernels
        rows = min(loop.batch_size, self.data.n)
        began = time.perf_counter()
        next(loop.windows(0, rows))
        return (time.perf_counter() - began) * self.data.n / rows

    @lazily
    def identity(self) -> Mapping[str, Any]:
        """Everything that the rows depend on, ready for JSON."""
        image = self.recognised.image
        return {
            "version": _VERSION,
            "family": self.recognised.family,
            "checkpoint": fingerprint(self.checkpoint),
            "data": self.data.fingerprint,
            "layers": list(self.layers),
            "views": [view.as_dict() for view in self.views],
            "seed": self.seed if any(view.change != "plain" for view in self.views) else None,
            "precision": "half" if _running_on.in_half(self.device) else "single",
            "preprocessing": None if image is None else asdict(image),
            # A pass with dropout draws for a whole batch; other rows do not depend on their batch.
            "batch_size": self.loop().batch_size if any(view.change == "dropout" for view in self.views) else None,
        }

    def run(self, out: PathLike | None = None, progress: ProgressCallback = silent) -> Run:
        """Encode every row that was not encoded before, and open the result."""
        if out is not None:
            return self._into(Path(out), progress)
        # The arrays are read into memory, or stay mapped: on disk they live until the run is let go.
        with tempfile.TemporaryDirectory(prefix="cl_viz-encode-", ignore_cleanup_errors=True) as folder:
            run = self._into(Path(folder) / "run", progress)
            return Run(
                run.name, {at: run.get(at.step, at.layer) for at in run.snapshots}, card=run.card,
                source=f"{self.checkpoint} on {self.data.source}",
            )  # fmt: skip

    def _into(self, folder: Path, progress: ProgressCallback) -> Run:
        from cl_viz.encoders._card import CARD, read_card

        facts = {"batch_size": self.loop_size}
        with ShardFolder(folder, self.identity, self.layers, facts) as store:
            if store.done < self.data.n or not (folder / CARD).is_file():
                self._encode_rest(store, progress)
                self._finish(store)
        card = read_card(folder)
        assert isinstance(card, _encoded.EncodedCard)
        return _encoded.encoded_run(card, str(folder))

    @property
    def loop_size(self) -> int:
        """Rows of a batch where the encoding is not one that goes on."""
        return self.asked_batch_size or _running_on.usual_batch(self.device)

    def _encode_rest(self, store: ShardFolder, progress: ProgressCallback) -> None:
        size = self.asked_batch_size or int(store.facts.get("batch_size", self.loop_size))
        began, start, n = time.monotonic(), store.done, self.data.n
        pending: list[Window] = []
        written = began
        try:
            for window in self.loop(size).windows(start):
                pending.append(window)
                now = time.monotonic()
                if now - written > SECONDS_BETWEEN_SHARDS or sum(w.nbytes for w in pending) > _SHARD_BYTES:
                    self._write(store, pending)
                    written = now
                progress(window.stop / n, _pace(window.stop, start, n, now - began))
        finally:
            # Also when it is stopped: what was embedded is kept.
            self._write(store, pending)

    def _write(self, store: ShardFolder, pending: list[Window]) -> None:
        """Write windows that wait as one shard."""
        if not pending:
            return
        names = [view.name for view in self.views]
        arrays = {
            layer: {
                view: np.concatenate([window.arrays[layer, view] for window in pending if window.kept])
                for view in names
            }
            for layer in self.layers
            if any(window.kept for window in pending)
        }
        windows = list(pending)
        pending.clear()
        skipped = tuple(entry for window in windows for entry in window.skipped)
        store.add(windows[0].first, windows[-1].stop, skipped, arrays)

    def _finish(self, store: ShardFolder) -> None:
        """Write what is known of the rows, then the card, whose presence says that all is there."""
        from cl_viz.encoders._card import CARD
        from cl_viz.formats._guard import replacing

        kept = np.ones(self.data.n, dtype=bool)
        kept[[row for row, _ in store.skipped]] = False
        rows = np.flatnonzero(kept)
        if len(rows) < 2:
            reasons = "; ".join(f"row {row}: {reason}" for row, reason in store.skipped[:3])
            raise InputError(
                f"{len(rows)} of {self.data.n:,} rows could be read: {reasons}", where=self.data.source,
                allowed="at least 2 rows",
            )  # fmt: skip
        _encoded.write_samples(store.folder, sample_columns(self.data, rows))
        card = {
            "name": f"{_name_of(self.checkpoint.resolve())}-{self.data.name}",
            "checkpoint": str(self.checkpoint.resolve()),
            "seed": self.identity["seed"],
            "precision": self.identity["precision"],
            "batch_size": store.facts.get("batch_size"),
            **describe(self.spec, self.recognised, self.data, self.views, self.layers, store.skipped),
        }
        with replacing(store.folder / CARD) as temporary:
            temporary.write_text(json.dumps(card, indent=2), encoding="utf-8")


def _name_of(checkpoint: Path) -> str:
    """Return what people call a checkpoint; where the file's name says only how far it was trained, its folder's."""
    name = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
    return f"{checkpoint.parent.name}-{name}" if _SAYS_LITTLE.fullmatch(name) else name


def fingerprint(checkpoint: Path) -> str:
    """Hash the content of a checkpoint: a file, or every file of a folder with its name; hidden ones do not count.

    Folders that a folder links to count too, as the base of an adapter may be one.
    """
    digest = hashlib.blake2b(digest_size=16)
    files = [checkpoint]
    if not checkpoint.is_file():
        linked = [entry for entry in checkpoint.iterdir() if entry.is_symlink() and entry.is_dir()]
        files = sorted({f for folder in (checkpoint, *linked) for f in folder.rglob("*") if f.is_file()})
    for file in files:
        name = "" if file == checkpoint else file.relative_to(checkpoint).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            with file.open("rb") as stream:
                digest.update(f"{name}\0".encode("utf-8", "surrogatepass"))
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


def _chosen_layers(recognised: Recognised, layer: str | None) -> tuple[str, ...]:
    if layer == ALL_LAYERS:
        return recognised.layers
    chosen = recognised.layers[0] if layer is None else layer
    if chosen not in recognised.layers:
        raise InputError(f"no layer {chosen!r}", where="layer", allowed=", ".join((*recognised.layers, ALL_LAYERS)))
    return (chosen,)


def _pace(stop: int, start: int, n: int, seconds: float) -> str:
    """Return how far it is, how fast, and how long it still takes, in words."""
    rate = (stop - start) / max(seconds, 1e-9)
    left = f", {duration((n - stop) / rate)} left" if stop < n else ""
    return f"{stop:,} of {n:,} rows, {rate:,.0f} rows a second{left}"

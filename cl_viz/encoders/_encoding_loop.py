"""The loop over the data: pictures are read ahead in threads, texts of like length go together, rows keep their order.

A row's numbers depend on the row, the settings and the batch size alone: work that starts again in the middle gives
the same rows.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.encoder import Encoder, ImageInput, Layers
from cl_viz.core.errors import ClVizError, DeviceError, FormatError
from cl_viz.encoders._augmenting import augmented, generator_of
from cl_viz.encoders._data import EncodingData, Texts, Unreadable
from cl_viz.encoders._encoding_views import ViewPlan
from cl_viz.encoders._image_preparing import prepare, to_array

BATCHES_AHEAD = 2
BATCHES_SORTED = 16
"""Texts of so many batches are sorted by length, so that little is padding."""
_MOST_READERS = 16
_ROWS_A_TASK = 8

Inputs = list[Any] | str
"""What enters the network for each view of a row, or why the row is skipped."""


@dataclass(frozen=True)
class Window:
    """Consecutive rows that were embedded.

    Attributes
    ----------
    first, stop : int
        Rows of the data.
    skipped : tuple of (int, str)
        Rows that could not be read, with the reason.
    arrays : Mapping[(str, str), NDArray[np.float32]]
        One (rows kept, D) array by layer and view.
    """

    first: int
    stop: int
    skipped: tuple[tuple[int, str], ...]
    arrays: Mapping[tuple[str, str], NDArray[np.float32]]

    @property
    def kept(self) -> int:
        """Rows that were embedded."""
        return self.stop - self.first - len(self.skipped)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


@dataclass(frozen=True)
class EncodingLoop:
    """What turns rows into embeddings.

    Attributes
    ----------
    encoder : Encoder
        On its device.
    data : EncodingData
    views : tuple of ViewPlan
    layers : tuple of str
    image : ImageInput or None
    batch_size : int
    seed : int
    """

    encoder: Encoder
    data: EncodingData
    views: tuple[ViewPlan, ...]
    layers: tuple[str, ...]
    image: ImageInput | None
    batch_size: int
    seed: int

    @property
    def window_rows(self) -> int:
        """Rows of a window: one batch, or several where texts are sorted."""
        texts = any(view.modality == "text" for view in self.views)
        return self.batch_size * (BATCHES_SORTED if texts else 1)

    def windows(self, first: int = 0, stop: int | None = None) -> Iterator[Window]:
        """Embed rows from `first` on, window by window."""
        stop = self.data.n if stop is None else min(stop, self.data.n)
        batches = self._batches(first, stop)
        for start in range(first, stop, self.window_rows):
            end = min(stop, start + self.window_rows)
            count = -(-(end - start) // self.batch_size)
            yield self._window(start, end, [next(batches) for _ in range(count)])

    # -- reading -------------------------------------------------------------------------------------------------
    def _batches(self, first: int, stop: int) -> Iterator[list[Inputs]]:
        """Yield what was read of each batch's rows; pictures are read a few batches ahead."""
        batches = [range(start, min(stop, start + self.batch_size)) for start in range(first, stop, self.batch_size)]
        if all(view.modality == "text" for view in self.views):
            yield from (self._read_rows(rows) for rows in batches)
            return
        readers = min(_MOST_READERS, os.cpu_count() or 1)
        with ThreadPoolExecutor(readers, thread_name_prefix="cl_viz-read") as pool:
            waiting: deque[list[Future[list[Inputs]]]] = deque()
            try:
                for rows in batches:
                    parts = [rows[start : start + _ROWS_A_TASK] for start in range(0, len(rows), _ROWS_A_TASK)]
                    waiting.append([pool.submit(self._read_rows, part) for part in parts])
                    if len(waiting) > BATCHES_AHEAD:
                        yield [inputs for task in waiting.popleft() for inputs in task.result()]
                while waiting:
                    yield [inputs for task in waiting.popleft() for inputs in task.result()]
            finally:
                for tasks in waiting:
                    for task in tasks:
                        task.cancel()

    def _read_rows(self, rows: Sequence[int]) -> list[Inputs]:
        found: list[Inputs] = []
        for row in rows:
            try:
                found.append(self._read(row))
            except Unreadable as reason:
                found.append(str(reason))
        return found

    def _read(self, row: int) -> list[Any]:
        """Return what enters the network for each view of a row: text, or an array (C, H, W); raises `Unreadable`."""
        opened: dict[str, Any] = {}
        inputs = []
        for view in self.views:
            source = self.data.inputs[view.column]
            if view.column not in opened:
                opened[view.column] = source.read(row)
            value = opened[view.column]
            if not isinstance(source, Texts):
                assert self.image is not None
                if view.change == "augmented":
                    random = generator_of(self.seed, source.key(row), view.draw)
                    value = to_array(augmented(value, self.image, random), self.image)
                else:
                    value = prepare(value, self.image)
            inputs.append(value)
        return inputs

    # -- embedding -----------------------------------------------------------------------------------------------
    def _window(self, first: int, stop: int, batches: Sequence[Sequence[Inputs]]) -> Window:
        skipped: list[tuple[int, str]] = []
        texts: dict[str, list[str]] = {view.name: [] for view in self.views if view.modality == "text"}
        found: dict[tuple[str, str], list[NDArray[np.float32]]] = {}
        row = first
        for batch in batches:
            kept = [inputs for inputs in batch if not isinstance(inputs, str)]
            skipped += [(row + place, reason) for place, reason in enumerate(batch) if isinstance(reason, str)]
            row += len(batch)
            for place, view in enumerate(self.views):
                own = [inputs[place] for inputs in kept]
                if view.modality == "text":
                    texts[view.name] += own
                elif own:
                    self._note(found, view, self._embed(np.stack(own), view))
        for view in self.views:
            if view.modality == "text" and texts[view.name]:
                self._note(found, view, self._embed_texts(texts[view.name], view, first))
        arrays = {key: parts[0] if len(parts) == 1 else np.concatenate(parts) for key, parts in found.items()}
        return Window(first, stop, tuple(skipped), arrays)

    def _note(self, found: dict[tuple[str, str], list[NDArray[np.float32]]], view: ViewPlan, output: Layers) -> None:
        for layer in self.layers:
            found.setdefault((layer, view.name), []).append(np.asarray(output[layer], dtype=np.float32))

    def _embed_texts(self, texts: Sequence[str], view: ViewPlan, first: int) -> Layers:
        """Embed texts in batches of like length, the longest first; the rows come back in their order."""
        order = np.argsort([-len(text) for text in texts], kind="stable")
        parts: list[Layers] = []
        with torch.random.fork_rng(enabled=view.change == "dropout"):
            for start in range(0, len(order), self.batch_size):
                if view.change == "dropout":
                    torch.manual_seed(_pass_seed(self.seed, first + start, view.draw))
                rows = order[start : start + self.batch_size]
                parts.append(self._embed([texts[index] for index in rows], view))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return {layer: np.concatenate([part[layer] for part in parts])[back] for layer in self.layers}

    def _embed(self, batch: Any, view: ViewPlan) -> Layers:
        dropout = getattr(self.encoder, "dropout", None)
        try:
            if view.change != "dropout":
                return self.encoder.encode(batch, view.modality)
            if dropout is None:
                raise FormatError("this encoder has no dropout", where=view.name, remedy="choose other views")
            dropout(True)
            try:
                return self.encoder.encode(batch, view.modality)
            finally:
                dropout(False)
        except ClVizError:
            raise
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"a batch of {self.batch_size} does not fit on the device", remedy="choose a smaller batch size"
            ) from error
        except (RuntimeError, IndexError, ValueError, KeyError) as error:
            raise FormatError(
                f"the encoder does not take this data ({str(error)[:300]})", where=f"view {view.name}",
                remedy="check that checkpoint and data belong together",
            ) from error  # fmt: skip


def _pass_seed(seed: int, place: int, draw: int) -> int:
    """Return the seed of one batch of a pass with dropout."""
    digest = hashlib.blake2b(f"{seed} {place} {draw}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1

"""The probe set: inputs in one or more views, cut into batches; the same samples at every snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_viz.core.embedding_set import ROLES, Column
from cl_viz.core.errors import InputError, similar_name
from cl_viz.formats._dump import column_to_store


@dataclass(frozen=True)
class Probe:
    """Inputs of the same N samples in each view, with their metadata.

    Attributes
    ----------
    views : Mapping[str, Any]
        Tensor or array with N entries on its first axis, a sequence of N samples, or a mapping of such tensors
        (``input_ids``, ``attention_mask``).
    rows : int
        N.
    columns : Mapping[str, Column]
    roles : Mapping[str, str]
    """

    views: Mapping[str, Any]
    rows: int
    columns: Mapping[str, Column]
    roles: Mapping[str, str]

    @classmethod
    def of(cls, inputs: Any, metadata: Mapping[str, Any] | None, role_values: Mapping[str, Any]) -> Probe:
        """Check and wrap what the user gives.

        Raises
        ------
        InputError
            If views differ in size, there are fewer than two samples, or a column has another length.
        """
        views = _views(inputs)
        sizes = {name: _size(view, name) for name, view in views.items()}
        rows = next(iter(sizes.values()))
        if rows < 2 or len(set(sizes.values())) > 1:
            raise InputError(f"the probe's views have {sizes} samples", where="Recorder",
                             allowed="two samples or more, as many in each view")  # fmt: skip
        unknown = [role for role in role_values if role not in ROLES]
        if unknown:
            raise InputError(
                f"unknown role {unknown[0]!r}", where="Recorder", allowed=", ".join(ROLES),
                remedy=similar_name(unknown[0], ROLES),
            )  # fmt: skip
        given = {**(metadata or {}), **{role: values for role, values in role_values.items() if values is not None}}
        columns = {name: _column(name, values, rows) for name, values in given.items()}
        return cls(views, rows, columns, {role: role for role in role_values if role in columns})

    def batches(self, view: str, size: int) -> Iterator[Any]:
        """Yield the inputs of a view, `size` samples at a time."""
        for start in range(0, self.rows, size):
            yield _part(self.views[view], slice(start, start + size))

    def hash(self) -> str:
        """Return a hash of inputs and metadata; of inputs that are neither numbers nor text, of their number."""
        digest = hashlib.blake2b(digest_size=16)
        for name, view in self.views.items():
            digest.update(name.encode())
            _hash(digest, view)
        for name, column in sorted(self.columns.items()):
            digest.update(name.encode())
            _hash(digest, column)
        return digest.hexdigest()


def _views(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, Mapping):
        views = {str(name): view for name, view in inputs.items()}
    elif isinstance(inputs, tuple):
        views = {f"view_{place}": view for place, view in enumerate(inputs, start=1)}
    else:
        views = {"view_1": inputs}
    if not views:
        raise InputError("the probe has no view", where="Recorder", allowed="inputs, a tuple of views, or a mapping")
    return views


def _size(view: Any, name: str) -> int:
    if isinstance(view, Mapping):
        sizes = {len(part) for part in view.values()}
        if len(sizes) == 1:
            return sizes.pop()
        raise InputError(f"the tensors of view {name!r} have {sorted(sizes)} entries", where="Recorder",
                         allowed="one mapping a view, of tensors with one entry a sample")  # fmt: skip
    try:
        return len(view)
    except TypeError:
        raise InputError(
            f"view {name!r} is a {type(view).__name__}", where="Recorder",
            allowed="a tensor, an array, a sequence of samples, or a mapping of tensors",
            remedy="collect a few hundred samples of the data loader in a list first",
        ) from None  # fmt: skip


def _part(view: Any, rows: slice) -> Any:
    if isinstance(view, Mapping):
        return {name: part[rows] for name, part in view.items()}
    return view[rows]


def _column(name: str, values: Any, rows: int) -> Column:
    found = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if found.ndim != 1 or len(found) != rows:
        raise InputError(f"column {name!r} has shape {found.shape}", where="Recorder",
                         allowed=f"one entry for each of the {rows:,} samples")  # fmt: skip
    return column_to_store(found)


def as_model_takes(batch: Any, like: Tensor | None) -> Any:
    """Return the batch with arrays as tensors, and tensors on the device and in the precision of `like`.

    Whole numbers stay whole numbers, and other samples stay as they are.
    """
    if isinstance(batch, Mapping):
        return {name: as_model_takes(part, like) for name, part in batch.items()}
    if isinstance(batch, np.ndarray) and batch.dtype.kind in "fiub":
        batch = torch.from_numpy(np.ascontiguousarray(batch))
    if not isinstance(batch, Tensor) or like is None:
        return batch
    exact = batch.is_floating_point() and like.is_floating_point()
    return batch.to(like.device, like.dtype) if exact else batch.to(like.device)


def _hash(digest: Any, view: Any) -> None:
    if isinstance(view, Mapping):
        for name, part in view.items():
            digest.update(str(name).encode())
            _hash(digest, part)
        return
    if isinstance(view, Tensor):
        view = view.detach().cpu().float().numpy() if view.dtype == torch.bfloat16 else view.detach().cpu().numpy()
    if isinstance(view, np.ndarray) and view.dtype.kind != "O":
        digest.update(f"{view.dtype} {view.shape}".encode())
        digest.update(np.ascontiguousarray(view).view(np.uint8).data if view.size else b"")
    elif isinstance(view, Sequence) and all(isinstance(sample, str) for sample in view):
        for sample in view:
            digest.update(f"{len(sample)} {sample}".encode())
    else:
        digest.update(str(len(view)).encode())

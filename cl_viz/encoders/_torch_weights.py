"""Weights of networks as people have them: safetensors, torch files, folders of shards; nothing in them is run."""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from cl_viz.core.errors import ClVizError, FormatError, UnsafeFileError
from cl_viz.formats._guard import check_present, first_line
from cl_viz.formats._limits import check_extent
from cl_viz.formats._torch_guard import check_stored, load_plain, sniff_torch

WRAPPERS = ("state_dict", "model_state_dict", "model", "teacher", "target_encoder", "ema", "student")
"""Keys under which training code puts the weights, in the order they are looked for."""

WEIGHT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
"""What a folder of the Hugging Face libraries keeps its weights in; safetensors are preferred."""

_HEAD_BYTES = 512
_LENGTH_BYTES = 8
# The safetensors library's own limit.
_LONGEST_HEADER = 100_000_000
_LARGEST_INDEX = 64 << 20
_DEEPEST = 4
_KEYS_SHOWN, _LONGEST_KEY = 5, 60


@dataclass(frozen=True, eq=False)
class StateDict(Mapping[str, Tensor]):
    """Named weights, and where in the file they were.

    Attributes
    ----------
    tensors : Mapping[str, Tensor]
        On the CPU, as stored, memory-mapped where the file allows it: not to be written to.
    taken : str
        The keys that were gone through to reach the weights, joined by dots, for example ``"state_dict"``; empty
        where the file is nothing but weights.
    left_out : tuple of str
        Keys beside the weights, for example ``"optimizer"``.
    """

    tensors: Mapping[str, Tensor]
    taken: str = ""
    left_out: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Tensor:
        return self.tensors[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def parameters(self) -> int:
        """How many numbers there are."""
        return sum(tensor.numel() for tensor in self.tensors.values())


def is_weights(path: Path) -> bool:
    """Tell cheaply whether `path` is a safetensors file or one that `torch.save` wrote; no TorchScript program."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return _is_safetensors(head) or (sniff_torch(head) and not is_torchscript(path))


def is_torchscript(path: Path) -> bool:
    """Tell from the list of members alone whether `path` is an archive that `torch.jit.save` wrote."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        return False
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def weight_file(folder: Path) -> Path | None:
    """Return the file of a folder that holds its weights, or the index of its shards; None where there is none."""
    return next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)


def state_dict(path: Path, take: str | None = None) -> StateDict:
    """Read the weights of a file, of an index of shards, or of a folder that has either.

    Training code wraps weights: ``{"state_dict": ...}``, ``{"model": ...}``, ``{"teacher": ..., "student": ...}``;
    the wrappings in `WRAPPERS` are taken off, the first that is there, and a wrapping of any other name where weights
    are under no other key; several plain mappings of tensors beside each other are joined, names with a dot between.

    Parameters
    ----------
    path : Path
    take : str, optional
        The key to look below in place of the first of `WRAPPERS`, for example ``"student"``.

    Returns
    -------
    StateDict

    Raises
    ------
    FormatError
        If there are no weights, or the file is cut off or damaged.
    UnsafeFileError
        If it is a pickle that asks for more than tensors and plain containers (the message names what it asks for
        and how to convert it), or claims more than it holds.
    """
    check_present(path)
    found = weight_file(path) if path.is_dir() else path
    if found is None:
        raise FormatError(
            "the folder has no weights", where=str(path), allowed=", ".join(WEIGHT_FILES),
            remedy="save the model with save_pretrained",
        )  # fmt: skip
    try:
        if found.name.endswith(".index.json"):
            return _sharded(found)
        return _unwrapped(_content(found), take, found)
    except ClVizError:
        raise
    # The boundary to two libraries, each with its own exceptions; RecursionError too.
    except Exception as error:
        raise FormatError(
            f"the weights cannot be read: {first_line(error)}", where=str(found),
            allowed="a complete safetensors file, or a file written by torch.save",
            remedy="check that the file was written and copied to its end",
        ) from error  # fmt: skip


def conversion_snippet(path: Path) -> str:
    """Return the Python lines that convert a pickle into plain weights, for whoever has the training code."""
    return (
        "import torch\n"
        f"checkpoint = torch.load({path.name!r}, map_location='cpu', weights_only=False)  # runs the file's code\n"
        "weights = checkpoint.state_dict() if hasattr(checkpoint, 'state_dict') else checkpoint\n"
        "weights = weights.get('state_dict', weights.get('model', weights))\n"
        f"torch.save({{'state_dict': weights}}, {path.stem + '_weights.pt'!r})"
    )


def _content(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if _is_safetensors(head):
        return _safetensors(path)
    remedy = f"if you trust it, run once where the training code is installed:\n{conversion_snippet(path)}"
    if is_torchscript(path):
        raise UnsafeFileError(
            "this is a TorchScript program; running it runs code of the file", where=str(path),
            allowed="weights alone", remedy="save model.state_dict(), or encode with cl-viz encode --trust",
        )  # fmt: skip
    if not sniff_torch(head):
        raise UnsafeFileError(
            "this is neither a safetensors file nor one that torch.save wrote; a bare pickle could run code and was "
            "not opened",
            where=str(path), allowed="safetensors, or a file written by torch.save", remedy=remedy,
        )  # fmt: skip
    # An argparse.Namespace holds the settings of a training script, and nothing of it runs.
    content, largest = load_plain(path, remedy, harmless=(argparse.Namespace,))
    for name, tensor in _tensors(content, ""):
        check_stored(tensor, path, name, largest)
    return content


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and 2 <= length <= _LONGEST_HEADER


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import safe_open

    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        check_extent(path, "the file", _LENGTH_BYTES + length, size)
        header = json.loads(file.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            check_extent(path, f"tensor {name!r}", _LENGTH_BYTES + length + entry["data_offsets"][1], size)
    with safe_open(str(path), framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def _sharded(index: Path) -> StateDict:
    """Read every shard that an index names; a shard is a file beside the index."""
    check_extent(index, "the index", index.stat().st_size, _LARGEST_INDEX)
    weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(weight_map.values())):
        if not isinstance(shard, str) or PurePosixPath(shard).name != shard or "\\" in shard or shard == "..":
            raise UnsafeFileError(
                f"the index points to {shard!r}", where=str(index), allowed="names of files in the same folder",
                remedy="save the model again with save_pretrained",
            )  # fmt: skip
        check_present(index.parent / shard)
        content = _unwrapped(_content(index.parent / shard), None, index.parent / shard)
        tensors.update((name, tensor) for name, tensor in content.items() if weight_map.get(name) == shard)
    missing = sorted(weight_map.keys() - tensors.keys())
    if missing:
        raise FormatError(
            f"the shards lack {len(missing):,} of {len(weight_map):,} weights, the first is {missing[0]!r}",
            where=str(index), remedy="copy every shard",
        )  # fmt: skip
    return StateDict(MappingProxyType(tensors))


def _unwrapped(content: Any, take: str | None, path: Path) -> StateDict:
    taken: list[str] = []
    left_out: list[str] = []
    while isinstance(content, Mapping) and len(taken) < _DEEPEST:
        keys = (take,) if take is not None and take not in taken else WRAPPERS
        key = next(
            (key for key in keys if isinstance(content.get(key), Mapping) and _holds_tensors(content[key])), None
        )
        if any(isinstance(value, Tensor) for value in content.values()):
            break
        if key is None and take is None:
            key = _only_wrapping(content)
        if key is None:
            break
        taken.append(key)
        left_out += [".".join((*taken[:-1], str(other))) for other in content if other != key]
        content = content[key]
    if take is not None and take not in taken:
        raise FormatError(
            f"there are no weights under the key {take!r}", where=str(path), allowed=", ".join(_wrappers(content)),
        )  # fmt: skip
    tensors = dict(_joined(content)) if isinstance(content, Mapping) else {}
    if not tensors:
        held = f" of {_listed(content)}" if isinstance(content, Mapping) and content else ""
        raise FormatError(
            f"the file holds no named weights, but a {type(content).__name__}{held}", where=str(path),
            allowed="a dictionary of tensors, plain or under one of the keys " + ", ".join(WRAPPERS),
            remedy="save model.state_dict()",
        )  # fmt: skip
    kept = {name.split(".")[0] for name in tensors}
    left_out += [".".join((*taken, str(key))) for key in content if str(key) not in kept and str(key) not in tensors]
    return StateDict(MappingProxyType(tensors), ".".join(taken), tuple(left_out))


def _listed(content: Mapping[Any, Any]) -> str:
    shown = ", ".join(repr(key)[:_LONGEST_KEY] for key in list(content)[:_KEYS_SHOWN])
    return shown + (", ..." if len(content) > _KEYS_SHOWN else "")


def _only_wrapping(content: Mapping[Any, Any]) -> str | None:
    """Return the one key under which named weights are; None where there are several, or none."""
    keys = [key for key, value in content.items() if isinstance(key, str) and _holds_weights(value)]
    return keys[0] if len(keys) == 1 else None


def _holds_weights(value: Any, depth: int = 0) -> bool:
    """Whether names alone lead to a tensor: an optimiser numbers its parameters."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return False
    named = [entry for key, entry in value.items() if isinstance(key, str)]
    return any(isinstance(entry, Tensor) or _holds_weights(entry, depth + 1) for entry in named)


def _wrappers(content: Any) -> list[str]:
    return [str(key) for key, value in content.items() if _holds_tensors(value)] if isinstance(content, Mapping) else []


def _holds_tensors(value: Any) -> bool:
    return next(_tensors(value, ""), None) is not None


def _joined(content: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a mapping, and those of mappings in it that hold nothing but tensors."""
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield str(key), value
        elif isinstance(value, Mapping) and value and all(isinstance(entry, Tensor) for entry in value.values()):
            yield from ((f"{key}.{name}", tensor) for name, tensor in value.items())


def _tensors(value: Any, prefix: str, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of nested containers with its place."""
    if isinstance(value, Tensor):
        yield prefix, value
    elif depth < 16 and isinstance(value, Mapping | list | tuple):
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, entry in entries:
            yield from _tensors(entry, f"{prefix}.{key}" if prefix else str(key), depth + 1)


def as_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with every floating-point tensor widened or narrowed to float32, contiguous and writable."""
    return {
        name: tensor.to(torch.float32, copy=True).contiguous() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in tensors.items()
    }

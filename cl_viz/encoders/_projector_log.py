"""TensorBoard log folders of the embedding projector: tensors by tag and step, opened as a run.

``SummaryWriter.add_embedding`` writes ``projector_config.pbtxt`` and, for each step and tag, a folder with
``tensors.tsv``, ``metadata.tsv`` and ``sprite.png``. Tags become layers, steps steps; there is one view.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet, Role
from cl_viz.core.errors import FormatError
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._digit_data import thumbnails

CONFIG = "projector_config.pbtxt"
_LARGEST_CONFIG = 8 << 20
_WIDEST_SPRITE = 8192
"""Pixels of a side, TensorBoard's own limit."""
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<name>[A-Za-z_]\w*)\s*(?P<kind>:|(?=\{))|(?P<open>\{)|(?P<close>\})"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[-+.\w]+)|[,;]"""
)
_STEP = re.compile(r"(?P<tag>.*):(?P<step>\d{1,15})", re.DOTALL)

Message = dict[str, list[Any]]


@dataclass(frozen=True)
class _Tensor:
    """One embedding of the config, its files inside the log folder."""

    tag: str
    step: int | None
    tensor: Path
    metadata: Path | None
    sprite: Path | None
    picture: tuple[int, int] | None


def is_projector_log(folder: Path) -> bool:
    """Whether a folder has a projector's configuration."""
    return (folder / CONFIG).is_file()


def projector_run(folder: Path) -> Run:
    """Open a log folder; a tensor is read when it is first looked at.

    Raises
    ------
    FormatError
        If the configuration cannot be read, a file is missing or outside the folder, or the tensors are in a
        TensorFlow checkpoint.
    """
    path = folder / CONFIG
    if path.stat().st_size > _LARGEST_CONFIG:
        raise FormatError("the configuration is larger than 8 MB", where=str(path))
    try:
        config = _parsed(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"the configuration cannot be read ({error})", where=str(path)) from error
    found: dict[Snapshot, _Tensor] = {}
    for entry in config.get("embeddings", []):
        tensor = _tensor(entry, config, folder)
        # Written twice, the later entry holds: its files are the ones that are there.
        found[Snapshot(tensor.step, tensor.tag)] = tensor
    if not found:
        raise FormatError("the configuration lists no embeddings", where=str(path), remedy="call add_embedding first")
    name = folder.resolve().name
    loaders = {snapshot: partial(_loaded, tensor, name) for snapshot, tensor in found.items()}
    return Run(name, loaders, card={"name": name, "recorded_by": "TensorBoard projector"}, source=str(folder))


def _tensor(entry: Any, config: Message, folder: Path) -> _Tensor:
    where = str(folder / CONFIG)
    if not isinstance(entry, dict):
        raise FormatError("an entry of the configuration is no embedding", where=where)
    name = str(_one(entry, "tensor_name", ""))
    file = _one(entry, "tensor_path", None)
    if file is None:
        checkpoint = _one(config, "model_checkpoint_path", "a TensorFlow checkpoint")
        raise FormatError(
            f"the tensor {name!r} is in {checkpoint}, which only TensorFlow reads", where=where,
            allowed="tensors in files of their own (tensor_path), as add_embedding of torch writes them",
            remedy="in TensorFlow: value = tf.train.load_checkpoint(path).get_tensor(name); "
            "numpy.save('embeddings.npy', value), and open that file",
        )  # fmt: skip
    match = _STEP.fullmatch(name)
    sprite = _one(entry, "sprite", None)
    picture = None
    if isinstance(sprite, dict):
        sizes = [int(size) for size in sprite.get("single_image_dim", []) if str(size).isdigit()]
        picture = (sizes[0], sizes[1]) if len(sizes) == 2 and min(sizes) > 0 else None
    metadata = _one(entry, "metadata_path", None)
    image = _one(sprite, "image_path", None) if isinstance(sprite, dict) and picture else None
    return _Tensor(
        tag=match["tag"] if match else name or "embedding",
        step=int(match["step"]) if match else None,
        tensor=_inside(folder, file),
        metadata=None if metadata is None else _inside(folder, metadata),
        sprite=None if image is None else _inside(folder, image),
        picture=picture,
    )


def _inside(folder: Path, relative: Any) -> Path:
    path = (folder / str(relative)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise FormatError(f"the path {relative!r} leaves the folder", where=str(folder / CONFIG),
                          allowed="paths inside it")  # fmt: skip
    if not path.is_file():
        raise FormatError(f"missing: {relative}", where=str(folder), remedy="copy the whole log folder")
    return path


def _loaded(tensor: _Tensor, name: str) -> EmbeddingSet:
    from cl_viz.formats import csv_file, load

    found = load(tensor.tensor, name=name)
    columns = dict(found.columns())
    roles: dict[Role, str] = dict(found.roles)
    beside = tensor.tensor.with_name("metadata.tsv")
    if tensor.metadata is not None and tensor.metadata != beside:
        columns |= csv_file.read_metadata(tensor.metadata)
        roles.setdefault("label", next(iter(columns)))
    if tensor.sprite is not None and tensor.picture is not None:
        columns["image"] = thumbnails(_pictures(tensor.sprite, tensor.picture, found.n))
        roles["image"] = "image"
    return EmbeddingSet.from_arrays(
        found.views, metadata=columns, roles=roles, name=name, source=f"{tensor.tensor}, {tensor.tag}"
    )


def _pictures(path: Path, size: tuple[int, int], count: int) -> NDArray[np.uint8]:
    """Cut a sprite into its pictures, shape (N, height, width, 3): row by row, as many in a row as rows are needed."""
    from PIL import Image

    width, height = size
    across = math.ceil(math.sqrt(count))
    try:
        with Image.open(path) as image:
            if max(image.size) > _WIDEST_SPRITE or image.size[0] < across * width:
                raise FormatError(f"the sprite has {image.size} pixels", where=str(path),
                                  allowed=f"{across * width} across for {count:,} pictures of {width}")  # fmt: skip
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(f"the sprite cannot be read ({error})", where=str(path)) from error
    rows = math.ceil(count / across)
    if len(pixels) < rows * height:
        raise FormatError(f"the sprite has {len(pixels)} rows of pixels", where=str(path), allowed=str(rows * height))
    cells = pixels[: rows * height, : across * width].reshape(rows, height, across, width, 3)
    return np.ascontiguousarray(cells.swapaxes(1, 2).reshape(rows * across, height, width, 3)[:count])


# -- the text form of protocol buffers, as far as the configuration uses it ------------------------------------------
def _parsed(text: str, where: str) -> Message:
    stack: list[Message] = [{}]
    field = ""
    for kind, value in _tokens(text, where):
        if kind == "name":
            field = value
        elif kind == "open" and field and len(stack) < 8:
            stack.append({})
            stack[-2].setdefault(field, []).append(stack[-1])
            field = ""
        elif kind == "close" and len(stack) > 1 and not field:
            stack.pop()
        elif kind == "value" and field:
            stack[-1].setdefault(field, []).append(value)
            field = ""
        else:
            raise _broken(where)
    if len(stack) > 1 or field:
        raise _broken(where)
    return stack[0]


def _tokens(text: str, where: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            raise _broken(where)
        place = match.end()
        if match["name"]:
            yield "name", match["name"]
        elif match["open"] or match["close"]:
            yield ("open", "{") if match["open"] else ("close", "}")
        elif match["text"] is not None:
            yield "value", _unquoted(match["text"], where)
        elif match["word"]:
            yield "value", match["word"]


def _unquoted(text: str, where: str) -> str:
    """Return the text of a string literal: escapes stand for bytes of UTF-8."""
    try:
        return codecs.decode(text[1:-1].encode("utf-8"), "unicode_escape").encode("latin-1").decode("utf-8")
    except (ValueError, UnicodeDecodeError) as error:
        raise _broken(where) from error


def _broken(where: str) -> FormatError:
    return FormatError("the configuration is no text of the projector", where=where,
                       remedy="copy the whole log folder again")  # fmt: skip


def _one(message: Mapping[str, list[Any]], field: str, default: Any) -> Any:
    return message.get(field, [default])[-1]

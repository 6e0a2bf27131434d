"""ONNX programs, run by onnxruntime: only for whoever trusts their author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.encoder import EncoderSpec, ImageInput, Layers, Modality, Recognised
from cl_viz.core.errors import DeviceError, FormatError, InputError, UnsafeFileError
from cl_viz.encoders._hugging_face import library, naming
from cl_viz.encoders._program_inputs import RISK, TOKEN_NAMES, FileTokens, file_tokens, image_of, one_row

NAME = "onnx"
# Outputs that are embeddings by their name, in the order they are shown.
_EMBEDDINGS = ("sentence_embedding", "image_embeds", "text_embeds", "embedding", "embeddings", "pooler_output")
_FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
_INTEGERS = {6: np.int32, 7: np.int64}
# A program of two towers, as CLIP's is exported: what it gives for each, shown under one name.
_TOWERS: Mapping[Modality, str] = MappingProxyType({"image": "image_embeds", "text": "text_embeds"})
PROJECTED = "projected"


@dataclass(frozen=True)
class Graph:
    """What a program takes and gives, by name: the type's number in the format, and the axes (None where free).

    Attributes
    ----------
    inputs, outputs : dict of str to (int, tuple of int or None)
    parameters : int
    """

    inputs: dict[str, tuple[int, tuple[int | None, ...]]]
    outputs: dict[str, tuple[int, tuple[int | None, ...]]]
    parameters: int

    @property
    def words(self) -> tuple[str, ...]:
        """Inputs of word numbers."""
        return tuple(name for name, (kind, axes) in self.inputs.items() if kind in _INTEGERS and len(axes) == 2)

    @property
    def pictures(self) -> tuple[str, ...]:
        """Inputs of four axes."""
        return tuple(name for name, (kind, axes) in self.inputs.items() if kind in _FLOATS and len(axes) == 4)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Text where there are word numbers, an image where there are four axes, both where each has its own output."""
        texts = "input_ids" in self.words and set(self.words) <= set(TOKEN_NAMES)
        if (
            len(self.words) + len(self.pictures) < len(self.inputs)
            or len(self.pictures) > 1
            or texts != bool(self.words)
        ):
            return ()
        if texts and self.pictures:
            return ("image", "text") if set(_TOWERS.values()) <= self.outputs.keys() else ()
        return ("text",) if texts else ("image",) if self.pictures else ()

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of what is given, in the order it is shown.

        Outputs of floating-point numbers with two to four axes, those that are embeddings by their name first; of two
        towers the embedding that both have.
        """
        if len(self.modalities) > 1:
            return (PROJECTED,)
        usable = [name for name, (kind, axes) in self.outputs.items() if kind in _FLOATS and 2 <= len(axes) <= 4]
        order = {name: place for place, name in enumerate(_EMBEDDINGS)}
        return tuple(sorted(usable, key=lambda name: (order.get(name, len(order)), len(self.outputs[name][1]))))


class OnnxEncoder:
    """A session of onnxruntime with what feeds it."""

    def __init__(self, path: Path, graph: Graph, tokens: FileTokens | None, image: ImageInput | None) -> None:
        self._path, self._graph, self._tokens, self._image = path, graph, tokens, image
        self._session = self._start("CPUExecutionProvider")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the program's outputs; tokens and places are averaged to one row a sample."""
        return self._graph.layers

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed a batch; see `cl_viz.core.encoder.Encoder`. Raises `InputError` for another modality."""
        modality = next((own for own in self._graph.modalities if own == view), None)
        if modality is None:
            raise InputError(
                f"this encoder does not embed the modality {view!r}", where="encode",
                allowed=" or ".join(self._graph.modalities),
            )  # fmt: skip
        first = self._graph.words[0] if modality == "text" else self._graph.pictures[0]
        step = self._graph.inputs[first][1][0] or max(1, len(batch))
        parts = [self._run(batch[start : start + step], step, modality) for start in range(0, len(batch), step)]
        return MappingProxyType({layer: np.concatenate([part[layer] for part in parts]) for layer in self.layers})

    def to(self, device: str, half: bool) -> OnnxEncoder:
        """Run on another device; precision stays the program's own.

        Raises
        ------
        DeviceError
            If onnxruntime has no provider for it.
        """
        wanted = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(device.partition(":")[0], device)
        present = library("onnxruntime", self._path).get_available_providers()
        if wanted not in present:
            raise DeviceError(f"onnxruntime cannot run on {device} here", where="to", allowed=", ".join(present))
        self._session = self._start(wanted)
        return self

    def _start(self, provider: str) -> Any:
        onnxruntime = library("onnxruntime", self._path)
        with naming(self._path):
            return onnxruntime.InferenceSession(str(self._path), providers=[provider])

    def _run(self, batch: Any, step: int, modality: Modality) -> dict[str, NDArray[np.float32]]:
        count = len(batch)
        feed = self._texts(batch) if modality == "text" else self._pictures(batch)
        # A program of a fixed batch size is fed its last rows again, which are then dropped.
        short = step - count
        feed = {name: np.concatenate([rows, np.repeat(rows[-1:], short, 0)]) for name, rows in feed.items()}
        wanted = list(self.layers)
        if len(self._graph.modalities) > 1:
            wanted = [_TOWERS[modality]]
            feed |= self._other_tower(modality)
        with naming(self._path, "run"):
            outputs = self._session.run(wanted, {name: feed[name] for name in self._graph.inputs})
        mask = feed.get("attention_mask") if modality == "text" else None
        last = modality == "image" and self._channels_last
        return {layer: one_row(values, mask, last)[:count] for layer, values in zip(self.layers, outputs, strict=True)}

    def _other_tower(self, modality: Modality) -> dict[str, NDArray[Any]]:
        """Return the least that the other tower of a program wants; what it makes of it is not looked at."""
        if modality == "image":
            words = self._texts(["."])
            rows = self._graph.inputs["input_ids"][1][0] or 1
            return {name: np.repeat(values, rows, 0) for name, values in words.items()}
        name = self._graph.pictures[0]
        kind, axes = self._graph.inputs[name]
        assert self._image is not None
        height, width, channels, last = _picture_axes(self._graph)
        size = (height or self._image.size[0], width or self._image.size[1])
        shape = (*size, channels or self._image.channels) if last else (channels or self._image.channels, *size)
        return {name: np.zeros((axes[0] or 1, *shape), dtype=_FLOATS[kind])}

    def _texts(self, batch: Any) -> dict[str, NDArray[Any]]:
        assert self._tokens is not None
        found = self._tokens(batch)
        kinds = {name: _INTEGERS[self._graph.inputs[name][0]] for name in self._graph.words}
        return {name: rows.astype(kinds.get(name, np.int64)) for name, rows in found.items()}

    @property
    def _channels_last(self) -> bool:
        return _picture_axes(self._graph)[3]

    def _pictures(self, batch: Any) -> dict[str, NDArray[Any]]:
        name = self._graph.pictures[0]
        kind, _ = self._graph.inputs[name]
        rows = np.asarray(batch, dtype=_FLOATS[kind])
        return {name: np.ascontiguousarray(rows.transpose(0, 2, 3, 1)) if self._channels_last else rows}


def recognise(path: Path) -> Recognised | None:
    """Return what the graph of an .onnx file says about its inputs and outputs; nothing is run."""
    file = _file(path)
    if file is None:
        return None
    notes: list[str] = [RISK]
    try:
        graph = _graph(file)
        layers, modalities = graph.layers, graph.modalities
        image, guesses = _image(file, graph) if "image" in modalities else (None, ())
        notes += guesses
        if not modalities:
            notes.append(f"its inputs {', '.join(graph.inputs)[:200]} are neither one image nor the words of a text")
        if "text" in modalities:
            notes.append("texts of a batch are cut off at 512 words, or where the tokenizer.json says")
        shape = f"{_count(graph.inputs, 'input')}, {_count(graph.outputs, 'output')}"
        parameters = graph.parameters
    # A library that is missing is told here too: the file is still one of this family.
    except (FormatError, ImportError) as error:
        layers, modalities, image, parameters = ("output",), (), None, 0
        notes.append(f"it cannot be opened: {getattr(error, 'what', error)}")
        shape = "unread"
    return Recognised(
        family=NAME, architecture=f"an ONNX program, {shape}", modalities=modalities or ("image",),
        layers=layers or ("output",), parameters=parameters, notes=tuple(notes), image=image,
        dropout=False,
    )  # fmt: skip


def build(path: Path) -> OnnxEncoder:
    """Start the program.

    Raises
    ------
    FormatError
        If the file is damaged, or its inputs are neither an image nor the words of a text.
    UnsafeFileError
        If it takes numbers from a file outside its folder.
    MissingDependencyError
        If onnx or onnxruntime is not installed.
    """
    file = _file(path)
    if file is None:
        raise FormatError("this is no ONNX file", where=str(path), allowed="a file that ends in .onnx")
    graph = _graph(file)
    if not graph.modalities or not graph.layers:
        raise FormatError(
            f"the program takes {', '.join(graph.inputs)[:200] or 'nothing'} and gives "
            f"{', '.join(graph.outputs)[:200] or 'nothing'}",
            where=str(file), allowed="one image of four axes, or input_ids with attention_mask and token_type_ids; "
            "outputs of floating-point numbers with two to four axes; image and text together where image_embeds and "
            "text_embeds come out",
            remedy="export each tower by itself",
        )  # fmt: skip
    length = graph.inputs["input_ids"][1][1] if "text" in graph.modalities else None
    tokens = file_tokens(file, length) if "text" in graph.modalities else None
    image = _image(file, graph)[0] if "image" in graph.modalities else None
    return OnnxEncoder(file, graph, tokens, image)


def _count(values: Sized, noun: str) -> str:
    return f"{len(values)} {noun}" if len(values) == 1 else f"{len(values)} {noun}s"


def _file(path: Path) -> Path | None:
    """Return the program of a path: the file itself, or model.onnx of a folder; None where it is none."""
    places = (path / "model.onnx", path / "onnx" / "model.onnx") if path.is_dir() else (path,)
    file = next((place for place in places if place.suffix.lower() == ".onnx" and place.is_file()), None)
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            head = opened.read(2)
    except OSError:
        return None
    # The first field is the version of the format, a small number.
    return file if len(head) == 2 and head[0] == 8 and 1 <= head[1] <= 64 else None


def _graph(file: Path) -> Graph:
    """Read inputs and outputs; numbers kept in other files are not read, but must lie in the same folder."""
    onnx = library("onnx", file)
    with naming(file):
        model = onnx.load(str(file), load_external_data=False)
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key == "location":
                _check_inside(file, entry.value)
    constants = {tensor.name for tensor in model.graph.initializer}
    return Graph(
        {value.name: _described(value) for value in model.graph.input if value.name not in constants},
        {value.name: _described(value) for value in model.graph.output},
        sum(int(np.prod(tensor.dims, dtype=np.float64)) for tensor in model.graph.initializer),
    )


def _described(value: Any) -> tuple[int, tuple[int | None, ...]]:
    told = value.type.tensor_type
    axes = tuple(
        axis.dim_value if axis.HasField("dim_value") and axis.dim_value > 0 else None for axis in told.shape.dim
    )
    return int(told.elem_type), axes


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor of a message, wherever it is: constants, attributes, inner graphs, functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for entry in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(entry)


def _check_inside(file: Path, location: str) -> None:
    told = PurePosixPath(location.replace("\\", "/"))
    home = file.parent.resolve()
    outside = told.is_absolute() or ".." in told.parts or ":" in location
    if outside or not (file.parent / told).resolve().is_relative_to(home):
        raise UnsafeFileError(
            f"the program takes numbers from {location[:200]!r}, which is outside its folder", where=str(file),
            allowed="files in the folder of the program", remedy="copy the program with its numbers into one folder",
        )  # fmt: skip
    if not (file.parent / told).is_file():
        raise FormatError(f"the program's numbers in {location[:200]!r} are missing", where=str(file))


def _picture_axes(graph: Graph) -> tuple[int | None, int | None, int | None, bool]:
    """Return height, width, channels, and whether the channels come last."""
    _, axes = graph.inputs[graph.pictures[0]]
    last = axes[3] in (1, 3) and axes[1] not in (1, 3)
    return (axes[1], axes[2], axes[3], True) if last else (axes[2], axes[3], axes[1], False)


def _image(file: Path, graph: Graph) -> tuple[ImageInput, tuple[str, ...]]:
    height, width, channels, _ = _picture_axes(graph)
    image, notes = image_of(file, height, channels)
    if width is not None and width != image.size[1]:
        size = (image.size[0], width)
        return replace(image, size=size, resize=size), (*notes, f"images are squeezed to {size[0]} x {size[1]}")
    return image, notes


SPEC = EncoderSpec(
    name=NAME,
    label="ONNX program",
    recognise=recognise,
    build=build,
    description="A file that ends in .onnx, or a folder with model.onnx, run by onnxruntime. Whether it reads an image "
    "or a text is told by its inputs; a text needs the tokenizer.json beside it. Outputs keep their names; tokens and "
    "places are averaged to one row. A program that reads both, as CLIP's does, gives `image_embeds` and `text_embeds` "
    "as the layer `projected`. It is a program: it runs only in the command line, and only with --trust.",
    runs_code=True,
)

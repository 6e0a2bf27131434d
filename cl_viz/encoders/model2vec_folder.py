"""Folders of the model2vec library: one vector a word, averaged over a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from cl_viz.core.encoder import EncoderSpec, Layers, Recognised
from cl_viz.core.errors import DeviceError, FormatError, InputError
from cl_viz.encoders._hugging_face import configured_folder, library, naming, readable_weights
from cl_viz.encoders._network_encoder import no_dropout
from cl_viz.encoders._preprocessor_config import read_json
from cl_viz.encoders._torch_weights import StateDict, state_dict

NAME = "model2vec"
UNIT, MEAN = "normalized", "mean_of_words"
_TABLES = ("embeddings", "embedding.weight")


class StaticTextEncoder:
    """A built model2vec model.

    Parameters
    ----------
    model : StaticModel
        Of the library.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def layers(self) -> tuple[str, ...]:
        """Rows of length 1 where the folder asks for them, and the mean of the words' vectors."""
        return _layers(bool(self._model.normalize))

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed a list of B str; `view` is ``"text"``.

        Returns
        -------
        Mapping from layer to NDArray[np.float32] of shape (B, D)

        Raises
        ------
        InputError
            If `view` is something else.
        """
        if view != "text":
            raise InputError(f"this encoder does not embed the modality {view!r}", where="encode", allowed="text")
        read = {
            layer: self._model.encode(list(batch), normalize=layer == UNIT, use_multiprocessing=False)
            for layer in self.layers
        }
        return MappingProxyType({layer: np.asarray(rows, dtype=np.float32) for layer, rows in read.items()})

    def to(self, device: str, half: bool) -> StaticTextEncoder:
        """Return the encoder itself: looking words up is done on the CPU.

        Raises
        ------
        DeviceError
            If another device is asked for.
        """
        if device != "cpu":
            raise DeviceError(f"static embeddings do not run on {device}", where="to", allowed="cpu")
        return self

    def dropout(self, active: bool) -> None:
        """Raise `InputError` where dropout is asked for: there is none."""
        if active:
            raise no_dropout()


def recognise(path: Path) -> Recognised | None:
    """Return what config.json and the weights say; None for anything else."""
    found = configured_folder(path)
    if found is None:
        return None
    folder, said = found
    weights, unread = readable_weights(folder)
    if not _is_static(said, weights):
        return None
    table = next((weights[name] for name in _TABLES if name in weights), None)
    shape = f"{table.shape[0]:,} words, D = {table.shape[1]}" if table is not None and table.ndim == 2 else "no table"
    known = {*_TABLES, "weights", "mapping"}
    return Recognised(
        family=NAME, architecture=f"static embeddings, {shape}", modalities=("text",),
        layers=_layers(bool(said.get("normalize"))), parameters=0 if table is None else table.numel(),
        unmatched=tuple(sorted(weights.keys() - known)), notes=("run by the model2vec library, on the CPU", *unread),
        dropout=False,
    )  # fmt: skip


def build(path: Path) -> StaticTextEncoder:
    """Build the encoder of a folder.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or the words do not fit the vectors.
    MissingDependencyError
        If model2vec is not installed.
    """
    found = configured_folder(path)
    folder, said = found or (path, read_json(path / "config.json"))
    weights = state_dict(folder)
    if not _is_static(said, weights):
        raise FormatError("config.json names no model2vec model", where=str(path))
    for name in ("tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FormatError(f"the folder has no {name}", where=str(folder), remedy="save it with save_pretrained")
    _check_table(weights, folder)
    model2vec = library("model2vec", folder)
    with naming(folder):
        model = model2vec.StaticModel.from_pretrained(str(folder.resolve()), force_download=False)
    return StaticTextEncoder(model)


def _is_static(said: Mapping[str, Any], weights: StateDict) -> bool:
    """Whether this is a model of the library; one made by hand names no model type."""
    told = said.get("model_type", "model2vec" if "embeddings" in weights else None)
    return bool(told == "model2vec")


def _layers(normalize: bool) -> tuple[str, ...]:
    return (UNIT, MEAN) if normalize else (MEAN,)


def _check_table(weights: StateDict, folder: Path) -> None:
    table = next((weights[name] for name in _TABLES if name in weights), None)
    if table is None or table.ndim != 2:
        raise FormatError("the weights hold no table of words", where=str(folder), allowed=" or ".join(_TABLES))
    mapping = weights.get("mapping")
    if mapping is not None and mapping.numel() and not 0 <= int(mapping.min()) <= int(mapping.max()) < len(table):
        raise FormatError(f"the mapping points outside the {len(table):,} vectors", where=str(folder))


SPEC = EncoderSpec(
    name=NAME,
    label="model2vec folder",
    recognise=recognise,
    build=build,
    description="Folders of static embeddings: config.json with the model type model2vec, a tokenizer and one table. "
    "The library averages the vectors of a text's words; where the folder asks for rows of length 1, these come "
    "first and the mean before the normalisation second.",
)

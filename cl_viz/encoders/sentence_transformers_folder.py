"""Folders of the sentence-transformers library: a transformer, its pooling, and the layers that modules.json names."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.encoders._hugging_face import (
    TOKENIZER_FILES,
    check_claims,
    has_tokenizer,
    library,
    load_network,
    offline,
    plain_configuration,
)  # fmt: skip
from cl_viz.encoders._network_encoder import NetworkEncoder, Pass
from cl_viz.encoders._preprocessor_config import read_json, read_json_list
from cl_viz.encoders._torch_weights import StateDict, state_dict, weight_file
from cl_viz.encoders._transformers_models import MODEL_TYPES

NAME = "sentence_transformers"
EMBEDDING, POOLED = "sentence_embedding", "pooled"
FIRST = ("Transformer", "StaticEmbedding")
AFTER = ("Pooling", "Dense", "Normalize", "LayerNorm", "Dropout")
# Decoders that are trained to embed by their last token.
_DECODERS = ("gemma3_text", "llama", "mistral", "qwen2", "qwen3")
_HOMES = r"sentence_transformers\.(models|base\.modules|sentence_transformer\.modules)(\.[a-z_]+)?"
_ACTIVATION = re.compile(r"torch\.nn\.modules\.(activation|linear)\.[A-Za-z]+")
# What the library may read of its own settings; all else could choose other code or another place.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "config_sentence_transformers.json": ("prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim"),
    "sentence_bert_config.json": ("max_seq_length", "do_lower_case"),
}
_LINKED = (
    "special_tokens_map.json", "added_tokens.json", "merges.txt", "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One line of modules.json.

    Attributes
    ----------
    kind : str
        Name of the library's class; empty where it is not one that is opened.
    told : str
        The type as written.
    folder : Path
    place : str
        The folder's name below that of modules.json; empty where it is the same.
    """

    kind: str
    told: str
    folder: Path
    place: str


def recognise(path: Path) -> Recognised | None:
    """Return what modules.json and the configurations beside it say; None for anything else."""
    folder = _folder(path)
    if folder is None:
        return None
    try:
        parts = _parts(folder)
    except FormatError:
        return None
    if not any(part.told.startswith("sentence_transformers.") for part in parts):
        return None
    notes = ["run by the sentence-transformers library"]
    strange = [part.told for part in parts if not part.kind]
    if strange:
        notes.append(f"it cannot be opened: {_strange(strange)}")
    numbers = 0
    for part in parts:
        try:
            numbers += state_dict(part.folder).parameters if _has_weights(part) else 0
        except FormatError as error:
            notes.append(f"the weights of {part.place or 'the transformer'} cannot be read: {error.what}")
    said = _settings(folder, "config_sentence_transformers.json")
    if said.get("default_prompt_name"):
        notes.append(f"every text is put behind the prompt {str(said['default_prompt_name'])[:60]!r}")
    return Recognised(
        family=NAME, architecture=_architecture(parts), modalities=("text",), layers=_layers(parts),
        parameters=numbers, notes=tuple(notes),
    )  # fmt: skip


def build(path: Path) -> NetworkEncoder:
    """Build the encoder of a folder in float32.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or a module is not one of the library's that are opened.
    UnsafeFileError
        If weights are a pickle that could run code, or a configuration claims more than they hold.
    MissingDependencyError
        If sentence-transformers is not installed.
    """
    folder = _folder(path)
    if folder is None:
        raise FormatError("there is no modules.json", where=str(path), allowed="a sentence-transformers folder")
    parts = _parts(folder)
    strange = [part.told for part in parts if not part.kind]
    if strange:
        raise UnsafeFileError(
            _strange(strange), where=str(folder), allowed=", ".join((*FIRST, *AFTER)),
            remedy="embed the data with the library yourself, and open the embeddings",
        )  # fmt: skip
    weights = {part.place: state_dict(part.folder) for part in parts if _has_weights(part)}
    for part in parts:
        _check(part, weights.get(part.place))
    sentence_transformers = library("sentence_transformers", folder)
    with offline(folder), _plain_copy(folder, parts) as copy:
        first = parts[0]
        if first.kind == "Transformer":
            # The library would make up what the weights lack.
            load_network(library("transformers", folder), read_json(copy / first.place / "config.json"),
                         weights[first.place], folder)  # fmt: skip
        model = sentence_transformers.SentenceTransformer(
            str(copy), device="cpu", local_files_only=True, trust_remote_code=False, backend="torch",
            model_kwargs={"dtype": torch.float32},
        )  # fmt: skip
    return NetworkEncoder(model.float(), _layers(parts), {"text": _text_pass(model, parts)})


def _folder(path: Path) -> Path | None:
    folder = path.parent if path.name == "modules.json" else path
    return folder if (folder / "modules.json").is_file() else None


def _parts(folder: Path) -> list[Part]:
    """Read modules.json; a module's folder lies directly in that of the file."""
    where = folder / "modules.json"
    parts = []
    for line in read_json_list(where):
        if not isinstance(line, Mapping) or not isinstance(line.get("type"), str):
            raise FormatError("a module has no type", where=str(where))
        place = str(line.get("path") or "")
        if place and (PurePosixPath(place).name != place or "\\" in place or place == ".."):
            raise UnsafeFileError(
                f"a module lies in {place!r}", where=str(where), allowed="names of folders beside modules.json"
            )
        kind = line["type"].rpartition(".")[2]
        known = kind in (*AFTER, *FIRST) and re.fullmatch(rf"{_HOMES}\.{kind}", line["type"])
        parts.append(Part(kind if known else "", line["type"], folder / place, place))
    if not parts or parts[0].kind in AFTER or any(part.kind in FIRST for part in parts[1:]):
        raise FormatError(
            "modules.json does not begin with what reads text, or has two of them", where=str(where),
            allowed="one of " + ", ".join(FIRST) + ", then any of " + ", ".join(AFTER),
        )  # fmt: skip
    return parts


def _strange(told: list[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in told[:3])
    return f"modules.json names {shown}, which is code outside the modules that are opened; it was not imported"


def _has_weights(part: Part) -> bool:
    return weight_file(part.folder) is not None if part.kind in AFTER else part.kind in FIRST


def _layers(parts: list[Part]) -> tuple[str, ...]:
    """Return the last output, and the one before the layers that follow the pooling, where there are any."""
    later = [part for part in parts[_pooling(parts) + 1 :] if part.kind != "Dropout"]
    return (EMBEDDING, POOLED) if later else (EMBEDDING,)


def _pooling(parts: list[Part]) -> int:
    """Return the number of the module that gives one row a text."""
    return next((number for number, part in enumerate(parts) if part.kind == "Pooling"), 0)


def _settings(folder: Path, name: str) -> dict[str, Any]:
    try:
        said = read_json(folder / name)
    except FormatError:
        return {}
    return {key: said[key] for key in _SETTINGS.get(name, tuple(said)) if key in said}


def _architecture(parts: list[Part]) -> str:
    said = _settings(parts[0].folder, "config.json")
    model = MODEL_TYPES.get(str(said.get("model_type")))
    first = model.label if model else str(said.get("model_type", parts[0].kind or "unknown"))[:40]
    rest = " + ".join(part.kind.lower() or "unknown" for part in parts[1:])
    return f"{first} + {rest}" if rest else first


def _check(part: Part, weights: StateDict | None) -> None:
    """Refuse a module whose configuration claims more than its weights hold, or names an odd activation."""
    if part.kind == "Transformer":
        assert weights is not None
        said = read_json(part.folder / "config.json")
        allowed = [name for name, model in MODEL_TYPES.items() if model.kind == "text"]
        if said.get("model_type") not in (*allowed, *_DECODERS):
            raise FormatError(
                f"config.json names the model type {str(said.get('model_type'))[:60]!r}", where=str(part.folder),
                allowed=", ".join((*allowed, *_DECODERS)),
            )  # fmt: skip
        check_claims(said, len(weights), weights.parameters, part.folder)
    if part.kind in FIRST and not has_tokenizer(part.folder):
        raise FormatError(
            "the folder has no tokenizer", where=str(part.folder), allowed=", ".join(TOKENIZER_FILES),
            remedy="save the model again with the library's save method",
        )  # fmt: skip
    if part.kind == "Dense":
        said = read_json(part.folder / "config.json")
        claimed = (said.get("out_features"), said.get("in_features"))
        shape = tuple(weights["linear.weight"].shape) if weights and "linear.weight" in weights else None
        if shape != claimed or not _ACTIVATION.fullmatch(str(said.get("activation_function", ""))):
            raise UnsafeFileError(
                f"a dense layer of {str(claimed[1])[:40]} to {str(claimed[0])[:40]} with the activation "
                f"{str(said.get('activation_function'))[:60]!r} does not fit its weights of shape {shape}, or the "
                "activation is none of torch",
                where=str(part.folder), remedy="copy the folder again",
            )  # fmt: skip
    if part.kind == "LayerNorm":
        said = read_json(part.folder / "config.json")
        widths = [tensor.shape[0] for tensor in (weights or {}).values() if tensor.ndim]
        if said.get("dimension") not in widths:
            raise UnsafeFileError(
                f"a layer norm of {str(said.get('dimension'))[:40]} does not fit its weights", where=str(part.folder),
                remedy="copy the folder again",
            )  # fmt: skip


@contextmanager
def _plain_copy(folder: Path, parts: list[Part]) -> Iterator[Path]:
    """Yield a folder of the same model that has no settings beyond those known, no code, and links to the weights."""
    with tempfile.TemporaryDirectory(prefix="cl_viz-model-") as name:
        copy = Path(name)
        lines = [
            {"idx": number, "name": str(number), "path": part.place, "type": part.told}
            for number, part in enumerate(parts)
        ]
        (copy / "modules.json").write_text(json.dumps(lines), encoding="utf-8")
        for place in {"", *(part.place for part in parts)}:
            (copy / place).mkdir(exist_ok=True)
            for file in (folder / place).iterdir() if (folder / place).is_dir() else ():
                _put(file, copy / place / file.name)
        yield copy


def _put(file: Path, target: Path) -> None:
    if file.name in _SETTINGS:
        target.write_text(json.dumps(_settings(file.parent, file.name)), encoding="utf-8")
    elif file.name in ("config.json", "tokenizer_config.json"):
        target.write_text(json.dumps(plain_configuration(read_json(file))), encoding="utf-8")
    elif file.suffix in (".safetensors", ".bin") or file.name in (*TOKENIZER_FILES, *_LINKED):
        target.symlink_to(file.resolve())


def _text_pass(model: Any, parts: list[Part]) -> Pass:
    prompt = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
    pooling, several = _pooling(parts), len(_layers(parts)) > 1

    def run(batch: Any, device: torch.device) -> dict[str, Tensor]:
        features = model.preprocess(list(batch), prompt=prompt)
        features = {key: value.to(device) if isinstance(value, Tensor) else value for key, value in features.items()}
        read: dict[str, Tensor] = {}
        for number, module in enumerate(model):
            features = module(features)
            if number == pooling and several:
                # Later modules may write into the same mapping.
                read[POOLED] = features[EMBEDDING].clone()
        return {EMBEDDING: features[EMBEDDING][:, : model.truncate_dim], **read}

    return run


SPEC = EncoderSpec(
    name=NAME,
    label="sentence-transformers folder",
    recognise=recognise,
    build=build,
    description="Folders with modules.json: a transformer (or a table of static embeddings), then pooling, dense "
    "layers, layer norm, normalisation. The library runs its own modules on the local files; a module from the folder "
    "or of another package is never imported. Layers are the sentence embedding, and the pooled row before the layers "
    "that follow the pooling. A default prompt of the folder is put before every text.",
)

"""Folders of the Hugging Face transformers library: config.json, weights, tokenizer; no code from the folder is run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_viz.core.encoder import EncoderSpec, ImageInput, Modality, Recognised
from cl_viz.core.errors import FormatError
from cl_viz.encoders._hugging_face import (
    TOKENIZER_FILES,
    check_claims,
    configured_folder,
    has_tokenizer,
    library,
    load_network,
    offline,
    plain_configuration,
    readable_weights,
)  # fmt: skip
from cl_viz.encoders._network_encoder import NetworkEncoder, Pass
from cl_viz.encoders._preprocessor_config import image_input, read_json
from cl_viz.encoders._torch_weights import StateDict, state_dict
from cl_viz.encoders._transformers_models import (
    MODEL_TYPES,
    ModelType,
    Tokens,
    clip_passes,
    convolutional_pass,
    layers_of,
    part_of,
    siglip_passes,
    text_pass,
    vision_pass,
)  # fmt: skip

NAME = "transformers"
# Vocabularies that are read without the sentencepiece library.
_OWN_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "embedding_dropout")


def recognise(path: Path) -> Recognised | None:
    """Return what a folder's config.json and the keys of its weights say; None for anything else."""
    found = configured_folder(path)
    if found is None:
        return None
    folder, said = found
    model = MODEL_TYPES.get(str(said.get("model_type")))
    if model is None:
        return None
    notes = ["run by the transformers library"]
    if "auto_map" in said:
        notes.append("auto_map names code of the folder; it is ignored, the library's own class is used")
    if (folder / "modules.json").is_file():
        notes.append("only the transformer is run here, not the pooling and the layers that modules.json puts after it")
    weights, unread = readable_weights(folder)
    names = _encoder_keys(weights, model)
    modalities, more = _modalities(folder, model)
    image, guesses = _image(folder, said, model)
    used = set(names.values())
    return Recognised(
        family=NAME,
        architecture=_architecture(said, model),
        modalities=modalities,
        layers=layers_of(model, said, _has_pooler(names)),
        parameters=sum(weights[key].numel() for key in used),
        unmatched=tuple(sorted(weights.keys() - used)),
        notes=(*notes, *unread, *more, *guesses),
        image=image,
        dropout=_dropout(said),
    )


def build(path: Path) -> NetworkEncoder:
    """Build the encoder of a folder in float32.

    Raises
    ------
    FormatError
        If a file is missing or damaged, or the weights do not fit the configuration.
    UnsafeFileError
        If the weights are a pickle that could run code, or the configuration claims more than they hold.
    MissingDependencyError
        If transformers is not installed.
    """
    folder, said, model = told(path)
    return filled(folder, said, model, state_dict(folder))


def told(path: Path) -> tuple[Path, dict[str, Any], ModelType]:
    """Return the folder, what its config.json says, and which model that is.

    Raises
    ------
    FormatError
        If it cannot be read, or names another model.
    """
    found = configured_folder(path)
    folder, said = found or (path, read_json(path / "config.json"))
    model = MODEL_TYPES.get(str(said.get("model_type")))
    if model is None:
        raise FormatError(
            f"config.json names the model type {str(said.get('model_type'))[:60]!r}", where=str(path),
            allowed=", ".join(MODEL_TYPES),
        )  # fmt: skip
    return folder, said, model


def filled(folder: Path, said: Mapping[str, Any], model: ModelType, weights: StateDict) -> NetworkEncoder:
    """Build the encoder of a folder with these weights; raises as `build`."""
    if "image" in model.modalities:
        _image_of_network(folder, said, model)
    if model.kind == "text" and not has_tokenizer(folder):
        raise FormatError(
            "the folder has no tokenizer", where=str(folder), allowed=", ".join(TOKENIZER_FILES),
            remedy="save the tokenizer into the folder: tokenizer.save_pretrained(folder)",
        )  # fmt: skip
    check_claims(said, len(weights), weights.parameters, folder)
    transformers = library("transformers", folder)
    with offline(folder):
        network, pooler = load_network(transformers, plain_configuration(said), weights, folder)
        modalities, _ = _modalities(folder, model)
        tokens = _tokens(transformers, network, folder, model) if "text" in modalities else None
    return NetworkEncoder(network, layers_of(model, said, pooler), _passes(network, model, tokens))


def _encoder_keys(weights: Mapping[str, Any], model: ModelType) -> dict[str, str]:
    """Return the encoder's own names and the file's keys; a head beside the encoder puts a prefix before its keys."""
    prefix = f"{model.prefix}."
    below = {key.removeprefix(prefix): key for key in weights if key.startswith(prefix)}
    return below or {key: key for key in weights}


def _dropout(said: Mapping[str, Any]) -> bool | None:
    """Whether the text part drops numbers; None where its configuration leaves that to the library's defaults."""
    text = part_of(said, "text_config") or said
    told = [text.get(name) for name in _DROPOUTS]
    shares = [share for share in told if isinstance(share, int | float)]
    return any(share > 0 for share in shares) if shares else None


def _has_pooler(names: Mapping[str, str]) -> bool:
    return any(name.startswith("pooler.") for name in names)


def _architecture(said: Mapping[str, Any], model: ModelType) -> str:
    text, vision = part_of(said, "text_config"), part_of(said, "vision_config")
    if model.kind in ("clip", "siglip"):
        shape = f"image D = {vision.get('hidden_size', 768)}, text D = {text.get('hidden_size', 512)}"
    elif model.kind == "convolutional":
        widths = said.get("hidden_sizes")
        shape = f"{said.get('depths')} blocks, D = {widths[-1] if isinstance(widths, list) and widths else '?'}"
    else:
        depth, width = said.get("num_hidden_layers", said.get("n_layers")), said.get("hidden_size", said.get("dim"))
        shape = f"{depth} layers, D = {width}"
    return f"{model.label}, {shape[:80]}"


def _modalities(folder: Path, model: ModelType) -> tuple[tuple[Modality, ...], tuple[str, ...]]:
    if "text" not in model.modalities or has_tokenizer(folder):
        return model.modalities, ()
    if model.kind == "text":
        return model.modalities, ("there is no tokenizer: no text can be embedded until it is in the folder",)
    return ("image",), ("there is no tokenizer: only images are embedded",)


def _image_of_network(folder: Path, said: Mapping[str, Any], model: ModelType) -> tuple[ImageInput, tuple[str, ...]]:
    vision = part_of(said, "vision_config") if model.kind in ("clip", "siglip") else said
    side = vision.get("image_size", 224)
    side = side[0] if isinstance(side, list | tuple) and side else side
    prepared, notes = image_input(folder, side, vision.get("num_channels", 3), model.statistics)
    if prepared.size != (side, side) and not model.any_size:
        raise FormatError(
            f"preprocessor_config.json asks for images of {prepared.size[0]} x {prepared.size[1]}, the network takes "
            f"{side} x {side} alone",
            where=str(folder), remedy="copy the preprocessor_config.json that belongs to the weights",
        )  # fmt: skip
    return prepared, notes


def _image(folder: Path, said: Mapping[str, Any], model: ModelType) -> tuple[ImageInput | None, tuple[str, ...]]:
    if "image" not in model.modalities:
        return None, ()
    try:
        return _image_of_network(folder, said, model)
    except FormatError as error:
        return None, (f"how images are prepared cannot be read: {error.what}",)


def _tokens(transformers: Any, network: Any, folder: Path, model: ModelType) -> Tokens:
    if not any((folder / name).is_file() for name in _OWN_VOCABULARIES):
        library("sentencepiece", folder)  # the library's own error does not say what to install
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        str(folder), config=network.config, local_files_only=True, trust_remote_code=False
    )
    if tokenizer.pad_token is None:
        raise FormatError("the tokenizer has no padding token", where=str(folder), remedy="set pad_token and save it")
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        # The library makes an empty one where it does not find the files of its kind.
        raise FormatError("the tokenizer knows no words", where=str(folder), remedy="save it with save_pretrained")
    tower = network.text_model if model.kind in ("clip", "siglip") else network
    words = tower.get_input_embeddings()
    places = int(tower.config.max_position_embeddings)
    # RoBERTa's positions start behind the number of its padding token.
    places -= model.prefix in ("roberta", "mpnet") and int(tower.config.pad_token_id) + 1
    taken = tuple(inspect.signature(tower.forward).parameters)
    full = model.kind == "siglip"
    names = ("input_ids",) if full else ("input_ids", "attention_mask", "token_type_ids")
    return Tokens(
        tokenizer, min(int(tokenizer.model_max_length), places), words.num_embeddings,
        tuple(name for name in names if name in taken), full,
    )  # fmt: skip


def _passes(network: Any, model: ModelType, tokens: Tokens | None) -> dict[Modality, Pass]:
    if model.kind == "clip":
        return clip_passes(network, tokens)
    if model.kind == "siglip":
        return siglip_passes(network, tokens)
    if model.kind == "convolutional":
        return {"image": convolutional_pass(network)}
    if model.kind == "vision":
        registers = int(getattr(network.config, "num_register_tokens", 0))
        return {"image": vision_pass(network, model.special + registers)}
    assert tokens is not None
    return {"text": text_pass(network, tokens)}


SPEC = EncoderSpec(
    name=NAME,
    label="Hugging Face transformers folder",
    recognise=recognise,
    build=build,
    description="Folders with config.json and weights (safetensors, shards, or pytorch_model.bin without code): "
    + ", ".join(model.label for model in MODEL_TYPES.values())
    + ". The library's own classes run them, without network and without code of the folder. Text encoders give their "
    "pooler where they have one, the mean of the tokens and the first token; vision transformers pooler, first token "
    "and mean of the patches; CLIP and SigLIP both towers, as projected and as pooled.",
)

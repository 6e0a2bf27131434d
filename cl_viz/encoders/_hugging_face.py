"""Hugging Face's libraries on a short leash: no network, no code of a folder, no noise, errors name the folder."""

from __future__ import annotations

import importlib
import importlib.util
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from cl_viz.core.errors import ClVizError, FormatError, MissingDependencyError, UnsafeFileError
from cl_viz.encoders._preprocessor_config import read_json
from cl_viz.encoders._torch_weights import WEIGHT_FILES, StateDict, as_float32, state_dict
from cl_viz.formats._guard import first_line

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
# The switches below belong to the whole process.
_LOCK = threading.RLock()
TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model",
    "tokenizer.model",
)  # fmt: skip
"""Any one of these is a vocabulary."""
# Weights that training needs and embedding does not; a checkpoint may lack them.
_DISPENSABLE = ("pooler.", "mask_token", "logit_scale", "logit_bias", "position_ids")


def library(name: str, path: Path) -> ModuleType:
    """Import a library that only some checkpoints need.

    Raises
    ------
    MissingDependencyError
        If it is not installed; the remedy is the pip line.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        distribution = name.partition(".")[0].replace("_", "-")
        raise MissingDependencyError(
            f"the library {distribution!r} is needed for this checkpoint and cannot be imported ({first_line(error)})",
            where=str(path), remedy=f"pip install {distribution}",
        ) from error  # fmt: skip


@contextmanager
def naming(path: Path, done: str = "built") -> Iterator[None]:
    """Make a library's errors name the checkpoint; `done` is what could not be done with it.

    Raises
    ------
    FormatError
        In place of whatever a library raises.
    """
    try:
        yield
    except ClVizError:
        raise
    # The boundary to libraries that raise whatever a damaged file leads them to.
    except Exception as error:
        raise FormatError(
            f"the checkpoint cannot be {done}: {first_line(error)}", where=str(path),
            allowed="a complete checkpoint as the library itself writes it",
            remedy="check that every file was copied, and that the library opens it",
        ) from error  # fmt: skip


@contextmanager
def offline(path: Path) -> Iterator[None]:
    """Keep Hugging Face's libraries from the network and from printing; their errors are those of `naming`."""
    constants: Any = library("huggingface_hub.constants", path)
    with _LOCK, naming(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment = {name: os.environ.get(name) for name in _OFFLINE}
        constant = constants.HF_HUB_OFFLINE
        os.environ.update(dict.fromkeys(_OFFLINE, "1"))
        constants.HF_HUB_OFFLINE = True
        try:
            with _quiet():
                yield
        finally:
            constants.HF_HUB_OFFLINE = constant
            for name, value in environment.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    # Absent where a library of theirs runs without it.
    if importlib.util.find_spec("transformers") is None:
        yield
        return
    logging: Any = importlib.import_module("transformers.utils.logging")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def configured_folder(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return a folder and its config.json, also where a file of it was chosen; None where that cannot be read."""
    folder = path if path.is_dir() else path.parent
    if folder != path and path.name not in ("config.json", *WEIGHT_FILES):
        return None
    try:
        return folder, read_json(folder / "config.json")
    except FormatError:
        return None


def readable_weights(folder: Path) -> tuple[StateDict, tuple[str, ...]]:
    """Return the weights of a folder; none, and a note, where they cannot be read."""
    try:
        return state_dict(folder), ()
    except FormatError as error:
        file = f"{Path(error.where).name}: " if error.where else ""
        return StateDict({}), (f"the weights cannot be read: {file}{error.what}",)


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a vocabulary."""
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def plain_configuration(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what chooses code, kernels, quantisation or another place to load from.

    Parameters
    ----------
    said : Mapping
        The content of config.json.
    """
    dropped = {
        "auto_map", "custom_pipelines", "attn_implementation", "experts_implementation", "quantization_config",
        "torch_dtype", "dtype", "transformers_weights", "fusion_config", "distributed_config", "kernel_config",
        "use_kernels", "return_dict", "output_hidden_states", "output_attentions", "torchscript",
    }  # fmt: skip
    return {
        key: plain_configuration(value) if isinstance(value, Mapping) else value
        for key, value in said.items()
        if key not in dropped and not key.startswith("_")
    }


_LAYER_COUNTS = ("num_hidden_layers", "num_layers", "n_layers", "num_hidden_groups", "inner_group_num", "depths")
_SIZES = (
    "hidden_size", "hidden_sizes", "intermediate_size", "vocab_size", "max_position_embeddings", "embedding_size",
    "dim", "hidden_dim", "projection_dim", "projection_size", "num_attention_heads", "n_heads", "image_size",
    "patch_size", "num_channels", "type_vocab_size", "num_register_tokens",
)  # fmt: skip


def check_claims(said: Mapping[str, Any], tensors: int, numbers: int, path: Path) -> None:
    """Refuse a configuration of more layers than the file has tensors, or with a size above the numbers it holds.

    Raises
    ------
    FormatError
    """
    for key, value in said.items():
        if isinstance(value, Mapping):
            check_claims(value, tensors, numbers, path)
        if key not in _LAYER_COUNTS and key not in _SIZES:
            continue
        values = value if isinstance(value, list | tuple) else [value]
        claimed = sum(values) if key == "depths" and all(isinstance(entry, int) for entry in values) else None
        for entry in [*values, *([] if claimed is None else [claimed])]:
            most = tensors if key in _LAYER_COUNTS else numbers
            if isinstance(entry, bool) or not isinstance(entry, int | None) or (entry or 0) > most:
                raise FormatError(
                    f"the configuration claims {key} = {str(value)[:60]}, the weights are {tensors:,} tensors of "
                    f"{numbers:,} numbers",
                    where=str(path), allowed="the configuration that belongs to the weights",
                    remedy="copy the folder again",
                )  # fmt: skip


def load_network(transformers: Any, said: Mapping[str, Any], weights: StateDict, path: Path) -> tuple[Any, bool]:
    """Build the library's own class and fill it; nothing is allocated that the file does not hold.

    Parameters
    ----------
    transformers : module
    said : Mapping
        A configuration that `check_claims` and `plain_configuration` have seen.
    weights : StateDict
    path : Path

    Returns
    -------
    network : PreTrainedModel
        In float32.
    pooler : bool
        Whether it has a pooler and the weights have that too; a pooler that they lack is taken away.

    Raises
    ------
    FormatError
        If the weights lack something.
    UnsafeFileError
        If the configuration claims more numbers than the weights hold.
    """
    configuration = transformers.CONFIG_MAPPING[said["model_type"]].from_dict(dict(said))
    with torch.device("meta"):
        claimed = transformers.MODEL_MAPPING[type(configuration)](configuration)
    pooler = getattr(claimed, "pooler", None)
    spare = sum(part.numel() for part in pooler.parameters()) if isinstance(pooler, torch.nn.Module) else 0
    numbers = sum(part.numel() for part in claimed.parameters()) - spare
    if numbers > weights.parameters:
        raise UnsafeFileError(
            f"the configuration claims {numbers:,} numbers, the weights hold {weights.parameters:,}",
            where=str(path), allowed="the configuration that belongs to the weights", remedy="copy the folder again",
        )  # fmt: skip
    network, told = type(claimed).from_pretrained(
        None, config=configuration, state_dict=as_float32(weights), dtype=torch.float32, output_loading_info=True,
        local_files_only=True, trust_remote_code=False,
    )  # fmt: skip
    lacking = sorted(key for key in told["missing_keys"] if not any(word in key for word in _DISPENSABLE))
    if lacking:
        raise FormatError(
            f"the weights lack {len(lacking):,} tensors of the {type(network).__name__}, the first is {lacking[0]!r}",
            where=str(path), remedy="check that these are the weights of this configuration",
        )  # fmt: skip
    has_pooler = pooler is not None and not any("pooler." in key for key in told["missing_keys"])
    if pooler is not None and not has_pooler:
        network.pooler = None
    return network, has_pooler

"""TorchScript programs: only for whoever trusts their author."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cl_viz.core.encoder import EncoderSpec, Layers, Modality, Recognised
from cl_viz.core.errors import FormatError
from cl_viz.encoders._hugging_face import naming
from cl_viz.encoders._network_encoder import NetworkEncoder, image_batch, no_dropout
from cl_viz.encoders._program_inputs import (
    RISK,
    TOKEN_NAMES,
    FileTokens,
    file_tokens,
    image_of,
    one_row,
    tokenizer_file,
)  # fmt: skip
from cl_viz.encoders._torch_weights import is_torchscript
from cl_viz.formats._zip_archive import check_archive

NAME = "torchscript"
OUTPUT = "output"
# Of several outputs the first of these is taken.
_EMBEDDINGS = ("sentence_embedding", "image_embeds", "text_embeds", "embedding", "pooler_output", "last_hidden_state")
_LONGEST_CODE = 4 << 20


class ScriptEncoder(NetworkEncoder):
    """A TorchScript module: its first output, one row a sample."""

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed a batch; see `NetworkEncoder.encode`. What fails in the program is an error that names the file."""
        with naming(Path(NAME), "run"):
            return super().encode(batch, view)

    def dropout(self, active: bool) -> None:
        """Raise `InputError` where dropout is asked for: a program that was traced has none left."""
        if active:
            raise no_dropout()


def recognise(path: Path) -> Recognised | None:
    """Return what the archive's list of members and the text of its code say; nothing is run."""
    if not path.is_file() or not is_torchscript(path):
        return None
    modality = _modality(path)
    notes: list[str] = [RISK]
    image = None
    if modality == "image":
        try:
            image, guesses = image_of(path, None, None)
            notes += guesses
        except FormatError as error:
            notes.append(f"how images are prepared cannot be read: {error.what}")
    elif tokenizer_file(path) is None:
        notes.append("it reads text and there is no tokenizer.json beside it")
    return Recognised(
        family=NAME, architecture="a TorchScript program", modalities=(modality,), layers=(OUTPUT,),
        notes=(*notes, "its first output is taken; tokens and places are averaged to one row"), image=image,
        dropout=False,
    )  # fmt: skip


def build(path: Path) -> ScriptEncoder:
    """Load the program; from here on code of the file may run.

    Raises
    ------
    FormatError
        If the file is damaged, or the program takes something other than an image or the words of a text.
    """
    if not path.is_file() or not is_torchscript(path):
        raise FormatError("this is no TorchScript file", where=str(path), allowed="a file written by torch.jit.save")
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path)
    with naming(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jit: Any = torch.jit
        module = jit.load(str(path), map_location="cpu")
        names = [argument.name for argument in module.forward.schema.arguments[1:]]
    modality = _modality(path)
    if (modality == "text" and not set(names) <= set(TOKEN_NAMES)) or (modality == "image" and len(names) != 1):
        raise FormatError(
            f"the program takes {', '.join(names)[:200] or 'nothing'}", where=str(path),
            allowed="one image, or input_ids with attention_mask and token_type_ids",
            remedy="script a module whose forward takes these",
        )  # fmt: skip
    tokens = file_tokens(path, None) if modality == "text" else None
    return ScriptEncoder(module.float(), (OUTPUT,), {modality: _run(module, names, tokens)})


def _modality(path: Path) -> Modality:
    """Tell from the text of the program's code: what is fed word numbers says so in a name."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if "/code/" in member.filename and member.filename.endswith(".py") and member.file_size <= _LONGEST_CODE:
                text = archive.read(member).decode("utf-8", "replace")
                if re.search(r"def forward\(self[^)]*\binput_ids\s*:", text):
                    return "text"
    return "image"


def _run(module: Any, names: list[str], tokens: FileTokens | None) -> Any:
    def run(batch: Any, device: torch.device) -> dict[str, Tensor]:
        if tokens is None:
            found = _first(module(image_batch(batch, device)))
            return {OUTPUT: torch.from_numpy(one_row(found.float().cpu().numpy(), None))}
        words = tokens(batch)
        found = _first(module(*(torch.from_numpy(words[name]).to(device) for name in names)))
        return {OUTPUT: torch.from_numpy(one_row(found.float().cpu().numpy(), np.asarray(words["attention_mask"])))}

    return run


def _first(output: Any) -> Tensor:
    if isinstance(output, Mapping):
        output = next((output[name] for name in _EMBEDDINGS if name in output), next(iter(output.values()), None))
    while isinstance(output, list | tuple) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise FormatError(f"the program gives a {type(output).__name__}", where=NAME, allowed="a tensor")
    return output


SPEC = EncoderSpec(
    name=NAME,
    label="TorchScript program",
    recognise=recognise,
    build=build,
    description="An archive written by torch.jit.save. It reads text where its forward takes input_ids (with the "
    "tokenizer.json beside it), else images; its first output is averaged to one row. It is a program: it runs only "
    "in the command line, and only with --trust.",
    runs_code=True,
)

"""Folders of the PEFT library: low-rank changes (LoRA) of a model whose own folder lies inside as ``base``.

The change of a linear layer is ``B A`` times ``alpha / r`` (Hu et al. 2021, LoRA), or ``alpha / sqrt(r)`` where the
configuration says rank-stabilised (Kalajdzievski 2023). It is added to the base's weights here, without PEFT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.core.errors import FormatError
from cl_viz.encoders import transformers_folder
from cl_viz.encoders._network_encoder import NetworkEncoder
from cl_viz.encoders._preprocessor_config import read_json
from cl_viz.encoders._torch_weights import StateDict, state_dict
from cl_viz.encoders._transformers_models import ModelType

NAME = "lora_adapter"
CONFIGURATION = "adapter_config.json"
BASE = "base"
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_PREFIX = "base_model.model."
_PART = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
# Ways to start the training that leave the base's own weights as they are.
_PLAIN_STARTS = (True, False, "gaussian", "eva", "orthogonal")
_MOST_LISTED = 3
ALLOWED = "LoRA of linear layers of a transformers folder; not DoRA, embeddings, convolutions or other kinds of PEFT"


@dataclass(frozen=True)
class Adapter:
    """What an adapter changes.

    Attributes
    ----------
    pairs : Mapping of (Tensor, Tensor)
        Low-rank factors A (r, inputs) and B (outputs, r), by the module's name.
    whole : Mapping of Tensor
        Parameters that were trained as a whole, by name.
    said : Mapping
        The content of adapter_config.json.
    """

    pairs: Mapping[str, tuple[Tensor, Tensor]]
    whole: Mapping[str, Tensor]
    said: Mapping[str, Any]

    def change(self, module: str) -> Tensor:
        """Return what is added to the weight of a module, shape (outputs, inputs)."""
        first, second = self.pairs[module]
        patterns = self.said.get("alpha_pattern") or {}
        alpha = next((value for name, value in patterns.items() if f".{module}".endswith(f".{name}")),
                     self.said.get("lora_alpha", 8))  # fmt: skip
        rank = first.shape[0]
        scale = float(alpha) / (math.sqrt(rank) if self.said.get("use_rslora") else rank)
        return second.float() @ first.float() * scale


def recognise(path: Path) -> Recognised | None:
    """Return what an adapter's folder and its base say; None for anything else."""
    folder = _folder(path)
    if folder is None:
        return None
    try:
        adapter = _adapter(folder)
        recognised, weights = _base(folder)
        _, _, model = transformers_folder.told(folder / BASE)
    except FormatError as error:
        # It is of this family and cannot be used: `build` says the same.
        note = f"it cannot be opened: {error.what}" + (f"; {error.remedy}" if error.remedy else "")
        return Recognised(NAME, "a PEFT adapter", ("text",), ("embedding",), notes=(note,))
    targets = _targets(adapter, weights, model)
    strangers = [] if targets is None else [_PREFIX + name for name in adapter.whole if name not in targets]
    notes = [f"{len(adapter.pairs):,} linear layers are changed by low-rank factors, added to the weights in {BASE}"]
    if targets is None:
        notes.append("the base's file has other names than the adapter: whether they fit is seen when it is run")
    return replace(
        recognised, family=NAME, architecture=f"{recognised.architecture}, with a LoRA adapter",
        unmatched=(*recognised.unmatched, *strangers), notes=(*recognised.notes, *notes),
    )  # fmt: skip


def build(path: Path) -> NetworkEncoder:
    """Build the base with the adapter's changes, in float32.

    Raises
    ------
    FormatError
        If the base is missing or another one, or the adapter is of another kind.
    UnsafeFileError
        If weights are a pickle that could run code.
    MissingDependencyError
        If transformers is not installed.
    """
    folder = _folder(path)
    if folder is None:
        raise FormatError(f"there is no {CONFIGURATION}", where=str(path), allowed="a folder that PEFT saved")
    adapter = _adapter(folder)
    _, weights = _base(folder)
    place, said, model = transformers_folder.told(folder / BASE)
    if (targets := _targets(adapter, weights, model)) is not None:
        changed = StateDict(MappingProxyType({**weights, **_changes(adapter, weights, targets)}))
        return transformers_folder.filled(place, said, model, changed)
    # Later versions of the library call modules otherwise than the file does: the adapter then names the modules.
    encoder = transformers_folder.filled(place, said, model, weights)
    own = encoder.network.state_dict()
    targets = _targets(adapter, own, model)
    if targets is None:
        modules = [module for module in adapter.pairs if f"{module}.weight" not in own]
        raise FormatError(
            f"the base has no weights of the right shape for all {len(adapter.pairs):,} layers of the adapter, such as "
            f"{', '.join((modules or list(adapter.pairs))[:_MOST_LISTED])}",
            where=str(folder), allowed="the model that the adapter was trained on",
            remedy=f"put that model's folder in as {BASE}",
        )  # fmt: skip
    with torch.no_grad():
        for key, values in _changes(adapter, own, targets).items():
            own[key].copy_(values)
    return encoder


def _changes(adapter: Adapter, weights: Mapping[str, Tensor], targets: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the changed parameters by the base's names for them."""
    changed = {targets[name]: values for name, values in adapter.whole.items() if name in targets}
    for module in adapter.pairs:
        key = targets[f"{module}.weight"]
        changed[key] = weights[key].float() + adapter.change(module)
    return changed


def _folder(path: Path) -> Path | None:
    folder = path if path.is_dir() else path.parent if path.name in (CONFIGURATION, *_WEIGHTS) else None
    return folder if folder is not None and (folder / CONFIGURATION).is_file() else None


def _adapter(folder: Path) -> Adapter:
    said = read_json(folder / CONFIGURATION)
    file = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        raise FormatError("the adapter has no weights", where=str(folder), allowed=" or ".join(_WEIGHTS))
    odd = [name for name in ("use_dora", "use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out", "layer_replication")
           if said.get(name)]  # fmt: skip
    if str(said.get("peft_type")) != "LORA" or odd or said.get("init_lora_weights", True) not in _PLAIN_STARTS:
        told = odd[0] if odd else f"{said.get('peft_type')!r}, started by {said.get('init_lora_weights')!r}"
        raise FormatError(
            f"the adapter is of another kind: {str(told)[:80]}", where=str(folder), allowed=ALLOWED,
            remedy="merge it where it was trained: model.merge_and_unload().save_pretrained(folder)",
        )  # fmt: skip
    sides: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    strangers = []
    for key, values in state_dict(file).items():
        name = key.removeprefix(_PREFIX)
        match = _PART.fullmatch(name)
        if match and values.ndim == 2:
            sides.setdefault(match["module"], {})[match["side"]] = values
        elif "lora_" in name or not key.startswith(_PREFIX):
            strangers.append(key)
        else:
            whole[name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")] = values
    fitting = all(part.keys() == {"A", "B"} and part["A"].shape[0] == part["B"].shape[1] > 0 for part in sides.values())
    if strangers or not sides or not fitting:
        found = (
            f"weights like {', '.join(strangers[:_MOST_LISTED])}" if strangers else "factors that do not fit together"
        )
        raise FormatError(f"the adapter has {found}", where=str(file), allowed=ALLOWED)
    return Adapter({module: (part["A"], part["B"]) for module, part in sides.items()}, whole, said)


def _base(folder: Path) -> tuple[Recognised, StateDict]:
    base = folder / BASE
    recognised = transformers_folder.recognise(base) if base.is_dir() else None
    if recognised is None:
        name = str(read_json(folder / CONFIGURATION).get("base_model_name_or_path"))[:120]
        raise FormatError(
            f"the model that the adapter changes ({name}) is not there; nothing is downloaded", where=str(base),
            allowed="a transformers folder, or a link to one",
            remedy=f"put the base's folder, or a link to it, into the adapter's folder as {BASE}",
        )  # fmt: skip
    return recognised, state_dict(base)


def _targets(adapter: Adapter, weights: Mapping[str, Tensor], model: ModelType) -> dict[str, str] | None:
    """Return the base's name of each parameter that the adapter changes; None where factors fit no weight of it."""
    prefix = f"{model.prefix}."
    targets: dict[str, str] = {}
    shapes = {f"{module}.weight": (len(second), first.shape[1]) for module, (first, second) in adapter.pairs.items()}
    wanted = {name: tuple(values.shape) for name, values in adapter.whole.items()} | shapes
    for name, shape in wanted.items():
        for key in (name, name.removeprefix(prefix), f"{prefix}{name}"):
            if key in weights and tuple(weights[key].shape) == shape:
                targets[name] = key
                break
    return targets if shapes.keys() <= targets.keys() else None


SPEC = EncoderSpec(
    name=NAME,
    label="LoRA adapter of a transformers folder",
    recognise=recognise,
    build=build,
    description="Folders that PEFT saved (adapter_config.json, adapter_model.safetensors), with the folder of the "
    "model they change, or a link to it, inside as `base`: nothing is downloaded. Low-rank changes of linear layers "
    "are added to the base's weights, also rank-stabilised, and parameters trained as a whole (biases, "
    "modules_to_save) replace the base's. DoRA, LoRA of embeddings or convolutions, and other kinds of adapters are "
    "refused with the way to merge them where they were trained.",
)

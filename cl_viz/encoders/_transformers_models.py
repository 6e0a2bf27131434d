"""Which models of the transformers library are embedded, and how: one entry a model type, one reading a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from cl_viz.core.encoder import Modality
from cl_viz.core.errors import FormatError
from cl_viz.core.normalisation import CLIP, HALVES, IMAGENET
from cl_viz.encoders._network_encoder import Pass, image_batch, mean_of_tokens

Kind = Literal["text", "vision", "convolutional", "clip", "siglip"]

POOLER, MEAN, CLS = "pooler", "mean_of_tokens", "cls_token"
PATCHES, GLOBAL = "mean_of_patches", "global_average"
PROJECTED, POOLED = "projected", "pooled"


@dataclass(frozen=True)
class ModelType:
    """One ``model_type`` of a config.json.

    Attributes
    ----------
    label : str
    kind : Kind
    prefix : str
        What the library puts before the keys of the encoder where a head was trained on it.
    special : int
        Tokens before the patches of an image.
    statistics : (mean, std)
        Of images, where the folder says nothing.
    any_size : bool
        Whether images of other sizes than the configuration's can enter.
    """

    label: str
    kind: Kind
    prefix: str
    special: int = 1
    statistics: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    any_size: bool = False

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it embeds."""
        if self.kind == "text":
            return ("text",)
        return ("image", "text") if self.kind in ("clip", "siglip") else ("image",)


MODEL_TYPES: Mapping[str, ModelType] = MappingProxyType({
    "albert": ModelType("ALBERT", "text", "albert"),
    "bert": ModelType("BERT", "text", "bert"),
    "camembert": ModelType("CamemBERT", "text", "roberta"),
    "deberta-v2": ModelType("DeBERTa v2", "text", "deberta"),
    "distilbert": ModelType("DistilBERT", "text", "distilbert"),
    "electra": ModelType("ELECTRA", "text", "electra"),
    "ernie": ModelType("ERNIE", "text", "ernie"),
    "modernbert": ModelType("ModernBERT", "text", "model"),
    "mpnet": ModelType("MPNet", "text", "mpnet"),
    "roberta": ModelType("RoBERTa", "text", "roberta"),
    "xlm-roberta": ModelType("XLM-RoBERTa", "text", "roberta"),
    "vit": ModelType("ViT", "vision", "vit", statistics=HALVES),
    "deit": ModelType("DeiT", "vision", "deit", special=2),
    "dinov2": ModelType("DINOv2", "vision", "dinov2", any_size=True),
    "dinov2_with_registers": ModelType("DINOv2 with registers", "vision", "dinov2_with_registers", any_size=True),
    "resnet": ModelType("ResNet", "convolutional", "resnet", any_size=True),
    "clip": ModelType("CLIP", "clip", "clip", statistics=CLIP),
    "siglip": ModelType("SigLIP", "siglip", "siglip", statistics=HALVES),
})  # fmt: skip
"""The models that are opened; nothing else of the library is, and no class from a folder."""


def part_of(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the configuration of one tower; empty where there is none."""
    part = said.get(name)
    return part if isinstance(part, Mapping) else {}


def layers_of(model: ModelType, said: Mapping[str, Any], pooler: bool) -> tuple[str, ...]:
    """Return the names of the outputs.

    Parameters
    ----------
    model : ModelType
    said : Mapping
        The content of config.json.
    pooler : bool
        Whether the weights have a pooler.
    """
    if model.kind == "clip":
        return (PROJECTED, POOLED)
    if model.kind == "siglip":
        head = part_of(said, "vision_config").get("vision_use_head", True)
        return (POOLED, MEAN) if head else (MEAN,)
    if model.kind == "convolutional":
        return (GLOBAL,)
    rest = (MEAN, CLS) if model.kind == "text" else (CLS, PATCHES)
    return (POOLER, *rest) if pooler else rest


@dataclass(frozen=True)
class Tokens:
    """A folder's tokenizer, with the length that its network takes.

    Attributes
    ----------
    tokenizer : PreTrainedTokenizerBase
    longest : int
        Tokens; longer texts are cut off.
    vocabulary : int
        Rows of the network's table of words.
    names : tuple of str
        Inputs that the network takes.
    full : bool
        Whether every text is padded to `longest`, as the network was trained.
    """

    tokenizer: Any
    longest: int
    vocabulary: int
    names: tuple[str, ...]
    full: bool = False

    def __call__(self, batch: Any, device: torch.device) -> dict[str, Tensor]:
        """Return the inputs of the network for a list of B str."""
        found = self.tokenizer(
            list(batch), padding="max_length" if self.full else True, truncation=True, max_length=self.longest,
            return_tensors="pt",
        )  # fmt: skip
        if int(found["input_ids"].max()) >= self.vocabulary:
            raise FormatError(
                f"the tokenizer gives word {int(found['input_ids'].max()):,}, the network knows {self.vocabulary:,}",
                where="tokenizer", remedy="copy the tokenizer that belongs to the weights",
            )  # fmt: skip
        return {name: found[name].to(device) for name in self.names if name in found}


def text_pass(network: Any, tokens: Tokens) -> Pass:
    """Return how a text encoder is read: pooler, mean of the tokens that are not padding, first token."""

    def run(batch: Any, device: torch.device) -> dict[str, Tensor]:
        inputs = tokens(batch, device)
        output = network(**inputs)
        hidden = output.last_hidden_state
        read = {MEAN: mean_of_tokens(hidden, inputs.get("attention_mask")), CLS: hidden[:, 0]}
        pooled = output.get("pooler_output")
        return read if pooled is None else {POOLER: pooled, **read}

    return run


def vision_pass(network: Any, special: int) -> Pass:
    """Return how a vision transformer is read: pooler, first token, mean of the patches."""

    def run(batch: Any, device: torch.device) -> dict[str, Tensor]:
        output = network(pixel_values=image_batch(batch, device))
        hidden = output.last_hidden_state
        read = {CLS: hidden[:, 0], PATCHES: mean_of_tokens(hidden[:, special:])}
        pooled = output.get("pooler_output")
        return read if pooled is None else {POOLER: pooled, **read}

    return run


def convolutional_pass(network: Any) -> Pass:
    """Return how a convolutional network is read: the average over places."""

    def run(batch: Any, device: torch.device) -> dict[str, Tensor]:
        return {GLOBAL: network(pixel_values=image_batch(batch, device)).pooler_output.flatten(1)}

    return run


def clip_passes(network: Any, tokens: Tokens | None) -> dict[Modality, Pass]:
    """Return how CLIP's towers are read: projected into the common space, and as each tower pools."""

    def image(batch: Any, device: torch.device) -> dict[str, Tensor]:
        pooled = network.vision_model(pixel_values=image_batch(batch, device)).pooler_output
        return {PROJECTED: network.visual_projection(pooled), POOLED: pooled}

    def text(batch: Any, device: torch.device) -> dict[str, Tensor]:
        assert tokens is not None
        pooled = network.text_model(**tokens(batch, device)).pooler_output
        return {PROJECTED: network.text_projection(pooled), POOLED: pooled}

    return {"image": image} if tokens is None else {"image": image, "text": text}


def siglip_passes(network: Any, tokens: Tokens | None) -> dict[Modality, Pass]:
    """Return how SigLIP's towers are read: pooled into the common space, and the mean of patches or words."""

    def read(output: Any) -> dict[str, Tensor]:
        found = {MEAN: mean_of_tokens(output.last_hidden_state)}
        return found if output.pooler_output is None else {POOLED: output.pooler_output, **found}

    def image(batch: Any, device: torch.device) -> dict[str, Tensor]:
        return read(network.vision_model(pixel_values=image_batch(batch, device)))

    def text(batch: Any, device: torch.device) -> dict[str, Tensor]:
        assert tokens is not None
        # The network was trained on texts of full length without a mask.
        return read(network.text_model(**tokens(batch, device)))

    return {"image": image} if tokens is None else {"image": image, "text": text}

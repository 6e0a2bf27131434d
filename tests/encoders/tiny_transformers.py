"""Tiny models of the transformers library, made from configurations and saved by the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "sat", "on", "the", "mat", "un", "##known"]
TEXTS = ["a cat sat on the mat", "the dog", "", "unknown <b>words</b> " * 30]
SIDE = 32
_BODY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
_TEXT = {"vocab_size": 40, "max_position_embeddings": 20, **_BODY}
_VISION = {"image_size": SIDE, "patch_size": 8, **_BODY}
_DINO = {key: value for key, value in _VISION.items() if key != "intermediate_size"}


def configurations() -> dict[str, Any]:
    """Return a small configuration of every model type."""
    library: Any = transformers
    return {
        "albert": library.AlbertConfig(embedding_size=8, **_TEXT),
        "bert": library.BertConfig(**_TEXT),
        "camembert": library.CamembertConfig(**_TEXT),
        "deberta-v2": library.DebertaV2Config(**_TEXT),
        "distilbert": library.DistilBertConfig(
            vocab_size=40, max_position_embeddings=20, dim=16, n_layers=2, n_heads=2, hidden_dim=24
        ),
        "electra": library.ElectraConfig(embedding_size=8, **_TEXT),
        "ernie": library.ErnieConfig(**_TEXT),
        "modernbert": library.ModernBertConfig(
            pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, **_TEXT
        ),
        "mpnet": library.MPNetConfig(**_TEXT),
        "roberta": library.RobertaConfig(**_TEXT),
        "xlm-roberta": library.XLMRobertaConfig(**_TEXT),
        "vit": library.ViTConfig(**_VISION),
        "deit": library.DeiTConfig(**_VISION),
        "dinov2": library.Dinov2Config(**_DINO),
        "dinov2_with_registers": library.Dinov2WithRegistersConfig(num_register_tokens=3, **_DINO),
        "resnet": library.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
        "clip": library.CLIPConfig(
            text_config={**_TEXT, "eos_token_id": 3, "bos_token_id": 2, "pad_token_id": 0},
            vision_config=_VISION,
            projection_dim=12,
        ),
        "siglip": library.SiglipConfig(text_config=_TEXT, vision_config=_VISION),
    }


def make(name: str) -> Any:
    """Return a model of the library with random weights, in evaluation mode."""
    configuration = configurations()[name]
    torch.manual_seed(0)
    kinds: Any = transformers.MODEL_MAPPING
    model = kinds[type(configuration)](configuration)
    with torch.no_grad():
        for parameter in model.parameters():
            # Initial weights are so small that layers hardly differ.
            parameter.normal_(std=0.3)
    return model.eval()


def tokenizer() -> Any:
    """Return a tokenizer of a few words."""
    inner = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    library: Any = transformers
    return library.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def save(name: str, folder: Path, **options: Any) -> Any:
    """Save a model, and a tokenizer where it reads text; return the model."""
    model = make(name)
    model.save_pretrained(folder, **options)
    if hasattr(model, "text_model") or (hasattr(model, "get_input_embeddings") and _reads_text(model)):
        tokenizer().save_pretrained(folder)
    return model


def _reads_text(model: Any) -> bool:
    return hasattr(model.config, "vocab_size")

"""Features of our ResNet, ViT and projectors against those of timm, lightly and transformers, with the same weights."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cl_viz.encoders.self_supervised import build, recognise

PROGRAM = Path(__file__).with_name("timm_reference.py")
REFERENCES = {
    "resnet18": "ResNet-18, on its own",
    "bottleneck": "ResNet of 1 + 1 + 1 + 1 blocks, on its own",
    "wide": "wide ResNet of 1 + 1 + 1 + 1 blocks, on its own",
    "grouped": "ResNeXt of 1 + 1 + 1 + 1 blocks 32x4d, on its own",
    "deep_stem": "ResNet of 1 + 1 + 1 + 1 blocks, on its own",
    "vit": "ViT of width 192 and depth 2 on patches of 16, on its own",
    "vit_without_bias": "ViT of width 384 and depth 2 on patches of 16, on its own",
    "vit_registers": "ViT of width 192 and depth 2 on patches of 16 with 4 registers, on its own",
    "vit_packed_swiglu": "ViT of width 192 and depth 2 on patches of 16 with 4 registers, on its own",
    "vit_mean": "ViT of width 192 and depth 2 on patches of 16, on its own",
    "vit_mean_of_patches": "ViT of width 192 and depth 2 on patches of 16, on its own",
    "vit_other_size": "ViT of width 192 and depth 2 on patches of 16, on its own",
    "lightly_resnet": "ResNet of 1 + 1 + 1 + 1 blocks of width 16 with a stem for small images in a lightly checkpoint",
    "lightly_dino": "ResNet of 1 + 1 + 1 + 1 blocks in a DINO (lightly) checkpoint",
}


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Weights and features written by timm and lightly, in a process of their own."""
    if not all(importlib.util.find_spec(name) for name in ("timm", "lightly")):
        pytest.skip("timm and lightly are not installed")
    folder = tmp_path_factory.mktemp("references")
    subprocess.run([sys.executable, "-W", "ignore", str(PROGRAM), str(folder)], check=True, timeout=300)
    return folder


@pytest.mark.parametrize("name", REFERENCES)
def test_features_are_those_of_timm_and_lightly(name, references):
    path = references / f"{name}.pth"
    wanted = torch.load(references / f"{name}.features", weights_only=True)
    assert recognise(path).architecture == REFERENCES[name]
    encoder = build(path)
    got = encoder.encode(wanted["images"].numpy(), "image")
    assert set(got) == set(wanted) - {"images"}
    for layer, values in got.items():
        np.testing.assert_allclose(values, wanted[layer].numpy(), rtol=1e-5, atol=1e-5)


# How transformers calls the parts of a DINOv2 that the project's own files call otherwise.
_DINOV2_NAMES = (
    (r"embeddings\.cls_token", "cls_token"), (r"embeddings\.mask_token", "mask_token"),
    (r"embeddings\.register_tokens", "register_tokens"), (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"), (r"encoder\.layer\.(\d+)", r"blocks.\1"),
    (r"layernorm", "norm"), (r"attention\.output\.dense", "attn.proj"), (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"mlp\.weights_in", "mlp.w12"), (r"mlp\.weights_out", "mlp.w3"),
)  # fmt: skip


def _as_the_project_names_them(weights):
    named, parts = {}, {}
    for name, values in weights.items():
        for pattern, replacement in _DINOV2_NAMES:
            name = re.sub(pattern, replacement, name)
        part = re.fullmatch(r"(.+)\.attention\.attention\.(query|key|value)\.(\w+)", name)
        if part:
            parts.setdefault(f"{part[1]}.attn.qkv.{part[3]}", {})[part[2]] = values
        else:
            named[name] = values
    return named | {name: torch.cat([part[key] for key in ("query", "key", "value")]) for name, part in parts.items()}


@pytest.mark.parametrize(("registers", "gated"), [(0, False), (0, True), (4, False)])
def test_features_are_those_of_transformers_dinov2(registers, gated, tmp_path):
    transformers = pytest.importorskip("transformers")
    settings = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "image_size": 56, "patch_size": 14,
        "use_swiglu_ffn": gated, "layerscale_value": 0.7,
    }  # fmt: skip
    torch.manual_seed(0)
    if registers:
        config = transformers.Dinov2WithRegistersConfig(**settings, num_register_tokens=registers)
        network = transformers.Dinov2WithRegistersModel(config).eval()
    else:
        network = transformers.Dinov2Model(transformers.Dinov2Config(**settings)).eval()
    with torch.no_grad():
        for values in network.parameters():
            values.add_(torch.randn_like(values) * 0.05)
    path, images = tmp_path / "dinov2.pth", torch.randn(2, 3, 56, 56)
    network.save_pretrained(tmp_path / "saved")
    torch.save(_as_the_project_names_them(load_file(tmp_path / "saved" / "model.safetensors")), path)
    with torch.inference_mode():
        wanted = network(images).last_hidden_state[:, 0].numpy()
    assert "in a DINOv2 checkpoint" in recognise(path).architecture
    got = build(path).encode(images.numpy(), "image")["backbone"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_features_of_a_resnet_50_are_those_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=[32, 64, 128, 256])
    network = transformers.ResNetModel(config).eval()
    renames = (
        (r"embedder\.embedder\.convolution", "conv1"), (r"embedder\.embedder\.normalization", "bn1"),
        (r"encoder\.stages\.(\d+)\.layers\.", lambda match: f"layer{int(match[1]) + 1}."),
        (r"shortcut\.convolution", "downsample.0"), (r"shortcut\.normalization", "downsample.1"),
        (r"layer\.(\d)\.convolution", lambda match: f"conv{int(match[1]) + 1}"),
        (r"layer\.(\d)\.normalization", lambda match: f"bn{int(match[1]) + 1}"),
    )  # fmt: skip
    weights = {}
    for name, values in network.state_dict().items():
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        weights[f"module.encoder_q.{name}"] = values
    path, images = tmp_path / "moco.pth.tar", torch.randn(2, 3, 64, 64)
    torch.save({"state_dict": weights}, path)
    with torch.inference_mode():
        wanted = network(images).pooler_output.flatten(1).numpy()
    assert recognise(path).architecture == "ResNet-50 of width 16 in a MoCo checkpoint"
    got = build(path).encode(images.numpy(), "image")["backbone"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_torchvisions_names_hold_the_weights_of_torchs_own_encoder_layer(tmp_path):
    torch.manual_seed(0)
    block = torch.nn.TransformerEncoderLayer(
        128, 2, 256, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    ).eval()
    names = {
        "self_attn": "self_attention", "linear1": "mlp.linear_1", "linear2": "mlp.linear_2", "norm1": "ln_1",
        "norm2": "ln_2",
    }  # fmt: skip
    weights = {
        f"encoder.layers.encoder_layer_0.{names[part]}.{rest}": values
        for name, values in block.state_dict().items()
        for part, _, rest in [name.partition(".")]
    }
    embedding, last = torch.nn.Conv2d(3, 128, 8, 8), torch.nn.LayerNorm(128, eps=1e-6)
    first, places = torch.randn(1, 1, 128), torch.randn(1, 17, 128)
    weights |= {f"conv_proj.{name}": values for name, values in embedding.state_dict().items()}
    weights |= {f"encoder.ln.{name}": values for name, values in last.state_dict().items()}
    path, images = tmp_path / "vit.pth", torch.randn(2, 3, 32, 32)
    torch.save(weights | {"class_token": first, "encoder.pos_embedding": places}, path)
    with torch.inference_mode():
        tokens = torch.cat([first.expand(2, -1, -1), embedding(images).flatten(2).transpose(1, 2)], dim=1) + places
        wanted = last(block(tokens))[:, 0].numpy()
    got = build(path).encode(images.numpy(), "image")["backbone"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)

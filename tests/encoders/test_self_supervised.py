"""Checkpoints of self-supervised projects, rebuilt key by key: recognised, built, and run as what was saved."""

import pickle
import re
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders._residual_network import ResidualNetwork
from cl_viz.encoders._residual_shape import BlockShape, ResidualShape
from cl_viz.encoders._transformer_shape import TransformerShape
from cl_viz.encoders._vision_transformer import VisionTransformer
from cl_viz.encoders.self_supervised import build, recognise

WIDTH, VIT_WIDTH = 64, 192


@dataclass
class Checkpoint:
    """What a project would save, and what it must give back.

    Attributes
    ----------
    content : object
        What goes to `torch.save`.
    named : str
        Expected in the architecture.
    backbone, projector : nn.Module
    unmatched : set of str
        First parts of keys that nothing takes.
    size : int
    """

    content: object
    named: str
    backbone: nn.Module
    projector: nn.Module | None
    unmatched: set = field(default_factory=set)
    size: int = 224


def residual(*, kernel=7, padding=None, relu=True, pool=None, bottleneck=False, channels=3):
    """Make a ResNet of one block per stage, from 8 (or 2 x 4) channels to 64."""
    factor = 4 if bottleneck else 1
    widths = [WIDTH // factor // 8, WIDTH // factor // 4, WIDTH // factor // 2, WIDTH // factor]
    inputs = [8, *[width * factor for width in widths[:3]]]
    stages = tuple(
        (BlockShape(before, width * factor, width, 3 if bottleneck else 2, 1, 1 + (number > 0),
                    "convolution" if before != width * factor or number else ""),)
        for number, (before, width) in enumerate(zip(inputs, widths, strict=True))
    )  # fmt: skip
    padding = kernel // 2 if padding is None else padding
    return scrambled(
        ResidualNetwork(
            ResidualShape((channels, 8), kernel, padding, relu, kernel == 7 if pool is None else pool, stages)
        )
    )


def transformer(**changes):
    """Make a ViT of width 192 and depth 2 for 32 x 32 images, or another."""
    return scrambled(VisionTransformer(TransformerShape(
        **{"channels": 3, "patch": 16, "width": VIT_WIDTH, "depth": 2, "heads": 3, "hidden": 384, "grid": 2} | changes
    )))  # fmt: skip


def scrambled(network, seed=0):
    """Give every weight and every running statistic a random value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                values.fill_(7)
            elif name.endswith("running_var"):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
            else:
                scale = 1.0 if values.ndim < 2 else (2 / values[0].numel()) ** 0.5
                values.copy_(torch.randn(values.shape, generator=generator) * scale)
    return network.eval()


def mlp(*layers):
    return scrambled(nn.Sequential(*layers), 1)


def simple_head(width=WIDTH, out=16):
    return mlp(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


def deep_head(width=WIDTH, out=16, *, bias=False, last=False):
    closing = [nn.BatchNorm1d(out, affine=False)] if last else []
    return mlp(
        nn.Linear(width, 32, bias=bias), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32, bias=bias),
        nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, out, bias=bias), *closing,
    )  # fmt: skip


def gelu_head(width=VIT_WIDTH):
    return mlp(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, 24))


def keys(prefix, network):
    return {f"{prefix}{name}": values.clone() for name, values in network.state_dict().items()}


def noise(prefix, network):
    return {name: torch.randn_like(values.float()) for name, values in keys(prefix, network).items()}


def numbered(network, first):
    """Name a ResNet's weights as ``nn.Sequential(*children)`` does; `first` is the number of the first stage."""
    places = {"conv1": 0, "bn1": 1, **{f"layer{stage}": first + stage - 1 for stage in range(1, 5)}}
    return {
        f"{places[name.split('.')[0]]}.{name.partition('.')[2]}": values
        for name, values in network.state_dict().items()
    }


def saved(weights, **beside):
    return {"epoch": 3, "arch": "resnet18", "state_dict": OrderedDict(weights), "optimizer": {"state": {}}, **beside}


def moco_v1():
    backbone, head = residual(), mlp(nn.Linear(WIDTH, 16))
    weights = keys("module.encoder_q.", backbone) | {
        f"module.encoder_q.fc.{name}": getattr(head[0], name).detach() for name in ("weight", "bias")
    }
    weights |= noise("module.encoder_k.", backbone) | {"module.queue": torch.randn(16, 32)}
    return Checkpoint(saved(weights), "MoCo", backbone, head, {"module.encoder_k", "module.queue"})


def moco_v2():
    backbone, head = residual(bottleneck=True), simple_head()
    weights = keys("module.encoder_q.", backbone) | keys("module.encoder_q.fc.", head)
    weights |= noise("module.encoder_k.", backbone) | noise("module.encoder_k.fc.", head)
    weights |= {"module.queue": torch.randn(16, 32), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    unmatched = {"module.encoder_k", "module.queue", "module.queue_ptr"}
    return Checkpoint(saved(weights), "MoCo v2", backbone, head, unmatched)


def moco_notebook():
    backbone, head = residual(kernel=3), mlp(nn.Linear(WIDTH, 16))
    weights = {f"encoder_q.net.{name}": values for name, values in numbered(backbone, 3).items()}
    weights |= {f"encoder_q.net.9.{name}": getattr(head[0], name).detach() for name in ("weight", "bias")}
    weights |= noise("encoder_k.net.", backbone) | {"queue": torch.randn(16, 32)}
    return Checkpoint(saved(weights), "MoCo", backbone, head, {"encoder_k.net", "queue"}, 32)


def moco_v3_resnet():
    backbone, head = residual(), mlp(
        nn.Linear(WIDTH, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 16, bias=False),
        nn.BatchNorm1d(16, affine=False),
    )  # fmt: skip
    weights = keys("module.base_encoder.", backbone) | keys("module.base_encoder.fc.", head)
    weights |= noise("module.momentum_encoder.", backbone) | noise("module.predictor.", deep_head(16))
    unmatched = {"module.momentum_encoder", "module.predictor"}
    return Checkpoint(saved(weights), "MoCo v3", backbone, head, unmatched)


def moco_v3_vit():
    # Its ViT-S has 12 heads where everybody else's has 6.
    backbone, head = transformer(width=384, heads=12), deep_head(384, last=True)
    weights = keys("module.base_encoder.", backbone) | keys("module.base_encoder.head.", head)
    weights |= noise("module.momentum_encoder.", backbone)
    return Checkpoint(saved(weights), "MoCo v3", backbone, head, {"module.momentum_encoder"}, 32)


def moco_v3_conv_vit():
    stem = ((8, 3), (16, 3), (24, 3), (48, 3), (384, 1))
    backbone, head = transformer(width=384, heads=12, stem=stem), deep_head(384, last=True)
    weights = keys("module.base_encoder.", backbone) | keys("module.base_encoder.head.", head)
    return Checkpoint(saved(weights), "MoCo v3", backbone, head, size=32)


def simclr_sthalles():
    backbone, head = residual(), simple_head()
    weights = keys("backbone.", backbone) | keys("backbone.fc.", head)
    return Checkpoint(saved(weights), "SimCLR (sthalles)", backbone, head, size=96)


def simclr_leftthomas():
    backbone, head = residual(kernel=3), mlp(
        nn.Linear(WIDTH, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16)
    )  # fmt: skip
    weights = {f"f.{name}": values for name, values in numbered(backbone, 3).items()} | keys("g.", head)
    return Checkpoint(weights, "SimCLR (leftthomas)", backbone, head, size=32)


def simclr_bolts():
    backbone = residual()
    head = mlp(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, 16, bias=False))
    weights = keys("encoder.", backbone) | keys("projection.model.", head)
    return Checkpoint(saved(weights), "SimCLR (Lightning Bolts)", backbone, head)


def simclr_spijkervet():
    backbone, head = residual(), simple_head()
    return Checkpoint(keys("encoder.", backbone) | keys("projector.", head), "SimCLR (Spijkervet)", backbone, head)


def sup_contrast_parallel():
    plain = sup_contrast()
    plain.content["model"] = {
        name.replace("encoder.", "encoder.module."): values for name, values in plain.content["model"].items()
    }
    return plain


def sup_contrast():
    backbone, head = residual(kernel=3), simple_head()
    weights = {name.replace("downsample", "shortcut"): values for name, values in keys("encoder.", backbone).items()}
    content = {"model": weights | keys("head.", head), "optimizer": {}, "epoch": 1}
    return Checkpoint(content, "SupContrast", backbone, head, size=32)


def solo_learn():
    # Its 3 x 3 stem pads by two pixels, which no shape tells.
    backbone, head = residual(kernel=3, padding=2), simple_head()
    weights = keys("backbone.", backbone) | keys("projector.", head) | noise("classifier.", nn.Linear(WIDTH, 10))
    weights |= noise("momentum_backbone.", backbone) | noise("momentum_projector.", head)
    unmatched = {"classifier.weight", "classifier.bias", "momentum_backbone", "momentum_projector"}
    return Checkpoint(saved(weights), "solo-learn", backbone, head, unmatched, 32)


def solo_learn_dino():
    backbone, head = transformer(), gelu_head()
    weights = keys("backbone.", backbone) | keys("head.mlp.", head) | noise("classifier.", nn.Linear(WIDTH, 10))
    weights |= {"head.last_layer.weight_g": torch.ones(5, 1), "head.last_layer.weight_v": torch.randn(5, 24)}
    unmatched = {"classifier.weight", "classifier.bias", "head.last_layer"}
    return Checkpoint(saved(weights), "DINO (solo-learn)", backbone, head, unmatched, 32)


def lightly():
    backbone, head = residual(), deep_head()
    weights = {f"backbone.{name}": values for name, values in numbered(backbone, 4).items()}
    weights |= keys("projection_head.layers.", head) | noise("prediction_head.layers.", simple_head())
    weights |= noise("backbone_momentum.", backbone) | noise("projection_head_momentum.layers.", head)
    unmatched = {"prediction_head.layers", "backbone_momentum", "projection_head_momentum.layers"}
    return Checkpoint(saved(weights), "lightly", backbone, head, unmatched)


def lightly_small():
    # lightly's own ResNet for CIFAR, cut into a Sequential, loses the ReLU and keeps the name shortcut.
    backbone, head = residual(kernel=3, relu=False), simple_head()
    weights = {
        f"backbone.{name.replace('downsample', 'shortcut')}": values for name, values in numbered(backbone, 2).items()
    }
    return Checkpoint(weights | keys("projection_head.layers.", head), "lightly", backbone, head, size=32)


def lightly_dino():
    backbone, head = transformer(), gelu_head()
    weights = keys("teacher_backbone.", backbone) | keys("teacher_head.layers.", head)
    weights |= noise("student_backbone.", backbone) | noise("student_head.layers.", head)
    weights |= {"teacher_head.last_layer.weight_v": torch.randn(5, 24)}
    unmatched = {"student_backbone", "student_head.layers", "teacher_head.last_layer"}
    return Checkpoint(saved(weights), "DINO (lightly)", backbone, head, unmatched, 32)


def vicreg():
    backbone, head = residual(), mlp(
        nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Linear(32, 32, bias=False),
    )  # fmt: skip
    content = {"epoch": 1, "model": keys("module.backbone.", backbone) | keys("module.projector.", head)}
    return Checkpoint(content, "VICReg", backbone, head)


def barlow_twins():
    backbone, head = residual(), deep_head()
    closing = scrambled(nn.BatchNorm1d(16, affine=False), 2)
    weights = keys("module.backbone.", backbone) | keys("module.projector.", head) | keys("module.bn.", closing)
    return Checkpoint({"epoch": 1, "model": weights}, "Barlow Twins", backbone, nn.Sequential(head, closing))


def _dino_heads(prefix, head):
    return keys(f"{prefix}head.mlp.", head) | {
        f"{prefix}head.last_layer.weight_g": torch.ones(5, 1), f"{prefix}head.last_layer.weight_v": torch.randn(5, 24),
    }  # fmt: skip


def dino():
    backbone, head = transformer(), gelu_head()
    student = noise("module.backbone.", backbone) | _dino_heads("module.", scrambled(gelu_head(), 5))
    teacher = keys("backbone.", backbone) | _dino_heads("", head)
    content = {"student": student, "teacher": teacher, "epoch": 1, "dino_loss": {"center": torch.zeros(1, 5)}}
    return Checkpoint(content, "DINO", backbone, head, {"head.last_layer"}, 32)


def dino_student():
    backbone, head = transformer(), gelu_head()
    student = keys("module.backbone.", backbone) | _dino_heads("module.", head)
    return Checkpoint({"student": student}, "DINO", backbone, head, {"module.head.last_layer"}, 32)


def dinov2():
    backbone = transformer(patch=14, grid=5, layer_scale=True, registers=4)
    return Checkpoint(keys("", backbone) | {"mask_token": torch.zeros(1, VIT_WIDTH)}, "DINOv2", backbone, None,
                      {"mask_token"})  # fmt: skip


def dinov2_giant():
    backbone = transformer(patch=14, grid=16, layer_scale=True, swiglu=True, offset=True)
    return Checkpoint(keys("", backbone) | {"mask_token": torch.zeros(1, VIT_WIDTH)}, "DINOv2", backbone, None,
                      {"mask_token"})  # fmt: skip


def _chunked(prefix, backbone):
    """Name blocks as DINOv2 does in training, in chunks; a block keeps its own number."""
    return {re.sub(r"blocks\.(\d+)", r"blocks.\1.\1", name): values for name, values in keys(prefix, backbone).items()}


def dinov2_chunked():
    backbone = transformer(patch=14, grid=5, layer_scale=True, offset=True)
    weights = _chunked("", backbone) | {"mask_token": torch.zeros(1, VIT_WIDTH)}
    return Checkpoint(weights, "DINOv2", backbone, None, {"mask_token"})


def dinov2_training():
    backbone, head = transformer(patch=14, grid=5, layer_scale=True, offset=True), gelu_head()
    teacher = _chunked("backbone.", backbone) | keys("dino_head.mlp.", head) | noise("ibot_head.mlp.", head)
    return Checkpoint({"teacher": teacher}, "DINOv2 (training)", backbone, head, {"ibot_head.mlp"})


def simsiam():
    backbone, head = residual(), mlp(
        nn.Linear(WIDTH, WIDTH, bias=False), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH, bias=False),
        nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, 32), nn.BatchNorm1d(32, affine=False),
    )  # fmt: skip
    weights = keys("module.encoder.", backbone) | keys("module.encoder.fc.", head)
    weights |= noise("module.predictor.", simple_head())
    return Checkpoint(saved(weights), "SimSiam or BYOL", backbone, head, {"module.predictor"})


def byol_lucidrains():
    backbone, head = residual(), mlp(nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
    weights = keys("net.", backbone) | keys("online_encoder.net.", backbone) | keys("online_encoder.projector.", head)
    weights |= noise("online_encoder.net.fc.", nn.Linear(WIDTH, 10)) | noise("target_encoder.net.", backbone)
    weights |= noise("online_predictor.", head)
    unmatched = {"net", "online_encoder.net.fc", "target_encoder.net", "online_predictor"}
    return Checkpoint(weights, "BYOL (lucidrains)", backbone, head, unmatched)


def byol_sthalles():
    backbone, head = residual(), mlp(nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
    online = {f"encoder.{name}": values for name, values in numbered(backbone, 4).items()}
    content = {
        "online_network_state_dict": online | keys("projetion.net.", head),
        "target_network_state_dict": noise("encoder.", backbone), "optimizer_state_dict": {},
    }  # fmt: skip
    return Checkpoint(content, "BYOL (sthalles)", backbone, head, {"target_network_state_dict.encoder"}, 96)


def swav():
    backbone, head = residual(), mlp(nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16))
    weights = keys("module.", backbone) | keys("module.projection_head.", head)
    weights |= {"module.prototypes.weight": torch.randn(5, 16)}
    return Checkpoint(saved(weights), "SwAV", backbone, head, {"module.prototypes.weight"})


def exported():
    backbone = residual()
    return Checkpoint(keys("", backbone) | noise("fc.", nn.Linear(WIDTH, 10)), "on its own", backbone, None,
                      {"fc.weight", "fc.bias"})  # fmt: skip


def torchvision_vit():
    backbone = transformer()
    names = (
        ("cls_token", "class_token"), ("pos_embed", "encoder.pos_embedding"), ("patch_embed.proj", "conv_proj"),
        ("norm.", "encoder.ln."),
    )  # fmt: skip
    inner = (
        ("norm1", "ln_1"), ("norm2", "ln_2"), ("attn.qkv.", "self_attention.in_proj_"),
        ("attn.proj", "self_attention.out_proj"), ("mlp.fc1", "mlp.0"), ("mlp.fc2", "mlp.3"),
    )  # fmt: skip
    weights = {}
    for name, values in backbone.state_dict().items():
        translated = name
        if name.startswith("blocks."):
            translated = name.replace("blocks.", "encoder.layers.encoder_layer_")
        for ours, theirs in inner if name.startswith("blocks.") else names:
            translated = translated.replace(ours, theirs)
        weights[translated] = values
    return Checkpoint(weights, "on its own", backbone, None, size=32)


CASES = (
    moco_v1, moco_v2, moco_notebook, moco_v3_resnet, moco_v3_vit, moco_v3_conv_vit, simclr_sthalles, simclr_leftthomas,
    simclr_bolts, simclr_spijkervet, sup_contrast, sup_contrast_parallel, solo_learn, solo_learn_dino, lightly,
    lightly_small, lightly_dino, vicreg, barlow_twins, dino, dino_student, dinov2, dinov2_giant, dinov2_chunked,
    dinov2_training, simsiam, byol_lucidrains, byol_sthalles, swav, exported, torchvision_vit,
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_projects_checkpoint_gives_back_its_network(case, tmp_path):
    checkpoint, path = case(), tmp_path / "checkpoint.pth"
    torch.save(checkpoint.content, path)
    found, encoder = recognise(path), build(path)
    assert checkpoint.named in found.architecture
    assert found.family == "self_supervised"
    assert found.modalities == ("image",)
    assert found.layers == encoder.layers == (("projector", "backbone") if checkpoint.projector else ("backbone",))
    assert found.image.size == (checkpoint.size, checkpoint.size)
    assert {begins(key, checkpoint.unmatched) for key in found.unmatched} == checkpoint.unmatched
    parts = [checkpoint.backbone, *([checkpoint.projector] if checkpoint.projector else [])]
    assert found.parameters == sum(values.numel() for part in parts for values in part.parameters())

    images = torch.randn(2, 3, *((56, 70) if "DINOv2" in found.architecture else (32, 32)))
    with torch.inference_mode():
        backbone = checkpoint.backbone(images)
        wanted = {"backbone": backbone}
        if checkpoint.projector:
            wanted["projector"] = checkpoint.projector(backbone)
    got = encoder.encode(images.numpy(), "image")
    assert list(got) == list(encoder.layers)
    for layer in encoder.layers:
        assert got[layer].dtype == np.float32
        np.testing.assert_allclose(got[layer], wanted[layer].numpy(), rtol=1e-5, atol=1e-5)
        assert got[layer].std() > 1e-3


def begins(key, starts):
    return next((start for start in sorted(starts, key=len, reverse=True) if f"{key}.".startswith(f"{start}.")), key)


def test_safetensors_are_read_like_torch_files(tmp_path):
    path = tmp_path / "vicreg.safetensors"
    backbone, head = residual(), simple_head()
    save_file(keys("module.backbone.", backbone) | keys("module.projector.", head), path)
    assert "VICReg" in recognise(path).architecture
    with torch.inference_mode():
        wanted = head(backbone(torch.ones(1, 3, 32, 32))).numpy()
    got = build(path).encode(np.ones((1, 3, 32, 32), np.float32), "image")["projector"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_half_precision_weights_and_missing_counters_are_taken(tmp_path):
    path, backbone = tmp_path / "half.pt", residual()
    torch.save(
        {name: values.half() for name, values in backbone.state_dict().items() if "num_batches" not in name}, path
    )
    with torch.inference_mode():
        wanted = backbone.half().float()(torch.ones(1, 3, 32, 32)).numpy()
    got = build(path).encode(np.ones((1, 3, 32, 32), np.float32), "image")["backbone"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_what_no_shape_tells_is_said(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(solo_learn().content, path)
    small = recognise(path)
    assert small.image.mean == (0.4914, 0.4822, 0.4465)
    assert small.image.resize == 32
    assert any("guess" in note for note in small.notes)
    assert any("momentum branch (N = " in note for note in small.notes)
    torch.save(dino().content, path)
    assert "Taken: the teacher, as in the project's evaluation." in recognise(path).notes
    torch.save(dino_student().content, path)
    notes = recognise(path).notes
    assert "Taken: the student, because the file has no teacher." in notes
    assert any("attention heads" in note for note in notes)
    torch.save(dino().content["teacher"], path)
    assert any("does not say whether it is the teacher" in note for note in recognise(path).notes)
    torch.save(moco_v2().content, path)
    large = recognise(path)
    assert (large.image.size, large.image.resize, large.image.resample) == ((224, 224), 256, "bilinear")
    assert large.image.mean == (0.485, 0.456, 0.406)
    torch.save(dinov2().content, path)
    assert recognise(path).image.resample == "bicubic"


def test_grey_images_make_one_channel(tmp_path):
    path = tmp_path / "grey.pt"
    torch.save(residual(kernel=3, channels=1).state_dict(), path)
    image = recognise(path).image
    assert (image.channels, image.mean, image.std) == (1, (0.0,), (1.0,))
    with pytest.raises(InputError, match="Allowed"):
        build(path).encode(np.zeros((1, 3, 32, 32), np.float32), "image")


def test_a_batch_must_be_images(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(residual().state_dict(), path)
    encoder = build(path)
    for batch, view in ((np.zeros((1, 3, 32, 32), np.float32), "text"), (np.zeros((3, 32, 32), np.float32), "image")):
        with pytest.raises(InputError):
            encoder.encode(batch, view)


def test_an_encoder_moves_and_keeps_its_layers(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(vicreg().content, path)
    encoder, images = build(path), np.ones((2, 3, 32, 32), np.float32)
    full = encoder.encode(images, "image")
    moved = encoder.to("cpu", half=True)
    assert moved.layers == encoder.layers
    np.testing.assert_array_equal(moved.encode(images, "image")["projector"], full["projector"])
    with pytest.raises(InputError, match="no dropout"):
        moved.dropout(active=True)


STRANGERS = {
    "linear": {"weight": torch.zeros(4, 4), "bias": torch.zeros(4)},
    "bert": {"embeddings.word_embeddings.weight": torch.zeros(5, 4), "encoder.layer.0.dense.bias": torch.zeros(4)},
    "vgg": {"features.0.weight": torch.zeros(4, 3, 3, 3), "classifier.0.weight": torch.zeros(4, 4)},
    "hugging face vit": {"vit.encoder.layer.0.attention.attention.query.weight": torch.zeros(4, 4)},
    "array": torch.zeros(5, 4),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_nobodys(name, tmp_path):
    path = tmp_path / "stranger.pt"
    torch.save(STRANGERS[name], path)
    assert recognise(path) is None
    with pytest.raises(FormatError):
        build(path)


def test_files_of_other_kinds_are_nobodys(tmp_path):
    text = tmp_path / "notes.pth"
    text.write_text("conv1.weight layer1.0.conv1.weight")
    assert recognise(text) is None
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "missing.pth") is None


class _Hostile:
    def __reduce__(self):
        return (open, ("touched by a checkpoint", "w"))


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": residual().state_dict(), "extra": _Hostile()}
    torch.save(content, "hostile.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(content))
    for name in ("hostile.pth", "bare.pth"):
        assert recognise(tmp_path / name) is None
        with pytest.raises(FormatError):
            build(tmp_path / name)
    assert not (tmp_path / "touched by a checkpoint").exists()


CONVOLUTION = "module.backbone.layer2.0.conv1.weight"
STEM = "module.backbone.conv1.weight"
DAMAGED = {
    "a transposed convolution": (CONVOLUTION, lambda values: values.transpose(0, 1), "layer2.0"),
    "a truncated convolution": (CONVOLUTION, lambda values: values[:, :3], "layer2.0"),
    "a flat convolution": (CONVOLUTION, torch.flatten, "4 axes are wanted"),
    "an oblong convolution": (CONVOLUTION, lambda values: values[..., :2], "no square convolution"),
    "a transposed stem": (STEM, lambda values: values.transpose(0, 1), "bn1"),
    "a stem of 5 x 5": (STEM, lambda values: values[..., :5, :5], "5 x 5"),
    "channels that no picture has": (STEM, lambda values: values[:, :2], "2 channels"),
    "a truncated normalisation": ("module.backbone.bn1.weight", lambda values: values[:3], "bn1.weight"),
    "a missing statistic": ("module.backbone.bn1.running_var", None, "bn1.running_var"),
    "a transposed projector": ("module.projector.0.weight", torch.t, "projector layer 0"),
    "a truncated projector": ("module.projector.3.weight", lambda values: values[:, :9], "projector layer 3"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_fits_no_architecture_is_refused_with_what_was_found(name, tmp_path):
    key, damage, named = DAMAGED[name]
    content, path = vicreg().content, tmp_path / "damaged.pth"
    values = content["model"].pop(key)
    if damage:
        content["model"][key] = damage(values)
    torch.save(content, path)
    found = recognise(path)
    assert "VICReg" in found.architecture
    assert "fit no known architecture" in found.architecture
    with pytest.raises(FormatError) as caught:
        build(path)
    assert named in str(caught.value)
    assert "Allowed:" in str(caught.value)
    assert str(path) in str(caught.value)


def test_parts_that_a_resnet_does_not_have_are_refused(tmp_path):
    path, weights = tmp_path / "resnet.pt", residual().state_dict()
    excitation = {"layer1.0.se.fc1.weight": torch.ones(4, 8, 1, 1), "layer2.5.conv1.weight": torch.ones(8, 8, 3, 3)}
    for stranger, values in excitation.items():
        torch.save(weights | {stranger: values}, path)
        with pytest.raises(FormatError, match=stranger):
            build(path)


def test_a_single_layer_in_the_classifiers_place_is_a_classifier(tmp_path):
    path = tmp_path / "fine_tuned.pt"
    torch.save(residual().state_dict() | noise("fc.1.", nn.Linear(WIDTH, 10)), path)
    found = recognise(path)
    assert found.layers == ("backbone",)
    assert found.unmatched == ("fc.1.weight", "fc.1.bias")
    assert "Left out: a classifier (N = 2 weights)." in found.notes


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"blocks.0.attn.q_norm.weight": torch.ones(64)}, "q_norm"),
        ({"norm_pre.weight": torch.ones(VIT_WIDTH)}, "norm_pre"),
        ({"pos_embed": torch.ones(1, 7, VIT_WIDTH)}, "7 positions"),
        ({"blocks.1.attn.qkv.weight": torch.ones(VIT_WIDTH, 3 * VIT_WIDTH)}, "blocks.1.attn.qkv.weight"),
        ({"patch_embed.proj.weight": torch.ones(VIT_WIDTH, 3, 16, 8)}, "16 x 8"),
        ({"blocks.3.norm1.weight": torch.ones(VIT_WIDTH)}, "blocks.3.norm1.weight"),
        ({"patch_embed.proj.weight": torch.ones(100, 3, 16, 16)}, "width 100"),
    ],
)
def test_transformers_that_are_not_known_are_refused(change, named, tmp_path):
    path = tmp_path / "vit.pt"
    torch.save(transformer().state_dict() | change, path)
    with pytest.raises(FormatError, match=named):
        build(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(vicreg().content, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert recognise(path) is None
    with pytest.raises(FormatError):
        build(path)


def test_a_projector_of_another_kind_is_left_to_the_unmatched(tmp_path):
    path = tmp_path / "checkpoint.pth"
    strange = {"module.projector.net.inner.weight": torch.zeros(4, WIDTH)}
    torch.save({"model": keys("module.backbone.", residual()) | strange}, path)
    found = recognise(path)
    assert found.layers == ("backbone",)
    assert found.unmatched == tuple(strange)


def test_the_family_is_registered():
    assert ENCODERS["self_supervised"].build is build

"""Checkpoints as self-supervised projects save them, rebuilt key by key: what is saved, and what it must give back."""

import re
from collections import OrderedDict
from dataclasses import dataclass, field

import torch
from torch import nn

from cl_viz.encoders._residual_network import ResidualNetwork
from cl_viz.encoders._residual_shape import BlockShape, ResidualShape
from cl_viz.encoders._transformer_shape import TransformerShape
from cl_viz.encoders._vision_transformer import VisionTransformer

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


EVERY = (
    moco_v1, moco_v2, moco_notebook, moco_v3_resnet, moco_v3_vit, moco_v3_conv_vit, simclr_sthalles, simclr_leftthomas,
    simclr_bolts, simclr_spijkervet, sup_contrast, sup_contrast_parallel, solo_learn, solo_learn_dino, lightly,
    lightly_small, lightly_dino, vicreg, barlow_twins, dino, dino_student, dinov2, dinov2_giant, dinov2_chunked,
    dinov2_training, simsiam, byol_lucidrains, byol_sthalles, swav, exported, torchvision_vit,
)  # fmt: skip

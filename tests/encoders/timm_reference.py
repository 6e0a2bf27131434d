"""Run as a program: write weights and features of timm's and lightly's own modules, for comparison with ours.

timm and lightly import torchvision, which these modules do not use when they run; where it is not installed, empty
stand-ins take its place, in this process alone. ``python timm_reference.py FOLDER`` writes one file per module.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import torch
from torch import nn

TORCHVISION = (
    "torchvision", "torchvision.ops", "torchvision.ops.misc", "torchvision.transforms",
    "torchvision.transforms.functional", "torchvision.datasets", "torchvision.models",
    "torchvision.models.feature_extraction", "torchvision.utils",
)  # fmt: skip


class StandIn(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        filters = ("NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS")
        return type(name, (nn.Module,), {key: number for number, key in enumerate(filters)})


def stand_in_for_torchvision() -> None:
    """Put stand-ins where torchvision would be, if it is not there."""
    if importlib.util.find_spec("torchvision") is not None:
        return
    for name in TORCHVISION:
        module = StandIn(name)
        module.__path__, module.__spec__ = [], ModuleSpec(name, None)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def references() -> dict[str, tuple[nn.Module, int]]:
    """Return modules without a classifier, and the size of their images."""
    from lightly.models.modules.heads import DINOProjectionHead, SimCLRProjectionHead
    from lightly.models.resnet import ResNetGenerator
    from timm.layers import SwiGLUPacked
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet
    from timm.models.vision_transformer import VisionTransformer

    def residual(block: type, layers: tuple[int, ...], **settings: object) -> ResNet:
        return ResNet(block, layers, num_classes=0, **settings)

    def transformer(**settings: object) -> VisionTransformer:
        shape = {"img_size": 64, "patch_size": 16, "embed_dim": 192, "depth": 2, "num_heads": 3, "num_classes": 0}
        return VisionTransformer(**(shape | settings))

    small = ResNetGenerator("resnet-9", width=0.25)
    backbone = nn.Sequential(*list(small.children())[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    one = (1, 1, 1, 1)
    return {
        "resnet18": (residual(BasicBlock, (2, 2, 2, 2)), 64),
        "bottleneck": (residual(Bottleneck, one), 64),
        "wide": (residual(Bottleneck, one, base_width=128), 64),
        "grouped": (residual(Bottleneck, one, cardinality=32, base_width=4), 64),
        "deep_stem": (residual(BasicBlock, one, stem_width=32, stem_type="deep", avg_down=True), 65),
        "vit": (transformer(), 64),
        "vit_without_bias": (transformer(qkv_bias=False, embed_dim=384, num_heads=6), 64),
        "vit_registers": (transformer(init_values=0.5, reg_tokens=4, no_embed_class=True), 64),
        "vit_packed_swiglu": (
            transformer(init_values=0.5, reg_tokens=4, no_embed_class=True, mlp_layer=SwiGLUPacked, act_layer=nn.SiLU),
            64,
        ),
        "vit_mean": (transformer(global_pool="avg", class_token=False), 64),
        "vit_mean_of_patches": (transformer(global_pool="avg"), 64),
        "vit_other_size": (transformer(dynamic_img_size=True), 96),
        "lightly_resnet": (nn.ModuleDict(
            {"backbone": backbone, "projection_head": SimCLRProjectionHead(128, 64, 16)}), 32),
        "lightly_dino": (nn.ModuleDict(
            {"teacher_backbone": residual(BasicBlock, one), "teacher_head": DINOProjectionHead(512, 64, 32, 50)}), 64),
    }  # fmt: skip


def features(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what the network's own forward pass gives, by layer."""
    if not isinstance(network, nn.ModuleDict):
        return {"backbone": network(images)}
    first, head = network.values()
    backbone = first(images)
    return {"backbone": backbone, "projector": head.layers(backbone)}


def main(folder: Path) -> None:
    """Write every reference to `folder`."""
    stand_in_for_torchvision()
    torch.manual_seed(0)
    for name, (network, size) in references().items():
        with torch.no_grad():
            for values in network.state_dict().values():
                if values.is_floating_point() and values.ndim < 2:
                    values.add_(torch.rand_like(values) * 0.2)
        images = torch.randn(2, 3, size, size)
        with torch.inference_mode():
            outputs = features(network.eval(), images)
        torch.save(network.state_dict(), folder / f"{name}.pth")
        torch.save({"images": images, **outputs}, folder / f"{name}.features")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The architecture of a vision transformer, read off the names and shapes of its weights.

It is that of Dosovitskiy et al. 2021 under timm's key names (``cls_token``, ``pos_embed``,
``patch_embed.proj``, ``blocks.0.attn.qkv``), with what the self-supervised projects added: LayerScale (``ls1.gamma``),
register tokens and SwiGLU of DINOv2 (also as timm packs it), the convolutional stem of MoCo v3, blocks in chunks
(``blocks.0.3.``). torchvision's names (``encoder.layers.encoder_layer_0.self_attention``) are translated.

Sources: timm.models.vision_transformer, torchvision.models.vision_transformer, facebookresearch/dino
vision_transformer.py, facebookresearch/dinov2 models/vision_transformer.py and hub/backbones.py,
facebookresearch/moco-v3 vits.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from cl_viz.core.errors import FormatError
from cl_viz.encoders._weight_shapes import Shapes, extent

ALLOWED = (
    "pre-norm vision transformers with square patches, learned absolute positions, fused qkv, and a GELU or SwiGLU "
    "perceptron, with or without LayerScale, class token and register tokens"
)
# No shape tells the number of heads; these are the published ones, other widths have heads of 64.
_HEADS = {1152: 16, 1280: 16, 1408: 16, 1664: 16}
_HEAD_WIDTH = 64
_SIZES = {
    (192, 12): "Ti", (384, 12): "S", (768, 12): "B", (1024, 24): "L", (1280, 32): "H", (1408, 40): "g", (1536, 40): "g",
}  # fmt: skip
_BLOCK_PARTS = (
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias",
    "ls1.gamma", "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
    "mlp.w12.weight", "mlp.w12.bias", "mlp.w3.weight", "mlp.w3.bias", "ls2.gamma",
)  # fmt: skip
_UNKNOWN_PARTS = ("norm_pre.", "attn_pool.", "rope", "rel_pos_bias", "pos_embed_x", "patch_embed.backbone.")
_TORCHVISION = (
    (r"class_token", "cls_token"), (r"conv_proj\.", "patch_embed.proj."), (r"encoder\.pos_embedding", "pos_embed"),
    (r"encoder\.ln\.", "norm."), (r"heads\.head\.", "head."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.ln_([12])\.", r"blocks.\1.norm\2."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_", r"blocks.\1.attn.qkv."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.", r"blocks.\1.attn.proj."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\.", r"blocks.\1.mlp.fc1."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\.", r"blocks.\1.mlp.fc2."),
)  # fmt: skip


@dataclass(frozen=True)
class TransformerShape:
    """Everything that decides a vision transformer's forward pass.

    Attributes
    ----------
    channels, patch, width, depth, heads, hidden : int
        `hidden` is the perceptron's inner width.
    grid : int
        Patches along one edge for which positions were learned.
    stem : tuple of (channels, kernel), optional
        MoCo v3's convolutions in place of one patch embedding.
    class_token, class_position, layer_scale, qkv_bias, swiglu : bool
        `class_position`: the first position belongs to the class token.
    registers : int
        Register tokens.
    register_key : str
        Name of their weights.
    pooled : bool
        The mean of the patch tokens is the embedding, in place of the class token.
    normalised_after : bool
        Whether the last normalisation comes after that mean.
    offset : bool
        Positions are resized for another grid as DINO does, else antialiased.
    """

    channels: int
    patch: int
    width: int
    depth: int
    heads: int
    hidden: int
    grid: int
    stem: tuple[tuple[int, int], ...] = ()
    class_token: bool = True
    class_position: bool = True
    layer_scale: bool = False
    qkv_bias: bool = True
    swiglu: bool = False
    registers: int = 0
    register_key: str = "register_tokens"
    pooled: bool = False
    normalised_after: bool = False
    offset: bool = False

    @property
    def name(self) -> str:
        """What people call it, for example ``"ViT-S/16"``."""
        size = _SIZES.get((self.width, self.depth))
        name = (
            f"ViT-{size}/{self.patch}"
            if size
            else f"ViT of width {self.width} and depth {self.depth} on patches of {self.patch}"
        )
        return f"{name} with {self.registers} registers" if self.registers else name

    @property
    def size(self) -> int:
        """Height and width in pixels for which positions were learned."""
        return self.grid * self.patch


def transformer_keys(keys: Iterable[str]) -> dict[str, str] | None:
    """Return the key in the file by timm's name for it, from keys without their prefix; None where there is no ViT."""
    names = {}
    for key in sorted(set(keys)):
        # Chunks of blocks keep the block's own number.
        name = re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", key)
        for pattern, replacement in _TORCHVISION:
            name = re.sub(f"^{pattern}", replacement, name)
        names[name] = key
    starts = any(name.startswith("patch_embed.") for name in names)
    return names if starts and "blocks.0.attn.qkv.weight" in names else None


def gated_names(names: Mapping[str, str], shapes: Shapes) -> dict[str, str]:
    """Return names in which timm's packed SwiGLU is called as DINOv2 calls it.

    timm keeps ``fc1`` and ``fc2`` for it; the first then gives twice what the second takes.

    Parameters
    ----------
    names : Mapping[str, str]
        The key in the file by timm's name.
    shapes : Mapping
        By timm's name.
    """
    first, second = shapes.get("blocks.0.mlp.fc1.weight", ()), shapes.get("blocks.0.mlp.fc2.weight", ())
    if len(first) != 2 or len(second) != 2 or first[0] != 2 * second[1]:
        return dict(names)
    packed = {".mlp.fc1.": ".mlp.w12.", ".mlp.fc2.": ".mlp.w3."}
    return {re.sub(r"\.mlp\.fc[12]\.", lambda match: packed[match[0]], name): key for name, key in names.items()}


def transformer_shape(
    shapes: Shapes, *, heads: Mapping[int, int] | None = None, offset: bool = False
) -> TransformerShape:
    """Read the architecture off the shapes of weights under timm's names.

    Parameters
    ----------
    shapes : Mapping
    heads : Mapping of int, optional
        A project's own number of heads by width.
    offset : bool
        See `TransformerShape`; networks with register tokens are never resized that way.

    Raises
    ------
    FormatError
        If the shapes fit no vision transformer.
    """
    _check_parts(shapes)
    stem, channels, patch, width = _patches(shapes)
    depth = next(number for number in count() if f"blocks.{number}.attn.qkv.weight" not in shapes)
    swiglu = "blocks.0.mlp.w12.weight" in shapes
    hidden_name = "blocks.0.mlp.w3.weight" if swiglu else "blocks.0.mlp.fc2.weight"
    register_key = "reg_token" if "reg_token" in shapes else "register_tokens"
    class_token = "cls_token" in shapes
    grid, class_position = _grid(extent(shapes, "pos_embed", 3, ALLOWED), class_token)
    after = "fc_norm.weight" in shapes
    return TransformerShape(
        channels=channels, patch=patch, width=width, depth=depth, heads=_head_count(width, heads or {}),
        hidden=extent(shapes, hidden_name, 2, ALLOWED)[1], grid=grid, stem=stem, class_token=class_token,
        class_position=class_position, layer_scale="blocks.0.ls1.gamma" in shapes,
        qkv_bias="blocks.0.attn.qkv.bias" in shapes, swiglu=swiglu,
        registers=extent(shapes, register_key, 3, ALLOWED)[1] if register_key in shapes else 0,
        register_key=register_key, pooled=after or not class_token, normalised_after=after,
        offset=offset and register_key not in shapes,
    )  # fmt: skip


def _check_parts(shapes: Shapes) -> None:
    strangers = [
        name for name in shapes
        if name.startswith(_UNKNOWN_PARTS)
        or ((match := re.match(r"blocks\.\d+\.(.+)", name)) and match[1] not in _BLOCK_PARTS)
    ]  # fmt: skip
    if strangers:
        raise FormatError(
            f"a part of the transformer is not known: {', '.join(strangers[:3])}"
            f"{f' and {len(strangers) - 3} more' if len(strangers) > 3 else ''}",
            allowed=ALLOWED,
        )


def _patches(shapes: Shapes) -> tuple[tuple[tuple[int, int], ...], int, int, int]:
    """Return the convolutions of a stem (none for one patch embedding), channels, pixels per patch, and width."""
    if "patch_embed.proj.weight" in shapes:
        width, channels, height, patch = extent(shapes, "patch_embed.proj.weight", 4, ALLOWED)
        if height != patch:
            raise FormatError(f"patches of {height} x {patch} pixels", allowed=ALLOWED)
        return (), channels, patch, width
    names = [name for number in range(64) if len(shapes.get(name := f"patch_embed.proj.{number}.weight", ())) == 4]
    kernels = [shapes[name][2] for name in names]
    if len(names) < 2 or kernels != [3] * (len(names) - 1) + [1]:
        raise FormatError(
            f"patches are embedded by convolutions of {kernels or 'no known'} pixels",
            allowed=f"one convolution as large as a patch, or 3 x 3 ones of stride 2 and a last 1 x 1; {ALLOWED}",
        )
    stem = tuple((shapes[name][0], shapes[name][2]) for name in names)
    return stem, shapes[names[0]][1], 2 ** (len(names) - 1), stem[-1][0]


def _grid(shape: tuple[int, ...], class_token: bool) -> tuple[int, bool]:
    """Return the edge of the grid of positions, and whether one more belongs to the class token."""
    positions = shape[1]
    edge = math.isqrt(positions - class_token)
    if edge and edge**2 == positions - class_token:
        return edge, class_token
    if math.isqrt(positions) ** 2 == positions:
        return math.isqrt(positions), False
    raise FormatError(f"pos_embed has {positions} positions, which is no square grid", allowed=ALLOWED)


def _head_count(width: int, heads: Mapping[int, int]) -> int:
    number = heads.get(width) or _HEADS.get(width) or (width // _HEAD_WIDTH if width % _HEAD_WIDTH == 0 else 0)
    if not number:
        raise FormatError(
            f"no shape tells how many attention heads a transformer of width {width} has",
            allowed=f"widths that are multiples of {_HEAD_WIDTH}; {ALLOWED}",
        )
    return number

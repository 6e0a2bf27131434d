"""Vision transformers of our own, without timm or torchvision; keys as in timm.

The forward pass is that of Dosovitskiy et al. 2021 with what `TransformerShape` lists; positions for another grid are
resized as timm does (antialiased), or as DINO and DINOv2 do.

Sources: timm.models.vision_transformer, facebookresearch/dino vision_transformer.py, facebookresearch/dinov2
models/vision_transformer.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cl_viz.encoders._transformer_shape import TransformerShape

# timm, torchvision and all projects here say 1e-6 where PyTorch says 1e-5.
_EPSILON = 1e-6
# DINO and DINOv2 add it to the grid's size when they resize positions; their published features have it in them.
_OFFSET = 0.1


class Attention(nn.Module):
    """Self-attention with queries, keys and values from one matrix."""

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        batch, number, width = tokens.shape
        split = self.qkv(tokens).view(batch, number, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.proj(mixed.transpose(1, 2).reshape(batch, number, width))  # type: ignore[no-any-return]


class Perceptron(nn.Module):
    """Two layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))  # type: ignore[no-any-return]


class GatedPerceptron(nn.Module):
    """SwiGLU: one half, through SiLU, weights the other."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12, self.w3 = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """One learned factor per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        return tokens * self.gamma


class Block(nn.Module):
    """Attention and perceptron, each normalised before and added to what it was given."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        width = shape.width
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=_EPSILON), nn.LayerNorm(width, eps=_EPSILON)
        self.attn = Attention(width, shape.heads, shape.qkv_bias)
        self.mlp = (GatedPerceptron if shape.swiglu else Perceptron)(width, shape.hidden)
        self.ls1 = LayerScale(width) if shape.layer_scale else nn.Identity()
        self.ls2 = LayerScale(width) if shape.layer_scale else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D)."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """A vision transformer up to its last normalisation; keys as in timm.

    Parameters
    ----------
    shape : TransformerShape
    """

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        self.channels, self.width = shape.channels, shape.width
        positions = shape.grid**2 + shape.class_position
        self.patch_embed = nn.ModuleDict({"proj": _embedding(shape)})
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, shape.width))
        if shape.class_token:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        if shape.registers:
            self.register_parameter(
                shape.register_key, nn.Parameter(torch.zeros(1, shape.registers, shape.width))
            )  # fmt: skip
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        normalisation = nn.LayerNorm(shape.width, eps=_EPSILON)
        self.norm = nn.Identity() if shape.normalised_after else normalisation
        self.fc_norm = normalisation if shape.normalised_after else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, C, H, W), H and W multiples of the patch, to features (B, D)."""
        shape = self.shape
        patches = self.patch_embed["proj"](images)
        places = self._positions(patches.shape[2], patches.shape[3])
        tokens = patches.flatten(2).transpose(1, 2) + places[:, int(shape.class_position) :]
        first = []
        if shape.class_token:
            start = self.cls_token + places[:, :1] if shape.class_position else self.cls_token
            first.append(start.expand(len(images), -1, -1))
        if shape.registers:
            first.append(self.get_parameter(shape.register_key).expand(len(images), -1, -1))
        tokens = torch.cat([*first, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        if shape.pooled:
            return self.fc_norm(tokens[:, int(shape.class_token) + shape.registers :].mean(dim=1))  # type: ignore[no-any-return]
        return tokens[:, 0]  # type: ignore[no-any-return]

    def _positions(self, height: int, width: int) -> Tensor:
        """Return positions for a grid of `height` x `width` patches; resized by bicubic interpolation where needed."""
        shape = self.shape
        if (height, width) == (shape.grid, shape.grid):
            return self.pos_embed
        start = int(shape.class_position)
        learned = self.pos_embed[:, start:].reshape(1, shape.grid, shape.grid, shape.width).permute(0, 3, 1, 2)
        if shape.offset:
            factors = ((height + _OFFSET) / shape.grid, (width + _OFFSET) / shape.grid)
            resized = functional.interpolate(learned, mode="bicubic", scale_factor=factors)
        else:
            resized = functional.interpolate(learned, mode="bicubic", size=(height, width), antialias=True)
        return torch.cat([self.pos_embed[:, :start], resized.flatten(2).transpose(1, 2)], dim=1)


def _embedding(shape: TransformerShape) -> nn.Module:
    if not shape.stem:
        return nn.Conv2d(shape.channels, shape.width, shape.patch, shape.patch)
    layers: list[nn.Module] = []
    channels = shape.channels
    for outputs, _ in shape.stem[:-1]:
        layers += [nn.Conv2d(channels, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers, nn.Conv2d(channels, shape.width, 1))

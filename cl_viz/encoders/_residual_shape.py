"""The architecture of a ResNet, read off the shapes of its weights.

Source of what the shapes leave open: torchvision.models.resnet, where the 3 x 3 convolution of a bottleneck takes the
stride; timm.models.resnet for deep stems and pooled shortcuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from cl_viz.core.errors import FormatError
from cl_viz.encoders._weight_shapes import Shapes, extent

ALLOWED = (
    "ResNets of basic or bottleneck blocks with batch normalisation, a stem of one 7 x 7, one 3 x 3 or three 3 x 3 "
    "convolutions, and any widths and numbers of blocks"
)
_NAMES: Mapping[tuple[int, tuple[int, ...]], str] = {
    (2, (2, 2, 2, 2)): "18", (2, (3, 4, 6, 3)): "34", (3, (3, 4, 6, 3)): "50", (3, (3, 4, 23, 3)): "101",
    (3, (3, 8, 36, 3)): "152",
}  # fmt: skip
_USUAL_STEM = 64


@dataclass(frozen=True)
class BlockShape:
    """One residual block.

    Attributes
    ----------
    inputs, outputs : int
        Channels.
    middle : int
        Channels between the convolutions.
    convolutions : {2, 3}
        A basic block or a bottleneck.
    groups : int
    stride : {1, 2}
    shortcut : {"", "convolution", "pooled", "padded"}
        A convolution, with average pooling before it in timm's variants, or pooling of what is padded to the right and
        below in SimCLR v2's; nothing where shapes agree.
    selecting : int
        Channels in which a selective kernel chooses between its two halves; 0 for a plain convolution.
    """

    inputs: int
    outputs: int
    middle: int
    convolutions: int
    groups: int
    stride: int
    shortcut: str
    selecting: int = 0


@dataclass(frozen=True)
class ResidualShape:
    """Everything that decides a ResNet's forward pass.

    Attributes
    ----------
    stem : tuple of int
        Channels before and after each convolution of the stem.
    kernel, padding : int
        Of the stem's first convolution.
    stem_relu, stem_pool : bool
    stages : tuple of tuple of BlockShape
    """

    stem: tuple[int, ...]
    kernel: int
    padding: int
    stem_relu: bool
    stem_pool: bool
    stages: tuple[tuple[BlockShape, ...], ...]

    @property
    def for_small_images(self) -> bool:
        """A stem that keeps the resolution, as in runs on CIFAR."""
        return self.kernel == 3 and len(self.stem) == 2

    @property
    def name(self) -> str:
        """What people call it, for example ``"ResNet-50"`` or ``"ResNet-50 x2"``."""
        first = self.stages[0][0]
        blocks = tuple(len(stage) for stage in self.stages)
        depth = _NAMES.get((first.convolutions, blocks))
        name = f"ResNet-{depth}" if depth else f"ResNet of {' + '.join(map(str, blocks))} blocks"
        width = self.stem[-1]
        inner = first.middle // first.groups
        if first.convolutions == 3 and first.groups > 1:
            name = f"{name.replace('ResNet', 'ResNeXt')} {first.groups}x{inner}d"
        elif first.convolutions == 3 and first.middle > width and first.middle % width == 0:
            name = f"Wide {name}-{first.middle // width}" if depth else f"wide {name}"
        if first.selecting:
            name += " with selective kernels"
        if width > _USUAL_STEM and width % _USUAL_STEM == 0:
            name += f" x{width // _USUAL_STEM}"
        elif width != _USUAL_STEM:
            name += f" of width {width}"
        return f"{name} with a stem for small images" if self.for_small_images else name


def residual_shape(shapes: Shapes, *, between: int | None = None, small_padding: int = 1) -> ResidualShape:
    """Read the architecture off the shapes of weights under torchvision's names.

    Parameters
    ----------
    shapes : Mapping
    between : int, optional
        See `ResidualKeys`.
    small_padding : int
        Padding of a 3 x 3 stem: no shape tells it.

    Raises
    ------
    FormatError
        If the shapes fit no ResNet.
    """
    stem_names = ["conv1.weight"]
    if "conv1.0.weight" in shapes:
        stem_names = [name for name in ("conv1.0.weight", "conv1.3.weight", "conv1.6.weight") if name in shapes]
    stem = [_convolution(shapes, name) for name in stem_names]
    kernel = stem[0][2]
    if kernel not in (3, 7) or len(stem) == 2:
        raise FormatError(f"a stem of {len(stem)} convolutions, the first {kernel} x {kernel}", allowed=ALLOWED)
    small = kernel == 3 and len(stem) == 1
    stages = []
    for stage in count(1):
        blocks = []
        for block in count():
            prefix = f"layer{stage}.{block}."
            if f"{prefix}conv1.weight" not in shapes:
                break
            blocks.append(_block_shape(shapes, prefix, stride=2 if stage > 1 and block == 0 else 1))
        if not blocks:
            break
        stages.append(tuple(blocks))
    return ResidualShape(
        stem=(stem[0][1], *(shape[0] for shape in stem)),
        kernel=kernel,
        padding=small_padding if small else kernel // 2,
        stem_relu=between != 0,
        stem_pool=not small if between is None else between > 1,
        stages=tuple(stages),
    )


def _convolution(shapes: Shapes, name: str) -> tuple[int, ...]:
    shape = extent(shapes, name, 4, ALLOWED)
    if shape[2] != shape[3]:
        raise FormatError(f"{name} has shape {shape}, which is no square convolution", allowed=ALLOWED)
    return shape


def _block_shape(shapes: Shapes, prefix: str, *, stride: int) -> BlockShape:
    bottleneck = f"{prefix}conv3.weight" in shapes
    if f"{prefix}conv2.select.weight" in shapes:
        return _selective_shape(shapes, prefix, stride=stride)
    first, second = (_convolution(shapes, f"{prefix}conv{number}.weight") for number in (1, 2))
    last = _convolution(shapes, f"{prefix}conv3.weight") if bottleneck else second
    if (first[0] % second[1]) or (not bottleneck and first[0] != second[1]):
        raise FormatError(
            f"{prefix}conv2.weight has shape {second} after {first[0]} channels of {prefix}conv1", allowed=ALLOWED
        )
    shortcut = ""
    if f"{prefix}downsample.0.weight" in shapes:
        shortcut = "convolution"
    elif f"{prefix}downsample.1.weight" in shapes:
        shortcut = "pooled"
    return BlockShape(
        inputs=first[1], outputs=last[0], middle=first[0], convolutions=3 if bottleneck else 2,
        groups=first[0] // second[1], stride=stride, shortcut=shortcut,
    )  # fmt: skip


def _selective_shape(shapes: Shapes, prefix: str, *, stride: int) -> BlockShape:
    first, last, narrow = (
        _convolution(shapes, f"{prefix}{name}.weight") for name in ("conv1", "conv3", "conv2.narrow")
    )
    return BlockShape(
        inputs=first[1], outputs=last[0], middle=first[0], convolutions=3, groups=1, stride=stride,
        shortcut="padded" if f"{prefix}downsample.1.weight" in shapes else "", selecting=narrow[0],
    )  # fmt: skip

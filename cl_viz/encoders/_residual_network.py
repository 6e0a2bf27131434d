"""ResNets rebuilt from the names and shapes of their weights, without torchvision.

The architecture is that of He et al. 2016 in the form whose key names most checkpoints carry: torchvision's ``resnet``
(``conv1``, ``bn1``, ``layer1.0.conv1``, ``layer1.0.downsample.0``), where the 3 x 3 convolution of a bottleneck takes
the stride. Beside it: numbered keys of a network cut into ``nn.Sequential(*children)``, the ``shortcut`` of the ResNets
written for CIFAR, timm's deep stems and pooled shortcuts (``conv1.0``, ``downsample.1``), and the names of the PyTorch
conversions of SimCLR v2, also with selective kernels (Li et al. 2019, Selective kernel networks; Chen et al. 2020).

Sources: torchvision.models.resnet, timm.models.resnet, lightly.models.resnet, HobbitLong/SupContrast
networks/resnet_big.py, Separius/SimCLRv2-Pytorch and its copy in facebookresearch/vissl models/trunks/resnet_sk.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from torch import Tensor, nn

from cl_viz.core.errors import FormatError
from cl_viz.encoders._weight_shapes import Shapes, extent

ALLOWED = (
    "ResNets of basic or bottleneck blocks with batch normalisation, a stem of one 7 x 7, one 3 x 3 or three 3 x 3 "
    "convolutions, and any widths and numbers of blocks"
)
_NUMBERED = re.compile(r"(\d+)\.(.+)")
_STAGE_KEY = re.compile(r"\d+\.conv1\.weight")
_NAMES: Mapping[tuple[int, tuple[int, ...]], str] = {
    (2, (2, 2, 2, 2)): "18", (2, (3, 4, 6, 3)): "34", (3, (3, 4, 6, 3)): "50", (3, (3, 4, 23, 3)): "101",
    (3, (3, 8, 36, 3)): "152",
}  # fmt: skip
_USUAL_STEM = 64
# The conversions of SimCLR v2 number what torchvision names. Their networks with selective kernels have a deep stem.
_SIMCLR_V2 = (
    (r"^net\.([1-9])\.blocks\.(\d+)\.", r"layer\1.\2."),
    (r"(?<=\d\.)net\.0\.", "conv1."), (r"(?<=\d\.)net\.1\.0\.", "bn1."),
    (r"projection\.shortcut\.(?=w)", "downsample.0."), (r"projection\.bn\.0\.", "downsample.1."),
)  # fmt: skip
_PLAIN_V2 = (
    (r"^net\.0\.0\.", "conv1."), (r"^net\.0\.1\.0\.", "bn1."),
    (r"(?<=\d\.)net\.2\.", "conv2."), (r"(?<=\d\.)net\.3\.0\.", "bn2."),
    (r"(?<=\d\.)net\.4\.", "conv3."), (r"(?<=\d\.)net\.5\.0\.", "bn3."),
)  # fmt: skip
_SELECTIVE_V2 = (
    (r"^net\.0\.0\.", "conv1.0."), (r"^net\.0\.1\.0\.", "conv1.1."), (r"^net\.0\.2\.", "conv1.3."),
    (r"^net\.0\.3\.0\.", "conv1.4."), (r"^net\.0\.4\.", "conv1.6."), (r"^net\.0\.5\.0\.", "bn1."),
    (r"(?<=\d\.)net\.2\.main_conv\.0\.", "conv2.conv."), (r"(?<=\d\.)net\.2\.main_conv\.1\.0\.", "conv2.bn."),
    (r"(?<=\d\.)net\.2\.mixing_conv\.0\.", "conv2.narrow."),
    (r"(?<=\d\.)net\.2\.mixing_conv\.1\.0\.", "conv2.narrow_bn."),
    (r"(?<=\d\.)net\.2\.mixing_conv\.2\.", "conv2.select."),
    (r"(?<=\d\.)net\.3\.", "conv3."), (r"(?<=\d\.)net\.4\.0\.", "bn3."),
    (r"downsample\.1\.", "downsample.2."), (r"projection\.shortcut\.2\.", "downsample.1."),
)  # fmt: skip


@dataclass(frozen=True)
class ResidualKeys:
    """Where a ResNet's weights are.

    Attributes
    ----------
    names : Mapping[str, str]
        The key in the file by torchvision's name for it.
    between : int or None
        Modules without weights between the first normalisation and the first stage, where the keys are the numbers of
        a Sequential: 0 (nothing), 1 (ReLU) or 2 (ReLU, pooling). None where the keys are named.
    """

    names: Mapping[str, str]
    between: int | None = None


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


def residual_keys(keys: Iterable[str]) -> ResidualKeys | None:
    """Find the keys of a ResNet among keys without their prefix; None where there is none."""
    given = set(keys)
    if "net.1.blocks.0.net.0.weight" in given:
        return ResidualKeys(_names_of_simclr_v2(given))
    stages: list[int] = []
    if "0.weight" in given:
        numbers = {int(match[1]): None for key in given if (match := _NUMBERED.fullmatch(key))}
        stages = [number for number in sorted(numbers) if any(
            key.startswith(f"{number}.") and _STAGE_KEY.fullmatch(key.partition(".")[2]) for key in given)]  # fmt: skip
    places = {0: "conv1", 1: "bn1", **{number: f"layer{index}" for index, number in enumerate(stages, 1)}}
    names = {}
    for key in sorted(given):
        name, match = key, _NUMBERED.fullmatch(key)
        if stages and match:
            # What comes after the stages is the layer that torchvision calls fc.
            name = f"{places.get(int(match[1]), 'fc' if int(match[1]) > stages[-1] else match[1])}.{match[2]}"
        name = re.sub(r"^(layer\d+\.\d+)\.shortcut\.", r"\1.downsample.", name)
        names[re.sub(r"^linear\.", "fc.", name)] = key
    if "layer1.0.conv1.weight" not in names or not ("conv1.weight" in names or "conv1.0.weight" in names):
        return None
    return ResidualKeys(names, stages[0] - 2 if stages else None)


def _names_of_simclr_v2(given: set[str]) -> dict[str, str]:
    """Return the key by torchvision's name for it, from the names of the conversions of SimCLR v2."""
    selective = any(".mixing_conv." in key for key in given)
    names = {}
    for key in sorted(given):
        name = key
        for pattern, replacement in (*_SIMCLR_V2, *(_SELECTIVE_V2 if selective else _PLAIN_V2)):
            name = re.sub(pattern, replacement, name)
        names[name] = key
    return names


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


class SelectiveKernel(nn.Module):
    """Two 3 x 3 convolutions, mixed by channel with weights that the mean of both over the picture chooses."""

    def __init__(self, channels: int, selecting: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride, 1, bias=False)
        self.bn, self.relu = nn.BatchNorm2d(2 * channels), nn.ReLU()
        self.narrow, self.narrow_bn = nn.Conv2d(channels, selecting, 1, bias=False), nn.BatchNorm2d(selecting)
        self.select = nn.Conv2d(selecting, 2 * channels, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H / stride, W / stride)."""
        both = self.relu(self.bn(self.conv(inputs))).unflatten(1, (2, -1))
        mean = both.sum(dim=1).mean(dim=(2, 3), keepdim=True)
        chosen = self.select(self.relu(self.narrow_bn(self.narrow(mean)))).unflatten(1, (2, -1))
        return (both * chosen.softmax(dim=1)).sum(dim=1)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two or three convolutions around which the input is carried."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        middle, stride = shape.middle, shape.stride
        self.relu = nn.ReLU()
        if shape.convolutions == 3:
            self.conv1 = nn.Conv2d(shape.inputs, middle, 1, bias=False)
            self.conv2: nn.Module = nn.Conv2d(middle, middle, 3, stride, 1, groups=shape.groups, bias=False)
            self.bn2: nn.Module = nn.BatchNorm2d(middle)
            if shape.selecting:
                # It normalises and has its ReLU inside; the one after it changes nothing.
                self.conv2, self.bn2 = SelectiveKernel(middle, shape.selecting, stride), nn.Identity()
            self.conv3, self.bn3 = nn.Conv2d(middle, shape.outputs, 1, bias=False), nn.BatchNorm2d(shape.outputs)
        else:
            self.conv1 = nn.Conv2d(shape.inputs, middle, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(middle, shape.outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(shape.outputs)
        self.bn1 = nn.BatchNorm2d(middle)
        self.bottleneck = shape.convolutions == 3
        self.downsample = _shortcut(shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        outputs = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(inputs)))))
        if self.bottleneck:
            outputs = self.bn3(self.conv3(self.relu(outputs)))
        carried = self.downsample(inputs) if self.downsample is not None else inputs
        return self.relu(outputs + carried)  # type: ignore[no-any-return]


def _shortcut(shape: BlockShape) -> nn.Sequential | None:
    if not shape.shortcut:
        return None
    normalisation = nn.BatchNorm2d(shape.outputs)
    if shape.shortcut == "convolution":
        return nn.Sequential(nn.Conv2d(shape.inputs, shape.outputs, 1, shape.stride, bias=False), normalisation)
    pooling: nn.Module = nn.Identity()
    if shape.shortcut == "padded":
        pooling = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.AvgPool2d(2, shape.stride))
    elif shape.stride == 2:
        pooling = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pooling, nn.Conv2d(shape.inputs, shape.outputs, 1, bias=False), normalisation)


class ResidualNetwork(nn.Module):
    """A ResNet up to its global average pooling; keys as in torchvision.

    Parameters
    ----------
    shape : ResidualShape
    """

    def __init__(self, shape: ResidualShape) -> None:
        super().__init__()
        self.channels, self.for_small_images = shape.stem[0], shape.for_small_images
        self.width = shape.stages[-1][-1].outputs
        self.conv1 = _stem(shape)
        self.bn1 = nn.BatchNorm2d(shape.stem[-1])
        self.relu = nn.ReLU() if shape.stem_relu else nn.Identity()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if shape.stem_pool else nn.Identity()
        self.stages = [f"layer{number}" for number in range(1, len(shape.stages) + 1)]
        for name, blocks in zip(self.stages, shape.stages, strict=True):
            self.add_module(name, nn.Sequential(*map(ResidualBlock, blocks)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, C, H, W) to features (B, D)."""
        outputs = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for name in self.stages:
            outputs = self.get_submodule(name)(outputs)
        return outputs.mean(dim=(2, 3))  # type: ignore[no-any-return]


def _stem(shape: ResidualShape) -> nn.Module:
    stride = 1 if shape.for_small_images else 2
    first = nn.Conv2d(shape.stem[0], shape.stem[1], shape.kernel, stride, shape.padding, bias=False)
    if len(shape.stem) == 2:
        return first
    inner, outer = shape.stem[2], shape.stem[3]
    return nn.Sequential(
        first, nn.BatchNorm2d(shape.stem[1]), nn.ReLU(),
        nn.Conv2d(shape.stem[1], inner, 3, 1, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
        nn.Conv2d(inner, outer, 3, 1, 1, bias=False),
    )  # fmt: skip

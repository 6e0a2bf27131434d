"""ResNets rebuilt from their shapes, without torchvision.

The architecture is that of He et al. 2016, in torchvision's form and with its names; beside it timm's deep stems and
pooled shortcuts, and selective kernels as SimCLR v2 has them (Li et al. 2019, Selective kernel networks; Chen et al.
2020). `cl_viz.encoders._residual_keys` finds the weights, `cl_viz.encoders._residual_shape` the shape.

Sources: torchvision.models.resnet, timm.models.resnet, lightly.models.resnet, Separius/SimCLRv2-Pytorch.
"""

from __future__ import annotations

from torch import Tensor, nn

from cl_viz.encoders._residual_shape import BlockShape, ResidualShape


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

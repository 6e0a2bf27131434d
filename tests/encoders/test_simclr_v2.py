"""Conversions of SimCLR v2, rebuilt key by key: a second network of the published names gives the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cl_viz.core.errors import FormatError
from cl_viz.encoders.self_supervised import build, recognise

WIDTHS = (8, 16)
"""Inner channels of the stages; torchvision's have four."""


def norm_relu(channels: int, relu: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU() if relu else nn.Identity())


def conv(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, stride, (kernel - 1) // 2, bias=False)


class Selective(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.main_conv = nn.Sequential(conv(channels, 2 * channels, 3, stride), norm_relu(2 * channels))
        self.mixing_conv = nn.Sequential(conv(channels, 32, 1), norm_relu(32), conv(32, 2 * channels, 1))

    def forward(self, images):
        one, two = self.main_conv(images).chunk(2, dim=1)
        left, right = self.mixing_conv((one + two).mean(dim=(2, 3), keepdim=True)).chunk(2, dim=1)
        share = torch.sigmoid(left - right)  # the softmax of two
        return share * one + (1 - share) * two


class Projection(nn.Module):
    def __init__(self, before: int, after: int, stride: int, selective: bool) -> None:
        super().__init__()
        pooled = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.AvgPool2d(2, stride), conv(before, after, 1))
        self.shortcut = pooled if selective else conv(before, after, 1, stride)
        self.bn = norm_relu(after, relu=False)

    def forward(self, images):
        return self.bn(self.shortcut(images))


class Block(nn.Module):
    def __init__(self, before: int, inner: int, stride: int, selective: bool, project: bool) -> None:
        super().__init__()
        self.projection = Projection(before, 4 * inner, stride, selective) if project else nn.Identity()
        middle = [Selective(inner, stride)] if selective else [conv(inner, inner, 3, stride), norm_relu(inner)]
        last = (conv(inner, 4 * inner, 1), norm_relu(4 * inner, relu=False))
        self.net = nn.Sequential(conv(before, inner, 1), norm_relu(inner), *middle, *last)

    def forward(self, images):
        return torch.relu(self.projection(images) + self.net(images))


class Stage(nn.Module):
    def __init__(self, before: int, inner: int, stride: int, selective: bool) -> None:
        super().__init__()
        first = Block(before, inner, stride, selective, True)
        self.blocks = nn.ModuleList([first, Block(4 * inner, inner, 1, selective, False)])

    def forward(self, images):
        return self.blocks[1](self.blocks[0](images))


class Network(nn.Module):
    """Two stages of two blocks; ``net`` and ``fc`` as in the conversions."""

    def __init__(self, selective: bool) -> None:
        super().__init__()
        deep = [conv(3, 4, 3, 2), norm_relu(4), conv(4, 4), norm_relu(4), conv(4, 8), norm_relu(8)]
        stem = deep if selective else [conv(3, 8, 7, 2), norm_relu(8)]
        self.net = nn.Sequential(
            nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1)),
            Stage(8, WIDTHS[0], 1, selective),
            Stage(4 * WIDTHS[0], WIDTHS[1], 2, selective),
        )
        self.fc = nn.Linear(4 * WIDTHS[1], 10)

    def forward(self, images):
        return self.net(images).mean(dim=(2, 3))


class Head(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for out in (width, width, 24):
            self.layers += [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]
        del self.layers[-1]

    def forward(self, rows):
        for layer in self.layers:
            rows = layer(rows)
        return rows


def scrambled(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for values in network.state_dict().values():
            if values.is_floating_point() and values.ndim < 2:
                values.add_(torch.rand_like(values))
    return network.eval()


@pytest.mark.parametrize("selective", [False, True], ids=["plain", "selective"])
@pytest.mark.parametrize("with_head", [True, False], ids=["with_head", "alone"])
def test_a_conversion_gives_back_its_network(selective: bool, with_head: bool, tmp_path: Path) -> None:
    network, head = scrambled(Network(selective)), scrambled(Head(4 * WIDTHS[1]))
    content = {"resnet": network.state_dict(), "head": head.state_dict()} if with_head else network.state_dict()
    path, images = tmp_path / "r50_1x.pth", torch.rand(2, 3, 75, 64)
    torch.save(content, path)
    found, encoder = recognise(path), build(path)
    assert found is not None
    assert "in a SimCLR v2 checkpoint" in found.architecture
    assert ("selective kernels" in found.architecture) is selective
    assert found.image is not None
    assert (found.image.mean, found.image.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert {key.removeprefix("resnet.") for key in found.unmatched} == {"fc.weight", "fc.bias"}
    with torch.inference_mode():
        wanted = {"backbone": network(images)}
        wanted |= {"projector": head(wanted["backbone"])} if with_head else {}
    got = encoder.encode(images.numpy(), "image")
    assert set(got) == set(wanted)
    for layer, values in got.items():
        np.testing.assert_allclose(values, wanted[layer].numpy(), rtol=1e-5, atol=1e-5)


def test_a_missing_part_of_a_selective_kernel_is_named(tmp_path: Path) -> None:
    weights, path = Network(True).state_dict(), tmp_path / "r50.pth"
    key = "net.1.blocks.1.net.2.mixing_conv.1.0.running_var"
    del weights[key]
    torch.save(weights, path)
    with pytest.raises(FormatError, match=r"layer1\.1\.conv2\.narrow_bn\.running_var"):
        build(path)

"""Where the weights of a ResNet are in a checkpoint: its key by the name that torchvision gives it.

Most checkpoints carry torchvision's own names (``conv1``, ``bn1``, ``layer1.0.conv1``, ``layer1.0.downsample.0``).
Beside them: numbered keys of a network cut into ``nn.Sequential(*children)``, the ``shortcut`` of the ResNets written
for CIFAR, timm's deep stems and pooled shortcuts (``conv1.0``, ``downsample.1``), and the names of the PyTorch
conversions of SimCLR v2, also with selective kernels.

Sources: torchvision.models.resnet, timm.models.resnet, HobbitLong/SupContrast networks/resnet_big.py,
Separius/SimCLRv2-Pytorch and its copy in facebookresearch/vissl models/trunks/resnet_sk.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_NUMBERED = re.compile(r"(\d+)\.(.+)")
_STAGE_KEY = re.compile(r"\d+\.conv1\.weight")
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


def residual_keys(keys: Iterable[str]) -> ResidualKeys | None:
    """Find the keys of a ResNet among keys without their prefix; None where there is none."""
    given = set(keys)
    if "net.1.blocks.0.net.0.weight" in given:
        return ResidualKeys(_names_of_simclr_v2(given))
    stages: list[int] = []
    if "0.weight" in given:
        numbers = {int(match[1]) for key in given if (match := _NUMBERED.fullmatch(key))}
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

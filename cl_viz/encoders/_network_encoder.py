"""An encoder around a torch network: moved to a device, run without gradients, dropout switched on for second views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from cl_viz.core.encoder import Layers, Modality
from cl_viz.core.errors import DeviceError, InputError

Pass = Callable[[Any, torch.device], Mapping[str, Tensor]]
"""Runs one batch of one modality on a device: a tensor of shape (B, D) per layer."""


class NetworkEncoder:
    """A `MovableEncoder` around a network of torch.

    Parameters
    ----------
    network : Module
        In float32 on the CPU; it is put in evaluation mode, without gradients.
    layers : tuple of str
        The first is shown by default.
    passes : Mapping from modality to `Pass`
        Each runs a part of `network`.
    """

    def __init__(self, network: nn.Module, layers: tuple[str, ...], passes: Mapping[Modality, Pass]) -> None:
        self.network = network.eval()
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        self._layers = layers
        self._passes: Mapping[str, Pass] = {str(modality): run for modality, run in passes.items()}
        self._device = torch.device("cpu")
        self._half = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the outputs of `encode`; the first is shown by default."""
        return self._layers

    def encode(self, batch: Any, view: str) -> Layers:
        """Embed a batch; `view` is the modality, ``"image"`` or ``"text"``.

        Parameters
        ----------
        batch : NDArray[np.float32] of shape (B, C, H, W), or list of B str
        view : {"image", "text"}

        Returns
        -------
        Mapping from layer to NDArray[np.float32] of shape (B, D)

        Raises
        ------
        InputError
            If this encoder does not embed the modality.
        """
        if view not in self._passes:
            raise InputError(
                f"this encoder does not embed the modality {view!r}", where="encode", allowed=" or ".join(self._passes)
            )
        halved = torch.autocast(self._device.type, enabled=self._half and self._device.type != "cpu")
        with torch.inference_mode(), halved:
            outputs = self._passes[view](batch, self._device)
        return MappingProxyType({name: outputs[name].float().cpu().numpy() for name in self._layers})

    def to(self, device: str, half: bool) -> NetworkEncoder:
        """Move to a device and return itself; `half` runs matrix products there in half precision, but not on a CPU.

        Raises
        ------
        DeviceError
            If the device is absent, or has too little memory.
        """
        try:
            self.network.to(device)
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(
                f"the encoder cannot be moved to {device}: {str(error).splitlines()[0]}", where="to",
                remedy="choose the device cpu, or free memory there",
            ) from error  # fmt: skip
        self._device, self._half = torch.device(device), half
        return self

    def dropout(self, active: bool) -> None:
        """Switch dropout on (two passes of one text are then two views, as in SimCSE) or off.

        Statistics of batch normalisation stay those of the training.

        Raises
        ------
        InputError
            If it has none that is above 0: two passes would give the same rows.
        """
        if active and not any(_drops(module) for module in self.network.modules()):
            raise no_dropout()
        for module in self.network.modules():
            module.training = active and not isinstance(module, _BatchNorm)


def no_dropout() -> InputError:
    """Return the error of an encoder that is asked for a second view by dropout and has none."""
    return InputError(
        "this encoder has no dropout: two passes give the same rows", where="dropout",
        remedy="choose other views, for example two columns of text",
    )  # fmt: skip


def _drops(module: nn.Module) -> bool:
    """Whether a module drops numbers: a layer of dropout, or attention that is told how much to drop."""
    if isinstance(module, _DropoutNd):
        return module.p > 0
    told = (getattr(module, name, 0.0) for name in ("dropout", "attention_dropout", "dropout_prob"))
    return any(isinstance(share, float) and share > 0 for share in told)


def image_batch(batch: Any, device: torch.device) -> Tensor:
    """Return images, float32 of shape (B, C, H, W), on a device."""
    return torch.from_numpy(np.array(batch, dtype=np.float32, order="C")).to(device, non_blocking=True)


def mean_of_tokens(tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean over tokens that are not padding.

    Parameters
    ----------
    tokens : Tensor, shape (B, T, D)
    mask : Tensor, shape (B, T), optional
        0 where a token is padding.

    Returns
    -------
    Tensor, shape (B, D)
    """
    if mask is None:
        return tokens.float().mean(dim=1)
    weights = mask.unsqueeze(-1).float()
    return (tokens.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)

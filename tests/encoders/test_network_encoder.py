"""An encoder around any torch network: modes, devices, shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cl_viz.core.errors import DeviceError, InputError
from cl_viz.encoders._network_encoder import NetworkEncoder, image_batch, mean_of_tokens

PICTURES = np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype(np.float32)


def _encoder(*, drops: float = 0.5) -> NetworkEncoder:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(drops), nn.Linear(32, 3))
    network[0].running_mean.fill_(0.3)
    return NetworkEncoder(
        network, ("out",), {"image": lambda batch, device: {"out": network(image_batch(batch, device))}}
    )


def test_dropout_leaves_statistics_of_batches_alone() -> None:
    encoder = _encoder()
    plain = encoder.encode(PICTURES, "image")["out"]
    encoder.dropout(True)
    assert np.abs(encoder.encode(PICTURES, "image")["out"] - plain).max() > 1e-3
    encoder.dropout(False)
    np.testing.assert_array_equal(encoder.encode(PICTURES, "image")["out"], plain)
    np.testing.assert_allclose(encoder.encode(PICTURES[:1], "image")["out"], plain[:1], rtol=1e-5, atol=1e-6)


def test_an_encoder_without_dropout_says_so() -> None:
    with pytest.raises(InputError, match="no dropout"):
        _encoder(drops=0.0).dropout(True)


def test_nothing_is_halved_on_a_cpu() -> None:
    encoder = _encoder()
    plain = encoder.encode(PICTURES, "image")["out"]
    np.testing.assert_array_equal(encoder.to("cpu", half=True).encode(PICTURES, "image")["out"], plain)


def test_an_absent_device_and_modality_are_named() -> None:
    with pytest.raises(DeviceError, match="cuda:99"):
        _encoder().to("cuda:99", half=True)
    with pytest.raises(InputError, match="'text'"):
        _encoder().encode(["a"], "text")


def test_the_mean_passes_padding_over() -> None:
    tokens = torch.tensor([[[1.0], [3.0], [100.0]], [[7.0], [8.0], [9.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert mean_of_tokens(tokens, mask).flatten().tolist() == [2.0, 0.0]
    assert mean_of_tokens(tokens).flatten().tolist() == [pytest.approx(104 / 3), 8.0]

"""A tiny encoder with a projector, and a probe of 64 samples in two views."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn


class TinyEncoder(nn.Module):
    """Two layers with everything that has a mode or draws: dropout and batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5))
        self.projector = nn.Linear(16, 6)

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        features = self.backbone(batch)
        return {"projector": self.projector(features), "backbone": features}


@dataclass
class Inputs:
    """Two noisy views of samples in four classes."""

    first: Tensor
    second: Tensor
    label: Tensor


@pytest.fixture
def encoder() -> TinyEncoder:
    torch.manual_seed(0)
    return TinyEncoder()


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    generator = torch.Generator().manual_seed(1)
    label = torch.arange(64) % 4
    clean = 2 * torch.eye(4, 8)[label] + 0.5 * torch.randn(64, 8, generator=generator)
    noise = torch.randn(2, 64, 8, generator=generator) * 0.2
    return Inputs(clean + noise[0], clean + noise[1], label)

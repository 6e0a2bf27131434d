"""Where an encoder runs: the device, in what precision, and in batches of what size by default."""

from __future__ import annotations

import torch

from cl_viz.core.errors import DeviceError

_BATCH = {"cpu": 32, "mps": 64}
_BATCH_ON_GPU = 256


def resolve(device: str = "auto") -> str:
    """Return the name of the device to run on; `device` is ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    DeviceError
        If it is not there, naming those that are.
    """
    present = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    present += ["mps"] if torch.backends.mps.is_available() else []
    present.append("cpu")
    wanted = present[0] if device == "auto" else "cuda:0" if device == "cuda" else device
    if wanted not in present:
        raise DeviceError(f"device {device!r} is not here", allowed="auto, " + ", ".join(present))
    return wanted


def in_half(device: str) -> bool:
    """Whether matrix products run in half precision there."""
    return device.startswith("cuda")


def usual_batch(device: str) -> int:
    """Return the batch size where none is given."""
    return _BATCH.get(device, _BATCH_ON_GPU)

"""Which device the pass runs on."""

from __future__ import annotations

import torch

from cl_viz.core.errors import DeviceError


def available_devices() -> tuple[str, ...]:
    """Return the devices this machine has, fastest first."""
    devices = []
    if torch.cuda.is_available():
        devices += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


def resolve_device(device: str = "auto") -> torch.device:
    """Return the device to use.

    Parameters
    ----------
    device : str
        ``"auto"`` (the first of `available_devices`), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    DeviceError
        If it is not there, naming those that are.
    """
    present = available_devices()
    if device == "auto":
        return torch.device(present[0])
    wanted = f"{device}:0" if device == "cuda" else device
    if wanted not in present:
        raise DeviceError(f"device {device!r} is not here", allowed="auto, " + ", ".join(present))
    return torch.device(wanted)


def describe_device(device: str = "auto") -> str:
    """Return the device in words, for people."""
    resolved = resolve_device(device)
    if resolved.type == "cuda":
        return torch.cuda.get_device_name(resolved)
    if resolved.type == "cpu":
        count = torch.get_num_threads()
        return f"CPU, {count} thread{'s' if count > 1 else ''}"
    return "Apple GPU"

"""What people hold in memory, tensors above all, as numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError


def as_array(value: Any, where: str = "memory") -> NDArray[Any]:
    """Return an array, a tensor or a list as a numpy array, without copying where that is possible.

    Parameters
    ----------
    value : array_like or torch.Tensor
        Tensors may be on any device, in any precision, and ask for gradients.
    where : str
        For messages.

    Raises
    ------
    InputError
        If it is no array: rows of different lengths, a sparse tensor.
    """
    try:
        if hasattr(value, "detach"):
            return _of_tensor(value)
        if isinstance(value, list | tuple) and value and hasattr(value[0], "detach"):
            return np.stack([_of_tensor(entry) for entry in value])
        array: NDArray[Any] = np.asanyarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{type(value).__name__} cannot be read as an array ({error})", where=where,
            allowed="arrays, tensors or lists of equal length", remedy="make it one dense array first",
        ) from error  # fmt: skip
    return array


def _of_tensor(tensor: Any) -> NDArray[Any]:
    plain = tensor.detach().cpu()
    if str(plain.dtype) == "torch.bfloat16":
        # Every bfloat16 is a float32; numpy has no such type of its own.
        plain = plain.float()
    array: NDArray[Any] = plain.resolve_conj().resolve_neg().numpy()
    return array


def views_of(value: Any, where: str = "memory") -> dict[str, NDArray[Any]]:
    """Return what stands for views: one array as it is, and several in a tuple or list one by one.

    A list of lists of numbers is one array; so is one whose entries have a single axis.
    """
    if isinstance(value, tuple | list) and value and all(getattr(entry, "ndim", 0) == 2 for entry in value):
        return {f"view_{place}": as_array(entry, where) for place, entry in enumerate(value, 1)}
    return {"view_1": as_array(value, where)}

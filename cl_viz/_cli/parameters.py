"""Parameters of a diagnostic as typed in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cl_viz.core.errors import InputError
from cl_viz.core.params import ParamInfo
from cl_viz.core.specs import DiagnosticSpec, ProjectionSpec

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_parameters(spec: DiagnosticSpec | ProjectionSpec, given: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts as the parameters they name, each in its own type.

    Raises
    ------
    InputError
        If a text has no "=", names no parameter, or its value has another type. Ranges are checked when used.
    """
    known = {info.name: info for info in spec.params.describe()}
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name not in known:
            raise InputError(
                f"{text!r} is no parameter of {spec.name}",
                where="--param",
                allowed="; ".join(f"{info.name}={info.allowed}" for info in known.values()) or "none",
            )
        found[name] = _typed(known[name], value)
    return found


def _typed(info: ParamInfo, value: str) -> Any:
    kind = type(info.default)
    try:
        if kind is bool:
            return _TRUTH[value.lower()]
        return kind(value) if kind in (int, float) else value
    except (KeyError, ValueError) as error:
        raise InputError(f"{info.name} = {value!r}", where="--param", allowed=info.allowed) from error

"""Typed parameters: one declaration makes the signature, the form, the CLI option, the check and the docs row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from cl_viz.core.errors import InputError, similar_name

T = TypeVar("T")


@dataclass(frozen=True)
class ParamInfo:
    """What a form, an option or a docs row needs to know of a parameter."""

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None
    unit: str = ""
    log: bool = False
    card_key: str | None = None
    zero: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        if self.choices is not None:
            return ", ".join(map(repr, self.choices))
        if self.low is not None or self.high is not None:
            low = "-infinity" if self.low is None else f"{self.low:g}"
            high = "infinity" if self.high is None else f"{self.high:g}"
            return f"{low} to {high}"
        return type(self.default).__name__


def param(
    default: T,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[T, ...] | None = None,
    unit: str = "",
    log: bool = False,
    card_key: str | None = None,
    zero: str = "",
) -> T:
    """Declare a parameter of a `Params` class.

    Parameters
    ----------
    default : int, float, str, bool or None
        Its type is the parameter's type.
    help : str
        One line, shown beside the control.
    low, high : float, optional
        Allowed range, ends included.
    choices : tuple, optional
        Allowed values.
    unit : str
        Unit, shown beside the control.
    log : bool
        The control moves on a logarithmic scale.
    card_key : str, optional
        Key of a run's card whose value is the default for that run.
    zero : str
        What a control shows in the place of 0, in a word or two, where 0 is no number but leaves the choice to the
        data; what was chosen then stands in `Result.settled`.
    """
    info = {
        "help": help,
        "low": low,
        "high": high,
        "choices": choices,
        "unit": unit,
        "log": log,
        "card_key": card_key,
        "zero": zero,
    }
    declared: T = field(default=default, metadata=info)
    return declared


@dataclass(frozen=True)
class Params:
    """Base of parameter classes: frozen dataclasses whose fields are declared with `param`. Checked when made."""

    def __post_init__(self) -> None:
        for info in self.describe():
            _check(info, getattr(self, info.name), type(self).__name__)

    @classmethod
    def describe(cls) -> tuple[ParamInfo, ...]:
        """Return what is known of each parameter, in order."""
        return tuple(
            ParamInfo(entry.name, None if entry.default is MISSING else entry.default, **entry.metadata)
            for entry in fields(cls)
        )

    @classmethod
    def make(cls, values: dict[str, Any], card: dict[str, Any] | None = None) -> Params:
        """Build from a mapping; parameters not given take the run card's value, then the default.

        Raises
        ------
        InputError
            On an unknown name, a wrong type or a value out of range.
        """
        known = {info.name: info for info in cls.describe()}
        for name in values:
            if name not in known:
                raise InputError(
                    f"unknown parameter {name!r}", where=cls.__name__, allowed=", ".join(known) or "none",
                    remedy=similar_name(name, known),
                )  # fmt: skip
        from_card = {
            name: (card or {})[info.card_key]
            for name, info in known.items()
            if info.card_key is not None and (card or {}).get(info.card_key) is not None
        }
        return cls(**{**from_card, **values})

    @classmethod
    def assumed(cls, values: Mapping[str, Any], card: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the parameters, as name and default, that neither `values` nor the run's card has."""
        return tuple(
            f"{info.name.replace('_', ' ')} {info.default}"
            for info in cls.describe()
            if info.card_key is not None
            and info.default is not None
            and info.name not in values
            and card.get(info.card_key) is None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return names and values."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


def _check(info: ParamInfo, value: Any, where: str) -> None:
    wanted = type(info.default)
    fits = (
        isinstance(value, (int, float)) and not isinstance(value, bool)
        if wanted is float
        else isinstance(value, wanted)
    )
    if info.default is None or fits:
        in_choices = info.choices is None or value in info.choices
        above = info.low is None or value is None or value >= info.low
        below = info.high is None or value is None or value <= info.high
        if in_choices and above and below:
            return
    raise InputError(f"{info.name} = {value!r} cannot be used", where=where, allowed=info.allowed, remedy=info.help)

"""What the real diagnostics say of a lesson's set, kept so that a control answers at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Result
from cl_viz.core.view import View
from cl_viz.diagnostics import diagnose
from cl_viz.engine.scanner import Scanner

V = TypeVar("V", bound=View)


@lru_cache(maxsize=32)
def _scanner(embedding_set: EmbeddingSet) -> Scanner:
    """Return the keeper of one set's passes; forgotten with the set."""
    return Scanner(device="cpu")


@lru_cache(maxsize=256)
def _measured(diagnostic: str, embedding_set: EmbeddingSet, params: tuple[tuple[str, Any], ...]) -> Result:
    return diagnose(diagnostic, embedding_set, params=dict(params), scanner=_scanner(embedding_set))


def measured(diagnostic: str, embedding_set: EmbeddingSet, **params: Any) -> Result:
    """Return what a diagnostic says of a set; asked again it answers from memory.

    Parameters
    ----------
    diagnostic : str
    embedding_set : EmbeddingSet
        Made once: it is recognised by identity.
    **params
        Of the diagnostic.
    """
    return _measured(diagnostic, embedding_set, tuple(sorted(params.items())))


def number(diagnostic: str, quantity: str, embedding_set: EmbeddingSet, **params: Any) -> float:
    """Return one quantity that a diagnostic measures; it must be known."""
    value = measured(diagnostic, embedding_set, **params)[quantity].value
    assert value is not None, f"{diagnostic}.{quantity} is unknown"
    return value


def drawn(diagnostic: str, name: str, kind: type[V], embedding_set: EmbeddingSet, **params: Any) -> V:
    """Return one of a diagnostic's own figures."""
    found = measured(diagnostic, embedding_set, **params).views[name]
    assert isinstance(found, kind), f"{diagnostic}.{name} is a {type(found).__name__}"
    return found

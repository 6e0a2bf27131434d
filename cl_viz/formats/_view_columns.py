"""Texts and pictures of single views, told by names: ``query_text`` is the text of the view ``query_embedding``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from cl_viz.core.embedding_set import Column
from cl_viz.formats._roles import known_role

# fmt: off
_EMBEDDING_WORDS = frozenset((
    "emb", "embs", "embed", "embeds", "embedding", "embeddings", "feat", "feats", "feature", "features", "vec", "vecs",
    "vector", "vectors", "repr", "reprs", "representation", "representations", "values",
))
# fmt: on
_NEGATIVE_WORDS = frozenset(("negative", "negatives", "neg"))

Words = tuple[str, ...]


def words(name: str) -> Words:
    """Return the words of a name in lower case, numbers apart: ``queryEmbedding_2`` is query, embedding, 2."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))


def stem(array: str) -> Words:
    """Return the words of an array's name without those that say that it is an embedding."""
    return tuple(word for word in words(array) if word not in _EMBEDDING_WORDS)


def is_negative(array: str) -> bool:
    """Return whether an array is called as the negatives of triplets: other samples, no view of the same ones."""
    return any(word in _NEGATIVE_WORDS for word in stem(array))


def owned_by_name(
    columns: Mapping[str, Column], views: Mapping[str, str], sizes: Mapping[str, int]
) -> dict[str, tuple[str, str]]:
    """Tell which columns are the text or the picture of one view each.

    Parameters
    ----------
    columns : Mapping[str, Column]
    views : Mapping[str, str]
        View name -> array name.
    sizes : Mapping[str, int]
        Rows of each view.

    Returns
    -------
    dict of column name to (view, name of the column in that view)
        Columns whose names differ only in the words that tell the views apart, one for every view; empty where there
        is no such family.
    """
    stems = {view: stem(array) for view, array in views.items()}
    if len(stems) < 2 or not all(stems.values()) or len(set(stems.values())) < len(stems):
        return {}
    families: dict[Words, dict[str, list[str]]] = {}
    for column, values in columns.items():
        found = _owner(column, stems)
        if found is not None and values.dtype.kind in "UO" and len(values) == sizes[found[0]]:
            families.setdefault(found[1], {}).setdefault(found[0], []).append(column)
    owned: dict[str, tuple[str, str]] = {}
    # What names its role goes before a column that is called like the view alone.
    for rest in sorted(families, key=len, reverse=True):
        name = "_".join(rest) or "text"
        members = families[rest]
        one_each = len(members) == len(views) and all(len(found) == 1 for found in members.values())
        taken = name in columns or name in {own for _, own in owned.values()}
        if one_each and not taken and _is_shown(rest, stems.values(), members):
            owned |= {found[0]: (view, name) for view, found in members.items()}
    return owned


def _owner(column: str, stems: Mapping[str, Words]) -> tuple[str, Words] | None:
    """Return the view whose words a column's name begins or ends with, and the other words."""
    named = words(column)
    for view in sorted(stems, key=lambda view: len(stems[view]), reverse=True):
        own = stems[view]
        if named[: len(own)] == own:
            return view, named[len(own) :]
        if named[-len(own) :] == own:
            return view, named[: -len(own)]
    return None


def _is_shown(rest: Words, stems: Iterable[Words], members: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a family of columns holds texts, or pictures of views that are not called text."""
    if not rest:
        return all(known_role(column) in (None, "text") for found in members.values() for column in found)
    role = known_role("".join(rest))
    return role == "text" or (role == "image" and not any(known_role("".join(own)) == "text" for own in stems))

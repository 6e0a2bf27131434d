"""A run folder's card: what it says is checked before anything is opened, and its paths stay in the sample folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders._digit_inputs import INPUT_KINDS, InputKind
from cl_viz.encoders._digit_views import DigitAugmentation, augmentation_from
from cl_viz.encoders._encoded import ENCODED, EncodedCard, encoded_card
from cl_viz.encoders._recorded_card import SNAPSHOTS, RecordedCard, recorded_card

CARD = "card.json"
_LARGEST_CARD = 1 << 20


@dataclass(frozen=True)
class DigitRunCard:
    """A checked card of a run whose embeddings are computed.

    Attributes
    ----------
    checkpoints : Mapping[int or None, Path]
        Checkpoint of each step; None where the step is not known.
    data : Path
        The images.
    inputs : InputKind
    augmentation : DigitAugmentation
    evaluation_seed : int
    label : {"digit", "parity"}
    facts : Mapping
        The whole card, as shown to people.
    """

    checkpoints: Mapping[int | None, Path]
    data: Path
    inputs: InputKind
    augmentation: DigitAugmentation
    evaluation_seed: int
    label: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class DumpCard:
    """A checked card of a run whose embeddings are a committed dump."""

    dump: Path
    views: tuple[str, ...] | None
    roles: Mapping[str, str]
    facts: Mapping[str, Any]


def read_facts(folder: Path) -> Mapping[str, Any]:
    """Read a run folder's card without checking more than that it is a JSON object with a name.

    Raises
    ------
    FormatError
        If it is missing, too large, no JSON object, or nameless.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > _LARGEST_CARD:
            raise FormatError("the card is larger than 1 MB", where=str(path))
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"the card cannot be read ({error.strerror})", where=str(path),
                          allowed=f"a run folder with a {CARD}") from error  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the card is no JSON ({error})", where=str(path),
                          remedy="restore the file or train the run again") from error  # fmt: skip
    if not isinstance(facts, dict) or not isinstance(facts.get("name"), str) or not facts["name"]:
        raise FormatError("the card is no JSON object with a name", where=str(path))
    return MappingProxyType(facts)


def read_card(folder: Path) -> DigitRunCard | DumpCard | RecordedCard | EncodedCard:
    """Read and check a run folder's card.

    Raises
    ------
    FormatError
        If an entry is missing or cannot be used, or a path leaves the folder that holds all runs.
    """
    facts = read_facts(folder)
    where = str(folder / CARD)
    try:
        if ENCODED in facts:
            return encoded_card(folder, facts, where)
        if SNAPSHOTS in facts:
            return recorded_card(folder, facts, where)
        return _dump_card(folder, facts) if "dump" in facts else _digit_card(folder, facts)
    except FormatError:
        raise
    except KeyError as error:
        raise FormatError(f"the card lacks {error}", where=where) from error
    except (TypeError, ValueError, AttributeError, InputError) as error:
        raise FormatError(f"the card cannot be used ({error})", where=where) from error


def _digit_card(folder: Path, facts: Mapping[str, Any]) -> DigitRunCard:
    where = str(folder / CARD)
    steps = {int(entry["step"]): _inside(folder, folder, entry["file"]) for entry in facts["checkpoints"]}
    if not steps or len(steps) != len(facts["checkpoints"]) or min(steps) < 0:
        raise FormatError("the card lists no checkpoints, or one step twice", where=where)
    if facts["inputs"] not in INPUT_KINDS or facts["label"] not in ("digit", "parity"):
        raise FormatError(
            f"inputs {facts['inputs']!r} with label {facts['label']!r}", where=where,
            allowed=f"inputs {', '.join(INPUT_KINDS)}; label digit or parity",
        )  # fmt: skip
    return DigitRunCard(
        checkpoints=MappingProxyType(dict(sorted(steps.items()))),
        data=_inside(folder.parent.parent, folder.parent.parent, facts["data"]),
        inputs=cast(InputKind, facts["inputs"]),
        augmentation=augmentation_from(dict(facts["augmentation"])),
        evaluation_seed=int(facts["evaluation_seed"]),
        label=str(facts["label"]),
        facts=facts,
    )


def _dump_card(folder: Path, facts: Mapping[str, Any]) -> DumpCard:
    views = facts.get("views")
    # In the folder itself, or from the folder that holds all runs.
    beside = (folder / str(facts["dump"])).is_file()
    root = folder if beside else folder.parent.parent
    return DumpCard(
        dump=_inside(root, root, facts["dump"]),
        views=None if views is None else tuple(str(view) for view in views),
        roles=MappingProxyType({str(role): str(column) for role, column in facts.get("roles", {}).items()}),
        facts=facts,
    )


def _inside(root: Path, base: Path, relative: Any) -> Path:
    """Return `base / relative`, which must lie in `root`, links followed."""
    resolved = (base / str(relative)).resolve()
    if not resolved.is_relative_to(root.resolve()):
        raise FormatError(
            f"the path {relative!r} leaves the folder", where=str(root), allowed="paths inside it",
        )  # fmt: skip
    return resolved

"""Writing a run folder: every file is written under another name and renamed, so that a kill leaves a whole folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders._card import CARD, read_card
from cl_viz.encoders._encoded import ENCODED
from cl_viz.encoders._recorded import METRICS, PROBE, read_metrics, snapshot_file, snapshot_files
from cl_viz.encoders._recorded_card import SNAPSHOTS, VERSION, RecordedCard
from cl_viz.formats._guard import replacing
from cl_viz.recording._encoding import Layers
from cl_viz.recording._probe import Probe

STORAGE = frozenset({SNAPSHOTS, "dump", "checkpoints", ENCODED})
"""Facts of a card that say where a run's embeddings are; no other facts may have these names."""
ABANDONED = "abandoned"
"""Folder of the snapshots of steps that a resumed training went back before."""
_UNFINISHED = ".writing-*"


class RunFolder:
    """A run folder that is being written.

    Parameters
    ----------
    path : Path
        Made where it does not exist; a recorded run that is there goes on.
    probe : Probe
    facts : Mapping
        What the card says besides.

    Raises
    ------
    InputError
        If the folder holds another kind of run, or one of another probe set.
    """

    def __init__(self, path: Path, probe: Probe, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.probe = probe
        self.facts = plain_facts(facts, "Recorder")
        self._hash = probe.hash()
        self.card: RecordedCard | None = None
        try:
            (path / SNAPSHOTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the folder cannot be made ({error.strerror})", where=str(path)) from error
        if (path / CARD).is_file():
            self.card = self._continued(read_card(path))
        else:
            # A writer that was killed before its card: of which probe those snapshots are, nobody knows.
            self.abandon_after(-1)
        for leftover in (*path.glob(_UNFINISHED), *(path / SNAPSHOTS).glob(_UNFINISHED)):
            leftover.unlink(missing_ok=True)

    def _continued(self, card: Any) -> RecordedCard:
        if not isinstance(card, RecordedCard):
            raise InputError("the folder holds a run of another kind", where=str(self.path),
                             remedy="give an empty folder")  # fmt: skip
        if card.probe != self._hash or card.views != tuple(self.probe.views):
            raise InputError(
                "the folder was recorded with another probe set", where=str(self.path),
                remedy="give the same probe, in the same order, or an empty folder",
            )  # fmt: skip
        return card

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps that were recorded, ascending."""
        return tuple(snapshot_files(self.path))

    def history(self) -> dict[int, dict[str, float]]:
        """Return what was measured at each recorded step; a damaged snapshot is left out."""
        found = {}
        for step, path in snapshot_files(self.path).items():
            try:
                found[step] = read_metrics(path)
            except FormatError:
                continue
        return found

    def write(self, step: int, layers: Layers, metrics: Mapping[str, float]) -> None:
        """Write one snapshot; with the first one the probe's metadata and, at the very end, the card.

        Raises
        ------
        InputError
            If the layers are others than before, or the disk does not take the file.
        """
        names = tuple(layers)
        if self.card is not None and self.card.layers != names:
            raise InputError(
                f"the encoder returns the layers {', '.join(names)}", where=str(self.path),
                allowed=", ".join(self.card.layers), remedy="record other layers in another folder",
            )  # fmt: skip
        tensors = {
            f"{layer}/{view}": np.ascontiguousarray(rows)
            for layer, views in layers.items()
            for view, rows in views.items()
        }
        said = json.dumps({name: value if math.isfinite(value) else None for name, value in metrics.items()})
        with replacing(snapshot_file(self.path, step)) as temporary:
            save_file(tensors, str(temporary), metadata={METRICS: said})
        if self.card is None:
            self._write_probe()
            self._write_card(names, finished=False)
        elif self.card.finished:
            self._write_card(names, finished=False)

    def finish(self) -> None:
        """Say in the card that nothing more will come."""
        if self.card is not None and not self.card.finished:
            self._write_card(self.card.layers, finished=True)

    def abandon_after(self, step: int) -> int:
        """Move the snapshots of later steps aside, and return how many: a resumed training went back before them."""
        later = [path for found, path in snapshot_files(self.path).items() if found > step]
        if later:
            (self.path / ABANDONED).mkdir(exist_ok=True)
        for path in later:
            path.replace(self.path / ABANDONED / path.name)
        return len(later)

    def _write_probe(self) -> None:
        columns = {f"columns/{name}": values for name, values in self.probe.columns.items()}
        arrays: dict[str, Any] = {"rows": np.array(self.probe.rows), **columns}
        with replacing(self.path / PROBE) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def _write_card(self, layers: tuple[str, ...], *, finished: bool) -> None:
        entry = {
            "version": VERSION,
            "layers": list(layers),
            "views": list(self.probe.views),
            "rows": self.probe.rows,
            "roles": dict(self.probe.roles),
            "probe": self._hash,
            "finished": finished,
        }
        text = json.dumps({**self.facts, SNAPSHOTS: entry}, indent=1, ensure_ascii=False, allow_nan=False)
        with replacing(self.path / CARD) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        card = read_card(self.path)
        assert isinstance(card, RecordedCard)
        self.card = card


def plain_facts(facts: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the facts of a card.

    Raises
    ------
    InputError
        If one has a name that the folder itself needs, or holds what JSON cannot say.
    """
    reserved = STORAGE & set(facts)
    if reserved:
        raise InputError(f"a fact is called {min(reserved)!r}", where=where, remedy="give it another name")
    try:
        json.dumps(dict(facts), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a fact of the card cannot be written ({error})", where=where,
            allowed="text, finite numbers, true and false, lists and mappings of these",
        ) from error  # fmt: skip
    return dict(facts)

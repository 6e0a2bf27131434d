"""`Run`: one model, as embedding sets by training step and layer, with a card that says how it was trained."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.fact_table import fact_table

Card = Mapping[str, Any]
Loader = Callable[[], EmbeddingSet]


class Snapshot(NamedTuple):
    """Where an embedding set stands in a run: the training step and the layer, each None where not known."""

    step: int | None = None
    layer: str | None = None


class Run:
    """One model: ``{(step, layer): EmbeddingSet}`` and a card.

    Parameters
    ----------
    name : str
        Shown to people; unique among open runs.
    snapshots : Mapping[Snapshot, EmbeddingSet or callable]
        A callable without arguments is called at first use and its set kept: embeddings are computed only when
        somebody looks at them.
    card : Mapping, optional
        Facts about the training: ``loss``, ``temperature``, ``batch_size``, ``seed``, ``recipe``,
        ``under_represented_class``, ``balanced_twin``, ...
    source : str
        Path or origin.

    Raises
    ------
    InputError
        If there is no snapshot.
    """

    def __init__(
        self,
        name: str,
        snapshots: Mapping[Snapshot, EmbeddingSet | Loader],
        *,
        card: Card | None = None,
        source: str = "memory",
    ) -> None:
        if not snapshots:
            raise InputError("a run needs at least one embedding set", where=name)
        self.name = name
        self.card: Card = MappingProxyType(dict(card or {}))
        self.source = source
        self._sources = {Snapshot(*key): value for key, value in snapshots.items()}
        self._loaded: dict[Snapshot, EmbeddingSet] = {}
        self._lock = threading.RLock()

    @classmethod
    def from_set(cls, embedding_set: EmbeddingSet, *, card: Card | None = None) -> Run:
        """Wrap one embedding set as a run with a single snapshot."""
        return cls(embedding_set.name, {Snapshot(): embedding_set}, card=card, source=embedding_set.source)

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Every (step, layer), ordered by step, layers in the order given."""
        return tuple(sorted(self._sources, key=lambda key: -1 if key.step is None else key.step))

    @property
    def steps(self) -> tuple[int | None, ...]:
        """Training steps, ascending."""
        return tuple(dict.fromkeys(key.step for key in self.snapshots))

    @property
    def layers(self) -> tuple[str | None, ...]:
        """Layers, in the order given; the first is the one shown by default."""
        return tuple(dict.fromkeys(key.layer for key in self._sources))

    def at(self, step: int | None = None, layer: str | None = None) -> Snapshot:
        """Return the snapshot at `step` and `layer`; by default the last step and the first layer.

        Raises
        ------
        InputError
            If there is none, naming the steps and layers there are.
        """
        wanted_step = self.steps[-1] if step is None else step
        wanted_layer = self.layers[0] if layer is None else layer
        key = Snapshot(wanted_step, wanted_layer)
        if key not in self._sources and list(self._sources) == [Snapshot(None, None)]:
            raise InputError(
                "this is one set of embeddings, without steps or layers",
                where=self.name,
                remedy="leave step and layer out; a run folder or a list of steps has them",
            )
        if key not in self._sources:
            raise InputError(
                f"no snapshot at step {wanted_step}, layer {wanted_layer}",
                where=self.name,
                allowed=f"steps {list(self.steps)}, layers {list(self.layers)}",
            )
        return key

    def get(self, step: int | None = None, layer: str | None = None) -> EmbeddingSet:
        """Return the embedding set at `step` and `layer` (default: last step, first layer), loading it if needed."""
        key = self.at(step, layer)
        with self._lock:
            if key not in self._loaded:
                source = self._sources[key]
                self._loaded[key] = source if isinstance(source, EmbeddingSet) else source()
            return self._loaded[key]

    def renamed(self, name: str) -> Run:
        """Return the same run under another name."""
        return Run(name, {**self._sources, **self._loaded}, card=self.card, source=self.source)

    def __repr__(self) -> str:
        return f"Run({self.name!r}, steps={list(self.steps)}, layers={list(self.layers)})"

    def _repr_html_(self) -> str:
        steps, layers = (
            ", ".join(str(entry) for entry in entries if entry is not None) for entries in (self.steps, self.layers)
        )
        held = next(iter(self._loaded.values()), next(iter(self._sources.values())))
        inside = repr(held) if len(self._sources) == 1 and isinstance(held, EmbeddingSet) else None
        plain = {name: fact for name, fact in self.card.items() if not isinstance(fact, Mapping)}
        facts = {"snapshots at steps": steps, "layers kept": layers, "embeddings": inside, **plain}
        return fact_table(f"Run {self.name}", facts)

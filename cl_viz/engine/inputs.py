"""What a diagnostic is given: embedding sets with their statistics, computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.lazily import lazily
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import Caveats
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.specs import Needs
from cl_viz.engine.moments import Moments
from cl_viz.engine.nearest import NeighborMap
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.row_pass import RowStatistics
from cl_viz.engine.scanner import Scanner
from cl_viz.engine.statistics import Statistics

T = TypeVar("T")
_ONLY = Snapshot()


@dataclass
class SetInputs:
    """One embedding set of a run.

    Attributes
    ----------
    embedding_set : EmbeddingSet
    run : str
        Name of the run.
    snapshot : Snapshot
        Step and layer.
    card : Mapping
        The run's card.
    scanner : Scanner
        Has the passes made and keeps them.
    progress : callable
        Of the passes.
    """

    embedding_set: EmbeddingSet
    run: str
    snapshot: Snapshot = _ONLY
    card: Mapping[str, Any] = field(default_factory=dict)
    scanner: Scanner = field(default_factory=Scanner)
    progress: ProgressCallback = silent

    @lazily
    def statistics(self) -> Statistics:
        """Pairs, anchors and moments: a pass over all pairs."""
        return self.scanner.statistics(self.embedding_set, self.progress)

    @lazily
    def moments(self) -> Moments:
        """Means and scatter matrices: no pair is looked at."""
        return self.scanner.moments(self.embedding_set, self.progress)

    @lazily
    def neighbors(self) -> NeighborMap:
        """The 200 nearest neighbours of every row, or all others: within each view, and in the next one."""
        return self.scanner.neighbors(self.embedding_set, self.progress)

    def rows(self, temperatures: Sequence[float], roles: PairRoles | None = None) -> dict[str, RowStatistics]:
        """Return what every row sees at these temperatures: a pass over all pairs, kept for these temperatures."""
        return self.scanner.rows(self.embedding_set, temperatures, roles, self.progress)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returned for this set the first time.

        For what several diagnostics share, or what a control does not change; the key names it and everything that
        it depends on besides the set.
        """
        return self.scanner.keep(self.embedding_set, ("derived", key), make)

    def plain_caveats(
        self,
        n_used: int,
        n_excluded: int,
        *,
        normalised: bool = True,
        centred: bool = False,
        seed: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> Caveats:
        """Return what numbers that do not come from `statistics` rest on."""
        return Caveats(
            n_used=n_used,
            n_excluded=n_excluded,
            dim=self.embedding_set.dim,
            views=self.embedding_set.view_names,
            layer=self.snapshot.layer,
            step=self.snapshot.step,
            normalised=normalised,
            centred=centred,
            seed=seed,
            notes=notes,
        )

    def caveats(self, *, notes: tuple[str, ...] = ()) -> Caveats:
        """Return what numbers from `statistics` rest on."""
        found = self.statistics
        if not self.embedding_set.aligned:
            usable = self.embedding_set.usable_rows.items()
            notes = (*notes, "rows used: " + ", ".join(f"{int(rows.sum()):,} of {view}" for view, rows in usable))
        notes = (*notes, f"scores in {found.precision} on {found.device}, sums in float64")
        return self.plain_caveats(found.n_used, found.n_excluded, seed=found.seed, notes=notes)


@dataclass
class StepInputs:
    """The training steps of a run at one layer, ascending; each set is loaded when it is reached."""

    run: str
    steps: tuple[int, ...]
    at: Callable[[int], SetInputs]


@dataclass
class LayerInputs:
    """The layers of a run at one step, in the run's order; each set is loaded when it is reached."""

    run: str
    layers: tuple[str, ...]
    at: Callable[[str], SetInputs]


@dataclass
class PairInputs:
    """A run, and the run it is compared with.

    Attributes
    ----------
    own, reference : SetInputs
        Same step and layer choices for both. Whether they hold the same samples is for the diagnostic to check.
    """

    own: SetInputs
    reference: SetInputs

    @property
    def run(self) -> str:
        """Name of the run that is looked at."""
        return self.own.run


@dataclass
class FamilyInputs:
    """A run, and all others that are at hand: a diagnostic picks by their cards.

    Attributes
    ----------
    own : SetInputs
    others : tuple of callable
        Each loads its set when called.
    cards : tuple of Mapping
        The others' cards, in the same order.
    names : tuple of str
        The others' names.
    progress : callable
        Of work on all of them together; each set's own covers its part only.
    """

    own: SetInputs
    others: tuple[Callable[[], SetInputs], ...]
    cards: tuple[Mapping[str, Any], ...]
    names: tuple[str, ...]
    progress: ProgressCallback = silent

    @property
    def run(self) -> str:
        """Name of the run that is looked at."""
        return self.own.run


Inputs = SetInputs | StepInputs | LayerInputs | PairInputs | FamilyInputs


@dataclass(frozen=True)
class _Gathering:
    """What all kinds of inputs are made from."""

    run: Run
    step: int | None
    layer: str | None
    scanner: Scanner
    progress: ProgressCallback

    def one(
        self, run: Run | None = None, step: int | None = None, layer: str | None = None, part: tuple[int, int] = (0, 1),
        label: str = "",
    ) -> SetInputs:  # fmt: skip
        """Return one set; its progress fills part ``part[0]`` of ``part[1]``."""
        run = run or self.run
        snapshot = run.at(self.step if step is None else step, self.layer if layer is None else layer)

        def report(done: float, message: str) -> None:
            self.progress((part[0] + done) / part[1], f"{label}: {message}" if label else message)

        embedding_set = run.get(snapshot.step, snapshot.layer)
        return SetInputs(embedding_set, run.name, snapshot, run.card, self.scanner, report)

    def steps(self) -> StepInputs:
        steps = tuple(step for step in self.run.steps if step is not None)
        if len(steps) < 2:
            raise MissingInputError(
                f"the run has {len(self.run.steps)} snapshot{'' if len(self.run.steps) == 1 else 's'}",
                where=self.run.name,
                remedy="save embeddings at several training steps",
            )
        at = {step: (place, len(steps)) for place, step in enumerate(steps)}
        return StepInputs(self.run.name, steps, lambda step: self.one(step=step, part=at[step], label=f"step {step:,}"))

    def layers(self) -> LayerInputs:
        layers = tuple(layer for layer in self.run.layers if layer is not None)
        if len(layers) < 2:
            raise MissingInputError(
                "the run has embeddings of one layer",
                where=self.run.name,
                remedy="save the backbone's and the projector's embeddings as two layers of one run",
            )
        at = {layer: (place, len(layers)) for place, layer in enumerate(layers)}
        return LayerInputs(self.run.name, layers, lambda layer: self.one(layer=layer, part=at[layer], label=layer))

    def pair(self, others: Sequence[Run]) -> PairInputs:
        reference = next((other for other in others if other is not self.run), None)
        if reference is None:
            raise MissingInputError(
                "there is no second run to compare with",
                where=self.run.name,
                remedy="open another run of the same samples and choose it as the reference",
            )
        own, other = self.one(part=(0, 2)), self.one(reference, part=(1, 2), label=reference.name)
        return PairInputs(own, other)

    def family(self, others: Sequence[Run]) -> FamilyInputs:
        rest = [other for other in others if other is not self.run]
        count = len(rest) + 1

        def loader(place: int, run: Run) -> Callable[[], SetInputs]:
            return lambda: self.one(run, part=(place, count), label=run.name)

        return FamilyInputs(
            self.one(part=(0, count)),
            tuple(loader(place, run) for place, run in enumerate(rest, start=1)),
            tuple(run.card for run in rest),
            tuple(run.name for run in rest),
            self.progress,
        )


def gather(
    needs: Needs,
    run: Run,
    step: int | None = None,
    layer: str | None = None,
    *,
    others: Sequence[Run] = (),
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> Inputs:
    """Return the inputs that a diagnostic's `needs` name.

    Parameters
    ----------
    needs : Needs
    run : Run
    step, layer : optional
        By default the last step and the first layer; also of the other runs.
    others : sequence of Run
        The reference run first, for ``"pair"``; all runs at hand, for ``"family"``. The run itself may be among them.
    scanner : Scanner, optional
        By default a new one.
    progress : callable

    Raises
    ------
    MissingInputError
        If the run lacks them.
    """
    gathering = _Gathering(run, step, layer, scanner or Scanner(), progress)
    if needs == "set":
        return gathering.one()
    if needs == "steps":
        return gathering.steps()
    if needs == "layers":
        return gathering.layers()
    return gathering.pair(others) if needs == "pair" else gathering.family(others)

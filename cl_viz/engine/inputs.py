"""What a diagnostic is given: embedding sets with their statistics, computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import Caveats
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.specs import Needs
from cl_viz.engine.scan import scan
from cl_viz.engine.statistics import Statistics

_ONLY = Snapshot()


class Scanner(Protocol):
    """How statistics are had: `cl_viz.scan`, or something that keeps its answers."""

    def __call__(self, embedding_set: EmbeddingSet, *, anchors: Any, progress: ProgressCallback) -> Statistics:
        """Return the statistics of a set."""
        ...


def plain_scan(embedding_set: EmbeddingSet, *, anchors: Any, progress: ProgressCallback) -> Statistics:
    """Scan without keeping anything: the default scanner."""
    return scan(embedding_set, anchors=anchors, progress=progress)


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
    """

    embedding_set: EmbeddingSet
    run: str
    snapshot: Snapshot = _ONLY
    card: Mapping[str, Any] = field(default_factory=dict)
    scanner: Scanner = plain_scan
    progress: ProgressCallback = silent

    @cached_property
    def statistics(self) -> Statistics:
        """Pairs, anchors and moments."""
        return self.scanner(self.embedding_set, anchors="auto", progress=self.progress)

    def plain_caveats(
        self,
        n_used: int,
        n_excluded: int,
        *,
        normalised: bool = True,
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


def set_inputs(
    run: Run,
    step: int | None = None,
    layer: str | None = None,
    *,
    scanner: Scanner = plain_scan,
    progress: ProgressCallback = silent,
) -> SetInputs:
    """Return the inputs of a diagnostic that needs one set (default: last step, first layer)."""
    snapshot = run.at(step, layer)
    found = run.get(snapshot.step, snapshot.layer)
    return SetInputs(found, run.name, snapshot, run.card, scanner, progress)


def step_inputs(
    run: Run, layer: str | None = None, *, scanner: Scanner = plain_scan, progress: ProgressCallback = silent
) -> StepInputs:
    """Return the inputs of a diagnostic that needs the steps of a run.

    Raises
    ------
    MissingInputError
        If the run has fewer than two steps.
    """
    steps = tuple(step for step in run.steps if step is not None)
    if len(steps) < 2:
        raise MissingInputError(
            f"the run has {len(run.steps)} snapshot(s)",
            where=run.name,
            remedy="save embeddings at several training steps",
        )

    def at(step: int) -> SetInputs:
        share, start = 1 / len(steps), steps.index(step) / len(steps)
        return set_inputs(
            run,
            step,
            layer,
            scanner=scanner,
            progress=lambda done, message: progress(start + share * done, f"step {step:,}: {message}"),
        )

    return StepInputs(run.name, steps, at)


def gather(
    needs: Needs,
    run: Run,
    step: int | None = None,
    layer: str | None = None,
    *,
    scanner: Scanner = plain_scan,
    progress: ProgressCallback = silent,
) -> SetInputs | StepInputs:
    """Return the inputs that a diagnostic's `needs` name.

    Raises
    ------
    MissingInputError
        If the run lacks them.
    """
    if needs == "set":
        return set_inputs(run, step, layer, scanner=scanner, progress=progress)
    if needs == "steps":
        return step_inputs(run, layer, scanner=scanner, progress=progress)
    raise MissingInputError(
        f"{needs!r} needs more than one run or layer", where=run.name, remedy="open the other runs and use Compare"
    )

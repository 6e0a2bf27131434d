"""`Recorder`: three lines in any PyTorch loop."""

from __future__ import annotations

import math
import operator
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cl_viz.core.errors import InputError
from cl_viz.core.fact_table import fact_table
from cl_viz.core.result import format_number
from cl_viz.encoders._recorded import read_metrics, snapshot_files
from cl_viz.formats._guard import check_present
from cl_viz.recording._encoding import EncodeFunction, cuda_is_used, encode_probe
from cl_viz.recording._folder import RunFolder
from cl_viz.recording._measures import MEASURES, collapse_reason, measure
from cl_viz.recording._probe import Probe

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]


class Recorder:
    """Records what an encoder makes of a fixed probe set while it trains.

    Parameters
    ----------
    folder : path
        The run folder; `cl_viz.open_run` and the dashboard open it while it grows. A recorded run that is there goes
        on; snapshots of steps beyond the first new one are moved to ``abandoned/``.
    probe : inputs, tuple of views, or mapping of view name to inputs
        The same N samples in each view: tensors or arrays with N entries on their first axis, sequences of samples,
        or mappings of tensors. A few hundred samples are enough.
    every : int
        A snapshot is taken at the steps that it divides.
    card : Mapping, optional
        Facts about the training that diagnostics and pages use: ``loss``, ``temperature``, ``batch_size``, ...
    name : str, optional
        By default the card's, or the folder's.
    metadata : Mapping[str, array], optional
        Columns of N entries.
    batch_size : int
        Samples of the probe encoded at a time.
    stop_on_collapse : bool
        Watch for collapse: `should_stop` and `reason` then say when the last snapshots show it.
    patience : int
        Snapshots in a row that must show it.
    most_overhead : float, optional
        Snapshots are left out while the recorder's share of the training time is above this, for example 0.02.
    metric_rows : int
        Samples that the measures of a snapshot rest on.
    seed : int
        Of an encoder that draws at random: its draws are the same at every snapshot.
    **role_values : array of N entries
        ``label``, ``subclass``, ``group``, ``text``, ``image``, ``id``.

    Examples
    --------
    >>> recorder = cl_viz.Recorder("runs/first", (images, other_views), every=100, label=labels)  # doctest: +SKIP
    >>> recorder.step(model, step)  # in the loop, after the optimiser  # doctest: +SKIP
    >>> recorder.close()  # doctest: +SKIP

    Raises
    ------
    InputError
        If the probe or a parameter cannot be used, or the folder holds another run.

    Notes
    -----
    A snapshot changes nothing in the loop: modules return to their modes, random generators to their states, no
    gradient is made. In a job of several processes the first one records; others do nothing.
    """

    def __init__(
        self,
        folder: PathLike,
        probe: Any,
        *,
        every: int = 100,
        card: Mapping[str, Any] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        batch_size: int = 256,
        stop_on_collapse: bool = False,
        patience: int = 2,
        most_overhead: float | None = None,
        metric_rows: int = 512,
        seed: int = 0,
        **role_values: Any,
    ) -> None:
        for what, value, least in (
            ("every", every, 1), ("batch_size", batch_size, 1), ("patience", patience, 1),
            ("metric_rows", metric_rows, 3), ("seed", seed, 0),
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**32:
                raise InputError(f"{what} is {value!r}", where="Recorder", allowed=f"a whole number, {least} or more")
        if most_overhead is not None and not (isinstance(most_overhead, (int, float)) and most_overhead > 0):
            raise InputError(f"most_overhead is {most_overhead!r}", where="Recorder",
                             allowed="a share above 0, for example 0.02")  # fmt: skip
        self.every = every
        self.stop_on_collapse = stop_on_collapse
        self.most_overhead = most_overhead
        self._batch_size, self._patience, self._metric_rows, self._seed = batch_size, patience, metric_rows, seed
        self._probe = Probe.of(probe, metadata, role_values)
        self.path = Path(folder)
        self._writes = not _is_other_process()
        self._reason = ""
        self._spent, self._began = 0.0, math.nan
        self._fresh = True
        self._history: dict[int, dict[str, float]] = {}
        if self._writes:
            facts = {"name": self.path.name or "run", **(card or {}), **({"name": name} if name else {})}
            self._folder = RunFolder(self.path, self._probe, facts)
            self._history = self._folder.history()

    def step(
        self,
        encoder: nn.Module | EncodeFunction,
        step: int,
        *,
        model: nn.Module | None = None,
        values: Mapping[str, float] | None = None,
    ) -> bool:
        """Take a snapshot where one is due; call it once a training step.

        Parameters
        ----------
        encoder : Module, or function ``(batch, view) -> output``
            The output is a tensor (B, D), or a mapping from layer to such tensors, the layer to look at first.
        step : int
            Optimiser steps done.
        model : Module, optional
            What a function runs, so that it is put into evaluation mode and its device is known.
        values : Mapping[str, float], optional
            Numbers of the loop's own that are kept with the snapshot, such as the training loss.

        Returns
        -------
        bool
            Whether a snapshot was taken.
        """
        if math.isnan(self._began):
            self._began = time.perf_counter()
        if not self.due(step):
            return False
        self.record(encoder, step, model=model, values=values)
        return True

    def due(self, step: int) -> bool:
        """Whether `step` would take a snapshot now."""
        under_limit = self.most_overhead is None or self.overhead <= self.most_overhead
        return self._writes and step % self.every == 0 and under_limit

    def record(
        self,
        encoder: nn.Module | EncodeFunction,
        step: int,
        *,
        model: nn.Module | None = None,
        values: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Take a snapshot now, whether or not one is due, and return what was measured; see `step`.

        Raises
        ------
        InputError
            If the step is no whole number from 0 on, the encoder's output cannot be used, a value is no number or
            has the name of a measure, or the disk is full.
        """
        step, own = _whole_number(step), _own_values(values or {})
        if not self._writes:
            return {}
        if cuda_is_used():
            # What the device still has to do for the training is not the recorder's time.
            torch.cuda.synchronize()
        began = time.perf_counter()
        if math.isnan(self._began):
            self._began = began
        layers = encode_probe(encoder, self._probe, self._batch_size, self._seed, model)
        measured = measure(list(next(iter(layers.values())).values()), self._metric_rows)
        measured |= own
        if self._fresh and self._folder.abandon_after(step):
            self._history = self._folder.history()
        self._folder.write(step, layers, measured)
        self._fresh = False
        self._history[step] = measured
        if self.stop_on_collapse and not self._reason:
            self._reason = collapse_reason(self._history, self._patience)
        self._spent += time.perf_counter() - began
        return measured

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps recorded so far, also before a resumption, ascending."""
        return tuple(sorted(self._history))

    @property
    def history(self) -> dict[int, dict[str, float]]:
        """What was measured, by step; the names are those of `cl_viz.recording.metrics_of`."""
        return {step: dict(self._history[step]) for step in sorted(self._history)}

    def table(self) -> pd.DataFrame:
        """Return what was measured as a pandas frame, a row a step, for example for ``recorder.table().plot()``."""
        import pandas as pd

        return pd.DataFrame.from_dict(self.history, orient="index").rename_axis("step")

    @property
    def should_stop(self) -> bool:
        """Whether the last snapshots show collapse; False unless `stop_on_collapse` was asked for."""
        return bool(self._reason)

    @property
    def reason(self) -> str:
        """Why to stop, in words; empty where there is none."""
        return self._reason

    @property
    def overhead(self) -> float:
        """Time spent in the recorder over the time of everything else since its first step; 0 before a snapshot.

        With `every` steps between snapshots, it is what the training takes longer.
        """
        if math.isnan(self._began) or not self._spent:
            return 0.0
        rest = time.perf_counter() - self._began - self._spent
        return self._spent / rest if rest > 0 else math.inf

    def close(self) -> None:
        """Say that the recording is finished: the dashboard then stops looking for new snapshots."""
        if self._writes:
            self._folder.finish()

    def __repr__(self) -> str:
        return f"Recorder({str(self.path)!r}, every={self.every}, {len(self._history):,} snapshots)"

    def _repr_html_(self) -> str:
        last = max(self._history, default=None)
        measured = self._history[last] if last is not None else {}
        facts = {
            "probe": f"{self._probe.rows:,} samples, views: {', '.join(self._probe.views)}",
            "snapshots": f"{len(self._history):,}, at steps that {self.every:,} divides",
            "last step": None if last is None else f"{last:,}",
            **{name: format_number(value) for name, value in measured.items()},
            "takes longer by": f"{100 * self.overhead:.1f} %" if self._spent else None,
            "stop": self._reason,
        }
        return fact_table(f"Recorder of {self.path}", facts)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def metrics_of(folder: PathLike) -> dict[int, dict[str, float]]:
    """Return what was measured at each recorded step of a run folder, without reading an embedding.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of step to dict of name to value
        ``alignment``, ``uniformity``, ``covariance_entropy_rank``, ``total_variance``, ``standard_deviation``,
        ``positive_mean``, ``negative_mean``, and the loop's own values; NaN where a number could not be had.

    Raises
    ------
    FormatError
        If there is no such folder, or a snapshot is damaged.
    """
    check_present(Path(folder))
    return {step: read_metrics(path) for step, path in snapshot_files(Path(folder)).items()}


def _whole_number(step: Any) -> int:
    try:
        number = -1 if isinstance(step, bool) else operator.index(step)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"the step is {step!r}", where="Recorder", allowed="a whole number, 0 or more")
    return number


def _own_values(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the loop's own numbers; they may not take the place of what is measured."""
    found = {}
    for name, value in values.items():
        if name in MEASURES:
            raise InputError(f"a value is called {name!r}, as a measure is", where="Recorder",
                             remedy="give it another name")  # fmt: skip
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"the value {name!r} is {str(value)[:60]!r}", where="Recorder",
                             allowed="a number") from None  # fmt: skip
    return found


def _is_other_process() -> bool:
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return distributed and torch.distributed.get_rank() != 0

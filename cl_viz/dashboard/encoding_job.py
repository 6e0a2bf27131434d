"""An encoding that goes on while its page is looked at, or is not; it asks before it takes long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.core.run import Run
from cl_viz.dashboard import opening
from cl_viz.dashboard.long_work import ASK_ABOVE_SECONDS
from cl_viz.encoders._encoding import Encoding

_LOGGER = logging.getLogger("cl_viz.dashboard")

Phase = Literal["measuring", "asking", "encoding", "ended"]


@dataclass(frozen=True)
class Recipe:
    """What is encoded, and how.

    Attributes
    ----------
    checkpoint, data : str
        As given to `cl_viz.encode`.
    options : Mapping
        Its other arguments, where they differ from the defaults.
    """

    checkpoint: str
    data: str
    options: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Everything that decides what comes out, as text."""
        return f"{self.checkpoint}\0{self.data}\0{sorted(self.options.items(), key=str)}"

    def expression(self, out: str = "") -> str:
        """Return the same in Python, with paths as visitors may see them."""
        given = "".join(f", {name}={value!r}" for name, value in self.options.items())
        kept = f", out={opening.shown_path(out)!r}" if out else ""
        checkpoint, data = opening.shown_path(self.checkpoint), opening.shown_path(self.data)
        return f"cl_viz.encode({checkpoint!r}, {data!r}{given}{kept})"


@dataclass(frozen=True)
class Standing:
    """How far an encoding is.

    Attributes
    ----------
    phase : {"measuring", "asking", "encoding", "ended"}
    fraction : float
        Share of the rows done, 0 to 1.
    message : str
    since : float
        When it began to do what `message` says, on the clock of `time.monotonic`.
    estimate : float or None
        Seconds for all rows, from the first batch; None before it was measured.
    run : Run or None
        What came out.
    error : Exception or None
        What ended it.
    """

    phase: Phase
    fraction: float
    message: str
    since: float
    estimate: float | None
    run: Run | None
    error: Exception | None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.phase != "ended"

    @property
    def told(self) -> str:
        """What it does, and for how long where no rows are counted yet: whoever waits sees that it goes on."""
        seconds = time.monotonic() - self.since
        return f"{self.message}, {seconds:,.0f} s" if self.phase == "measuring" else self.message


class EncodingJob:
    """Encodes in a thread of its own.

    Parameters
    ----------
    recipe : Recipe
        Checkpoints that run code are refused: nothing here trusts a file.
    folder : Path
        Where the run is written; a folder that the same recipe was begun in is gone on with.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.folder = folder
        self.opened = ""
        self._asked_to_stop = threading.Event()
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self._standing = Standing(
            "measuring", 0.0, "looking at checkpoint and data", time.monotonic(), None, None, None
        )
        self._thread = threading.Thread(target=self._work, name="cl_viz-encoding", daemon=True)

    def start(self) -> None:
        """Begin to measure the first batch, then encode where that does not take long."""
        self._thread.start()

    def confirm(self) -> None:
        """Encode although it takes long."""
        self._answered.set()

    def stop(self) -> None:
        """End after the batch that is being done; what was embedded is kept."""
        self._asked_to_stop.set()
        self._answered.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    def fail(self, error: Exception) -> None:
        """Note that what came out cannot be used."""
        self._note("ended", run=None, error=error)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._asked_to_stop.is_set()

    def standing(self) -> Standing:
        """Return how far it is."""
        with self._lock:
            return self._standing

    def _note(self, phase: Phase, **changes: Any) -> None:
        with self._lock:
            since = time.monotonic() if "message" in changes else self._standing.since
            self._standing = replace(self._standing, phase=phase, since=since, **changes)

    def _work(self) -> None:
        try:
            encoding = Encoding(self.recipe.checkpoint, self.recipe.data, **self.recipe.options)
            self._check_stop()
            self._note("measuring", message="building the encoder")
            _ = encoding.encoder
            self._check_stop()
            self._note("measuring", message="measuring the first batch")
            seconds = encoding.estimate()
            self._note("asking", estimate=seconds, message="")
            if seconds > ASK_ABOVE_SECONDS:
                self._answered.wait()
            self._check_stop()
            self._note("encoding", message="encoding")
            run = encoding.run(self.folder, self._progress)
            self._note("ended", run=run, fraction=1.0)
        except Exception as error:
            if not isinstance(error, ClVizError):
                _LOGGER.exception("an encoding ended unexpectedly")
            self._note("ended", error=error)

    def _progress(self, fraction: float, message: str) -> None:
        self._note("encoding", fraction=fraction, message=message)
        self._check_stop()

    def _check_stop(self) -> None:
        if self.stopping:
            raise Cancelled("the encoding was stopped; the rows it has done are kept",
                            remedy="encode again to go on where it ended")  # fmt: skip

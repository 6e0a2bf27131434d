"""What a map keeps, worked out in a thread of its own while the map is there to be used."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, ClVizError
from cl_viz.projections import Projection

_LOGGER = logging.getLogger("cl_viz.dashboard")


class Judging:
    """A map that is being judged.

    Parameters
    ----------
    judge : callable
        `cl_viz.projections.judge`.
    projection : Projection
    embedding_set : EmbeddingSet
    every_error : bool
        Whether the error of every point is worked out.

    Attributes
    ----------
    fraction : float
        Share done, 0 to 1.
    message : str
        What is being done, in a few words.
    """

    def __init__(
        self,
        judge: Callable[..., Projection],
        projection: Projection,
        embedding_set: EmbeddingSet,
        every_error: bool,
    ) -> None:
        self.fraction, self.message = 0.0, "starting"
        self._began = time.monotonic()
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._found: Projection | None = None
        self._error: ClVizError | None = None

        def run() -> None:
            try:
                self._found = judge(projection, embedding_set, every_error=every_error, progress=self._report)
            except ClVizError as error:
                self._error = error
            except Exception as error:
                _LOGGER.exception("a map could not be judged")
                self._error = ClVizError(f"what the map keeps could not be worked out: {error}", where="map")
            finally:
                self._ended.set()

        threading.Thread(target=run, name="map-judging", daemon=True).start()

    def _report(self, done: float, message: str) -> None:
        if self._stopping.is_set():
            raise Cancelled("it was stopped")
        self.fraction, self.message = done, message

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def stop(self) -> None:
        """Have it end at its next report of progress."""
        self._stopping.set()

    def result(self) -> Projection:
        """Return the map with what it keeps, waiting for it; raises `ClVizError` with what went wrong."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        if self._found is None:
            raise Cancelled("it was stopped")
        return self._found

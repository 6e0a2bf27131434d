"""Work that nobody should wait for unasked: when it is asked for first, and the question itself."""

from __future__ import annotations

from cl_viz.core.errors import Cancelled
from cl_viz.core.progress import duration
from cl_viz.dashboard import state

ASK_ABOVE_SECONDS = 10.0


class LongWork(Cancelled):
    """Work that would take longer than people wait unasked; `where` is the job to confirm.

    Attributes
    ----------
    seconds : float
        About how long it takes.
    """

    seconds = 0.0

    @classmethod
    def lasting(cls, what: str, seconds: float, job: str) -> LongWork:
        """Return the question whether to start a job; `what` says what would be done."""
        work = cls(f"{what} about {duration(seconds)}", where=job, remedy="start it when you are ready")
        work.seconds = seconds
        return work


def ask_if_long(what: str, seconds: float, job: str) -> None:
    """Ask before a job that takes longer than `ASK_ABOVE_SECONDS`, unless it was agreed to.

    Parameters
    ----------
    what : str
        What would be done, with its verb: "... take".
    seconds : float
        About how long it takes.
    job : str

    Raises
    ------
    LongWork
    """
    if seconds > ASK_ABOVE_SECONDS and not state.is_confirmed(job):
        raise LongWork.lasting(what, seconds, job)


def ask_if_stopped(title: str, job: str) -> None:
    """Ask before a job that the user stopped is begun again.

    Raises
    ------
    LongWork
    """
    if state.is_stopped(job):
        raise LongWork(f"{title} was stopped", where=job, remedy="compute it when you need it")

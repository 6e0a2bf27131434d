"""What the caveats say of samples that a diagnostic could not use."""

from __future__ import annotations

NO_LABEL = "samples without a label"


def left_out(what: str, count: int) -> tuple[str, ...]:
    """Return a note on so many samples; none where there are none.

    Parameters
    ----------
    what : str
        Which samples, such as `NO_LABEL`.
    count : int
    """
    return (f"{what}, left out: {count:,}",) if count else ()

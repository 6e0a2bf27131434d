"""`DeviceLargest`: the largest scores of every row, kept on the device that finds them.

A score and the number of its row are one 64-bit entry, whose order is that of the scores, and of equal scores the
smaller number is the larger entry: one `torch.topk` keeps both, and what is kept does not depend on the order in which
entries come. 8 bytes an entry, `n_largest` a row; merging takes at most `MERGED` entries at a time, products at most
`PRODUCTS` scores.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.engine.rows import ViewRows, choose_rows
from cl_viz.engine.tile_sizes import fitted

MERGED = 1 << 24
"""Entries that are merged at a time: 128 MB, three times over."""
PRODUCTS = 1 << 25
"""Scores that are held at a time where torch makes them: 128 MB, and as much again."""
LAST = (1 << 31) - 1
"""The largest number of a row."""
MOST_SAMPLED = 65_536
"""Rows that limits are drawn from, and that lists made anew look at, at a time."""
_LEAST_SAMPLED, _SHARE_SAMPLED = 4096, 64
_SIGNLESS = 0x7FFF_FFFF
_LOW_HALF = (1 << 32) - 1

Allowed = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Given numbers offered and numbers of lists, which may be offered to which."""


def pack(scores: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return scores (float32) and numbers (0 to `LAST`), of shapes that broadcast, as entries, int64."""
    bits = scores.contiguous().view(torch.int32)
    # Of negative numbers the bits descend.
    order = torch.where(bits < 0, bits ^ _SIGNLESS, bits).to(torch.int64)
    return (order << 32) | (LAST - numbers.to(torch.int64))


def unpack(entries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scores (float32) and the numbers (int64) of entries, each of their shape."""
    order = (entries >> 32).to(torch.int32)
    scores = torch.where(order < 0, order ^ _SIGNLESS, order).view(torch.float32)
    return scores, LAST - (entries & _LOW_HALF)


EMPTY = int(pack(torch.tensor([-torch.inf]), torch.tensor([LAST])))
"""The entry of no score: below every other."""


class DeviceLargest:
    """The largest scores of some rows, and the numbers of what scored them.

    Parameters
    ----------
    n_rows, n_largest : int
    device : torch.device

    Attributes
    ----------
    entries : torch.Tensor of int64, shape (n_rows, n_largest)
        Descending, see `pack`.
    limits : torch.Tensor of float32, shape (n_rows,)
        No score up to this one is among the largest, or it ties with the last of them.
    """

    def __init__(self, n_rows: int, n_largest: int, device: torch.device) -> None:
        self.n_rows, self.n_largest, self.device = n_rows, n_largest, device
        self.entries = torch.full((n_rows, n_largest), EMPTY, dtype=torch.int64, device=device)
        self.limits = torch.full((n_rows,), -torch.inf, device=device)

    def merge_entries(self, lists: slice | torch.Tensor, entries: torch.Tensor) -> None:
        """Add entries to some lists, shape (lists, n); their limits rise."""
        if not self.n_largest:
            return
        step = max(1, fitted(MERGED) // (self.n_largest + entries.shape[1]))
        for start in range(0, len(entries), step):
            part = entries[start : start + step]
            if isinstance(lists, slice):
                chosen: slice | torch.Tensor = slice(lists.start + start, lists.start + start + len(part))
            else:
                chosen = lists[start : start + step]
            merged = torch.cat([self.entries[chosen], part], dim=1).topk(self.n_largest, dim=1).values
            self.entries[chosen] = merged
            # Below what is kept stays what is known from elsewhere; see `raise_limits`.
            self.limits[chosen] = torch.maximum(self.limits[chosen], unpack(merged[:, -1])[0])

    def merge_scores(self, rows: slice | torch.Tensor, scores: torch.Tensor, first: int) -> None:
        """Add scores of some rows, shape (rows, n), with their numbers from `first` on beside them."""
        top, place = scores.topk(min(self.n_largest, scores.shape[1]), dim=1)
        self.merge_entries(rows, pack(top, place + first))

    def merge(self, rows: slice, scores: NDArray[Any], beside: NDArray[Any]) -> None:
        """Add what an earlier pass found for some rows, shape (rows, n)."""
        found = torch.from_numpy(scores).to(self.device, torch.float32)
        numbers = torch.from_numpy(beside).to(self.device)
        self.merge_entries(slice(rows.start or 0, rows.stop), pack(found, numbers))

    def add_products(
        self,
        lists: torch.Tensor,
        own: torch.Tensor,
        others: torch.Tensor,
        first: int,
        allowed: Allowed | None = None,
    ) -> None:
        """Score rows with torch and add what they score, a bounded number of scores at a time.

        Parameters
        ----------
        lists : torch.Tensor of int64, shape (n,)
            Ascending or not, each once.
        own, others : torch.Tensor, shape (n, D) and (m, D)
            Unit rows: those that the lists are of, and those that are offered to them.
        first : int
            Number of the first of the others.
        allowed : callable, optional
            All are, if left out.
        """
        numbers = torch.arange(first, first + len(others), device=self.device)
        step = max(1, fitted(PRODUCTS) // max(1, len(others)))
        for start in range(0, len(lists), step):
            chosen = lists[start : start + step]
            scores = own[start : start + step] @ others.T
            if allowed is not None:
                scores.masked_fill_(~allowed(numbers[None, :], chosen[:, None]), -torch.inf)
            self.merge_scores(chosen, scores, first)

    def raise_limits(self, view: ViewRows, other: ViewRows) -> None:
        """Raise the limits of all lists by the scores of a draw of rows, of which nothing is kept.

        Of all that will score above such a limit, a draw of one in `_SHARE_SAMPLED` knows: in whatever order rows
        come, a list is then offered some `_SHARE_SAMPLED` times as many scores as it keeps, and seldom more.

        Parameters
        ----------
        view, other : ViewRows
            What the lists are of, and where they look; the same within a view.
        """
        n_drawn = min(MOST_SAMPLED, max(_LEAST_SAMPLED, len(other) // _SHARE_SAMPLED))
        drawn = choose_rows(len(other), n_drawn, 0)
        if not 0 < self.n_largest < len(drawn):
            return
        sample, numbers = other.tile(drawn), torch.from_numpy(drawn).to(self.device)
        # The kernel's products round differently. Were this too little, `complete` would find out.
        margin = 4 * torch.finfo(torch.float32).eps * sample.shape[1] ** 0.5
        step = max(1, fitted(PRODUCTS) // len(drawn))
        for start in range(0, len(view), step):
            part = slice(start, min(start + step, len(view)))
            scores = view.tile(part) @ sample.T
            if view is other:
                own = torch.arange(part.start, part.stop, device=self.device)
                scores.masked_fill_(own[:, None] == numbers[None, :], -torch.inf)
            kept = scores.topk(self.n_largest, dim=1).values[:, -1]
            self.limits[part] = torch.maximum(self.limits[part], kept - margin)

    def complete(self, view: ViewRows, other: ViewRows) -> int:
        """Make lists anew that hold too few, once all pairs have been offered; return how many did.

        A limit from `raise_limits` that is too high by rounding leaves a list short: no neighbour is lost for good.
        """
        if not self.n_largest:
            return 0
        short = torch.nonzero(unpack(self.entries[:, -1])[0] == -torch.inf)[:, 0]
        self.entries[short] = EMPTY
        self.limits[short] = -torch.inf
        own, allowed = view.tile(short.cpu().numpy()), torch.ne if view is other else None
        for start in range(0, len(other) if len(short) else 0, MOST_SAMPLED):
            span = slice(start, min(start + MOST_SAMPLED, len(other)))
            self.add_products(short, own, other.tile(span), span.start, allowed)
        return len(short)

    def found(self, kernels: SimpleNamespace | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the largest scores of each row, descending, and their numbers; -inf and 0 where there are fewer."""
        shape = tuple(self.entries.shape)
        scores, numbers = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.int64)
        step = max(1, MERGED // max(1, self.n_largest))
        for start in range(0, self.n_rows, step):
            part = slice(start, start + step)
            values, places = unpack(self.entries[part])
            scores[part] = values.cpu().numpy()
            numbers[part] = torch.where(values == -torch.inf, 0, places).cpu().numpy()
        return scores, numbers

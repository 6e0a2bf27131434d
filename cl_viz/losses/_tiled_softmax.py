"""Log-sum-exps over scores, tile by tile: memory grows with the rows, not with the pairs, also in the backward pass.

A tile is some rows of scores against all candidates, so each row's sum is complete in one tile. The backward pass
computes tiles again instead of keeping them. Small batches take plain operations, which can be differentiated twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn.functional import softplus

from cl_viz.core.errors import InputError

DENSE_SCORES = 2**18
"""Scores that are held at once where no tile is asked for; beyond, tiles are as fast and smaller."""

_TILE_SCORES = 2**19
"""Scores of a tile: 2 MiB in single precision, about what a core's cache holds."""


@dataclass(frozen=True)
class LeftOut:
    """Which pairs (query, candidate) have no part in a sum.

    Attributes
    ----------
    period : int
        Pairs whose numbers differ by a multiple of it: the number of candidates leaves out each row itself, the number
        of samples all views of the same sample; 0 leaves out none.
    query_keys, candidate_keys : Tensor of int64, optional
        With them a pair also has a part only if its keys are equal, or, with `equal` False, only if they differ.
    equal : bool
    """

    period: int = 0
    query_keys: Tensor | None = None
    candidate_keys: Tensor | None = None
    equal: bool = True

    def hide(self, scores: Tensor, start: int) -> Tensor:
        """Put -inf in place of the pairs left out of a tile, in place; `start` is the number of its first query."""
        if self.query_keys is not None and self.candidate_keys is not None:
            same = self.query_keys[start : start + len(scores), None] == self.candidate_keys
            scores.masked_fill_(~same if self.equal else same, -torch.inf)
        if self.period:
            # Diagonals of the tile: start + row - column is a multiple of the period.
            first = start % self.period
            lowest = first - self.period * ((len(scores) + first - 1) // self.period)
            for offset in range(lowest, scores.shape[1], self.period):
                scores.diagonal(offset).fill_(-torch.inf)
        return scores


NOTHING = LeftOut()


def log_sum_exp(queries: Tensor, candidates: Tensor, left_out: LeftOut = NOTHING, tile: int | None = None) -> Tensor:
    """Return log sum exp of each query's products with the candidates, shape (A,); -inf where none is left.

    Parameters
    ----------
    queries : Tensor, shape (A, D)
        Already divided by the temperature.
    candidates : Tensor, shape (B, D)
    left_out : LeftOut
    tile : int, optional
        See `cl_viz.core.specs.LossInputs`.
    """
    rows = tile_rows(len(queries), len(candidates), tile)
    if rows == 0:
        return torch.logsumexp(left_out.hide(queries @ candidates.T, 0), dim=1)
    value: Tensor = _RowSums.apply(queries, candidates, left_out, rows)  # type: ignore[no-untyped-call]
    return value


def log_sum_exp_both_ways(first: Tensor, second: Tensor, tile: int | None = None) -> tuple[Tensor, Tensor]:
    """Return log sum exp of each row's products with the other matrix's rows, shapes (A,) and (B,)."""
    rows = tile_rows(len(first), len(second), tile)
    if rows == 0:
        scores = first @ second.T
        return torch.logsumexp(scores, dim=1), torch.logsumexp(scores, dim=0)
    values: tuple[Tensor, Tensor] = _BothSums.apply(first, second, rows)  # type: ignore[no-untyped-call]
    return values


def log_sum_exp_among(points: Tensor, temperature: float, left_out: LeftOut, tile: int | None = None) -> Tensor:
    """Return log sum exp of each point's products with all points, divided by the temperature, shape (M,).

    What is left out must be symmetric.
    """
    rows = tile_rows(len(points), len(points), tile)
    if rows == 0:
        # Scaled before the product and filled in place: no second matrix of this size.
        return torch.logsumexp(left_out.hide((points / temperature) @ points.T, 0), dim=1)
    value: Tensor = _SumsAmong.apply(points, 1.0 / temperature, left_out, rows)  # type: ignore[no-untyped-call]
    return value


def softplus_sum(
    queries: Tensor, candidates: Tensor, bias: float, left_out: LeftOut, tile: int | None = None
) -> Tensor:
    """Return the sum over candidates of log(1 + exp(product + bias)), shape (A,)."""
    rows = tile_rows(len(queries), len(candidates), tile)
    if rows == 0:
        return softplus(left_out.hide(queries @ candidates.T + bias, 0)).sum(dim=1)
    value: Tensor = _RowSoftplus.apply(queries, candidates, bias, left_out, rows)  # type: ignore[no-untyped-call]
    return value


def tile_rows(n_queries: int, n_candidates: int, tile: int | None) -> int:
    """Return how many queries' scores to hold at a time; 0 for all of them, by plain operations.

    Raises
    ------
    InputError
        If the tile asked for is below 0.
    """
    if tile is not None and tile < 0:
        raise InputError(f"tile = {tile}", where="losses", allowed="0 (all scores at once) or rows of scores, >= 1")
    if n_candidates == 0:
        return 0
    if tile is None:
        return 0 if n_queries * n_candidates <= DENSE_SCORES else max(16, _TILE_SCORES // n_candidates)
    return tile


def _slices(n_rows: int, rows: int) -> Iterator[slice]:
    return (slice(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows))


def _tile(queries: Tensor, candidates: Tensor, left_out: LeftOut, part: slice, buffer: Tensor) -> Tensor:
    scores = torch.mm(queries[part], candidates.T, out=buffer[: part.stop - part.start])
    return left_out.hide(scores, part.start)


def _row_sums(queries: Tensor, candidates: Tensor, left_out: LeftOut, rows: int) -> Tensor:
    buffer = queries.new_empty(min(rows, len(queries)), len(candidates))
    sums = queries.new_empty(len(queries))
    for part in _slices(len(queries), rows):
        scores = _tile(queries, candidates, left_out, part, buffer)
        largest = _finite(scores.amax(dim=1))
        torch.sum(scores.sub_(largest[:, None]).exp_(), dim=1, out=sums[part])
        sums[part].log_().add_(largest)
    return sums


def _finite(sums: Tensor) -> Tensor:
    """Return log-sums with 0 in place of -inf, so that differences with it are no NaN."""
    return sums.masked_fill(sums.isneginf(), 0.0)


class _RowSums(Function):
    """Log-sum-exp of each query over the candidates."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, candidates: Tensor, left_out: LeftOut, rows: int) -> Tensor:
        sums = _row_sums(queries, candidates, left_out, rows)
        ctx.save_for_backward(queries, candidates, sums)
        ctx.left_out, ctx.rows = left_out, rows
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        queries, candidates, sums = ctx.saved_tensors
        sums = _finite(sums)
        of_queries = torch.empty_like(queries) if ctx.needs_input_grad[0] else None
        of_candidates = torch.zeros_like(candidates) if ctx.needs_input_grad[1] else None
        buffer = queries.new_empty(min(ctx.rows, len(queries)), len(candidates))
        for part in _slices(len(queries), ctx.rows):
            weights = _tile(queries, candidates, ctx.left_out, part, buffer)
            weights.sub_(sums[part, None]).exp_().mul_(slope[part, None])
            if of_queries is not None:
                torch.mm(weights, candidates, out=of_queries[part])
            if of_candidates is not None:
                of_candidates.addmm_(weights.T, queries[part])
        return of_queries, of_candidates, None, None


class _SumsAmong(Function):
    """Log-sum-exp of each point over the points: scores are symmetric, so a tile's weights serve both of a pair."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, scale: float, left_out: LeftOut, rows: int) -> Tensor:
        sums = _row_sums(points * scale, points, left_out, rows)
        ctx.save_for_backward(points, sums)
        ctx.scale, ctx.left_out, ctx.rows = scale, left_out, rows
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None, None]:
        points, sums = ctx.saved_tensors
        sums, scaled, slope = _finite(sums), points * ctx.scale, slope * ctx.scale
        gradient = torch.empty_like(points)
        mine, theirs = points.new_empty(2, min(ctx.rows, len(points)), len(points)).unbind()
        for part in _slices(len(points), ctx.rows):
            weights = _tile(scaled, points, ctx.left_out, part, mine)
            other = torch.sub(weights, sums, out=theirs[: len(weights)]).exp_().mul_(slope)
            weights.sub_(sums[part, None]).exp_().mul_(slope[part, None]).add_(other)
            torch.mm(weights, points, out=gradient[part])
        return gradient, None, None, None


class _BothSums(Function):
    """Log-sum-exp over the rows and over the columns of one matrix of scores."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        buffer, spare = first.new_empty(2, min(rows, len(first)), len(second)).unbind()
        of_rows = first.new_empty(len(first))
        # A column's sum grows over the tiles: in double precision.
        largest = first.new_full((len(second),), -torch.inf)
        total = torch.zeros(len(second), dtype=torch.float64, device=first.device)
        for part in _slices(len(first), rows):
            scores = _tile(first, second, NOTHING, part, buffer)
            higher = torch.maximum(largest, scores.amax(dim=0))
            total.mul_((largest - higher).double().exp_())
            total.add_(torch.sub(scores, higher, out=spare[: len(scores)]).exp_().sum(dim=0))
            largest = higher
            torch.logsumexp(scores, dim=1, out=of_rows[part])
        of_columns = (total.log_() + largest).to(first.dtype)
        ctx.save_for_backward(first, second, of_rows, of_columns)
        ctx.rows = rows
        return of_rows, of_columns

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, row_slope: Tensor, column_slope: Tensor) -> tuple[Tensor, Tensor, None]:
        first, second, of_rows, of_columns = ctx.saved_tensors
        of_first, of_second = torch.empty_like(first), torch.zeros_like(second)
        mine, theirs = first.new_empty(2, min(ctx.rows, len(first)), len(second)).unbind()
        for part in _slices(len(first), ctx.rows):
            weights = _tile(first, second, NOTHING, part, mine)
            other = torch.sub(weights, of_columns, out=theirs[: len(weights)]).exp_().mul_(column_slope)
            weights.sub_(of_rows[part, None]).exp_().mul_(row_slope[part, None]).add_(other)
            torch.mm(weights, second, out=of_first[part])
            of_second.addmm_(weights.T, first[part])
        return of_first, of_second, None


class _RowSoftplus(Function):
    """Sum of log(1 + exp(score + bias)) of each query over the candidates."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, candidates: Tensor, bias: float, left_out: LeftOut, rows: int) -> Tensor:
        buffer = queries.new_empty(min(rows, len(queries)), len(candidates))
        sums = queries.new_empty(len(queries))
        for part in _slices(len(queries), rows):
            scores = _tile(queries, candidates, left_out, part, buffer)
            torch.sum(softplus(scores.add_(bias)), dim=1, out=sums[part])
        ctx.save_for_backward(queries, candidates)
        ctx.bias, ctx.left_out, ctx.rows = bias, left_out, rows
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        queries, candidates = ctx.saved_tensors
        of_queries, of_candidates = torch.empty_like(queries), torch.zeros_like(candidates)
        buffer = queries.new_empty(min(ctx.rows, len(queries)), len(candidates))
        for part in _slices(len(queries), ctx.rows):
            weights = _tile(queries, candidates, ctx.left_out, part, buffer)
            weights.add_(ctx.bias).sigmoid_().mul_(slope[part, None])
            torch.mm(weights, candidates, out=of_queries[part])
            of_candidates.addmm_(weights.T, queries[part])
        return of_queries, of_candidates, None, None, None

r"""What is left of every step when its own law is taken away: the noise that really acted.

    r = v' - Phi v - sum_j Psi_j f_j           (`thermohw.books.kernels`)

is exactly N(0, Sigma), independent from step to step, whatever score, converters or latency made
the sources. So sums over paths and steps, from recorded states and sources and never from the
normals that were drawn, measure what no energy balance sees:

    noise    the mean of r_i^2/Sigma_ii is 1, standard error sqrt(2/(paths x steps))
    push     r on w, the push that the controller asked for when the step began: slope 0,
             sum r w/S / sum g w/S with standard error sqrt(sum w^2/S) / sum g w/S, S = Sigma_ii
    pull     r on q = (1 - Phi) v, what the circuit itself does: slope 0, 1/sqrt(sum q^2/S)
    drift    r/sqrt(S) itself: mean 0, 1/sqrt(paths x steps); nothing else sees a constant force

with g = sum_j Psi_j f_j what acted. For held control and Euler w is g itself. A source that follows
the noise inside its step (heun, splitting) is correlated with r, a bias as large as what is
measured; the source at the start of the step knows nothing of r, and asks for the same push up to
one step. Noise of joined coordinates is correlated, so that the sum of r w/S over all coordinates
has the variance

    sum_ij sum w_i w_j Sigma_ij/(Sigma_ii Sigma_jj),    of which a column `cross` is the share of i.

Squares are kept in SI and in bins of ticks as well, before any division: an audit works Sigma out
from the file's own datasheet, and a run that was hotter than its datasheet says is found out even
if its observer believed in the heat. Products of different coordinates are summed on some of the
ticks (`thermohw.books.correlations`). States and sources of a few paths at a few ticks are kept as
they were, so that an audit can ask the declared law again what it would have wanted there; where
readings are noisy, what the law saw stands for the state.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from thermohw.books.correlations import coordinate_groups, watched_ticks
from thermohw.books.kernels import Kernels
from thermohw.books.profile import bin_edges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thermohw.control import Plan
    from thermohw.integrate import Carry, Step

__all__ = ["SUMS", "Residuals", "kept_paths", "kept_ticks", "source_scale"]

SUMS = (
    "count", "noise", "push", "reach", "asked", "asked.cross", "pull", "pulled", "pulled.cross",
    "drift",
)  # fmt: skip
"""Columns of the sums for every coordinate: steps, r^2/S; r w/S, g w/S, w^2/S and its share in the
variance of all; r q/S, q^2/S and its share; r/sqrt(S), which older files lack.
"""

_ROOM = 2**14  # numbers in a table of the file, where more than one row fits
_CACHE = 2**23  # numbers in all kernels kept; a log-SNR grid has as many as ticks
_TICKS, _ROWS = 16, 16  # where states and sources are kept


def kept_ticks(ticks: int, count: int = _TICKS) -> NDArray[Any]:
    """Ticks whose decisions are kept, first and last among them, shape (count,) or fewer."""
    return np.unique(np.linspace(0, ticks - 1, min(count, ticks)).round().astype(np.int64))


def kept_paths(paths: int, coordinates: int) -> int:
    """How many of a tile's paths are kept there."""
    return min(paths, max(1, min(_ROWS, _ROOM // (_TICKS * coordinates))))


def source_scale(plan: Plan) -> NDArray[Any]:
    """SI size of the unit of every controlled source, shape (sources,): volt or ampere."""
    device, scale = plan.protocol.board, plan.protocol.device.scale
    nodes = len(device.nodes)
    if plan.drive.wiring == "emf":
        volts = device.directions[list(device.controlled), :nodes].any(1)
    else:
        volts = np.arange(device.dim) >= nodes
    return np.where(volts, scale.voltage, scale.current)


class _KernelMaps(NamedTuple):
    """A kernel as coefficients between columns: floats, rows (parts,), or one matrix to multiply by
    from the right; None where nothing passes.
    """

    loss: list[list[Any]]  # 1 - Phi, [i][j] of column i by column j
    push: tuple[list[list[Any]], ...]  # of column i by the sources of column j
    whole: list[list[Any]]  # the sum of all pushes
    weights: list[Any]  # 1/Sigma_ii of every column, shape (parts,), float64, or a float
    joint: torch.Tensor  # Sigma_ij/(Sigma_ii Sigma_jj), shape (parts, m, m), float64


class Residuals:
    """Observer of steps whose law is known, see `thermohw.books.kernels.without_kernel`.

    Equal small parts of a circuit (nodes, cells) are worked on by column, one for each of their m
    coordinates and as wide as there are parts; a joined circuit is one column and matrix products.

    Args:
        plan: the run's plan.
        bins: of ticks, for the squares in SI, at most.
    """

    name = "residuals"
    sums = True

    def __init__(self, plan: Plan, *, bins: int = 128) -> None:
        self.plan, self.kernels = plan, Kernels(plan)
        ticks, n = plan.schedule.ticks, plan.protocol.board.dim
        self.edges = bin_edges(ticks, max(1, min(bins, _ROOM // n)))
        self._bin = np.searchsorted(self.edges, np.arange(ticks), side="right") - 1
        self.slots = {int(tick): slot for slot, tick in enumerate(kept_ticks(ticks))}
        self._watched = frozenset(watched_ticks(ticks).tolist() if n > 1 else ())
        self.groups = coordinate_groups(plan.protocol.board)
        order, feeds = self.kernels.order, self.kernels.feeds
        self._joined = feeds is None
        self._columns = [_index(column) for column in (order if feeds is None else order.T)]
        self._feeds = [None if feed is None else _index(feed) for feed in feeds or ()]
        size = 4 * n * order.shape[1]
        self._noisy = plan.reading_noise > 0.0
        self._filtered = plan.protocol.filter == "kalman"
        self._own = threading.local()  # tiles are played side by side
        self._gather = self._gatherer()
        self._maps = lru_cache(maxsize=max(16, min(4096, _CACHE // size)))(self._tensors)

    def bins(self, ticks: NDArray[Any]) -> NDArray[Any]:
        """Bins of ticks for the squares in SI."""
        return self._bin[ticks]

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing summed, nothing kept."""
        n, scale = state.shape[1], source_scale(self.plan)
        kept = len(self.slots), kept_paths(len(state), n)
        carry = {
            "sums": torch.zeros(n, len(SUMS), dtype=torch.float64),
            "power": torch.zeros(len(self.edges) - 1, n, dtype=torch.float64),
            "states": torch.zeros(*kept, n, dtype=torch.float64),
            "sources": torch.zeros(*kept, len(scale), dtype=torch.float64),
        }
        if self._watched:
            groups = len(self.groups)
            carry["products"] = torch.zeros(groups, groups, dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Add one step."""
        device, piece = self.plan.protocol.board, step.piece
        start, end = device.efforts(step.start), device.efforts(step.end)
        self._keep(carry, start, step)
        maps = self._maps(piece.duration, start.dtype)
        before = [start[:, index] for index in self._columns]
        pulled = [_joint(_terms(before, row)) for row in maps.loss]
        acted, asked = self._pushes(step, maps)
        left = []
        for i, index in enumerate(self._columns):
            r, q, g = self._room(i, before[i]), pulled[i], acted[i]
            torch.sub(end[:, index], before[i], out=r)
            if q is not None:
                _add(r, *q)
            left.append(r)
            if g is not None:
                _add(r, *g, -1.0)
        if piece.tick in self._watched:
            together = left[0] if len(left) == 1 else torch.cat(left, 1)
            if self._gather is not None:
                together = together @ self._gather.to(together.dtype)
            product = (together.T @ together).double()
            carry["products"].add_(product, alpha=1.0 / (piece.temperature * piece.duration))
        sums, power = carry["sums"], carry["power"][int(self._bin[piece.tick])]
        warm = piece.temperature
        wide, tall = self._crosses(asked, maps), self._crosses(pulled, maps)
        for i, (index, r) in enumerate(zip(self._columns, left, strict=True)):
            weight = maps.weights[i] if warm == 1.0 else maps.weights[i] / warm
            squares, g, w, q = self._overlap((r, 1.0), (r, 1.0)), acted[i], asked[i], pulled[i]
            power[index] += squares
            none = 0.0 * squares
            rows = [none + len(start), squares * weight] + 7 * [none]
            rows.append(self._total(r) * weight**0.5)
            if g is not None and w is not None:
                rows[2] = self._overlap((r, 1.0), w) * weight
                rows[4] = self._overlap(w, w) * weight
                rows[3] = rows[4] if g is w else self._overlap(g, w) * weight
                rows[5] = rows[4] if wide is None else wide[i] / warm
            if q is not None:
                rows[6] = self._overlap((r, 1.0), q) * weight
                rows[7] = self._overlap(q, q) * weight
                rows[8] = rows[7] if tall is None else tall[i] / warm
            one = isinstance(squares, float)
            sums[index] += sums.new_tensor(rows) if one else torch.stack(rows, 1)

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """sums (n, 10), power (bins, n) in V^2 and A^2, states and sources in V and A, products
        (groups, groups) in V^2, V A and A^2; none of a single coordinate.
        """
        size = torch.from_numpy(self.plan.protocol.board.effort_scale)
        found = {
            "sums": carry["sums"],
            "power": carry["power"] * size**2,
            "states": carry["states"] * size,
            "sources": carry["sources"] * torch.from_numpy(source_scale(self.plan)),
        }
        if "products" in carry:
            unit = size[[int(group[0]) for group in self.groups]]
            found["products"] = carry["products"] * torch.outer(unit, unit)
        return found

    def _keep(self, carry: Carry, efforts: torch.Tensor, step: Step) -> None:
        """States where a kept tick reads, and what it decided when that arrives."""
        rows, piece, control = carry["states"].shape[1], step.piece, step.control
        if piece.reads and piece.tick in self.slots:
            carry["states"][self.slots[piece.tick]] = efforts[:rows].double()
        if control is None or control.tick not in self.slots:
            return
        carry["sources"][self.slots[control.tick]] = control.source[:rows].double()
        seen = control.estimate if self._filtered else control.reading
        # A late decision of an older checkpoint comes back without what it saw.
        if self._noisy and seen is not None:
            carry["states"][self.slots[control.tick]] = seen[:rows].double()

    def _gatherer(self) -> torch.Tensor | None:
        """Which group a column of all residuals adds to, shape (n, groups); None for the same."""
        order = self.kernels.order.T.reshape(-1)
        if len(self.groups) == len(order) and (order == np.arange(len(order))).all():
            return None
        matrix = torch.zeros(len(order), len(self.groups), dtype=torch.float64)
        for g, group in enumerate(self.groups):
            matrix[np.flatnonzero(np.isin(order, group)), g] = 1.0
        return matrix

    def _room(self, key: int, like: torch.Tensor) -> torch.Tensor:
        """Memory of the shape of a column, used again by the next step: a fresh one would cost more
        than what is done in it.
        """
        rooms: dict[int, torch.Tensor] = self._own.__dict__.setdefault("rooms", {})
        room = rooms.get(key)
        if room is None or room.shape != like.shape or room.dtype != like.dtype:
            room = rooms[key] = torch.empty(like.shape, dtype=like.dtype)
        return room

    def _overlap(self, one: _Term, other: _Term) -> Any:
        """Sums over paths of the product of two terms, shape (k,), float64; a float for k = 1."""
        (x, a), (y, b) = one, other
        if x.shape[1] == 1:
            return float(torch.dot(x.view(-1), y.view(-1))) * float(a) * float(b)
        total = torch.mul(x, y, out=self._room(-1, x)).sum(0).double()
        plain = isinstance(a, float) and isinstance(b, float) and a == b == 1.0
        return total if plain else total * a * b

    def _total(self, x: torch.Tensor) -> Any:
        """Sums over paths, shape (k,), float64; a float for k = 1."""
        return float(x.sum()) if x.shape[1] == 1 else x.sum(0).double()

    def _pushes(
        self, step: Step, maps: _KernelMaps
    ) -> tuple[list[_Term | None], list[_Term | None]]:
        """What acted on every column, and what the controller had asked for."""
        if step.control is None:
            rest: list[_Term | None] = [None] * len(self._columns)
            return rest, rest
        reach: list[list[_Term]] = [[] for _ in self._columns]
        for value, push in zip(_pushed(step), maps.push, strict=True):
            for terms, more in zip(reach, self._feed(value, push), strict=True):
                terms += more
        acted = [_joint(terms) for terms in reach]
        if step.pushed is None:
            return acted, acted
        return acted, [_joint(terms) for terms in self._feed(step.control.source, maps.whole)]

    def _feed(self, source: torch.Tensor, push: list[list[Any]]) -> list[list[_Term]]:
        """What the sources push every column by."""
        if self._joined:
            return [[(source, push[0][0])]]
        fed = [None if index is None else source[:, index] for index in self._feeds]
        return [_terms(fed, row) for row in push]

    def _crosses(self, terms: list[_Term | None], maps: _KernelMaps) -> list[Any] | None:
        """Sums over paths of w_i sum_j K_ij w_j for every column i; None where K is diagonal."""
        if maps.joint.shape[1] == 1:
            return None
        if self._joined:
            if terms[0] is None:
                return [0.0]
            w = terms[0][0]
            return [((w.T @ w).double() * maps.joint[0]).sum(1)]
        result: list[Any] = [0.0] * len(terms)
        for i, w in enumerate(terms):
            for j, other in enumerate(terms):
                if w is not None and other is not None:
                    result[i] = result[i] + self._overlap(w, other) * maps.joint[:, i, j]
        return result

    def _tensors(self, h: float, dtype: torch.dtype) -> _KernelMaps:
        kernel = self.kernels.at(h)
        variance = kernel.variance
        with np.errstate(divide="ignore"):
            inverse = np.where(variance > 0.0, 1.0 / variance, 0.0)
        joint = kernel.noise * inverse[:, :, None] * inverse[:, None, :]
        rows = inverse if self._joined else inverse.T
        whole = sum(kernel.push[1:], kernel.push[0])
        entry = self.kernels.entry

        def table(blocks: NDArray[Any], factors: NDArray[Any] | None = None) -> list[list[Any]]:
            if self._joined:
                matrix = blocks[0].T if factors is None else factors @ blocks[0].T
                return [[torch.tensor(np.ascontiguousarray(matrix), dtype=dtype)]]
            if factors is not None:
                blocks = blocks * factors[self.kernels.order][:, None, :]
            m = range(blocks.shape[1])
            return [[_factor(blocks[:, i, j], dtype) for j in m] for i in m]

        return _KernelMaps(
            loss=table(np.eye(kernel.decay.shape[1]) - kernel.decay),
            push=tuple(table(blocks, entry) for blocks in kernel.push),
            whole=table(whole, entry),
            weights=[
                float(row[0]) if len(row) == 1 else torch.from_numpy(row.copy()) for row in rows
            ],
            joint=torch.from_numpy(joint),
        )


_Term = tuple[torch.Tensor, Any]  # values (paths, k) and what they are multiplied by


def _index(column: NDArray[Any]) -> Any:
    """Columns of a tensor: a slice where they are neighbours."""
    first = int(column[0])
    if (column == np.arange(first, first + len(column))).all():
        return slice(first, first + len(column))
    return torch.from_numpy(np.ascontiguousarray(column))


def _factor(values: NDArray[Any], dtype: torch.dtype) -> Any:
    """Numbers of all parts: a float where they agree, None where they vanish."""
    if (values == values[0]).all():
        return float(values[0]) or None
    return torch.tensor(values, dtype=dtype)


def _terms(columns: Sequence[torch.Tensor | None], factors: list[Any]) -> list[_Term]:
    """The columns that count, with their factors."""
    pairs = zip(columns, factors, strict=True)
    return [(x, factor) for x, factor in pairs if x is not None and factor is not None]


def _add(target: torch.Tensor, x: torch.Tensor, factor: Any, sign: float = 1.0) -> None:
    """target += sign x factor, in place."""
    if isinstance(factor, float):
        target.add_(x, alpha=sign * factor)
    elif factor.ndim == 1:
        target.addcmul_(x, factor, value=sign)
    else:
        target.addmm_(x, factor, alpha=sign)


def _joint(terms: list[_Term]) -> _Term | None:
    """One term for several: the same values where there is one, else their sum."""
    if not terms:
        return None
    x, factor = terms[0]
    matrix = isinstance(factor, torch.Tensor) and factor.ndim == 2
    if len(terms) == 1 and not matrix:
        return terms[0]
    total = x @ factor if matrix else x * factor
    for x, factor in terms[1:]:
        _add(total, x, factor)
    return total, 1.0


def _pushed(step: Step) -> tuple[torch.Tensor, ...]:
    """The source values that moved a step, in the order of its kernel's pushes."""
    assert step.control is not None
    if step.control.lag is not None:
        return step.control.lag.unbind(1)
    return (step.control.source,) if step.pushed is None else step.pushed

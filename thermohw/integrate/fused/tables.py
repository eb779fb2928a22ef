"""What a compiled tick reads: a plan as tables, block by block of ticks.

Tables of some blocks are kept and shared by all tiles; others are made anew, so that memory does
not grow with the number of ticks. The laws of steps that residuals are held against come from
`thermohw.books.kernels`, not from the stepper's own moments, here as in the observers.
"""

from __future__ import annotations

import threading
from math import inf, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from thermohw.books.correlations import coordinate_groups, watched_ticks
from thermohw.books.kernels import Kernels
from thermohw.circuit import node_moments
from thermohw.integrate.fused.columns import (
    AFFINE,
    GENERAL,
    PAIR,
    SHARED,
    Coefficient,
    NodeEntry,
    PieceEntry,
    Scalar,
    Switch,
    Tick,
)
from thermohw.score.mixture import MixtureScore
from thermohw.score.mixture_tables import affine_table, mixture_kind, mixture_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thermohw.control import Piece
    from thermohw.integrate.tile_run import Setup

__all__ = ["Block", "TickTables"]

_TICKS, _NUMBERS = 256, 2**21  # ticks of a call, at most, and numbers of its laws
_KINDS = {"affine": AFFINE, "pair": PAIR, "shared": SHARED, "general": GENERAL}
_LENGTHS = 512  # of pieces whose coefficients are kept; a log-SNR grid has as many as ticks
_FLUSH = 16  # ticks whose products are summed in the state's precision
_KEPT = 2**25  # numbers in all tables that are kept


class Block(NamedTuple):
    """Tables of the pieces of some ticks; see `columns` for what stands where.

    Attributes:
        first, stop: which pieces of the timeline.
        pieces, coefficients, ticks, laws, pumped, informed, weights: arguments of the kernel.
        inverse: 1/S of every piece and node, float64, shape (pieces, 1 or n).
        reach: source to push, PUSH, and voltage to pull, 1 - Phi, float64, likewise.
        pull: see reach.
        constant: what conditional heats have beside products, float64, shape (pieces, n).
        even: `pumped` in float64.
        told: (1/2) ln det of reading less prediction over the reading's noise, shape (ticks,).
    """

    first: int
    stop: int
    pieces: NDArray[np.int64]
    coefficients: NDArray[Any]
    ticks: NDArray[Any]
    laws: NDArray[Any]
    pumped: NDArray[Any]
    informed: NDArray[Any]
    weights: NDArray[Any]
    inverse: NDArray[Any]
    reach: NDArray[Any]
    pull: NDArray[Any]
    constant: NDArray[Any]
    even: NDArray[Any]
    told: NDArray[Any]


class TickTables:
    """Tables of an engine's run.

    Args:
        engine: whose plan can be played compiled (`thermohw.integrate.fused.choice`).

    Attributes:
        setting: of the kernel, but for the number of paths.
        scalars: of the kernel.
        nodes: of the kernel.
        ticks: of a block.
        depth: decisions that are remembered.
        starts: the first piece of every tick, shape (ticks + 1,).
        applied: ticks whose decisions act at some time.
        groups: of every node, for products of residuals.
        kernel: the compiled tick.
        tally: the compiled count of codes.
    """

    def __init__(self, engine: Setup) -> None:
        plan, device = engine.plan, engine.plan.protocol.board
        self.engine, self.plan, self.device = engine, plan, device
        self.type = np.float32 if engine.dtype == torch.float32 else np.float64
        self.names = {observer.name for observer in engine.observers}
        score, self.factor = plan.protocol.score, 1.0
        if not isinstance(score, MixtureScore):
            score, self.factor = score.base, score.factor  # type: ignore[attr-defined]
        assert isinstance(score, MixtureScore)
        self.score = score
        shaky = plan.chain.score.noise > 0.0
        kind = mixture_kind(score)
        self.kind = "shared" if kind == "affine" and shaky else kind
        n, timeline = device.dim, plan.timeline
        self.wanted = engine.controller.divergence
        places = [piece.tick for piece in timeline]
        self.applied = frozenset(piece.applies for piece in timeline)
        self.starts = np.searchsorted(places, np.arange(plan.schedule.ticks + 1))
        late = max(p.tick - p.applies for p in timeline if p.applies >= 0)
        self.depth = late + 2 if plan.latency else 1
        self.kernels = Kernels(plan)
        self.nodes = self._nodes()
        self.equal = self.nodes.shape[1] == 1
        # W of div u is one for all times but for its temperature, which a division takes out.
        weight = np.atleast_1d(_diagonal(plan.drive.divergence_score))
        self.relative = weight / weight[0]
        self.relative_weights = self.relative.astype(self.type)
        self.setting, self.scalars = self._setting(shaky), self._scalars()
        self.groups = np.zeros(n, np.int64)
        for index, group in enumerate(coordinate_groups(device)):
            self.groups[group] = index
        from thermohw.integrate.fused.kernel import play, tally

        self.kernel, self.tally = play, tally
        self.watched = frozenset(watched_ticks(plan.schedule.ticks).tolist() if n > 1 else ())
        numbers = (
            1 if kind == "affine" else mixture_table(score, plan.schedule.model_time[:1]).rows.size
        )
        self.ticks = int(np.clip(_NUMBERS // numbers // 16 * 16, 16, _TICKS))
        self._known: dict[Any, tuple[NDArray[Any], ...]] = {}
        self._lock, self._kept = threading.Lock(), {0: self._make(0)}
        size = sum(getattr(self._kept[0], name).size for name in ("coefficients", "ticks", "laws"))
        self._most = max(2, _KEPT // size)

    def block(self, index: int) -> Block:
        """Tables of ticks `ticks` x index onwards."""
        with self._lock:
            if index not in self._kept:
                if len(self._kept) >= self._most:  # tiles go through them in order
                    self._kept.pop(min(self._kept, key=lambda i: (i < index, i)))
                self._kept[index] = self._make(index)
            return self._kept[index]

    def _per_node(self, *columns: Any) -> NDArray[Any]:
        """Columns that are numbers or (n,), stacked: (columns, 1) where all are equal."""
        n = self.device.dim
        table = np.stack([np.broadcast_to(np.asarray(c, np.float64), (n,)) for c in columns])
        same = (table == table[:, :1]).all()
        return np.ascontiguousarray(table[:, :1] if same else table)

    def _nodes(self) -> NDArray[Any]:
        chain, stiffness = self.plan.chain, np.diag(self.device.hessian)
        columns: list[Any] = [0.0] * len(NodeEntry)
        columns[NodeEntry.STIFFNESS] = stiffness
        columns[NodeEntry.SENSE], columns[NodeEntry.OFFSET] = chain.sense.gain, chain.sense.offset
        columns[NodeEntry.TUNE], columns[NodeEntry.LIFT] = chain.score.gain, chain.amplifier.offset
        return self._per_node(*columns).astype(self.type)

    def _setting(self, shaky: bool) -> NDArray[np.int64]:
        plan, found = self.plan, np.zeros(len(Switch), np.int64)
        chain, affine = plan.chain, self.kind == "affine"
        modes, full = 1, False
        if not affine:
            probe = mixture_table(self.score, plan.schedule.model_time[:1])
            modes, full = probe.modes, probe.full
        knows = self.engine.controller.filter is not None
        for name, value in {
            Switch.KIND: _KINDS[self.kind],
            Switch.MODES: modes,
            Switch.FULL: full,
            Switch.CURRENT: plan.drive.wiring == "current",
            Switch.IDEAL: plan.ideal,
            Switch.WANTED: self.wanted and not affine,
            Switch.NOISY: plan.reading_noise > 0.0,
            Switch.SHAKY: shaky,
            Switch.SENSES: not chain.sense.exact,
            Switch.CONVERTS: plan.adc is not None,
            Switch.DRIVES: plan.dac is not None,
            Switch.SWINGS: not chain.amplifier.settled_is_ideal,
            Switch.KNOWS: knows,
            Switch.FILTERS: knows and plan.protocol.filter == "kalman",
            Switch.TELLS: "information" in self.names,
            Switch.FOLLOWS: "filter" in self.names,
            Switch.CLOSING: self.wanted and not affine and self.engine.closing,
            Switch.KEEPS: "recorder" in self.names,
            Switch.BALANCES: "balance" in self.names,
        }.items():
            found[name] = int(value)
        return found

    def _scalars(self) -> NDArray[Any]:
        plan, found = self.plan, np.zeros(max(Scalar) + 1)
        found[Scalar.ONE], found[Scalar.ROOT] = 1.0, sqrt(plan.drive.theta)
        found[Scalar.NOISE], found[Scalar.SHAKE] = plan.reading_noise, plan.chain.score.noise
        for place, converter in ((Scalar.ADC, plan.adc), (Scalar.DAC, plan.dac)):
            if converter is not None:
                middle, reach = 0.5 * (converter.low + converter.high), 2 ** (converter.bits - 1)
                found[place : place + 3] = middle, reach, converter.lsb
        amplifier = plan.chain.amplifier
        gain = amplifier.gain
        found[Scalar.FOLLOWER] = 1.0 if gain == inf else gain / (1.0 + gain)
        found[Scalar.SWING] = amplifier.swing
        found[Scalar.FACTOR] = self.factor
        return found.astype(self.type)

    def _make(self, index: int) -> Block:
        plan, ticks = self.plan, self.plan.schedule.ticks
        low, high = index * self.ticks, min((index + 1) * self.ticks, ticks)
        first, stop = int(self.starts[low]), int(self.starts[high])
        timeline = plan.timeline[first:stop]
        rows, inverse, constant = self._coefficients(timeline)
        closing = self.engine.closing and high == ticks and self.wanted
        laws, table, pumped = self._laws(low, high + (1 if closing else 0))
        return Block(
            first=first,
            stop=stop,
            pieces=self._pieces(timeline),
            coefficients=rows.astype(self.type),
            ticks=table.astype(self.type),
            laws=laws.astype(self.type),
            pumped=pumped.astype(self.type),
            informed=self._informed(low, high),
            weights=np.array([1.0 / (p.temperature * p.duration) for p in timeline]),
            inverse=inverse,
            reach=rows[:, Coefficient.PUSH],
            pull=rows[:, Coefficient.PULL],
            constant=constant,
            even=pumped,
            told=self._told(low, high),
        )

    def _pieces(self, timeline: Sequence[Piece]) -> NDArray[np.int64]:
        found = np.zeros((len(timeline), len(PieceEntry)), np.int64)
        wide = self.device.dim * (2 if self.plan.drive.wiring == "current" else 1)
        tick = np.array([piece.tick for piece in timeline])
        reads = np.array([piece.reads for piece in timeline], np.int64)
        lost = [piece.reads and piece.tick not in self.applied for piece in timeline]
        ends = np.array([piece.ends_tick for piece in timeline])
        part = np.arange(len(tick)) - np.searchsorted(tick, tick)  # of its tick
        found[:, PieceEntry.TICK], found[:, PieceEntry.READS] = tick, reads + np.array(lost)
        found[:, PieceEntry.APPLIES] = [piece.applies for piece in timeline]
        found[:, PieceEntry.CHANNEL], found[:, PieceEntry.FRAME] = part * wide, -1
        found[:, PieceEntry.WATCHED] = [piece.tick in self.watched for piece in timeline]
        found[:, PieceEntry.FLUSH] = ends & ((tick + 1) % _FLUSH == 0)
        return found

    def _coefficients(
        self, timeline: Sequence[Piece]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Of every piece: coefficients (pieces, columns, m), 1/S (pieces, m), and what conditional
        heats have beside products, (pieces, n).
        """
        keys = [(p.duration, p.temperature, p.conductance) for p in timeline]
        place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        first = {key: piece for key, piece in zip(reversed(keys), reversed(timeline), strict=True)}
        new = [key for key in place if key not in self._known]
        if len(self._known) + len(new) > _LENGTHS:  # others' go, not those that are asked for now
            self._known = {key: self._known[key] for key in place if key in self._known}
        for key in new:
            self._known[key] = self._one(first[key])
        tables, inverses, constants = zip(*(self._known[key] for key in place), strict=True)
        wide = max(table.shape[1] for table in tables)
        table = np.stack([np.broadcast_to(t, (t.shape[0], wide)) for t in tables])
        inverse = np.stack([np.broadcast_to(i, (wide,)) for i in inverses])
        which = np.array([place[key] for key in keys])
        return table[which], inverse[which], np.stack(constants)[which]

    def _one(self, piece: Piece) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        device, h, warm = self.device, piece.duration, piece.temperature
        m, stiffness = node_moments(device, h).heated(warm), np.diag(device.hessian)
        current = self.plan.drive.wiring == "current"
        columns: list[Any] = [0.0] * len(Coefficient)
        columns[Coefficient.LOSS], columns[Coefficient.SPREAD] = m.loss, m.spread
        columns[Coefficient.INPUT] = m.from_current if current else m.from_source
        columns[Coefficient.SUM_STATE], columns[Coefficient.SUM_INPUT] = m.sum_state, m.sum_current
        columns[Coefficient.FOLLOW], columns[Coefficient.REST] = m.follow, m.rest
        columns[Coefficient.LENGTH], columns[Coefficient.PACE] = h, piece.conductance
        columns[Coefficient.CONDUCTANCE] = device.coefficients
        kernel = self.kernels.at(h)
        columns[Coefficient.PULL] = 1.0 - kernel.decay[:, 0, 0]
        columns[Coefficient.PUSH] = kernel.push[0][:, 0, 0] * self.kernels.entry
        drop = 0.5 * (1.0 - np.square(m.decay)) / stiffness
        columns[Coefficient.ONE] = drop
        if current:
            push = stiffness * m.from_current
            columns[Coefficient.TWO] = (m.sum_state - m.decay * push) / stiffness
            columns[Coefficient.THREE] = m.sum_current - 0.5 * np.square(push) / stiffness
            heat = -0.5 * stiffness * np.square(m.spread)
        else:
            heat = -drop * stiffness * device.temperatures * warm
        columns[Coefficient.PREDICT] = m.decay
        columns[Coefficient.RESPOND] = stiffness * columns[Coefficient.INPUT]
        with np.errstate(divide="ignore"):
            variance = kernel.variance[:, 0] * warm
            inverse = np.where(variance > 0.0, 1.0 / variance, 0.0)
        table = self._per_node(*columns, inverse)
        return table[:-1], table[-1], np.broadcast_to(heat, (device.dim,))

    def _laws(self, low: int, high: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Laws (ticks, numbers), what decisions are made with (ticks, columns, m), and weights of
        div u (ticks, 2), of tick boundaries low .. high - 1.
        """
        plan, n = self.plan, self.device.dim
        times = plan.schedule.model_time[low:high]
        heat = plan.laws.temperatures
        warm = np.ones(len(times)) if heat is None else heat[low:high]
        drive = plan.drive
        columns = np.zeros((len(times), len(Tick), n))
        for t in set(warm.tolist()):
            own, rows = drive.heated(float(t), n), warm == t
            columns[rows, Tick.STATE] = _diagonal(own.state)
            columns[rows, Tick.SCORE] = _diagonal(own.score)
            columns[rows, Tick.WEIGHT] = _diagonal(own.divergence_score)
            columns[rows, Tick.CONSTANT] = own.divergence_state
        laws = np.zeros((len(times), 1))
        pumped = self._pumped(low, high)
        if self.kind == "affine":
            slope, offset = (self.factor * x for x in affine_table(self.score, times))
            div = (slope * columns[:, Tick.WEIGHT]).sum(1) + columns[:, Tick.CONSTANT, 0]
            columns[:, Tick.STATE] += columns[:, Tick.SCORE] * slope * sqrt(drive.theta)
            columns[:, Tick.SCORE] *= offset
            pumped = pumped * div[:, None]
        else:
            laws = mixture_table(self.score, times, self.relative).rows
            columns[:, Tick.WEIGHT] = self.factor * columns[:, Tick.WEIGHT, :1]
        kalman = self.engine.controller.filter
        if kalman is not None:
            stop = min(high, len(kalman.readings))
            gains = [np.diagonal(kalman.readings[t].gain) for t in range(low, stop)]
            columns[: len(gains), Tick.GAIN] = gains
        if (columns == columns[:, :, :1]).all():
            columns = columns[:, :, :1]
        return laws, np.ascontiguousarray(columns), pumped

    def _pumped(self, low: int, high: int) -> NDArray[Any]:
        """Weights of div u at boundaries: of a trapezoid in a path's account, which lacks its last
        end where nothing is evaluated there, and of the left sum in the profile.
        """
        lengths, ticks = self.plan.schedule.relaxations, self.plan.schedule.ticks
        found, at = np.zeros((high - low, 2)), np.arange(low, high)
        after = np.where(at < ticks, lengths[np.minimum(at, ticks - 1)], 0.0)
        found[:, 1] = after
        before = np.where(at > 0, lengths[np.maximum(at - 1, 0)], 0.0)
        found[:, 0] = 0.5 * (before + after)
        if low <= ticks - 1 < high and not self.engine.closing:
            found[ticks - 1 - low, 0] = 0.5 * before[ticks - 1 - low] + after[ticks - 1 - low]
        return found

    def _told(self, low: int, high: int) -> NDArray[Any]:
        """(1/2) ln det (1 + P-/R) of every reading, zero where information is not accounted."""
        kalman, found = self.engine.controller.filter, np.zeros(high - low)
        if kalman is None or "information" not in self.names:
            return found
        variance = self.plan.reading_noise**2
        for row, t in enumerate(range(low, high)):
            prior = np.diagonal(kalman.readings[t].prior)
            found[row] = 0.5 * np.log1p(prior / variance).sum()
        return found

    def _informed(self, low: int, high: int) -> NDArray[Any]:
        """See the kernel, float64, shape (ticks, n, 3)."""
        n, kalman = self.device.dim, self.engine.controller.filter
        found = np.zeros((high - low, n, 3))
        if kalman is None:
            return found
        variance, weights = self.plan.reading_noise**2, 1.0 / np.diag(self.device.hessian)
        for row, t in zip(found, range(low, high), strict=True):
            length = self.plan.schedule.relaxations[t]
            row[:, 0] = 1.0 / (np.diagonal(kalman.readings[t].prior) + variance)
            if self.plan.drive.wiring == "emf":
                decay = node_moments(self.device, float(length)).decay
                row[:, 1] = 0.5 * weights * (1.0 - np.square(decay))
            row[:, 2] = 1.0 / variance
        return found


def _diagonal(response: float | NDArray[Any]) -> Any:
    """Of a multiple of the identity, or of a diagonal matrix."""
    return response if isinstance(response, float) else np.diagonal(response)

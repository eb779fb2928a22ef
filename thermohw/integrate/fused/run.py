"""A tile whose ticks are compiled: the same accounts as `TileRun`, from one pass over its paths.

The kernel adds to the observers' own carries, so that what they say at the end, what a checkpoint
holds and what a file stores is the same for both. Sums over paths come out piece by piece and are
put in their places here, in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import StoreError
from thermohw.integrate.fused.columns import AFFINE, PieceEntry, Switch, TraceEntry
from thermohw.integrate.fused.tables import Block, TickTables
from thermohw.integrate.tile_run import TileRun
from thermohw.noise import Stream, philox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.integrate.observer import Carry
    from thermohw.integrate.tile import Tile
    from thermohw.integrate.tile_run import Setup

__all__ = ["FusedRun"]

_ROWS = 16  # of a tile whose readings and sources are seen one by one
_STRIP, _STRIP_NUMBERS = 768, 2**13  # paths of a strip at most; numbers of one of its tables
_CODES = 2**21  # codes that a call may hold
_BINS = 2**18  # of the histograms that are looked at together


class FusedRun(TileRun):
    """A tile on its way through the timeline, block of ticks by block of ticks.

    Args:
        engine: whose run `thermohw.integrate.fused.choice` finds a kernel for.
        tables: of it, shared by all tiles.
        tile: which paths.
        state: at the start, thermal units, shape (paths, n).
        carries: of the observers.
    """

    def __init__(
        self,
        engine: Setup,
        tables: TickTables,
        tile: Tile,
        state: torch.Tensor,
        carries: dict[str, Carry],
    ) -> None:
        none: Any = None  # normals are drawn inside
        super().__init__(engine, tile, none, none, state.contiguous().clone(), carries)
        self.tables, plan = tables, engine.plan
        n, paths, made = plan.protocol.board.dim, tile.paths, tables.type
        assert len(state) == paths
        self.width = max(16, min(_STRIP, _STRIP_NUMBERS // n // 16 * 16))
        self._ring = np.zeros((tables.depth, n, paths), made)
        keeps = bool(tables.setting[Switch.KEEPS])
        self._scores = np.zeros((tables.depth, n, paths) if keeps else (1, 1, 1), made)
        knows = bool(tables.setting[Switch.KNOWS])
        self._mean = np.zeros((n, paths) if knows else (1, 1), made)
        if knows:
            assert engine.controller.filter is not None
            self._mean[:] = engine.controller.filter.start_mean[:, None]
        self._parts = np.zeros((3 * n + 1, paths), made)
        self._constants = np.zeros(2)
        self._drained: list[dict[str, torch.Tensor]] = []
        self._keys = np.array(
            [philox.key_of(engine.seed, s) for s in (Stream.TICKS, Stream.READINGS)], np.uint32
        )
        self.stride = tables.ticks
        self._setting = tables.setting.copy()
        self._setting[Switch.PATHS] = paths
        # By name: whose books these are is known above.
        watcher: dict[str, Any] = {observer.name: observer for observer in engine.observers}
        self._residuals = watcher["residuals"]
        self._codes = watcher.get("codes")
        self._updates = watcher.get("filter")
        self._recorder = watcher.get("recorder")
        self._profile = watcher["profile"]

    compiled = True

    def advance(self, until: int) -> None:
        """Run up to the start of tick `until`.

        Raises:
            InputError: a state became non-finite; the message names the tick and the path.
        """
        while self.tick < until:
            first = self.tick
            index = first // self.tables.ticks
            stop = min(until, (index + 1) * self.tables.ticks)
            if self._codes is not None:
                stop = min(stop, first + max(1, _CODES // self.whole.numel()))
            self._play(self.tables.block(index), first, stop)
            self._require_finite(stop - 1)

    def _play(self, block: Block, first: int, stop: int) -> None:
        """Ticks first .. stop - 1 of a block."""
        plan, tables, carries = self.setup.plan, self.tables, self.carries
        ticks = plan.schedule.ticks
        begin, end = (int(x) - block.first for x in (self.position, tables.starts[stop]))
        pieces = block.pieces[begin:end].copy()
        if stop == ticks:
            pieces[-1, PieceEntry.FLUSH] = 1
        low = first - first // self.tables.ticks * self.tables.ticks
        high = low + stop - first + int(stop == ticks and tables.setting[Switch.CLOSING])
        n, paths, count = plan.protocol.board.dim, self.tile.paths, stop - first
        frames = self._frames(pieces)
        codes = np.zeros((count, n, paths) if self._codes is not None else (1, 1, 1), np.int32)
        rows = min(_ROWS, paths)
        trace = np.zeros((count, len(TraceEntry), rows, n), tables.type)
        applied = np.zeros((len(pieces), rows, n), tables.type)
        sums, div = np.zeros((len(pieces), n, 8)), np.zeros(count + 1)
        setting = self._setting.copy()
        setting[Switch.CLOSING] *= stop == ticks
        ledger, balance = carries["ledger"], carries.get("balance")
        none1, none2 = np.zeros(1), np.zeros((1, 1))

        def account(observer: str, name: str, otherwise: NDArray[Any]) -> NDArray[Any]:
            carry = carries.get(observer)
            return otherwise if carry is None or name not in carry else carry[name].numpy()

        kernel = tables.kernel
        kernel(
            setting, tables.scalars, pieces, block.coefficients[begin:end], block.ticks[low:high],
            block.laws[low:high], block.pumped[low:high], tables.nodes, block.informed[low:high],
            tables.relative_weights, self._keys, self.tile.first, self.width, self.whole.numpy(),
            self._ring, self._scores, self._mean, self._parts, ledger["heat"].numpy(),
            ledger["work"].numpy(),
            none2 if balance is None else balance["expected"].numpy(),
            account("pumping", "total", none1), account("information", "pathwise", none1),
            account("information", "quadratic", none1), account("filter", "surprise", none2),
            sums, account("residuals", "products", none2), tables.groups,
            block.weights[begin:end], div, carries["peaks"]["peaks"].numpy(), frames, codes, trace,
            applied,
        )  # fmt: skip
        self.position = int(tables.starts[stop])
        self._add_constants(block, slice(low, low + count))
        self._add_up(block, slice(begin, end), slice(low, low + count), pieces, sums, div)
        self._keep(pieces, trace, applied, first)
        if self._codes is not None:
            self._count(codes, first)
        self._record(pieces, frames, stop)

    def _add_up(
        self,
        block: Block,
        rows: slice,
        ticks: slice,
        pieces: NDArray[np.int64],
        sums: NDArray[Any],
        div: NDArray[Any],
    ) -> None:
        """Put sums over paths in their places."""
        carries, paths = self.carries, self.tile.paths
        where = pieces[:, PieceEntry.TICK]
        rr, re, ee, rv, vv, r, heat, work = np.moveaxis(sums, 2, 0)
        inverse, push, pull = block.inverse[rows], block.reach[rows], block.pull[rows]
        asked, pulled = ee * push**2 * inverse, vv * pull**2 * inverse
        added = np.stack(
            [np.full(rr.shape, float(paths)), rr * inverse, re * push * inverse, asked, asked,
             asked, rv * pull * inverse, pulled, pulled, r * np.sqrt(inverse)], 2
        )  # fmt: skip
        carry = carries["residuals"]
        _add_in_order(carry["sums"].numpy(), added)
        np.add.at(carry["power"].numpy(), self._residuals.bins(where), rr)
        profile, bins = carries["profile"]["sums"].numpy(), self._profile.bins(where)
        np.add.at(profile[:, 0], bins, heat.sum(1))
        np.add.at(profile[:, 1], bins, work.sum(1))
        if "balance" in carries:
            _add_in_order(carries["balance"]["constant"].numpy(), block.constant[rows])
        if self.tables.wanted:
            even = block.even[ticks]
            if self._setting[Switch.KIND] == AFFINE:
                div = paths * np.ones(len(div))
            reads = where[pieces[:, PieceEntry.READS] > 0]
            np.add.at(profile[:, 2], self._profile.bins(reads), div[: len(even)] * even[:, 1])

    def _add_constants(self, block: Block, ticks: slice) -> None:
        """What is one number for all paths enters their accounts at the end of the run: int div u
        of an affine law, with the end of a closed run, and what the number of readings says.
        """
        ends = self.tick == self.setup.plan.schedule.ticks
        affine = self._setting[Switch.KIND] == AFFINE and self.tables.wanted
        if affine:
            whole = slice(ticks.start, None if ends and self.setup.closing else ticks.stop)
            _add_in_order(self._constants[:1], block.even[whole, :1])
        _add_in_order(self._constants[1:], block.told[ticks, None])
        if ends and affine:
            self.carries["pumping"]["total"] += float(self._constants[0])
        if ends and "information" in self.carries:
            self.carries["information"]["pathwise"] += float(self._constants[1])

    def _keep(
        self, pieces: NDArray[np.int64], trace: NDArray[Any], applied: NDArray[Any], first: int
    ) -> None:
        """States, readings and sources of the first rows, at ticks that are kept."""
        plan, carry = self.setup.plan, self.carries["residuals"]
        kept, seen = carry["states"].shape[1], TraceEntry.VOLTAGE
        if plan.reading_noise > 0.0:
            seen = TraceEntry.ESTIMATE if plan.protocol.filter == "kalman" else TraceEntry.READING
        ticks, reads, applies = pieces[:, :3].T
        slots = np.fromiter(self._residuals.slots, np.int64)  # ascending, one after another
        told, acts = (reads > 0) & np.isin(ticks, slots), np.isin(applies, slots)
        what = np.where(reads[told] == 1, seen, TraceEntry.VOLTAGE)
        place = np.searchsorted(slots, ticks[told])
        carry["states"].numpy()[place] = trace[ticks[told] - first, what, :kept]
        carry["sources"].numpy()[np.searchsorted(slots, applies[acts])] = applied[acts, :kept]
        if self._updates is None:
            return
        for q in np.flatnonzero(np.isin(ticks, slots) | np.isin(ticks + 1, slots)).tolist():
            tick = int(ticks[q])
            read = trace[tick - first] if reads[q] == 1 else None
            source = applied[q] if applies[q] >= 0 else None
            piece = plan.timeline[self._piece(tick, pieces, q)]
            self._updates.keep(self.carries["filter"], piece, read, source)

    def _piece(self, tick: int, pieces: NDArray[np.int64], q: int) -> int:
        """Place in the timeline of row q."""
        begin = int(np.flatnonzero(pieces[:, PieceEntry.TICK] == tick)[0])
        return int(self.tables.starts[tick]) + q - begin

    def _count(self, codes: NDArray[np.int32], first: int) -> None:
        assert self._codes is not None and self.setup.plan.adc is not None
        told = [t for t in range(len(codes)) if first + t in self.tables.applied]
        nodes, paths = codes.shape[1:]
        lows, highs = codes.min(2), codes.max(2)
        spans = (highs - lows).max(1) + 1
        several = max(1, _BINS // (nodes * 2 ** min(self.setup.plan.adc.bits, 24)))
        while told:
            wide = self._codes.too_wide(int(spans[told[0]]), paths)
            rows = [told.pop(0)]
            while told and not wide and len(rows) < several:
                if self._codes.too_wide(int(spans[told[0]]), paths):
                    break
                rows.append(told.pop(0))
            if wide:
                table = self._codes.sorted_counts(codes[rows[0]])[None]
            else:
                table = np.zeros((len(rows), nodes, int(spans[rows].max())), np.int64)
                for own, t in zip(table, rows, strict=True):
                    self.tables.tally(codes[t], lows[t], own)
            ticks = [first + t for t in rows]
            self._codes.count(self.carries["codes"], ticks, torch.from_numpy(table), paths)

    def _frames(self, pieces: NDArray[np.int64]) -> NDArray[Any]:
        """Room for the frames that start in some pieces, whose rows are noted there."""
        count = 0
        if self._recorder is not None:
            for row in pieces:
                if row[PieceEntry.READS] > 0 and self._recorder.wants(int(row[PieceEntry.TICK])):
                    row[PieceEntry.FRAME], count = count, count + 1
        shape = (count, 3, *self.whole.shape) if count else (1, 1, 1, 1)
        return np.zeros(shape, self.tables.type)

    def _record(self, pieces: NDArray[np.int64], frames: NDArray[Any], stop: int) -> None:
        """Hand frames to the recorder's form."""
        if self._recorder is None:
            return
        plan = self.setup.plan
        for row in pieces[pieces[:, PieceEntry.FRAME] >= 0]:
            values = torch.from_numpy(frames[row[PieceEntry.FRAME]])
            self._add_frame(int(row[PieceEntry.APPLIES]), values[0], values[1], values[2])
        if stop == plan.schedule.ticks and self._recorder.wants(stop):
            last = int(pieces[-1, PieceEntry.APPLIES])
            at = last % self.tables.depth
            voltage = plan.protocol.board.efforts(self.whole)
            source = torch.from_numpy(self._ring[at].T.copy())
            score = torch.from_numpy(self._scores[at].T.copy())
            self._add_frame(last, voltage.clone(), source, score)

    def _add_frame(
        self, applies: int, voltage: torch.Tensor, source: torch.Tensor, score: torch.Tensor
    ) -> None:
        """A frame; where the law is affine, `score` is the voltage that it is of."""
        plan = self.setup.plan
        if applies < 0:
            score = torch.zeros_like(voltage)
        elif self._setting[Switch.KIND] == AFFINE:
            law = plan.laws[applies]
            score = law.field(law.model(score))
        if plan.schedule.relaxing is not None and plan.drive.wiring == "current" and applies >= 0:
            tick = min(applies, plan.schedule.ticks - 1)  # a step counts in the R C in force
            source = source * float(plan.schedule.conductances[tick])
        self._drained.append({"voltage": voltage, "control": source, "score": score})

    def drain(self) -> dict[str, torch.Tensor]:
        """The frames since the last call; see `Recorder.drain`."""
        frames, self._drained = self._drained, []
        if not frames:
            return {}
        return {name: torch.stack([frame[name] for frame in frames]) for name in frames[0]}

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to continue; copies, since the kernel adds in place."""
        saved = super().checkpoint()
        own = {"ring": self._ring, "scores": self._scores, "mean": self._mean, "parts": self._parts,
               "constants": self._constants}  # fmt: skip
        return saved | {f"fused/{name}": values.copy() for name, values in own.items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same tile.

        Raises:
            StoreError: it is of a run whose ticks were not compiled; the file stays as it is.
        """
        if "fused/ring" not in saved:
            raise StoreError(
                "was begun where ticks were not compiled (numba did not work there): continue it "
                "there, or run it anew",
                where="the checkpoint",
            )
        super().restore(saved)
        self._ring, self._scores, self._mean, self._parts, self._constants = (
            np.array(saved[f"fused/{name}"])
            for name in ("ring", "scores", "mean", "parts", "constants")
        )


def _add_in_order(total: NDArray[Any], rows: NDArray[Any]) -> None:
    """total += row for row in rows, one after another: the same bits however they are grouped."""
    total[...] = np.add.accumulate(np.concatenate([total[None], rows]))[-1]

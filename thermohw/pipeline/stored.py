"""A run into a file: one commit a unit of work, and from a commit onwards.

The unit of work is (one tile of paths) x (one block of saved frames). After each, the file is
committed with all that is needed to continue bit-identically: the tile's states, accounts and noise
generators, and the totals over finished tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from thermohw.errors import StoreError
from thermohw.integrate import Recorder, saved_ticks, tiles
from thermohw.integrate.tile_run import late_parts
from thermohw.noise import BLOCK
from thermohw.pipeline.channels import (
    ENERGIES,
    ledger_channels,
    ledger_values,
    series_axes,
    series_channels,
    series_values,
)
from thermohw.store import Layout, Result, RunWriter, content_hash, state_bytes, time_block
from thermohw.thermo import Profile
from thermohw.thermo.residuals import SUMS
from thermohw.thermo.updates import SURPRISES

if TYPE_CHECKING:
    from pathlib import Path

    from thermohw.control import Plan
    from thermohw.integrate import Engine, TileRun

__all__ = ["progress_bar", "run_into_file", "tile_size"]


def progress_bar(progress: bool, total: int) -> tqdm:
    """A bar that shows after two seconds, on terminals only."""
    off = None if progress else True
    return tqdm(total=total, desc="simulating", unit_scale=True, delay=2, disable=off)


def tile_size(plan: Plan) -> int:
    """Paths per tile: one noise block; eight for a single node, where one is too small.

    Circuits of several nodes may need matrix products, whose rounding depends on how many rows they
    have: evaluated per noise block, a path's numbers do not depend on the paths beside it.
    """
    return BLOCK * (8 if plan.protocol.board.dim == 1 else 1)


def run_into_file(
    engine: Engine,
    paths: int,
    path: Path,
    tree: dict[str, Any],
    *,
    every: int,
    resume: bool,
    progress: bool,
) -> dict[str, np.ndarray]:
    """Simulate `paths` paths into the run file at `path`.

    Args:
        engine: the run.
        paths: how many.
        path: a new file, or an unfinished one of the same spec.
        tree: /parameters of a new file, "spec" among them.
        every: save every n-th tick; 0 for none.
        resume: continue the file at `path`.
        progress: show a bar.

    Returns:
        The energies of the ledger, per path, in joule.

    Raises:
        StoreError: the file cannot be made or continued.
    """
    layout = _layout(engine, paths, every)
    if resume:
        writer = RunWriter.resume(path, content_hash(tree["spec"]))
        if writer.layout.state_size < layout.state_size:
            writer.close()
            raise StoreError(
                "was begun by a version whose checkpoints keep less, and has no room for what this "
                "one keeps: run it anew",
                where=str(path),
            )
    else:
        writer = RunWriter.create(path, layout, tree)
    with writer, progress_bar(progress, writer.layout.units) as bar:
        bar.update(writer.committed)
        saved = dict(writer.state())
        totals = {
            result.name: np.array(saved.pop(f"total/{result.name}", 0.0))
            for result in writer.layout.results
        }
        for group, tile in enumerate(tiles(paths, tile_size(engine.plan))):
            first_unit = group * writer.layout.blocks
            if writer.committed < first_unit + writer.layout.blocks:
                run = engine.open(tile)
                start = run.whole
                if writer.committed > first_unit:
                    run.restore(saved)
                _finish_tile(writer, run, start, totals, bar)
        for name, values in totals.items():
            writer.write_result(name, values)
        writer.finish()
        # Read here: opening the file again would check all of it.
        names = (channel.name for channel in writer.layout.ledger)
        return {n: writer.ledger(n) for n in names if n.split(".")[0] in ENERGIES}


def _finish_tile(
    writer: RunWriter,
    run: TileRun,
    start: torch.Tensor,
    totals: dict[str, np.ndarray],
    bar: tqdm,
) -> None:
    """Run a tile's remaining time blocks, one commit each; its ledger comes with the last."""
    engine, layout = run.engine, writer.layout
    recorder = next((o for o in engine.observers if isinstance(o, Recorder)), None)
    blocks = layout.blocks - writer.committed % layout.blocks
    for left in range(blocks, 0, -1):
        region = layout.unit(writer.committed)
        run.advance(_last_tick(layout, region.frames, engine.plan.schedule.ticks))
        if recorder is not None:
            for name, values in series_values(engine, recorder.drain()).items():
                writer.write_series(name, region.frames, region.paths, values[:, : run.tile.paths])
        state: dict[str, Any] = {}
        if left > 1:
            state = run.checkpoint()
        else:
            results = run.results(whole=True)
            paths = run.tile.paths
            for name, values in ledger_values(engine, start, run.whole, results, paths).items():
                writer.write_ledger(name, region.paths, values)
            totals["profile"] = totals["profile"] + results["profile"]["profile"].numpy()
            if "balance" in results:
                totals["balance"] = totals["balance"] + _balance_sums(
                    engine, results, run.tile.paths
                )
            if "codes" in totals and (run.tile.first == 0 or run.tile.paths == layout.group):
                # A last tile of a few paths would only blur what full ones say of the codes.
                nats = float(results["codes"]["information.codes"])
                totals["codes"] = totals["codes"] + run.tile.paths * np.array([1.0, nats])
            if "residuals" in results:
                _add(totals, "residual", results["residuals"], ("sums", "power", "products"))
            _add(totals, "filter", results.get("filter", {}), ("surprise",))
            if run.tile.first == 0:
                kept = {k: v for k, v in results.get("filter", {}).items() if k != "surprise"}
                _add(totals, "residual", results.get("residuals", {}), ("states", "sources"))
                _add(totals, "filter", kept)
            totals["peaks"] = np.maximum(totals["peaks"], results["peaks"]["peaks"].numpy())
        writer.commit(state | {f"total/{name}": value for name, value in totals.items()})
        bar.update(1)


def _balance_sums(
    engine: Engine, results: dict[str, dict[str, torch.Tensor]], paths: int
) -> np.ndarray:
    """Per bath, and in the last row for sum_k Q_k/T_k: sums over paths of the expected heat, of
    heat less it, of that squared and cubed.
    """
    temperatures = torch.as_tensor(engine.plan.protocol.device.temperatures)
    expected = results["balance"]["expected"][:paths]
    gap = results["ledger"]["heat"][:paths] - expected
    expected, gap = (torch.cat([x, (x / temperatures).sum(1, True)], 1) for x in (expected, gap))
    sums = (expected, gap, gap.square(), gap**3)
    return torch.stack([x.sum(0) for x in sums], 1).numpy()


def _add(
    totals: dict[str, np.ndarray],
    group: str,
    found: dict[str, torch.Tensor],
    names: tuple[str, ...] | None = None,
) -> None:
    """Add what a tile found; a file begun by an older version lacks some of it."""
    for name in names or found:
        key = f"{group}.{name}"
        if key in totals and name in found:
            totals[key] = totals[key] + found[name].numpy()


def _residual_results(probe: TileRun) -> tuple[Result, ...]:
    """What `thermohw.thermo.residuals` leaves in a file."""
    plan, carry = probe.engine.plan, probe.carries["residuals"]
    kept, fluxes = ("kept_tick", "kept_path"), bool(plan.protocol.board.fluxes)
    source = "V" if plan.drive.wiring == "emf" else "A"
    groups = ("residual_group", "other_residual_group")
    table = {
        "sums": ("1", ("coordinate", "residual_sum"), ", ".join(SUMS), ""),
        "products": ("V+2", groups, "products on watched ticks, over T h", "V A and A^2"),
        "power": ("V+2", ("residual_bin", "coordinate"), "squares in bins of ticks", "A^2"),
        "states": ("V", (*kept, "coordinate"), "what kept ticks saw", "A"),
        "sources": (source, (*kept, "controlled"), "what they decided", "V for A, A for V"),
    }
    return tuple(
        Result(f"residual.{name}", tuple(carry[name].shape), unit, dims=dims,
               attrs={"long_name": f"{about}; of inductors {other}" if fluxes and other else about})
        for name, (unit, dims, about, other) in table.items()
        if name in carry
    )  # fmt: skip


def _filter_results(probe: TileRun) -> tuple[Result, ...]:
    """What `thermohw.thermo.updates` leaves in a file."""
    plan, carry = probe.engine.plan, probe.carries["filter"]
    source, kept = "V" if plan.drive.wiring == "emf" else "A", ("kept_tick", "kept_path")
    table = {
        "reading": ("V", "coordinate", "what kept ticks read"),
        "predicted": ("V", "coordinate", "the filter's mean before that"),
        "estimate": ("V", "coordinate", "and after it"),
        "before": ("V", "coordinate", "its mean after the reading before"),
        "source": (source, "controlled", "sources in force since, piece by piece"),
    }
    rows = tuple(
        Result(f"filter.{name}", tuple(carry[name].shape), unit,
               dims=(*kept, *("piece_between",) * (name == "source"), last),
               attrs={"long_name": about})
        for name, (unit, last, about) in table.items()
    )  # fmt: skip
    about = (
        "sums over paths: squares of reading less prediction along a path, thermal units, that "
        "squared and cubed; in the last row of all coordinates together"
    )
    shape = plan.protocol.board.dim + 1, len(SURPRISES)
    dims = ("coordinate_or_all", "surprise_sum")
    return (*rows, Result("filter.surprise", shape, "1", dims=dims, attrs={"long_name": about}))


def _layout(engine: Engine, paths: int, every: int) -> Layout:
    plan, scale = engine.plan, engine.plan.protocol.device.scale
    steps = saved_ticks(plan.schedule.ticks, every)
    group = tile_size(plan)
    series = series_channels(engine, str(engine.dtype).removeprefix("torch.")) if every else ()
    probe = engine.open(tiles(min(paths, group), group)[0])
    probe.predicted = probe.whole
    shortest, ticks = float(plan.schedule.durations.min()), plan.schedule.ticks
    waiting = min(2 + int(plan.latency / shortest), ticks + 1) if plan.latency else 1
    parts = [(i, what) for i in range(waiting) for what in late_parts(plan)]
    late = {f"pending/{i:08d}/{what}": probe.whole for i, what in parts}
    size = state_bytes(probe.checkpoint() | {name: value.numpy() for name, value in late.items()})
    size += 65536  # totals
    bins = next(o for o in engine.observers if isinstance(o, Profile)).edges
    results = (
        Result("profile", (len(bins) - 1, 3), "1", dims=("bin", "account"),
               attrs={"long_name": "sums over paths: heat [kT], work [kT], int div u [nats]"}),
        Result("peaks", (4,), "1", dims=("extreme",),
               attrs={"long_name": "largest voltage, source, current, rate; thermal units"}),
    )  # fmt: skip
    if any(observer.name == "balance" for observer in engine.observers):
        about = (
            "sums over paths: conditional mean heat, heat less it, that squared and cubed; kT per "
            "bath, and in the last row of sum Q_k/T_k"
        )
        shape = (len(plan.protocol.board.elements) + 1, 4)
        results += (
            Result("balance", shape, "1", dims=("bath", "sum"), attrs={"long_name": about}),
        )
    if any(observer.name == "codes" for observer in engine.observers):
        about = "paths counted, and paths x entropies of their codes at most, nats"
        results += (Result("codes", (2,), "1", dims=("tally",), attrs={"long_name": about}),)
    for name, make in (("residuals", _residual_results), ("filter", _filter_results)):
        own = make(probe) if name in probe.carries else ()
        size += sum(8 * int(np.prod(result.shape)) for result in own)
        results += own
    axes = series_axes(engine)
    block = 1
    if every:
        rows = min(paths, group)
        block = time_block(series, axes, len(steps), group=rows, state_size=size)
    return Layout(
        paths=paths,
        steps=[int(n) for n in steps],
        times=[float(plan.schedule.physical_time[n]) * scale.time for n in steps],
        axes=axes,
        series=series,
        ledger=ledger_channels(engine),
        results=results,
        group=group,
        block=block,
        state_size=size,
    )


def _last_tick(layout: Layout, frames: slice, ticks: int) -> int:
    """Where a time block ends: the tick of its last frame plus one, so that this frame's start has
    been seen.
    """
    if layout.frames == 0 or frames.stop >= layout.frames:
        return ticks
    return min(ticks, int(layout.steps[frames.stop - 1]) + 1)

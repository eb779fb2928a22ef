"""From a protocol to a run: observers chosen, tiles simulated, everything written down.

The unit of work is (one tile of paths) x (one block of saved frames); after each the file is
committed with all that is needed to continue bit-identically. Without a file the same numbers stay
in memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from thermohw.audit.rebuild import Setting, describe
from thermohw.errors import InputError
from thermohw.integrate import BLOCK, Recorder, make_engine, saved_ticks, tiles
from thermohw.pipeline.channels import (
    ledger_channels,
    ledger_values,
    series_channels,
    series_values,
)
from thermohw.pipeline.summary import LedgerSummary
from thermohw.store import Layout, Result, RunWriter, content_hash, state_bytes, time_block
from thermohw.thermo import (
    Information,
    Ledger,
    PathRatio,
    Peaks,
    Profile,
    Pumping,
    acquired,
    converter_information,
)

if TYPE_CHECKING:
    from thermohw.control import Plan, Protocol
    from thermohw.integrate import Engine, Observer
    from thermohw.score import Score
    from thermohw.target import Target

__all__ = ["Run", "build_engine", "simulate"]

_THEOREM_DIM = 3  # beyond it the exponential average has no effective samples left


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
        setting: what was run.
        channels: per-path values by channel name, SI; empty for a stored run (read the file).
        ledger: means and standard errors, in joules and k T.
        path: the run file, or None.
    """

    setting: Setting
    channels: dict[str, np.ndarray]
    ledger: LedgerSummary
    path: Path | None


def build_engine(
    setting: Setting, *, seed: int, start: str | None, prior: str, dtype: str, every: int
) -> Engine:
    """Choose the observers that fit a setting and put the engine together."""
    protocol, score = setting.protocol, setting.score
    start = start or (
        "marginal" if setting.target is not None and setting.target.analytic else "prior"
    )
    low = protocol.device.dim <= _THEOREM_DIM
    truth = score if score.exact else getattr(score, "base", None)
    known = truth is not None and truth.exact
    ideal = not any(
        getattr(protocol, name) for name in ("adc_bits", "dac_bits", "reading_noise", "latency")
    )
    # Networks: div u costs a Jacobian a tick; the account needs it only where a current source
    # pumps.
    divergence = ideal and known
    gaussian_kernel = protocol.control == "clocked" or protocol.stepper == "euler"
    theorem = ideal and known and low and gaussian_kernel and dtype == "float64"
    engine = make_engine(
        protocol,
        seed=seed,
        start=start,
        target=setting.target,
        prior=prior,
        dtype=getattr(torch, dtype),
        divergence=divergence,
        flux=theorem,
        closing=theorem or divergence and _defined_at_end(score),
    )
    plan, device = engine.plan, protocol.device
    observers: list[Observer] = [
        Ledger(device, protocol.wiring),
        Peaks(device),
        Profile(plan.schedule),
    ]
    if divergence:
        observers.append(Pumping())
    if theorem:
        kernel = "held" if plan.clocked else "euler"
        observers.append(PathRatio(device, protocol.wiring, kernel=kernel))
    if (
        engine.controller.filter is not None
        and plan.adc is None
        and plan.latency == 0.0
        and device.uncoupled
    ):
        observers.append(Information(engine.controller))
    if every > 0:
        observers.append(Recorder(plan, saved_ticks(plan.schedule.ticks, every)))
    engine.observers = tuple(observers)
    return engine


def simulate(
    protocol: Protocol,
    *,
    paths: int,
    seed: int = 0,
    store: str | Path | None = None,
    start: str | None = None,
    target: Target | None = None,
    prior: str = "schedule",
    dtype: str = "float32",
    every: int | None = None,
    scale: float = 1.0,
    spec: str | None = None,
    parameters: dict[str, Any] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Run a protocol.

    Args:
        protocol: what to play.
        paths: number of samples to generate.
        seed: of the noise streams; a path's noise depends on it and on the path's index only.
        store: run file to write; None keeps the ledger in memory.
        start: "marginal" (exact p_T), "prior" or "state"; default marginal for known laws, else
            prior.
        target: the data; default the exact score's own.
        prior: "schedule" or "matched".
        dtype: "float32" or "float64" of states and noise; accounts are always float64.
        every: save every n-th tick; 0 the ledger and end states only. Default 8 with a file, else
            0.
        scale: what the score has been multiplied by (recorded, so that the file can be rebuilt).
        spec: canonical text that identifies the run; default made from the settings.
        parameters: further trees for /parameters.
        resume: continue an unfinished file of the same spec.
        progress: show a bar for what takes more than two seconds (off when not on a terminal).

    Raises:
        InputError: a setting is refused, the path exists, or the disk is too small.
    """
    if paths < 1:
        raise InputError(
            f"paths = {paths}: expected a positive whole number", where="simulate.paths"
        )
    if dtype not in ("float32", "float64"):
        raise InputError(
            f"dtype = {dtype!r}: expected 'float32' or 'float64'", where="simulate.dtype"
        )
    setting = Setting(protocol, target if target is not None else protocol.score.target, scale)
    every = (8 if store is not None else 0) if every is None else every
    engine = build_engine(setting, seed=seed, start=start, prior=prior, dtype=dtype, every=every)
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if store is None:
            return _in_memory(engine, setting, paths, progress=progress)
        settings = {
            "paths": paths,
            "seed": seed,
            "start": engine.start.kind,
            "dtype": dtype,
            "prior": prior,
            "every": every,
        }
        tree = {
            **describe(setting),
            **(parameters or {}),
            **_facts(engine),
            "simulate": json.dumps(settings),
        }
        tree["spec"] = spec or json.dumps(
            {k: v for k, v in tree.items() if isinstance(v, str)}, sort_keys=True
        )
        return _stored(
            engine, setting, paths, Path(store), tree, every=every, resume=resume, progress=progress
        )
    finally:
        torch.set_num_threads(previous)


def _defined_at_end(score: Score) -> bool:
    """Whether the score exists at t_min; that of a density with edges does not at t = 0."""
    try:
        score.at(score.process.t_min)
    except InputError:
        return False
    return True


def _tile_size(plan: Plan) -> int:
    """Paths per tile: one noise block; eight for a single node, where one is too small.

    Circuits of several nodes may need matrix products, whose rounding depends on how many rows they
    have: evaluated per noise block, a path's numbers do not depend on the paths beside it.
    """
    return BLOCK * (8 if plan.protocol.device.dim == 1 else 1)


def _in_memory(engine: Engine, setting: Setting, paths: int, *, progress: bool) -> Run:
    parts: list[dict[str, np.ndarray]] = []
    ticks = engine.plan.schedule.ticks
    with _bar(progress, paths * ticks) as bar:
        for tile in tiles(paths, _tile_size(engine.plan)):
            run = engine.open(tile)
            first = run.state
            for until in _stops(ticks):
                before = run.tick
                run.advance(until)
                bar.update((until - before) * tile.paths)
            parts.append(ledger_values(engine, first, run.state, run.results()))
    channels = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Run(setting, channels, LedgerSummary.of(channels, setting.device.scale.energy), None)


def _stored(
    engine: Engine,
    setting: Setting,
    paths: int,
    path: Path,
    tree: dict[str, Any],
    *,
    every: int,
    resume: bool,
    progress: bool,
) -> Run:
    layout = _layout(engine, paths, every)
    if resume and path.exists():
        writer = RunWriter.resume(path, content_hash(tree["spec"]))
    else:
        writer = RunWriter.create(path, layout, tree)
    recorder = next((o for o in engine.observers if isinstance(o, Recorder)), None)
    with writer, _bar(progress, layout.units) as bar:
        bar.update(writer.committed)
        saved = dict(writer.state())
        totals = {name: np.array(saved.pop(f"total/{name}", 0.0)) for name in ("profile", "peaks")}
        for group, tile in enumerate(
            tiles(paths, layout.group if layout.group % BLOCK == 0 else _tile_size(engine.plan))
        ):
            first_unit = group * layout.blocks
            if writer.committed >= first_unit + layout.blocks:
                continue
            run = engine.open(tile)
            first = run.state
            if writer.committed > first_unit:
                run.restore(saved)
            for unit in range(writer.committed, first_unit + layout.blocks):
                region = layout.unit(unit)
                run.advance(_last_tick(layout, region.frames, engine.plan.schedule.ticks))
                if recorder is not None:
                    for name, values in series_values(engine, recorder.drain()).items():
                        writer.write_series(name, region.frames, region.paths, values)
                state = run.checkpoint()
                if unit == first_unit + layout.blocks - 1:
                    results = run.results()
                    for name, values in ledger_values(engine, first, run.state, results).items():
                        writer.write_ledger(name, region.paths, values)
                    totals["profile"] = totals["profile"] + results["profile"]["profile"].numpy()
                    totals["peaks"] = np.maximum(totals["peaks"], results["peaks"]["peaks"].numpy())
                    state = {}
                writer.commit(
                    {**state, **{f"total/{name}": value for name, value in totals.items()}}
                )
                bar.update(1)
        writer.write_result("profile", totals["profile"])
        writer.write_result("peaks", totals["peaks"])
        writer.finish()
    return Run(setting, {}, LedgerSummary.read(path), path)


def _layout(engine: Engine, paths: int, every: int) -> Layout:
    plan, scale = engine.plan, engine.plan.protocol.device.scale
    steps = saved_ticks(plan.schedule.ticks, every)
    group = _tile_size(plan)
    series = series_channels(engine, str(engine.dtype).removeprefix("torch.")) if every else ()
    probe = engine.open(tiles(min(paths, group), group)[0])
    probe.predicted = probe.state
    waiting = (
        2 + int(plan.latency / float(plan.schedule.durations.min()) + 1) if plan.latency else 2
    )
    size = state_bytes(
        {**probe.checkpoint(), **{f"pending/{i:08d}": probe.state.numpy() for i in range(waiting)}}
    )
    bins = next(o for o in engine.observers if isinstance(o, Profile)).edges
    results = (
        Result("profile", (len(bins) - 1, 3), "1", dims=("bin", "account"),
               attrs={"long_name": "sums over paths: heat [kT], work [kT], int div u [nats]"}),
        Result("peaks", (4,), "1", dims=("extreme",),
               attrs={"long_name": "largest voltage, source, current, rate; thermal units"}),
    )  # fmt: skip
    axes = {"node": plan.protocol.device.nodes}
    block = 1
    if every:
        rows = min(paths, group)
        block = time_block(series, axes, len(steps), group=rows, state_size=2 * size + 65536)
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
        state_size=2 * size + 65536,
    )


def _facts(engine: Engine) -> dict[str, Any]:
    """Derived numbers that a reader needs to interpret the file, SI."""
    plan, scale = engine.plan, engine.plan.protocol.device.scale
    edges = next(o for o in engine.observers if isinstance(o, Profile)).edges
    facts: dict[str, Any] = {
        "units": {
            "energy": scale.energy,
            "time": scale.time,
            "voltage": scale.voltage,
            "current": scale.current,
            "volts_per_unit": plan.protocol.v0,
            "theta": plan.protocol.theta,
        },
        "schedule": {
            "grid": plan.schedule.grid,
            "stepper": plan.stepper,
            "model_time": plan.schedule.model_time,
            "physical_time": plan.schedule.physical_time * scale.time,
            "profile_edges": edges,
            "duration": plan.seconds,
        },
        "start": {
            "kind": engine.start.kind,
            "entropy": float("nan")
            if engine.start.entropy is None
            else float(engine.start.entropy),
            "preparation": engine.start.preparation(plan),
        },
    }
    if plan.clocked:
        facts["information"] = _information(engine)
    return facts


def _information(engine: Engine) -> dict[str, Any]:
    """What the readings tell the controller, nats per sample; an upper bound where a converter
    limits them.
    """
    plan, start = engine.plan, engine.start
    if plan.adc is not None:
        theta = plan.protocol.theta
        bound = converter_information(plan, start.mean / theta**0.5, start.covariance / theta)
        return {"acquired": bound, "bound": True}
    facts: dict[str, Any] = {"acquired": acquired(engine.controller), "bound": False}
    kalman = engine.controller.filter
    if kalman is not None:
        facts["per_reading"] = np.array([reading.information for reading in kalman.readings])
        _, start_det = np.linalg.slogdet(kalman.start_covariance)
        _, end_det = np.linalg.slogdet(kalman.final_covariance)
        facts["log_det_change"] = 0.5 * float(end_det - start_det)
    return facts


def _last_tick(layout: Layout, frames: slice, ticks: int) -> int:
    """Where a time block ends: the tick of its last frame plus one, so that this frame's start has
    been seen.
    """
    if layout.frames == 0 or frames.stop >= layout.frames:
        return ticks
    return min(ticks, int(layout.steps[frames.stop - 1]) + 1)


def _stops(ticks: int) -> list[int]:
    return [*range(64, ticks, 64), ticks]


def _bar(progress: bool, total: int) -> tqdm:
    return tqdm(
        total=total, desc="simulating", unit_scale=True, delay=2, disable=None if progress else True
    )

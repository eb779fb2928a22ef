"""From a protocol to a run: observers chosen, tiles simulated, everything written down.

The unit of work is (one tile of paths) x (one block of saved frames); after each the file is
committed with all that is needed to continue bit-identically. Without a file the same numbers stay
in memory. A run that diverges does so again however often it is resumed: its file is removed.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.audit.gather import account_maker
from thermohw.audit.kept import Kept
from thermohw.control import Protocol
from thermohw.errors import InputError, StoreError
from thermohw.intake import whole
from thermohw.jumps import Jumps
from thermohw.likelihood.density import EndDensity
from thermohw.noise import VERSION
from thermohw.pipeline.known_law import known_law_tree, require_known_law
from thermohw.pipeline.record import Run
from thermohw.pipeline.summary import LedgerSummary, moments_keeper
from thermohw.pipeline.terms import likelihood_tree
from thermohw.pipeline.twins import twin_tree
from thermohw.pipeline.unscored import simulate_unscored
from thermohw.program import Drive
from thermohw.run import (
    Keeper,
    extends,
    extension,
    keeping,
    play_into_file,
    play_into_memory,
    wanted_workers,
)
from thermohw.run.setting import Setting, describe, differences
from thermohw.solver import Evolve
from thermohw.store import RunReader, check_new
from thermohw.target import lift
from thermohw.worlds.played import (
    ENERGIES,
    PlayedWorld,
    build_engine,
    end_density,
    lanes,
    run_facts,
)

if TYPE_CHECKING:
    from thermohw.target import Target

__all__ = ["simulate"]


def simulate(
    protocol: Protocol | Drive | Jumps | Evolve,
    *,
    paths: int,
    seed: int = 0,
    store: str | Path | None = None,
    start: str | None = None,
    target: Target | None = None,
    prior: str = "schedule",
    dtype: str = "float32",
    every: int | None = None,
    keep: str = "paths",
    test: int | None = None,
    probes: int = 0,
    tolerance: float = 1e-5,
    moments: int | None = None,
    solver: str = "adaptive",
    twin: int = 0,
    twins: bool = True,
    spec: str | None = None,
    parameters: dict[str, Any] | None = None,
    resume: bool = False,
    progress: bool = True,
    workers: int | None = None,
) -> Run:
    """Run a protocol; or lead a circuit through a program (`th.Drive`), watch electrons jump
    (`th.Jumps`), or run a circuit of amplifiers (`th.Evolve`).

    Args:
        protocol: what to play; without a score the arguments below are paths, seed, store, every,
            keep, spec, parameters, resume, progress and workers.
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
        keep: "paths", or "moments" of them: means, errors, histograms and quantiles of every
            channel, in memory and in the file the same for any number of paths and ticks
            (`thermohw.run.keep`); no frames are saved then.
        test: held-out points for the likelihood terms, stored with the run; 0 leaves them out.
            Default 256 with a file and known data, else 0.
        probes: Hutchinson probes of the divergence; 0 for exact ones.
        tolerance: of the likelihood's flow solver, nats.
        moments: times of the likelihood's integrals; None chooses.
        solver: of the likelihood's flow: "adaptive", or "fixed" with as many steps as `moments`.
        twin: Gaussians of a mixture fitted to the data, on which a network is trained as the
            score's was, so that the entropy bound and its gap are known on a law like the data's
            (`thermohw.pipeline.known_law`); 0 leaves it out. Data sets, network scores and files
            only; it takes as long as the training did.
        twins: measure on a few paths more what the finite tick and every imperfection do to the
            samples, and store it (`thermohw.pipeline.twins`); files only.
        spec: canonical text that identifies the run; default made from the settings.
        parameters: further trees for /parameters.
        resume: continue an unfinished file of the same spec, or extend a finished one to more
            paths, which are those of a run of so many in one go; its likelihood terms are kept.
        progress: show a bar for what takes more than two seconds (off when not on a terminal).
        workers: threads that play; None for $THERMOHW_WORKERS, or as many as there are cores. The
            numbers are the same for any.

    Raises:
        InputError: a setting is refused, the path exists, the disk is too small, or the run
            diverges.
    """
    paths, seed = whole(paths, 1, "simulate.paths"), whole(seed, 0, "simulate.seed")
    twin = whole(twin, 0, "likelihood.twin")
    every = None if every is None else whole(every, 0, "store.every")
    every = keeping(keep, every, "simulate.keep")
    workers = wanted_workers(workers, _say)
    if isinstance(protocol, Drive | Jumps | Evolve):
        return simulate_unscored(
            protocol,
            paths=paths,
            seed=seed,
            store=store,
            every=every,
            keep=keep,
            spec=spec,
            parameters=parameters,
            resume=resume,
            progress=progress,
            workers=workers,
        )
    _require_protocol(protocol)
    if dtype not in ("float32", "float64"):
        raise InputError(
            f"dtype = {dtype!r}: expected 'float32' or 'float64'", where="simulate.dtype"
        )
    target = target if target is not None else protocol.score.target
    setting = Setting(protocol, None if target is None else lift(target, protocol.process))
    every = (8 if store is not None else 0) if every is None else every
    engine = build_engine(setting, seed=seed, start=start, prior=prior, dtype=dtype, every=every)
    with _diverging_is_a_mistake(), _one_thread():
        settings = {
            "paths": paths,
            "seed": seed,
            "start": engine.start.kind,
            "dtype": dtype,
            "prior": prior,
            "every": every,
        }
        settings |= {} if keep == "paths" else {"keep": keep}
        density = None
        if store is not None:
            count = min(paths, lanes(engine.plan)[0])
            wanted = EndDensity(
                points=256 if test is None else test, prior=prior, probes=probes,
                tolerance=tolerance, solver=solver,
                steps=moments if solver == "fixed" else None, seed=seed,
            )  # fmt: skip
            density = end_density(engine, setting.target, points=count, settings=wanted)
        world = PlayedWorld(engine, every, density, setting.target)
        energy = setting.device.scale.energy
        keeper = None
        if keep == "moments":
            judged = None
            if store is not None:
                warm = engine.plan.schedule.temperatures
                ends = float(warm.max()), float(warm.min())
                judged = Kept(account_maker(setting.device, dtype == "float32", *ends))
            keeper = moments_keeper(world.layout(paths), energy, judged)
        if store is None:
            world = PlayedWorld(engine, 0)
            channels = play_into_memory(
                world, paths, progress=progress, keeper=keeper, workers=workers
            )
            ledger = _finite(_summary(channels, keeper, setting))
            return Run(setting, channels, ledger, None, settings, engine.plan, keeper)
        tree = {**describe(setting), **(parameters or {}), **run_facts(engine)}
        tree |= {"simulate": json.dumps(settings), "noise": VERSION}
        if density is not None:
            tree["density"] = {"settings": json.dumps(density.settings())}
        texts = {name: value for name, value in tree.items() if isinstance(value, str)}
        tree["spec"] = spec or json.dumps(texts, sort_keys=True)
        path = Path(store)
        longer = path if resume and path.exists() and extends(path, tree["spec"], paths) else None
        made = extension(path) if longer else path
        continuing = resume and made.exists()
        if not continuing:
            check_new(made)
            if longer:
                tree = _of_the_shorter(longer, setting) | tree
            elif setting.target is not None and test != 0:
                asked: dict[str, Any] = {
                    "test": 256 if test is None else test,
                    "seed": seed,
                    "prior": prior,
                    "probes": probes,
                    "tolerance": tolerance,
                    "moments": moments,
                    "solver": solver,
                    "progress": progress,
                }
                if twin:
                    require_known_law(setting.target, twin)
                tree["likelihood"] = likelihood_tree(setting, plan=engine.plan, **asked)
                if twin:
                    tree["known_law"] = known_law_tree(setting, twin, **asked)
            if twins:
                found = twin_tree(setting, engine, paths=paths, prior=prior, dtype=dtype)
                tree |= {"twins": found} if found else {}
        try:
            channels = play_into_file(
                world,
                paths,
                made,
                tree,
                resume=continuing,
                progress=progress,
                wanted=lambda name: name.split(".")[0] in ENERGIES,
                longer=longer,
                keeper=keeper,
                workers=workers,
            )
            ledger = _finite(_summary(channels, keeper, setting))
            return Run(setting, {}, ledger, path, settings, engine.plan)
        except StoreError:  # the file is another's, or damaged
            raise
        except (InputError, FloatingPointError):
            made.unlink(missing_ok=True)
            raise


def _say(line: str) -> None:
    print(f"thermohw: {line}", file=sys.stderr)


def _of_the_shorter(path: Path, setting: Setting) -> dict[str, Any]:
    """Parameters of a run that is extended, but for the twins, whose number depends on the paths.

    Raises:
        InputError: it is of another setting, such as a score with other weights.
    """
    with RunReader.open(path) as run:
        stored = run.parameters
    for name, value in describe(setting).items():
        for place in differences(value, stored.get(name), name):
            raise InputError(f"was made with another {place}: choose another name", where=str(path))
    return {name: value for name, value in stored.items() if name != "twins"}


def _require_protocol(given: Any) -> None:
    """Say which door is the right one."""
    if isinstance(given, Protocol):
        return
    kind = type(given).__name__
    door = "th.run_spec(spec, 'run.h5')" if kind == "Spec" else getattr(given, "runs_with", "")
    hint = f"; for a {kind}: {door}" if door else ""
    raise InputError(
        f"a {kind} cannot be simulated: expected a th.Protocol, th.Drive, th.Jumps or "
        f"th.Evolve{hint}",
        where="simulate",
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    previous = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(previous)


@contextmanager
def _diverging_is_a_mistake() -> Iterator[None]:
    """Numbers that overflow end in one error that says so, not in warnings before it."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except FloatingPointError as error:
        raise InputError(str(error), where="simulate") from error


def _finite(ledger: LedgerSummary) -> LedgerSummary:
    """Energies that have a mean and a standard error (one path has none)."""
    for name, (mean, error) in ledger.rows.items():
        if not isfinite(mean) or not (isfinite(error) or ledger.paths < 2):
            raise InputError(
                f"{name} is too large to have a mean: the grid is too coarse or the score "
                "diverges; use more ticks or a larger t_min",
                where="simulate",
            )
    return ledger


def _summary(
    channels: dict[str, np.ndarray], keeper: Keeper | None, setting: Setting
) -> LedgerSummary:
    energy = setting.device.scale.energy
    return LedgerSummary.kept(channels, keeper, energy, list(energy * setting.device.temperatures))

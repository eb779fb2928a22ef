"""Playing what has no score: in memory, or into a file that is resumed, audited and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.audit.kept import Kept
from thermohw.audit.unscored import kept_sums
from thermohw.errors import InputError, StoreError
from thermohw.jumps import Jumps
from thermohw.noise import VERSION
from thermohw.pipeline.record import Run
from thermohw.pipeline.summary import LedgerSummary, moments_keeper
from thermohw.program import Drive
from thermohw.run import Keeper, extends, extension, play_into_file, play_into_memory
from thermohw.run.kinds import describe_any
from thermohw.solver import Evolve
from thermohw.store import check_new
from thermohw.worlds.active import EvolveWorld
from thermohw.worlds.driven import DrivenWorld
from thermohw.worlds.jumps import JumpsWorld

__all__ = ["simulate_unscored"]

# What is asked for -> the world that plays it.
_WORLDS: dict[type, Any] = {Drive: DrivenWorld, Jumps: JumpsWorld, Evolve: EvolveWorld}
_WANTED = ("heat.", "work.", "energy.", "rotation")


def simulate_unscored(
    asked: Any,
    *,
    paths: int,
    seed: int,
    store: str | Path | None,
    every: int | None,
    keep: str,
    spec: str | None,
    parameters: dict[str, Any] | None,
    resume: bool,
    progress: bool,
    workers: int,
) -> Run:
    """See `thermohw.pipeline.simulate.simulate`."""
    every = (8 if store is not None else 0) if every is None else every
    world = _WORLDS[type(asked)](
        asked, paths=paths, seed=seed, every=every if store is not None else 0
    )
    settings: dict[str, Any] = {"paths": paths, "seed": seed, "every": every}
    settings |= {} if keep == "paths" else {"keep": keep}
    if keep == "moments" and isinstance(asked, Evolve) and (asked.solve or asked.invert):
        problem = (
            "keep = 'moments' is not for a board that solves or inverts: its answer and the errors "
            "of it are made of every path's readings; use keep = 'paths'"
        )
        raise InputError(problem, where="simulate.keep")
    if store is None:
        keeper = _keeper(world, paths, None) if keep == "moments" else None
        channels = play_into_memory(world, paths, progress=progress, keeper=keeper, workers=workers)
        ledger = _summary(world, channels, keeper)
        return Run(asked, channels, ledger, None, settings, keeper=keeper)
    path = Path(store)
    tree = {**describe_any(asked), **(parameters or {}), **world.facts()}
    tree |= {"simulate": json.dumps(settings), "noise": VERSION}
    texts = {name: value for name, value in tree.items() if isinstance(value, str)}
    tree["spec"] = spec or json.dumps(texts, sort_keys=True)
    keeper = None
    if keep == "moments":
        keeper = _keeper(world, paths, kept_sums(tree, path, paths))
    longer = path if resume and path.exists() and extends(path, tree["spec"], paths) else None
    made = extension(path) if longer else path
    continuing = resume and made.exists()
    if not continuing:
        check_new(made)
    try:
        channels = play_into_file(
            world,
            paths,
            made,
            tree,
            resume=continuing,
            progress=progress,
            wanted=lambda name: name.startswith(_WANTED),
            longer=longer,
            keeper=keeper,
            workers=workers,
        )
    except StoreError:  # the file is another's, or damaged
        raise
    except (InputError, FloatingPointError) as error:  # it would end so again
        made.unlink(missing_ok=True)
        if isinstance(error, InputError):
            raise
        raise InputError(str(error), where="simulate") from error
    return Run(asked, {}, _summary(world, channels, keeper), path, settings)


def _keeper(world: Any, paths: int, judged: Kept | None) -> Keeper:
    return moments_keeper(world.layout(paths), world.facts()["units"]["energy"], judged)


def _summary(world: Any, channels: dict[str, np.ndarray], keeper: Keeper | None) -> LedgerSummary:
    facts = world.facts()
    energy, baths = facts["units"]["energy"], list(facts["baths"]["energy"])
    return LedgerSummary.kept(channels, keeper, energy, baths)

"""Playing what has no score: in memory, or into a file that is resumed, audited and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.errors import InputError, StoreError
from thermohw.jumps import Jumps
from thermohw.pipeline.record import Run
from thermohw.pipeline.summary import LedgerSummary
from thermohw.program import Drive
from thermohw.run import extends, extension, play_into_file, play_into_memory
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
    spec: str | None,
    parameters: dict[str, Any] | None,
    resume: bool,
    progress: bool,
) -> Run:
    """See `thermohw.pipeline.simulate.simulate`."""
    every = (8 if store is not None else 0) if every is None else every
    world = _WORLDS[type(asked)](
        asked, paths=paths, seed=seed, every=every if store is not None else 0
    )
    settings = {"paths": paths, "seed": seed, "every": every}
    if store is None:
        channels = play_into_memory(world, paths, progress=progress)
        return Run(asked, channels, _summary(world, channels), None, settings)
    path = Path(store)
    tree = {**describe_any(asked), **(parameters or {}), **world.facts()}
    tree["simulate"] = json.dumps(settings)
    texts = {name: value for name, value in tree.items() if isinstance(value, str)}
    tree["spec"] = spec or json.dumps(texts, sort_keys=True)
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
        )
    except StoreError:  # the file is another's, or damaged
        raise
    except (InputError, FloatingPointError) as error:  # it would end so again
        made.unlink(missing_ok=True)
        if isinstance(error, InputError):
            raise
        raise InputError(str(error), where="simulate") from error
    return Run(asked, {}, _summary(world, channels), path, settings)


def _summary(world: Any, channels: dict[str, np.ndarray]) -> LedgerSummary:
    facts = world.facts()
    return LedgerSummary.of(channels, facts["units"]["energy"], list(facts["baths"]["energy"]))

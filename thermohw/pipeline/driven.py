"""Playing a drive: in memory, or into a file that can be resumed, audited and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.pipeline.record import Run
from thermohw.pipeline.summary import LedgerSummary
from thermohw.run import play_into_file, play_into_memory
from thermohw.store import check_new
from thermohw.worlds.driven import DrivenWorld, describe_drive

if TYPE_CHECKING:
    from thermohw.program.drive import Drive

__all__ = ["simulate_drive"]

_WANTED = ("heat.", "work.", "energy.")


def simulate_drive(
    drive: Drive,
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
    world = DrivenWorld(drive, paths=paths, seed=seed, every=every if store is not None else 0)
    if store is None:
        channels = play_into_memory(world, paths, progress=progress)
        return Run(drive, channels, _summary(drive, channels), None)
    path = Path(store)
    tree = {**describe_drive(drive), **(parameters or {}), **world.facts()}
    tree["simulate"] = json.dumps({"paths": paths, "seed": seed, "every": every})
    texts = {name: value for name, value in tree.items() if isinstance(value, str)}
    tree["spec"] = spec or json.dumps(texts, sort_keys=True)
    continuing = resume and path.exists()
    if not continuing:
        check_new(path)
    try:
        channels = play_into_file(
            world,
            paths,
            path,
            tree,
            resume=continuing,
            progress=progress,
            wanted=lambda name: name.startswith(_WANTED),
        )
    except FloatingPointError as error:
        path.unlink(missing_ok=True)
        raise InputError(str(error), where="simulate") from error
    return Run(drive, {}, _summary(drive, channels), path)


def _summary(drive: Drive, channels: dict[str, np.ndarray]) -> LedgerSummary:
    unit = drive.device.scale.energy
    return LedgerSummary.of(channels, unit, list(unit * drive.device.temperatures))

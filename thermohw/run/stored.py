"""Which file is meant: the path of a run, or the run itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from thermohw.errors import InputError

__all__ = ["stored_path"]

_DOORS = {
    "Driven": "th.simulate(th.Drive(...), store='run.h5')",
    "JumpRun": "th.simulate(th.Jumps(...), store='run.h5')",
    "Protocol": "th.simulate(protocol, store='run.h5')",
    "Drive": "th.simulate(drive, store='run.h5')",
    "Jumps": "th.simulate(jumps, store='run.h5')",
    "ActiveRun": "th.simulate(th.Evolve(...), store='run.h5')",
    "Solution": "th.simulate(th.Evolve(...), store='run.h5')",
    "Inverse": "th.simulate(th.Evolve(...), store='run.h5')",
    "Evolve": "th.simulate(evolve, store='run.h5')",
    "Spec": "th.run_spec(spec, 'run.h5')",
}


def stored_path(given: Any, where: str) -> Path:
    """The file of a run that is given by its path, or as the `Run` itself.

    Args:
        given: what a caller handed over.
        where: the caller, for the message.

    Raises:
        InputError: neither; the message says how to get a file.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    kind = type(given).__name__
    path = getattr(given, "path", None)
    if kind == "Run" and path is not None:
        return Path(path)
    made = "simulate it with store='run.h5'" if kind == "Run" else _DOORS.get(kind)
    hint = f"; make one: {made}" if made else ", such as 'run.h5'"
    article = "an" if kind[0] in "aeiouAEIO" else "a"
    raise InputError(
        f"{article} {kind} is no stored run: expected the path of a file{hint}", where=where
    )

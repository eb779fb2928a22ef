"""Which file is meant: the path of a run, or the run itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from thermohw.errors import InputError

__all__ = ["stored_path"]

# What a record of a run in memory was asked for by, and what asks for a run.
_ASKED = {"Driven": "Drive", "JumpRun": "Jumps"}
_ASKED |= dict.fromkeys(("ActiveRun", "Solution", "Inverse"), "Evolve")
_DOORS = {kind: f"th.simulate(th.{asked}(...), store='run.h5')" for kind, asked in _ASKED.items()}
_DOORS |= {
    kind: f"th.simulate({kind.lower()}, store='run.h5')"
    for kind in ("Protocol", "Drive", "Jumps", "Evolve")
}
_DOORS["Spec"] = "th.run_spec(spec, 'run.h5')"
_DOORS["Run"] = "simulate it with store='run.h5'"


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
    hint = f"; make one: {_DOORS[kind]}" if kind in _DOORS else ", such as 'run.h5'"
    article = "an" if kind[0] in "aeiouAEIO" else "a"
    raise InputError(
        f"{article} {kind} is no stored run: expected the path of a file{hint}", where=where
    )

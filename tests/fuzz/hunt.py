"""Hunts with other seeds than the tests': `python -m fuzz.hunt SEED COUNT [KIND...]`, from tests/.

Every input is drawn, none is shrunk; what is not as promised is printed with how often. The inputs
at fault are copied into the folder that THERMOHW_FUZZ_KEEP names.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import torch
from fuzz.bench import Bench
from fuzz.court import Court
from fuzz.kinds import KINDS
from fuzz.mutate import Dice
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from thermohw.cli import app

_unforeseen = app._unforeseen

__all__ = ["CHECKS", "DRAWS", "hunt", "play"]


CHECKS: Any = list(HealthCheck)  # none of them: an input may take its time
DRAWS = st.binary(min_size=128, max_size=128)
"""All that hypothesis draws for an input."""


def play(kind: str, bench: Bench, court: Court, data: bytes, keep: Path | None = None) -> None:
    """One input of a kind, in a folder of its own; kept where it shows a defect."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        try:
            os.chdir(folder)
            court.note(kind, KINDS[kind](bench, Path(folder), Dice(data), court))
        except Exception:
            if keep is not None:
                shutil.copytree(folder, keep / Path(folder).name)
            raise
        finally:
            os.chdir(here)


def hunt(kind: str, number: int, count: int, bench: Bench, court: Court) -> Counter[str]:
    """So many inputs of a kind; defects by their words."""
    found: Counter[str] = Counter()
    keep = os.environ.get("THERMOHW_FUZZ_KEEP")

    @seed(number)
    @settings(max_examples=count, derandomize=False, database=None, deadline=None,
              phases=[Phase.generate], suppress_health_check=CHECKS)  # fmt: skip
    @given(DRAWS)
    def one(data: bytes) -> None:
        try:
            play(kind, bench, court, data, Path(keep) if keep else None)
        except Exception as error:
            words = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            found[f"{kind}: {_short(words)}"] += 1

    one()
    return found


def _short(words: str) -> str:
    """What broke: the head, and of a traceback the frames of thermohw and the error."""
    lines = words.splitlines()
    frames = [n for n, line in enumerate(lines) if "/thermohw/" in line and "File" in line][-3:]
    kept = [f"{lines[n].strip()} | {lines[n + 1].strip()}" for n in frames]
    last = [line for line in lines if line.startswith("thermohw: unforeseen")] or lines[-1:]
    return "\n   ".join([lines[0][:700], *kept, *(line[:300] for line in last)])


def _tell(error: BaseException) -> NoReturn:
    """Where something unforeseen happened, in place of the hint how to see it."""
    traceback.print_exception(error)
    _unforeseen(error)


def main(number: str, count: str, *kinds: str) -> None:
    """As a program."""
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    try:
        bench, court = Bench(folder), Court()
        defects: Counter[str] = Counter()
        wanted = kinds or tuple(KINDS)
        for kind in wanted:
            with mock.patch.object(app, "_unforeseen", _tell):
                found = hunt(kind, int(number), int(count) // len(wanted), bench, court)
            for words, times in found.items():
                print(f"{times} x {words}\n", flush=True)
            defects += found
        print(court.table())
        print(f"{sum(defects.values())} defects")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A deck as ngspice is to read it: its own cards without analyses and scripts; and what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.datasheet.netlist.lines import decode

__all__ = ["bare_deck", "ngspice", "resisted"]

_STEP = re.compile(r"\s*\.step\s+(?:dec\s+)?param\s+(\w+)\s+(?:list\s+)?(\S+)", re.I)
_SKIPPED = (
    ".op", ".ac", ".dc", ".tran", ".noise", ".meas", ".measure", ".pz", ".four", ".fft", ".print",
    ".plot", ".save", ".probe", ".sp", ".sens", ".pss", ".shooting", ".symbolic", ".step", ".wave",
    ".backanno", ".end", ".tf", ".disto", ".loadbias", ".savebias", ".sndparam", ".sndprint",
)  # fmt: skip


def bare_deck(path: Path) -> list[str]:
    """Lines of a deck without its analyses and scripts."""
    lines, script, skipping = [], False, False
    raw = decode(path.read_bytes()).split("\n")
    for line in raw[1:]:
        word = line.split()[0].lower() if line.split() else ""
        if word == ".control":
            script = True
        if not script and not (line.startswith("+") and skipping):
            skipping = word in _SKIPPED
            if not skipping:
                lines.append(_spoken(line))
            elif match := _STEP.match(line):
                if not re.search(rf"(?mi)^\.param.*\b{match.group(1)}\s*=", "\n".join(raw)):
                    lines.append(f".param {match.group(1)}={match.group(2)}")
        if word == ".endc":
            script = False
        if word == ".end" and not script:
            break
    return [raw[0], *lines]


def resisted(line: str) -> list[str]:
    """A voltage source with a resistance."""
    words = line.split(None, 2)
    if len(words) < 3 or words[0][0].lower() != "v":
        return [line]
    name = words[0].lower()
    return [f"{words[0]} {name}_out {words[2]}", f"r{name}_out {words[1]} {name}_out 50"]


def _spoken(line: str) -> str:
    """A source of ahkab in ngspice's words; any other line as it is."""
    if "type=" not in line or line[:1].lower() not in "vi":
        return line
    head, *parts = re.split(r"\btype\s*=\s*", line)
    words = head.split()
    for part in parts:
        kind, *values = re.sub(r"[a-z]\w*\s*=", " ", part, flags=re.I).split()
        if kind.lower() == "am":  # sa fc fm oc td there, sa oc fm fc td here
            values = [values[0], values[3], values[2], values[1], *values[4:]]
        kind = {"vdc": "dc", "idc": "dc", "vac": "ac", "iac": "ac"}.get(kind.lower(), kind)
        words.append(
            f"{kind} {values[0]}" if kind in ("dc", "ac") else f"{kind}({' '.join(values)})"
        )
    return " ".join(words)


def ngspice(path: Path, lines: list[str], *, data: int = 0) -> Any:
    """What ngspice prints, or the tables it writes; in a copy of the deck's folder."""
    with tempfile.TemporaryDirectory(prefix="thermohw-decks-") as place:
        for file in path.parent.iterdir():
            if file.is_file() and file.stat().st_size < 4_000_000:
                shutil.copy(file, place)
        (Path(place) / "thermohw.cir").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = subprocess.run(["ngspice", "-b", "thermohw.cir"], cwd=place, capture_output=True,
                              text=True, errors="replace", timeout=120, check=False)  # fmt: skip
        if data:
            files = [Path(place) / f"out{i}.txt" for i in range(data)]
            return [np.loadtxt(f, ndmin=2) for f in files if f.exists()]
        if done.returncode or "v(" not in done.stdout:
            words = [w for w in (done.stdout + done.stderr).splitlines() if "rror" in w]
            raise RuntimeError(words[0].strip() if words else "no word on noise")
        return done.stdout

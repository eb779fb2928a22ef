"""python -m benchmarks.decks FOLDER...: which SPICE decks import, and whether ngspice agrees.

Every deck below the folders is read. One that holds only R, C, L, K, V and I (after its includes)
and imports is handed to ngspice as it stands - its analyses and scripts taken out - which says

    rms     .noise integrated over a band far wider than the circuit's, at every node with a state
    op      the operating point of those nodes
    tran    with sources that vary: their course, under the deck's own .tran or for five time
            constants

against the imported device's stationary covariance, mean and response. Run it on decks that you
trust: ngspice reads what they include, wherever that is. The table is markdown; docs/decks.md
keeps it.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

from benchmarks.deck_text import bare_deck
from benchmarks.imported import Verdict, against_ngspice
from thermohw.circuit import build_device
from thermohw.datasheet.netlist import read_netlist
from thermohw.datasheet.netlist.files import DeckFolder
from thermohw.datasheet.netlist.flatten import flatten
from thermohw.datasheet.netlist.scope import Notes
from thermohw.errors import InputError

__all__ = ["judge"]

ENDINGS = (".cir", ".net", ".sp", ".spi", ".ckt")
PARASITIC, OHM = "1 pF", "50 ohm"


def judge(path: Path) -> Verdict:
    """Read one deck, and ask ngspice."""
    folder = DeckFolder(str(path))
    try:
        deck = flatten(folder.main(str(path)), path.name, folder, Notes())
    except InputError as error:
        missing = re.search(r"beside the deck|no sub-circuit", str(error))
        foreign = any(
            line.lstrip()[:1].lower() in set("abdefghjmnopqstuwyz") for line in bare_deck(path)[1:]
        )
        return Verdict("other elements" if missing or foreign else "refused", error.problem)
    kinds = {flat.line.text[0].lower() for flat in deck.cards}
    if not kinds & set("rcl"):
        return Verdict("no circuit")
    if not kinds <= set("rclkvi"):
        return Verdict("other elements", f"cards {', '.join(sorted(kinds - set('rclkvi')))}")
    parasitic = source = None
    try:
        found = read_netlist(path)
    except InputError as error:
        if "has no capacitor" not in str(error) and "no node of this deck" not in str(error):
            return Verdict("refused", error.problem)
        parasitic = PARASITIC
        try:
            found = read_netlist(path, parasitic=parasitic)
        except InputError as again:
            if "sources hold them all" not in str(again):
                return Verdict("refused", error.problem)
            source = OHM
            found = read_netlist(path, parasitic=parasitic, source_resistance=source)
    try:
        build_device(found.datasheet)
    except InputError as error:
        return Verdict("refused", error.problem)
    kind = "imports" if parasitic is None else f"with parasitic {PARASITIC}"
    verdict = Verdict(kind if source is None else f"{kind}, source_resistance {OHM}")
    try:
        against_ngspice(path, found, verdict, parasitic, source)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        verdict.said = f"ngspice: {str(error)[:80]}"
    return verdict


def main(folders: list[str]) -> None:
    """Print the table of all decks below the folders."""
    warnings.simplefilter("ignore")
    count: Counter[str] = Counter()
    print("| deck | sha256 | result | rms | op | tran |\n|---|---|---|---|---|---|")
    for folder in map(Path, folders):
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS):
            if not path.is_file():
                continue
            verdict = judge(path)
            count[verdict.kind] += 1
            if verdict.kind in ("no circuit", "other elements"):
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            told = verdict.said.replace("|", "\\|").replace(str(folder.parent) + "/", "")
            numbers = " | ".join("" if x is None else f"{x:.0e}"
                                 for x in (verdict.rms, verdict.op, verdict.tran))  # fmt: skip
            result = verdict.kind + (f": {told}" if told else f", {verdict.nodes} nodes")
            print(f"| {folder.name}/{path.relative_to(folder)} | {digest} | {result} | {numbers} |",
                  flush=True)  # fmt: skip
    print("\n" + ", ".join(f"{kind} {n}" for kind, n in sorted(count.items())))


if __name__ == "__main__":
    main(sys.argv[1:])

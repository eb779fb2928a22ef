"""Texts: SPECs, --set, datasheets and netlists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fuzz.bench import DIMS, NETLIST, SHEETS, SPECS, Bench, spec
from fuzz.court import Court, Defect, run
from fuzz.mutate import Dice, alter, alter_bytes, alter_lines, alter_tree, places, toml

__all__ = ["datasheets", "netlists", "settings", "specs"]


def _text(tables: dict[str, Any], dice: Dice) -> bytes:
    """Tables as a mutated file: one or two mutations of the tables, the lines or the bytes."""
    mild = dice.often(60)
    tables = alter_tree(tables, dice, mild=mild)
    if dice.often(30):
        tables = alter_tree(tables, dice, mild=mild)
    text = toml(tables)
    if not mild and dice.often(25):
        return alter_bytes(text.encode(errors="replace"), dice)
    return (alter_lines(text, dice) if not mild and dice.often(30) else text).encode(
        errors="replace"
    )


def specs(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated SPEC."""
    path = folder / "spec.toml"
    path.write_bytes(_text(dice.choice([*SPECS.values(), bench.learned]), dice))
    if dice.often(8):
        out = folder / "path.cir"
        code = court.ask("spice", path, "--out", out).code
        if out.exists() != (code == 0):
            raise Defect("half a netlist")
        return code
    return run(court, folder, path)


def settings(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A valid SPEC and one or two --set."""
    base = dice.choice([*SPECS.values(), bench.learned])
    there = [p for p in places(base) if len(p) > 1 and all(isinstance(k, str) for k in p)]
    words = []
    for _ in range(dice.choice([1, 1, 2])):
        place = dice.choice(there)
        value: Any = base
        for key in place:
            value = value[key]
        mild = dice.often(60)
        value = alter(value, place[-1], dice, mild=mild)
        name = ".".join(place)
        if not mild and dice.often(30):
            name = dice.choice(
                ["", "device", "device.n0.capacitance", "device.r0", "a.b.c.d", "target", "format",
                 name + ".x", name + "..", "." + name, "device.limits.rail", "sweep.x", "score",
                 "ünï.x", "protocol", "score.architecture.depth", "device.array.shape"]
            )  # fmt: skip
        text = value if isinstance(value, str) else _inline(value)
        words += ["--set", f"{name}{'' if not mild and dice.often(3) else '='}{text}"]
    path = folder / "spec.toml"
    path.write_text(toml(base))
    return run(court, folder, path, *(word.replace("\0", "") for word in words))


def _inline(value: Any) -> str:
    return toml({"v": [value]}).partition("= [")[2].strip()[:-1] if value is not None else "none"


def datasheets(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated datasheet, shown or played."""
    name = dice.choice([*SHEETS])
    sheet = folder / "board.toml"
    sheet.write_bytes(_text(SHEETS[name], dice))
    if dice.often(25):
        return court.ask("devices", sheet).code
    return run(court, folder, _on(bench, folder, sheet, DIMS[name]))


def _on(bench: Bench, folder: Path, board: Path, dim: int) -> Path:
    target = {"kind": "gaussian", "mean": [0.5] * dim, "std": [0.7] * dim}
    process = {"kind": "relaxation", "duration": 3.0} if dim > 1 else SPECS["clocked"]["process"]
    path = folder / "spec.toml"
    path.write_text(toml(spec(device={"name": str(board)}, target=target, process=process)))
    return path


_CARDS = (
    "L1 1 0 10u", "C2 1 2 1p", "R2 1 0 10k", "R2 2 0 1meg", "V2 1 0 1", "I1 0 1 DC 1n",
    "K1 L1 L2 2", "X1 a b sub", ".include /etc/passwd", ".param a={a}", ".param a={b} b={a}", "+ 3",
    ".subckt x 1", "B1 1 0 V=V(1)**2", "C3 1 0 -1p", "R3 1 1 1k", "R4 1 0 0", "C9 1 0 {9**9**9}",
    ".temp -300",
    ".temp nan", "R5 1 0 1k temp=nan", "R6 1 0 1e400", "C7 1 0 1e-400", ".ic v(9)=1", "*", "$ x",
    "V9 in 0 PWL(0 0 0 1)", "V9 in 0 PWL(1 0", "C8 1 0 1f ic=nan", "* thermohw limits.rail=1",
)  # fmt: skip


def netlists(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated netlist, played."""
    text = NETLIST
    mild = dice.often(50)
    for _ in range(dice.choice([1, 1, 2])):
        words = text.split(" ")
        at = dice.number(0, len(words) - 1)
        if mild:
            pair = dice.choice(
                [("10k", "12k"), ("100f", "80f"), ("27", "30"), ("26.85", "76.85"),
                 ("0.01", "0.02"), ("2fF", "3pF"), ("C1", "C77"), ("gnd", "0"), ("1u 1m", "1u 2m"),
                 (" ic=1m", ""),
                 (".ic v(1)=0\n", ""), (" temp=26.85", ""), ("100f", "100e-15"), ("one", "a"),
                 ("V1 in", "Vx in"), (".tran 1n 1u\n", ""), ("10k", "10kohm"), ("in", "drive")]
            )  # fmt: skip
            text = text.replace(*pair)
        elif dice.often(35):
            lines = text.splitlines(keepends=True)
            lines.insert(dice.number(0, len(lines) - 1), dice.choice(_CARDS) + "\n")
            text = "".join(lines)
        elif dice.often(40):
            text = alter_lines(text, dice)
        else:
            words[at] = dice.choice(
                ["0", "1", "x", "-1", "nan", "1e999", "inf", "{", "}", "{rv", "{rv*rv}", "{1/0}",
                 "{cv**99**99}", "=", "ic=", "temp=-400", "PWL(", "9" * 400, "\x1b", "1meg", "1F"]
            )  # fmt: skip
            text = " ".join(words)
    path = folder / "board.cir"
    data = text.encode(errors="replace")
    path.write_bytes(alter_bytes(data, dice) if not mild and dice.often(15) else data)
    return run(court, folder, _on(bench, folder, path, 1))

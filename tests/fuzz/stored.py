"""What thermohw itself leaves: run files and the folders of studies."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import h5py
import numpy as np
from fuzz.bench import SPECS, STUDY, Bench
from fuzz.court import Court, Defect, numbers, require_files
from fuzz.hdf5 import alter_file
from fuzz.mutate import STRANGE, Dice, alter_bytes, alter_tree
from store.toy import unsealed

from thermohw.errors import InputError
from thermohw.store.results import read_results

__all__ = ["runs", "studies"]


def runs(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated run file: audited, recomputed, drawn, verified or resumed."""
    name = dice.choice([*bench.runs])
    path = bench.copy(bench.runs[name], folder)
    sealed, mild = dice.often(25), dice.often(55)
    if not sealed:
        unsealed(path)
    if dice.often(90):
        with h5py.File(path, "r+") as file:
            for _ in range(dice.choice([1, 1, 2])):
                alter_file(file, dice, mild=mild)
    else:
        data = path.read_bytes()
        path.write_bytes(data[: dice.number(0, len(data))] + bytes(dice.choice([0, 0, 512])))
    out = folder / "out"
    out.mkdir()
    if name == "unfinished" and dice.often(60):
        kept = Path(bench.copy(path, out))
        source = bench.folder / "unfinished.toml"
        answer = court.ask("run", source, "--out", kept, "--resume")
        require_files(out, {kept.name})
        return 2 if answer.code else court.ask("audit", kept, "--json").code
    verb = dice.choice(["audit", "audit", "audit", "recompute", "report", "inspect"])
    if verb == "report":
        page = out / "page.html"
        code = court.ask("report", path, "--out", page).code
        require_files(out, {"page.html"} if code == 0 else set())
        return code
    if verb == "inspect":
        return court.ask("inspect", path, "--verify").code
    answer = court.ask("audit", path, "--json", *["--recompute"] * (verb == "recompute"))
    if answer.code < 2:
        account, first = numbers(answer.out), numbers(bench.accounts[name])
        account["run"]["file"] = first["run"]["file"]
        if sealed and verb == "audit" and account != first:
            old, new = bench.accounts[name].splitlines(), answer.out.splitlines()
            changed = [line for line in new if line not in old and '"file"' not in line]
            raise Defect(f"another account of a file whose checksums hold: {changed[:3]}")
    return answer.code


def studies(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated study: its source, settings, folder, cells or results."""
    made, source = bench.copy(bench.study, folder), bench.folder / "averages.py"
    verb = dice.choice(
        ["results.json", "results.json", "study.json", "cell", "set", "source", "h5"]
    )
    if verb in ("results.json", "study.json"):
        file = made / verb
        tree = json.loads(file.read_text())
        if verb == "results.json" and dice.often(75):  # an older one, whose reader stands alone
            del tree["minor"], tree["provenance"]["sha256"]
        tree = alter_tree(tree, dice, mild=dice.often(50))
        data = json.dumps(tree).encode()
        file.write_bytes(alter_bytes(data, dice) if dice.often(15) else data)
        if verb == "results.json":
            page = made / "page.html"
            code = court.ask("report", made, "--out", page).code
            if page.exists() != (code == 0):
                raise Defect("half a page")
            return code
    words: list[str] = []
    if verb == "cell":
        _cell(dice.choice(sorted((made / "cells").glob("*.npz"))), dice)
    elif verb == "set":
        key = dice.choice(["sizes", "repeats", "most", "seed", "label", "x", "", "most.x"])
        value = dice.choice([*STRANGE, "4", "4,8", "[4,8]", "50", "49.5", "other", "1,2,3"])
        text = value if isinstance(value, str) else json.dumps(value)
        words = ["--set", f"{key}={text}".replace("\0", "")]
        made = folder / "new"
    elif verb == "source":
        made, source = folder / "new", folder / "averages.py"
        source.write_bytes(_source(dice))
    elif verb == "h5":
        return _results(made / "results.h5", dice, court)
    before = {*os.listdir(folder)}
    answer = court.ask("experiment", "run", source, "--out", made, "--workers", 1, *words)
    if [n for n in made.rglob(".thermohw-*")] or {*os.listdir(folder)} - before - {
        "new",
        "__pycache__",
    }:
        raise Defect("files lie about")
    if answer.code < 2:
        numbers((made / "results.json").read_text())
        if verb in ("cell", "study.json"):
            old, new = (json.loads((f / "results.json").read_text()) for f in (bench.study, made))
            if verb == "study.json" and old["numbers"] != new["numbers"]:
                raise Defect("another conclusion")
    return answer.code


def _cell(path: Path, dice: Dice) -> None:
    """Another cell of the same name."""
    if dice.often(30):
        path.write_bytes(alter_bytes(path.read_bytes(), dice))
        return
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if dice.often(60):
        meta = alter_tree(json.loads(arrays["meta"].tobytes()), dice, mild=dice.often(50))
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    else:
        name = dice.choice([*arrays])
        value = arrays.pop(name)
        if dice.often(80):
            arrays[name] = dice.choice(
                [value.astype("f4"), value[:0], value[None], np.array("x"), value * 2]
            )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())


def _source(dice: Dice) -> bytes:
    """The text of a study with other values in it."""
    text = STUDY
    old = dice.choice(
        ['"Averages"', "[4, 8]", "50.0", '"toy"', "cells=cells", "compute=compute",
         '1.5 * cell["n"]', '[1.0, 2.0 * cell["repeat"]]', "0.1 * mean", '"V"', "2.0)", ' "holds"',
         '{"repeats": 1}', '"mean": 1.5', "(mean, 0.1)", 'f"mean {mean:.3g}"', '["n", "mean"]',
         '{"n": n, "repeat": r}', "conclude=conclude", '{"mean": "V"}',
         '"How far do averages lie from zero?"']
    )  # fmt: skip
    value = dice.choice([*STRANGE, *SPECS["clocked"].values()])
    new = repr(value).replace("nan", "float('nan')").replace("inf", "float('inf')")
    return text.replace(old, new, 1).encode(errors="replace")


def _results(path: Path, dice: Dice, court: Court) -> int:
    """results.h5, which is read from Python."""
    if dice.often(85):
        with h5py.File(path, "r+") as file:
            alter_file(file, dice, mild=dice.often(50))
    else:
        path.write_bytes(alter_bytes(path.read_bytes(), dice))
    for command in ("audit", "report", "inspect"):
        if court.ask(command, path).code != 2:
            raise Defect(f"{command} takes the results of a study")
    try:
        found = read_results(path)
    except InputError as error:
        if "\n" in str(error):
            raise Defect(f"several lines: {error}") from None
        return 2
    if not all(isinstance(row, dict) for row in found.rows):
        raise Defect("rows that are none")
    return 0

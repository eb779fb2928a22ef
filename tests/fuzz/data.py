"""Files of numbers: arrays, weights and training checkpoints."""

from __future__ import annotations

import json
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors.torch
import torch
from fuzz.bench import Bench
from fuzz.court import Court, judged, require_files, run
from fuzz.hdf5 import alter_file
from fuzz.mutate import STRANGE, Dice, alter_bytes, alter_lines, alter_tree, toml

from thermohw.score.training.state import _digest

__all__ = ["arrays", "checkpoints", "weights"]


def arrays(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated file of data, played with a learned score."""
    rows: Any = bench.rows.copy()
    target: dict[str, Any] = {"kind": "array"}
    mild = dice.often(50)
    if mild:
        rows = dice.choice(
            [rows * 1.3, rows[:25], rows.astype("f4"), rows[::-1], rows.astype(">f8"), -rows,
             np.asfortranarray(rows), rows + 5.0, rows.reshape(-1, 1, 1), np.round(rows * 8)]
        )  # fmt: skip
        more = {"validation": 0.2, "test": 0.3, "shuffle": False, "dequantise": 1.0}
        key = dice.choice(["", *more])
        target |= {key: more[key]} if key else {}
    else:
        rows = _odd_rows(rows, dice)
        if dice.often(30):
            key = dice.choice(["validation", "test", "shuffle", "dequantise", "path", "limit"])
            target[key] = dice.choice(STRANGE)
    suffix = dice.choice([".npy", ".npz", ".csv", ".h5"])
    path = folder / f"rows{suffix}"
    _save(path, rows)
    if not mild and dice.often(40):
        _spoil(path, dice)
    name = str(path) + (":/rows" if suffix == ".h5" else "")
    target = {
        "path": name if mild or dice.often(80) else f"{path}:{dice.choice(['x', '', '/', '..'])}"
    } | target
    tables = bench.learned | {
        "target": target,
        "score": {"kind": "file", "path": str(bench.weights)},
    }
    (folder / "spec.toml").write_text(toml(tables))
    return run(court, folder, folder / "spec.toml")


@np.errstate(all="ignore")
def _odd_rows(rows: Any, dice: Dice) -> Any:
    return dice.choice(
        [rows * np.nan, rows * np.inf, rows * 0.0, rows[:3], rows[:0], rows.ravel(), rows * 1e300,
         rows * 1e-300, np.ones((2, 2, 2, 2)), np.full((40, 1), "x"), rows > 0, rows * 1j,
         rows.astype("f2"), np.zeros((40, 0)), np.array(3.0), rows.astype("i1"), rows * 1e308,
         np.zeros(40, dtype=[("a", "f8"), ("b", "i4")]), np.array(["2020-01-01"] * 40, "M8[D]"),
         rows.repeat(3, 1), rows * 1e18, (rows * 1e15).astype("i8"), np.full((40, 1), 2**63, "u8")]
    )  # fmt: skip


def _save(path: Path, rows: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, rows=rows)
    elif path.suffix == ".csv":
        flat = rows.reshape(len(rows), -1) if np.ndim(rows) > 2 else np.atleast_1d(rows)
        lines = [",".join(map(str, np.atleast_1d(row))) for row in flat.tolist()]
        path.write_text("\n".join(lines) + "\n")
    else:
        with h5py.File(path, "w") as file:
            file["rows"] = rows.astype("S") if rows.dtype.kind in "UM" else rows


def _spoil(path: Path, dice: Dice) -> None:
    """Another file of the same name: bytes, lines, members, or HDF5 structure."""
    if path.suffix == ".h5" and dice.often(70):
        with h5py.File(path, "r+") as file:
            alter_file(file, dice, mild=False)
    elif path.suffix == ".csv" and dice.often(70):
        path.write_text(alter_lines(path.read_text(), dice))
    elif path.suffix == ".npy" and dice.often(60):
        data = path.read_bytes()
        old, new = dice.choice(
            [(b"<f8", b"<f9"), (b"<f8", b"|O8"), (b"(40,", b"(-4,"), (b"(40,", b"(1e,"),
             (b"{", b"["), (b"(40, 1)", b"(4,0,1)"), (b"descr", b"descx"), (b"False", b"Trues"),
             (b"(40", b"(99")]
        )  # fmt: skip
        path.write_bytes(data.replace(old, new, 1))
    elif path.suffix == ".npz" and dice.often(60):
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as whole:
            warnings.simplefilter("ignore")  # a name twice
            whole.writestr(dice.choice(["x.npy", "rows.npy", "../x.npy", "rows"]), b"\x93NUMPY")
    else:
        path.write_bytes(alter_bytes(path.read_bytes(), dice))


def _tensors(tensors: dict[str, torch.Tensor], dice: Dice) -> None:
    """Another shape, type or value of one array, or one more or less."""
    name = dice.choice(sorted(tensors))
    value, verb = (
        tensors[name],
        dice.choice(["nan", "huge", "drop", "shape", "type", "extra", "zero"]),
    )
    if verb == "drop":
        del tensors[name]
    elif verb == "extra":
        tensors["extra"] = torch.ones(3)
    elif verb == "shape":
        tensors[name] = dice.choice([value.flatten(), value[:0], value[None].contiguous()])
    elif verb == "type":
        tensors[name] = value.to(
            dice.choice([torch.float64, torch.float16, torch.int64, torch.bool])
        )
    else:
        tensors[name] = torch.full_like(value, {"nan": 77, "huge": 88, "zero": 0}[verb])
        if value.is_floating_point() and verb != "zero":
            tensors[name].fill_(torch.nan if verb == "nan" else 1e30)


def _opened(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length])["__metadata__"], safetensors.torch.load(data)


def weights(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated weight file, played."""
    header, tensors = _opened(bench.weights)
    mild = dice.often(50)
    if mild and dice.often(60):
        name = dice.choice(sorted(n for n in tensors if n.startswith("weights.")))
        tensors[name] = tensors[name] * dice.choice([0.9, 1.1, 0.0])
    elif mild or dice.often(60):
        described = json.loads(header["thermohw-score"])
        described = alter_tree(described, dice, mild=mild, top=not mild)
        header["thermohw-score"] = json.dumps(described)
    elif dice.often(80):
        _tensors(tensors, dice)
    else:
        header = dice.choice(
            [{}, {"thermohw-score": "[" * 500}, {"thermohw-score": "[]"}, {"x": "y"}]
        )
    data = safetensors.torch.save(tensors, header)
    path = folder / "score.safetensors"
    path.write_bytes(alter_bytes(data, dice) if not mild and dice.often(20) else data)
    tables = bench.learned | {"score": {"kind": "file", "path": str(path)}}
    (folder / "spec.toml").write_text(toml(tables))
    return run(court, folder, folder / "spec.toml")


def checkpoints(bench: Bench, folder: Path, dice: Dice, court: Court) -> int:
    """A mutated checkpoint, from which a training goes on."""
    header, tensors = _opened(bench.checkpoint)
    mild = dice.often(50)
    if mild:
        facts = json.loads(header["facts"])
        header["facts"] = json.dumps(
            alter_tree(facts, dice, mild=True) if dice.often(70) else facts
        )
        name = dice.choice(["weights", "average", "best"])
        tensors[name] = tensors[name] * dice.choice([1.0, 0.9, 1.1])
    elif dice.often(40):
        key = dice.choice(["facts", "plan"])
        header[key] = json.dumps(alter_tree(json.loads(header[key]), dice, mild=False))
    elif dice.often(60):
        _tensors(tensors, dice)
    else:
        key = dice.choice([*header])
        header[key] = dice.choice(["", "[" * 500, "{}", "x", "9" * 5000])
        if dice.often(30):
            del header[key]
    if mild or dice.often(70):
        with suppress(KeyError, TypeError, RuntimeError):
            header["sha256"] = _digest(header, tensors)
    data = safetensors.torch.save(tensors, header)
    out = folder / "out"
    out.mkdir()
    kept = out / "run.h5.training"
    kept.write_bytes(alter_bytes(data, dice) if not mild and dice.often(20) else data)
    (folder / "spec.toml").write_text(toml(bench.learned))
    answer = court.ask("run", folder / "spec.toml", "--out", out / "run.h5", "--resume")
    require_files(out, {"run.h5"} if answer.code == 0 else {"run.h5.training"})
    if answer.code:
        return 2
    return judged(court, out / "run.h5").code

"""A deterministic producer: random walks whose generator and position are the resume state.

One numpy generator runs through the whole file, so every number depends on all draws before it: a
resume that repeats, skips or reorders a single draw changes everything after it. As a program,
`toy.py run PATH` or `toy.py resume PATH`, it prints a line after everything it writes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw.store import Channel, Layout, Result, RunWriter, content_hash, state_bytes

SPEC = 'format = "thermohw-run/1"\n# ümlaut: verbatim means verbatim\n'
NODES = ("n0", "n1", "n2")


def toy_state(paths: int, seed: int) -> dict[str, np.ndarray | bytes | int]:
    """The state before the first unit."""
    generator = np.random.default_rng(seed)
    return {
        "generator": json.dumps(generator.bit_generator.state).encode(),
        "x": np.zeros((paths, len(NODES))),
        "heat": np.zeros(paths),
        "draws": 0,
    }


def toy_layout(paths: int = 20, frames: int = 11, group: int = 8, block: int = 4) -> Layout:
    """Two series, two ledger channels, three results."""
    return Layout(
        paths=paths,
        steps=tuple(range(0, 8 * frames, 8)),
        times=tuple(1e-9 * n for n in range(frames)),
        axes={"node": NODES},
        series=(
            Channel("voltage", "V", "node", "float32", "node voltages"),
            Channel("power", "W"),
        ),
        ledger=(Channel("heat", "J"), Channel("end", "V", "node")),
        results=(
            Result("tick", (frames,), "s", dims=("tick",)),
            Result("profile", (frames, 2), "J s-1", dims=("tick", "bath"), attrs={"note": "mean"}),
            Result("count", (), "1", "int64"),
        ),
        group=group,
        block=block,
        # PCG64 writes its state in up to 39 digits a number; the first state may have a few fewer.
        state_size=state_bytes(toy_state(group, 0)) + 64,
    )


def toy_parameters() -> dict[str, object]:
    """One leaf of every kind."""
    return {
        "spec": SPEC,
        "seed": 2**100 + 1,
        "weights": bytes(range(256)),
        "means": np.zeros(4),
        "target": {"means": np.array([[-1.5], [1.5]]), "kind": "mixture", "scale": 2.5},
        "deep": {"means": np.arange(3, dtype=np.float32), "exact": True, "n": -7, "empty": b""},
    }


def produce(
    run: RunWriter,
    seed: int = 0,
    after: Callable[[str], None] = lambda what: None,
    *,
    later: bool = False,
) -> None:
    """Works off every unit that is left and finishes; `after` is called after each write. With
    `later` series are handed to the writer's thread, three frames at a time.
    """
    layout = run.layout
    state = run.state() or toy_state(layout.group, seed)
    while run.committed < layout.units:
        paths, frames = layout.unit(run.committed)
        count, size = paths.stop - paths.start, frames.stop - frames.start
        generator = np.random.default_rng()
        generator.bit_generator.state = json.loads(bytes(state["generator"]))  # type: ignore[arg-type]
        x, heat = np.array(state["x"]), np.array(state["heat"])
        if frames.start == 0:
            x, heat = np.zeros_like(x), np.zeros_like(heat)
        kicks = generator.standard_normal((size, *x.shape))
        walk = x + np.cumsum(kicks, axis=0)
        x, heat = walk[-1], heat + (kicks**2).sum((0, 2))
        for name, values in (("voltage", walk[:, :count]), ("power", kicks[:, :count, 0])):
            step = 3 if later else size
            for first in range(0, size, step):
                part = slice(frames.start + first, min(frames.start + first + step, frames.stop))
                run.write_series(name, part, paths, values[first : first + step], later=later)
            after(name)
        if frames.stop == layout.frames:
            run.write_ledger("heat", paths, heat[:count])
            run.write_ledger("end", paths, x[:count])
            after("ledger")
        state = {
            "generator": json.dumps(generator.bit_generator.state).encode(),
            "x": x,
            "heat": heat,
            "draws": int(state["draws"]) + kicks.size,
        }
        run.commit(state)
        after("commit")
    run.write_result("tick", layout.times)
    after("result")
    run.write_result("profile", np.arange(2.0 * layout.frames).reshape(-1, 2))
    run.write_result("count", int(run.state()["draws"]))
    run.finish()
    after("finish")


def hdf5(path: str | Path, mode: str = "r") -> Any:
    """The bare HDF5 file, for tests that look behind or spoil what the store wrote."""
    return h5py.File(path, mode)


def unsealed(path: str | Path) -> str | Path:
    """Makes the file one of format 1.0, for tests of what is said of numbers that were changed."""
    with hdf5(path, "r+") as file:
        if "checksums" in file:
            del file["checksums"]
        file["h5md/modules/thermohw"].attrs["version"] = [1, 0]
    return path


def main(verb: str, path: str, how: str = "at once") -> None:
    """Runs or resumes a file of 96 units (12 groups of 1024 paths, 8 blocks), 15 MB; "later": by
    the writer's thread.
    """
    if verb == "run":
        layout = toy_layout(12_000, 64, 1024, 8)
        run = RunWriter.create(path, layout, toy_parameters())
    else:
        run = RunWriter.resume(path, content_hash(SPEC))
    with run:
        print("open", flush=True)
        run._worth = how == "later"
        produce(run, after=lambda what: print(what, flush=True), later=run._worth)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(*sys.argv[1:])

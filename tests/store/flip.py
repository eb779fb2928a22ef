"""Flipped bits of a run file, one at a time, and what is said of each.

As a program, `flip.py FILE WHOLE` reads lines `byte bit` and answers each with a line: "same" where
the account of the audit is unchanged and `inspect --verify` finds nothing, "found" where either of
them raises StoreError in one line, else what went wrong. It works on a copy of its own, so that a
flip that makes HDF5 crash takes down this process only, and the line it dies on names it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw.audit import audit
from thermohw.errors import StoreError
from thermohw.store import verify


def targets(path: str | Path) -> dict[str, list[int]]:
    """Bytes of the file by what they hold: every dataset that has a place, and all the file."""
    found: dict[str, list[int]] = {"anywhere": list(range(Path(path).stat().st_size))}
    kinds = ("ledger", "observables", "results", "parameters", "checksums", "run")

    def visit(name: str, item: Any) -> None:
        kind = name.split("/")[0]
        if not isinstance(item, h5py.Dataset) or kind not in kinds or not item.size:
            return
        if kind == "run" and item.name in ("/run/slot_0", "/run/slot_1", "/run/layout"):
            return
        places = found.setdefault(kind, [])
        if item.chunks:
            for index in range(item.id.get_num_chunks()):
                chunk = item.id.get_chunk_info(index)
                places.extend(range(chunk.byte_offset, chunk.byte_offset + chunk.size))
        elif (start := item.id.get_offset()) is not None:
            places.extend(range(start, start + item.id.get_storage_size()))

    with h5py.File(path) as file:
        file.visititems(visit)
    raw = Path(path).read_bytes()
    # Attributes have no address that h5py tells: found by the text around their names.
    for name in (b"sha256\0", b"units\0", b"kind\0", b"long_name\0", b"version\0"):
        at = raw.find(name)
        while at >= 0:
            found.setdefault("attributes", []).extend(range(at, min(at + 64, len(raw))))
            at = raw.find(name, at + 1)
    return found


def chosen(path: str | Path, count: int, seed: int) -> list[tuple[str, int, int]]:
    """`count` flips (kind, byte, bit): the kinds in turn, the places at random."""
    generator, places = np.random.default_rng(seed), targets(path)
    kinds = sorted(places)
    return [
        (kind, int(generator.choice(places[kind])), int(generator.integers(8)))
        for kind in (kinds[n % len(kinds)] for n in range(count))
    ]


def answer(path: Path, account: str) -> str:
    """What is said of a file, against the account of the whole one.

    An audit that finds nothing must say the same; the series it does not read are verified.
    """
    try:
        if audit(path).to_json() != account:
            return "another account"
        return "found" if verify(path) else "same"
    except StoreError as error:
        return "found" if "\n" not in str(error) else "several lines"
    except BaseException as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def main(name: str) -> None:
    """Flips as the lines of standard input say."""
    raw = bytearray(Path(name).read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(raw)
        account = audit(path).to_json()
        print("ready", flush=True)  # what comes before is the machine's time, not a flip's
        for line in sys.stdin:
            place, bit = map(int, line.split())
            with path.open("r+b") as file:
                file.seek(place)
                file.write(bytes([raw[place] ^ 1 << bit]))
            print(answer(path, account), flush=True)
            path.write_bytes(raw)


if __name__ == "__main__":
    main(sys.argv[1])

"""The resume state as bytes: what a generator and an engine need to go on after a kill.

A state is a mapping from names to arrays, bytes or integers. It is laid out as

    8 bytes   commit number it belongs to (unsigned, little endian)
    8 bytes   length n of the payload
    32 bytes  sha256 of the 16 bytes above followed by the payload
    n bytes   payload: 4 bytes header length m, m bytes header, the buffers one after the other;
              the header is a JSON list of [name, kind, dtype, shape, bytes of the buffer]

Two such slots alternate in the file. A process killed in the middle of writing one leaves the other
whole; the commit number says which of the two belongs to `committed`, and the hash proves that it
is complete. No pickle: reading a file runs no code from it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping

import numpy as np

from thermohw.errors import StoreError
from thermohw.intake import parse_json

__all__ = ["State", "pack", "require_state", "state_bytes", "unpack"]

State = Mapping[str, "np.ndarray | bytes | int"]

_HEAD = struct.Struct("<QQ32s")


def pack(state: State, commit: int) -> bytes:
    """The slot that stores `state` for commit number `commit`."""
    header, buffers = [], []
    for name, value in state.items():
        if isinstance(value, bool | int):
            raw = str(int(value)).encode()
            header.append([name, "int", "", [], len(raw)])
        elif isinstance(value, bytes):
            raw = value
            header.append([name, "bytes", "", [], len(raw)])
        else:
            array = np.ascontiguousarray(value)
            assert array.dtype.kind in "biufc", f"{name}: {array.dtype} is not a number"
            # ascontiguousarray turns a 0-d array into shape (1,); the true shape is asked from the
            # value.
            raw = array.tobytes()
            header.append([name, "array", array.dtype.str, list(np.shape(value)), len(raw)])
        buffers.append(raw)
    text = json.dumps(header).encode()
    parts = [struct.pack("<I", len(text)), text, *buffers]
    length = sum(len(part) for part in parts)
    return b"".join([_HEAD.pack(commit, length, _digest(commit, *parts)), *parts])


def unpack(slot: bytes, commit: int) -> dict[str, np.ndarray | bytes | int] | None:
    """The state in a slot, or None where it is not the complete state of commit `commit`."""
    if len(slot) < _HEAD.size:
        return None
    number, length, digest = _HEAD.unpack_from(slot)
    payload = slot[_HEAD.size : _HEAD.size + length]
    if number != commit or len(payload) != length or _digest(commit, payload) != digest:
        return None
    (header_length,) = struct.unpack_from("<I", payload)
    position = 4 + header_length
    state: dict[str, np.ndarray | bytes | int] = {}
    for name, kind, dtype, shape, size in parse_json(payload[4:position]):
        raw = payload[position : position + size]
        position += size
        if kind == "int":
            state[name] = int(raw)
        elif kind == "bytes":
            state[name] = raw
        else:
            state[name] = np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
    return state


def require_state(slot: bytes, commit: int, where: str) -> dict[str, np.ndarray | bytes | int]:
    """The state in a slot; StoreError where it is not the complete state of commit `commit`."""
    state = unpack(slot, commit)
    if state is None:
        raise StoreError(
            "its resume state is damaged: copy the file again or run anew", where=where
        )
    return state


def state_bytes(state: State) -> int:
    """Bytes to reserve (`Layout.state_size`) for states of the same names, dtypes and shapes.

    Integers may grow to 128 bits and arrays may not grow; 64 bytes a name cover the digits.
    """
    return len(pack(state, 0)) + 64 * len(state)


def _digest(commit: int, *parts: bytes) -> bytes:
    digest = hashlib.sha256(struct.pack("<QQ", commit, sum(len(part) for part in parts)))
    for part in parts:
        digest.update(part)
    return digest.digest()

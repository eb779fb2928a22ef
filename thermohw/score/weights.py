r"""Weight files: a learned score as safetensors, complete in itself.

One file holds the weights (float32), the preconditioner's arrays (float64) and, in the header's
metadata, one JSON text with

    format        "thermohw-score/1"
    process       the forward process, exactly
    architecture  head, its numbers, trunk: kind (missing: "mlp"), width, depth (missing: 2), bumps,
                  dropout, picture of a "unet"
    record        name, shift and scale of the data, training settings, validation curve

(one text, because the order of several is not reproducible), so that nothing else is needed to
evaluate it, and a score is never played on another process by mistake. The format has no code in it
and checks its own lengths; a run file carries the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from thermohw import outputs
from thermohw.errors import InputError
from thermohw.intake import MOST_WEIGHTS, finite, parse_json, read_bytes
from thermohw.process import Process, process_from_dict
from thermohw.score.base import Score
from thermohw.score.network import Head, NetworkScore, build_head

__all__ = ["load_score", "save_score", "score_from_bytes", "score_to_bytes"]

_FORMAT, _KEY = "thermohw-score/1", "thermohw-score"
_HEADER = 16 * 2**20  # bytes; the library itself reads up to 100 MB
_MOST = {"width": 65536, "depth": 256, "bumps": 4096, "levels": 4096}
_WEIGHT, _ARRAY = "weights.", "preconditioner."


def score_to_bytes(score: Score) -> bytes:
    """A learned score as the bytes of a weight file.

    Raises:
        InputError: an exact or altered score, which has no weights.
    """
    if not isinstance(score, NetworkScore):
        problem = "only a network score has weights to store; of a calibrated one store the base"
        raise InputError(problem, where="score")
    head = score.head
    tensors = {_WEIGHT + name: value.contiguous() for name, value in score.parameters.items()}
    for name, value in head.arrays().items():
        tensors[_ARRAY + name] = torch.from_numpy(np.ascontiguousarray(value))
    architecture = {
        "head": head.kind,
        "numbers": head.to_dict(),
        "trunk": head.trunk.to_dict(),
    }
    description = {
        "format": _FORMAT,
        "process": score.process.to_dict(),
        "architecture": architecture,
        "record": score.record,
    }
    return safetensors.torch.save(tensors, {_KEY: json.dumps(description, sort_keys=True)})


def score_from_bytes(
    data: bytes, process: Process | None = None, *, where: str = "score weights"
) -> NetworkScore:
    """The inverse of `score_to_bytes`.

    Args:
        data: the bytes of a weight file.
        process: the process the score is wanted for; None takes the stored one.
        where: what to call the data in an error.

    Raises:
        InputError: foreign or damaged data, or a score trained for another process.
    """
    if int.from_bytes(data[:8], "little") > _HEADER:
        raise InputError("not a safetensors file: its header is too long", where=where)
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch has not
        problem = f"not a whole safetensors file ({error})"
        raise InputError(problem, where=where) from None
    text = _metadata(data).get(_KEY)
    if text is None:
        raise InputError("not a thermohw score: its header does not describe one", where=where)
    try:
        stored, head, record = _described(parse_json(text, where), tensors)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError,
            RecursionError) as error:  # fmt: skip
        problem = f"not a whole thermohw score ({type(error).__name__}: {error})"
        raise InputError(problem, where=where) from None
    if process is not None and process != stored:
        problem = f"the score was trained for {_name(stored)} but is wanted for {_name(process)}"
        raise InputError(problem, where=where)
    weights = {name: tensors.get(_WEIGHT + name) for name in head.trunk.shapes}
    for name, shape in head.trunk.shapes.items():
        value = weights[name]
        if value is None or tuple(value.shape) != shape or value.dtype != torch.float32:
            raise InputError(f"{name} is missing or of the wrong shape or type", where=where)
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{name} holds what is no number", where=where)
    return NetworkScore(head, weights, record=record)  # type: ignore[arg-type]


def _described(
    description: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> tuple[Process, Head, dict[str, Any]]:
    """Process, head and record from the description and the preconditioner's arrays."""
    if description["format"] != _FORMAT:
        raise ValueError(f"expected format {_FORMAT}, found {description['format']}")
    process = process_from_dict(description["process"])
    architecture = description["architecture"]
    arrays = {
        name.removeprefix(_ARRAY): value.numpy()
        for name, value in tensors.items()
        if name.startswith(_ARRAY)
    }
    _require_moments(arrays)
    numbers, trunk = architecture["numbers"], architecture["trunk"]
    for name, value in numbers.items():
        if not finite(value, name) > 0.0:
            raise ValueError(f"{name} = {value!r}: expected a positive number")
    for name, value in {**numbers, **trunk}.items():
        if name in _MOST and not (isinstance(value, int) and 1 <= value <= _MOST[name]):
            raise ValueError(f"{name} = {value!r}: at most {_MOST[name]}")
    head = build_head(architecture["head"], process, arrays, numbers=numbers, trunk=trunk)
    record = dict(description["record"])
    dim = len(head.mean)  # of a joint head, momenta included
    shift = np.asarray(record.get("shift", [0.0] * dim), dtype=np.float64)
    if shift.shape != (dim,) or not np.isfinite(shift).all():
        raise ValueError(f"its shift has shape {shift.shape}, or is no number")
    if not finite(record.get("scale", 1.0), "scale") > 0.0:
        raise ValueError("its scale is not positive")
    return process, head, record


def _require_moments(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a preconditioner that is not a mean, a covariance and perhaps lowest levels."""
    dim = len(arrays["mean"])
    shapes = {"mean": (dim,), "covariance": (dim, dim), "lowest": (dim,)}
    for name, value in arrays.items():
        if value.shape != shapes.get(name) or value.dtype != np.float64:
            raise ValueError(f"{name} has shape {value.shape}, {value.dtype}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name} holds what is no number")
    covariance = arrays["covariance"]
    if not np.allclose(covariance, covariance.T) or not (np.diag(covariance) > 0.0).all():
        raise ValueError("its covariance is not symmetric with positive variances")


def save_score(score: Score, path: str | Path) -> Path:
    """Write a weight file; an existing one is replaced only by a whole one.

    Raises:
        InputError: the score has no weights, or the place cannot be written to.
    """
    return outputs.write(path, score_to_bytes(score), what="the weights")


def load_score(path: str | Path, process: Process | None = None) -> NetworkScore:
    """Read a weight file.

    Args:
        path: written by `save_score`.
        process: the process the score is wanted for; None takes the stored one.

    Raises:
        InputError: no such file, a foreign or damaged one, or a score for another process.
    """
    data = read_bytes(path, MOST_WEIGHTS, "weights file")
    return score_from_bytes(data, process, where=str(path))


def _metadata(data: bytes) -> dict[str, str]:
    """The header's texts: 8 bytes of length, then JSON (already validated by the reader)."""
    length = int.from_bytes(data[:8], "little")
    return parse_json(data[8 : 8 + length]).get("__metadata__") or {}


def _name(process: Process) -> str:
    """A process on one line."""
    numbers: dict[str, Any] = {
        k: v if isinstance(v, (int, float)) else "[...]"
        for k, v in process.to_dict().items()
        if k != "kind"
    }
    return f"{process.kind}({', '.join(f'{k}={v}' for k, v in numbers.items())})"

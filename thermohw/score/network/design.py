r"""Which network and which training suit which data, by default and on request.

Grey levels (a data set with a quantisation step and at most 64 levels) under an isotropic process
get the `LevelsHead`; everything else the `GaussianHead`; the `PlainHead` is there on request.
Pictures of more than 256 pixels get a `UNet`, everything else a dense network, whose width grows
with the dimension. A data set has few rows and wants dropout; an analytic target never repeats a
sample and wants none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import finite, whole
from thermohw.process import Langevin, Observed, Process
from thermohw.score.network import Head, build_head
from thermohw.score.network.joint import JointHead
from thermohw.target import Target

__all__ = ["design", "schedule"]

_MOST_LEVELS = 64
_FEW = 4  # dimensions
_DENSE = 256  # pixels that a dense network is given
_SMALLEST = 4  # pixels a side of a U-Net
_PRECISIONS = ("float32", "bfloat16")
_MOST = {"width": 65536, "depth": 256, "bumps": 4096}
_KEYS = {
    "head": "text",
    "trunk": "text",
    "width": "whole number >= 1",
    "depth": "whole number >= 1",
    "bumps": "whole number >= 2",
    "dropout": "number in [0, 1)",
}


def design(target: Target, process: Process, architecture: Mapping[str, Any] | None = None) -> Head:
    """The untrained head and network for a target under a process.

    Args:
        target: the data, with or without momenta beside them.
        process: the forward process; under a Langevin process the network reads the data's noisy
            image alone (`JointHead`).
        architecture: instead of the defaults, any of head ("levels", "gaussian" or "plain"), trunk
            ("mlp" or "unet"), width (units of a layer; channels), depth (hidden layers; blocks at
            every resolution), bumps (features of the noise level) and dropout.

    Returns:
        A head whose trunk has no weights yet.

    Raises:
        InputError: dimensions that differ, an unknown key, a value out of range, a levels head
            for data without levels, a levels or plain head for a process that is not isotropic, or
            a U-Net for data that are not pictures of at least 4 x 4 pixels.
    """
    if isinstance(process, Langevin):
        data = getattr(target, "base", target)
        inner = design(data, Observed(process), architecture)
        assert not isinstance(inner, JointHead)
        return JointHead(process, inner)
    if process.dim not in (None, target.dim):
        problem = f"the process has {process.dim} coordinates but the target has {target.dim}"
        raise InputError(problem, where="process")
    if architecture is not None and not isinstance(architecture, Mapping):
        keys = ", ".join(_KEYS)
        problem = f"expected keys and values ({keys}), got {architecture!r}"
        raise InputError(problem, where="score.architecture")
    given = dict(architecture or {})
    _check(given)
    levels = _levels(target)
    kind = given.pop("head", "levels" if levels and process.isotropic else "gaussian")
    if kind == "levels" and not (levels and process.isotropic):
        why = "an isotropic process (ou, vp, ve)" if levels else "2 to 64 equally spaced levels"
        raise InputError(f"the levels head needs {why}", where="score.architecture.head")
    trunk = _trunk(target, given.pop("trunk", None))
    arrays = {"mean": target.mean, "covariance": target.covariance}
    numbers: dict[str, Any] = {"narrowest": float(target.narrowest)}
    if kind == "levels":
        lowest, count, step = levels  # type: ignore[misc]
        arrays["lowest"] = (lowest - target.shift) / target.scale
        numbers |= {"levels": count, "step": step / target.scale}
    arrays = {name: np.array(value, dtype=np.float64) for name, value in arrays.items()}
    return build_head(kind, process, arrays, numbers=numbers, trunk=trunk | given)


def schedule(target: Target, options: Mapping[str, Any]) -> dict[str, Any]:
    """How long and how fast a network is trained on a target: defaults and options, checked.

    In a few dimensions a step is cheap and accuracy is limited by the noise of the gradient: more
    steps, more states in each.

    Args:
        target: the data.
        options: instead of the defaults; None keeps one. `entropy_weight` is kept only where it is
            not zero, `precision` only where it is not "float32": without them a training is what
            it was before there were any.

    Raises:
        InputError: an unknown option or a value out of range.
    """
    few = {"steps": 2000, "learning_rate": 5e-3, "states": 64}
    many = {"steps": 1000, "learning_rate": 2e-3, "states": 16}
    decay = 1e-2 if target.repeats else 0.0
    chosen = (few if target.dim <= _FEW else many) | {"seed": 0, "times": 32, "weight_decay": decay}
    least = {"seed": 0, "steps": 1, "times": 1, "states": 1}  # whole numbers
    chosen["entropy_weight"] = 0.0
    given = dict(options)
    precision = given.pop("precision", None) or _PRECISIONS[0]
    if precision not in _PRECISIONS:
        problem = f"{precision!r} is not a precision; choose {', '.join(_PRECISIONS)}"
        raise InputError(problem, where="score.precision")
    for name, value in given.items():
        where = f"score.{name}"
        if name not in chosen:
            raise InputError(f"unknown option; a training takes {', '.join(chosen)}", where=where)
        if value is None:
            continue
        if name in least:
            whole(value, least[name], where)
        elif finite(value, where) < 0.0:
            raise InputError(f"expected a number >= 0, got {value!r}", where=where)
        chosen[name] = value
    if not chosen["entropy_weight"]:
        del chosen["entropy_weight"]
    return chosen if precision == _PRECISIONS[0] else chosen | {"precision": precision}


def _trunk(target: Target, kind: str | None) -> dict[str, Any]:
    """Default network of a kind for a target; None chooses the kind."""
    shape = target.image_shape
    if kind is None:
        kind = "unet" if shape and shape[0] * shape[1] > _DENSE else "mlp"
    regularised = target.repeats and target.dim > _FEW
    if kind != "unet":
        dense = {"width": _width(target.dim), "bumps": 12, "dropout": 0.2 if regularised else 0.0}
        return dense if kind == "mlp" else dense | {"kind": kind}  # build_head knows the kinds
    if shape is None or min(shape[:2]) < _SMALLEST:
        problem = f"a U-Net needs pictures of at least {_SMALLEST} x {_SMALLEST} pixels"
        raise InputError(problem, where="score.architecture.trunk")
    rows, columns, *colours = shape
    picture = (rows, columns, colours[0] if colours else 1)
    dropout = 0.1 if regularised else 0.0
    sizes = {"width": 32, "depth": 1, "bumps": 12, "dropout": dropout}
    return {"kind": "unet", "picture": picture} | sizes


def _width(dim: int) -> int:
    return 64 if dim <= _FEW else 128 if dim <= 32 else 256


def _levels(target: Target) -> tuple[float, int, float] | None:
    """(lowest, number, step) of the levels of the training rows in data units, or None."""
    step = float(getattr(target, "step", 0.0))
    if step <= 0.0:
        return None
    from thermohw.target.dataset import TRAIN, DataSet

    assert isinstance(target, DataSet)
    rows = target.rows[target.split == TRAIN].astype(np.float64)
    index = (rows - rows.min()) / step
    count = round(float(index.max())) + 1
    if not 2 <= count <= _MOST_LEVELS or np.abs(index - np.round(index)).max() > 1e-6:
        return None
    return float(rows.min()), count, step


def _check(given: Mapping[str, Any]) -> None:
    """Refuse keys and values that no network has."""
    for key, value in given.items():
        where = f"score.architecture.{key}"
        if key not in _KEYS:
            raise InputError(f"unknown key; a network takes {', '.join(_KEYS)}", where=where)
        if key in ("head", "trunk"):
            continue  # build_head knows the kinds
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if key == "dropout":
            fine = number and 0.0 <= value < 1.0
        else:
            least = 2 if key == "bumps" else 1
            fine = isinstance(value, int) and number and least <= value <= _MOST[key]
        if not fine:
            most = f" up to {_MOST[key]}" if key in _MOST else ""
            raise InputError(f"expected a {_KEYS[key]}{most}, got {value!r}", where=where)

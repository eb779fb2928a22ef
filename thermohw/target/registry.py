"""From a [target] table, or from what a stored run holds, to a target."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.target.array import array
from thermohw.target.base import Target
from thermohw.target.cifar import cifar10
from thermohw.target.digits import digits
from thermohw.target.gaussian import gaussian, gaussian_mixture
from thermohw.target.joint import joint
from thermohw.target.mnist import mnist
from thermohw.target.pixels import gaussian_pixels
from thermohw.target.uniform import uniform_pixels

__all__ = ["TARGETS", "target_from_dict"]

TARGETS: dict[str, Callable[..., Target]] = {
    "gaussian": gaussian,
    "gaussian_mixture": gaussian_mixture,
    "uniform_pixels": uniform_pixels,
    "digits": digits,
    "array": array,
    "mnist": mnist,
    "cifar10": cifar10,
    "gaussian_pixels": gaussian_pixels,
    "joint": joint,
}


def target_from_dict(
    mapping: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
) -> Target:
    """Build a target from its kind and parameters.

    Args:
        mapping: "kind" and that constructor's arguments: a SPEC table, or `Target.to_dict()`.
        arrays: `Target.arrays()` of a stored run; data sets are then rebuilt without their file.

    Returns:
        The target.

    Raises:
        InputError: unknown kind, unknown or missing key, or a value that cannot be used.
    """
    given = dict(mapping)
    kind = given.pop("kind", None)
    if kind not in TARGETS:
        raise InputError(
            f"{kind!r} is not a target; choose {', '.join(TARGETS)}", where="target.kind"
        )
    known = {k: p for k, p in inspect.signature(TARGETS[kind]).parameters.items() if k != "arrays"}
    for key in given:
        if key not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no keys"
            raise InputError(f"unknown key for {kind}; {takes}", where=f"target.{key}")
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in given:
            raise InputError(f"a {kind} target needs {key}", where=f"target.{key}")
    if arrays:
        given["arrays"] = arrays
    return TARGETS[kind](**given)

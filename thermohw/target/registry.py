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
from thermohw.target.dataset import TEST, TRAIN, VALIDATION, DataSet
from thermohw.target.digits import digits
from thermohw.target.fitted import COMPONENTS, FittedMixture, fit_mixture, require_mixture
from thermohw.target.gaussian import gaussian, gaussian_mixture
from thermohw.target.joint import join
from thermohw.target.mnist import mnist
from thermohw.target.pixels import gaussian_pixels
from thermohw.target.uniform import uniform_pixels

__all__ = ["TARGETS", "fitted_mixture", "joint", "stored_target", "target_from_dict"]


def joint(base: Any, positions: Any, momentum: Any, *, arrays: Any = None) -> Target:
    """A joint target from its table.

    Args:
        base: the data's own table.
        positions: coordinates of the data.
        momentum: covariance of the other coordinates, model units.
        arrays: of the data, where it is a data set.
    """
    matrix = np.atleast_2d(np.array(momentum, dtype=np.float64))
    return join(target_from_dict(base, arrays), tuple(int(i) for i in positions), matrix)


def fitted_mixture(
    data: Any, components: int = COMPONENTS, *, seed: int = 0, arrays: Any = None
) -> FittedMixture:
    """A mixture of Gaussians with full covariances fitted to a data set: a law that is known, as
    much like the data as a mixture can be (`thermohw.target.fitted`).

    Args:
        data: the data set: a target, its table, or the name of a kind that needs no more.
        components: number of Gaussians.
        seed: of the fit's first guess and of the training images.
        arrays: numbers of a stored run, instead of a fit.

    Returns:
        The target, in the data set's units, with as many training images as that has.

    Raises:
        InputError: `data` is no data set, more components than rows, no more rows than dimensions,
            or a component whose covariance is singular.
    """
    given = data.to_dict() if isinstance(data, Target) else data
    given = {"kind": given} if isinstance(given, str) else given
    if not isinstance(given, Mapping) or given.get("kind") not in _DATA:
        kinds = ", ".join(_DATA)
        problem = f"expected a data set: a table of kind {kinds}, or one of these names"
        raise InputError(problem, where="target.data")
    table = {"kind": "fitted_mixture", "data": dict(given), "components": components, "seed": seed}
    if arrays is not None:
        require_mixture(arrays)
        return FittedMixture(table, arrays)
    known = data if isinstance(data, Target) else target_from_dict(given)
    assert isinstance(known, DataSet)
    return fit_mixture(known, components=components, seed=seed, table=table)


TARGETS: dict[str, Callable[..., Target]] = {
    "gaussian": gaussian,
    "gaussian_mixture": gaussian_mixture,
    "uniform_pixels": uniform_pixels,
    "digits": digits,
    "array": array,
    "mnist": mnist,
    "cifar10": cifar10,
    "gaussian_pixels": gaussian_pixels,
    "fitted_mixture": fitted_mixture,
    "joint": joint,
}


_DATA = ("array", "mnist", "cifar10", "digits")  # made from files, or from the network


def stored_target(mapping: Any, arrays: Any = None) -> Target:
    """Build a target from what a stored run holds, and from nothing else.

    A run file is a stranger's: it may not make its reader open a file, let alone the network, by
    naming one. Data sets, and mixtures fitted to them, are rebuilt from their arrays only.

    Args:
        mapping: `Target.to_dict()` as it was stored.
        arrays: `Target.arrays()` as they were stored.

    Raises:
        InputError: as `target_from_dict`; also a data set without its rows and their split, or
            arrays of the wrong kind.
    """
    base = mapping
    while isinstance(base, Mapping) and base.get("kind") == "joint":
        if base is not mapping:
            raise InputError("a joint target inside another", where="target.base")
        base = base.get("base")
    if isinstance(base, Mapping) and base.get("kind") in _DATA:
        _require_rows(arrays)
    if isinstance(base, Mapping) and base.get("kind") == "fitted_mixture":
        require_mixture(arrays)
    return target_from_dict(mapping, arrays)


def _require_rows(arrays: Any) -> None:
    """Refuse anything but rows of numbers with a split for each."""
    if not isinstance(arrays, Mapping) or not {"rows", "split"} <= {*arrays}:
        problem = "the data set is named but its rows are not stored; nothing else is looked up"
        raise InputError(problem, where="target.arrays")
    rows, split = arrays["rows"], arrays["split"]
    if not isinstance(rows, np.ndarray) or rows.ndim < 2 or rows.dtype.kind not in "fiub":
        raise InputError("expected rows of real numbers", where="target.arrays.rows")
    if not isinstance(split, np.ndarray) or split.shape != rows.shape[:1]:
        raise InputError(f"expected {len(rows)} numbers, one a row", where="target.arrays.split")
    if not np.isin(split, (TRAIN, VALIDATION, TEST)).all() or (split == TRAIN).sum() < 2:
        problem = "expected 0, 1 or 2 for every row, two training rows at least"
        raise InputError(problem, where="target.arrays.split")
    if not np.isfinite(rows).all():
        raise InputError("expected finite numbers", where="target.arrays.rows")


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
    if not isinstance(mapping, Mapping):
        raise InputError(f"expected a table, got {type(mapping).__name__}", where="target")
    given = dict(mapping)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in TARGETS:
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

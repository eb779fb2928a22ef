r"""A known law beside real data: a Gaussian mixture fitted to the training rows of a data set.

    p_0 = sum_k w_k N(m_k, C_k),      C_k = (covariance of the rows of component k) + v I

fitted by scikit-learn's expectation-maximisation with full covariances. v is the variance of the
dequantisation, (step^2/12)/scale^2, which rows drawn from the data set carry too: the rows are
fitted without it, at the middle of their levels, and it is added to every covariance, so that no
direction is narrower than it and mean and covariance of the mixture are those of the data set. Rows
of continuous data have v = 0: there every component needs more rows than dimensions.

Units are those of the data set (the same shift and scale), so that likelihoods on the two laws may
stand side by side. Everything is known: density, samples, score and, to the error of a Monte Carlo
average, the entropy.

A network that is to be trained as one is on the data gets as few training images: a sample is

    x = y + n,      y ~ sum_k w_k N(m_k, C_k - v I),   n ~ N(0, v I),

which has the law p_0 exactly. As many y as the data set has training rows are drawn once (the seed
is the target's), and n anew every time one is used, as dequantisation is. Samples of the law itself
(`sample`, `held_out`) are fresh.

Reference: A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via
the EM algorithm", J. R. Stat. Soc. B 39, 1 (1977).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import MOST_MATRIX, finite, require_room, whole
from thermohw.target.dataset import TRAIN, VALIDATION, DataSet
from thermohw.target.gaussian import MOST_MODES, GaussianMixture
from thermohw.target.law import MixtureLaw

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["COMPONENTS", "FittedMixture", "fit_mixture"]

COMPONENTS = 10
"""By default: the digits have as many classes."""
_ITERATIONS = 1000
_NARROWEST = 1e-10  # variance of a direction, as `DataSet` has it


class FittedMixture(GaussianMixture):
    """A mixture of Gaussians in the place of a data set.

    Attributes:
        counts: images to train on and to stop a training by; it has no test images, but a law.
        noise: variance v of the part of a sample that is drawn anew, model units.
    """

    def __init__(self, table: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        law = MixtureLaw(
            *(np.array(arrays[name], np.float64) for name in ("weights", "means", "covariances"))
        )
        super().__init__(law, table)
        data = table["data"]
        self.name = f"mixture of {len(law.weights)} Gaussians fitted to {data['kind']}"
        self.shift, self.scale = np.array(arrays["shift"], np.float64), float(arrays["scale"])
        self.noise = float(arrays["noise"])
        self.entropy = None if self.entropy is None else self.entropy + self.log_volume
        train, validation = (int(n) for n in arrays["counts"])
        self.counts = {"train": train, "validation": validation}
        self._arrays = dict(arrays)
        if "image_shape" in arrays:
            self.image_shape = tuple(int(n) for n in arrays["image_shape"])

    @property
    def repeats(self) -> bool:
        """True: its training images are as few as the data's."""
        return True

    def training_draws(self, n: int, generator: Random) -> Tensor:
        """n training images with replacement, their noise drawn anew, (n, dim), float64."""
        from thermohw.noise import choice

        pool = self._pools[TRAIN]
        return self._noised(pool[choice(n, len(pool), generator)], generator)

    def training(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Training images: all in order (n None), or n without replacement."""
        return self._pick(TRAIN, n, generator)

    def validation(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Images to stop a training by; as `training`."""
        return self._pick(VALIDATION, n, generator)

    def _pick(self, part: int, n: int | None, generator: torch.Generator) -> Tensor:
        import torch

        pool = self._pools[part]
        if n is not None:
            if n > len(pool):
                word = {TRAIN: "training", VALIDATION: "validation"}[part]
                problem = f"asked for {n} {word} images, {self.name} has {len(pool)}"
                raise InputError(problem, where="target")
            pool = pool[torch.randperm(len(pool), generator=generator)[:n]]
        return self._noised(pool, generator)

    def _noised(self, images: Tensor, generator: Random) -> Tensor:
        from thermohw.noise import normal

        if not self.noise:
            return images.clone()
        z = normal(len(images), self.dim, generator)
        return images.add(z, alpha=self.noise**0.5)

    @cached_property
    def _pools(self) -> dict[int, Tensor]:
        """The y of both splits, model units; the same for one seed."""
        import torch

        rng = np.random.default_rng(int(self._table["seed"]))
        count = sum(self.counts.values())
        which = rng.choice(len(self.law.weights), size=count, p=self.law.weights)
        inner = self.law.covariances - self.noise * np.eye(self.dim)
        size, axes = np.linalg.eigh(inner)
        roots = axes * np.sqrt(np.clip(size, 0.0, None))[:, None, :]
        z = rng.standard_normal((count, self.dim))
        images = self.law.means[which] + np.einsum("nij,nj->ni", roots[which], z)
        first = self.counts["train"]
        return {TRAIN: torch.as_tensor(images[:first]), VALIDATION: torch.as_tensor(images[first:])}

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, means, covariances, units and counts: nothing is fitted twice."""
        return dict(self._arrays)


def fit_mixture(data: DataSet, *, components: int, seed: int, table: dict[str, Any]) -> Any:
    """The mixture fitted to the training rows of a data set.

    Args:
        data: the data set.
        components: number of Gaussians.
        seed: of the first guess (k-means) and of the training images.
        table: of the target.

    Raises:
        InputError: more components than rows, no more rows than dimensions, or a component whose
            covariance is singular.
    """
    components = whole(components, 1, "target.components", most=MOST_MODES)
    seed = whole(seed, 0, "target.seed", most=2**32 - 1)
    rows, dim = data.rows[data.split == TRAIN], data.dim
    if components > len(rows):
        problem = f"{components} Gaussians for {len(rows)} training rows: ask for fewer"
        raise InputError(problem, where="target.components")
    if len(rows) <= dim:
        problem = (
            f"{len(rows)} training rows of {data.name} in {dim} dimensions: a full covariance "
            "needs more rows than dimensions; take more rows or smaller pictures"
        )
        raise InputError(problem, where="target.data")
    require_room(8.0 * components * dim**2, f"covariances of {components} Gaussians in {dim} "
                 "dimensions", "target.components", most=MOST_MATRIX)  # fmt: skip
    noise = (data.step / data.scale) ** 2 / 12.0
    points = (rows.astype(np.float64) + 0.5 * data.step - data.shift) / data.scale
    fitted = _fit(points, components, seed, noise)
    counts = data.counts
    arrays = {
        "weights": fitted.weights_ / fitted.weights_.sum(),
        "means": fitted.means_,
        "covariances": 0.5 * (fitted.covariances_ + fitted.covariances_.transpose(0, 2, 1)),
        "shift": np.asarray(data.shift, np.float64),
        "scale": np.array(data.scale),
        "noise": np.array(noise),
        "counts": np.array([counts["train"], counts["validation"]]),
    }
    if data.image_shape is not None:
        arrays["image_shape"] = np.array(data.image_shape)
    require_mixture(arrays)
    return FittedMixture(table, arrays)


def _fit(points: np.ndarray, components: int, seed: int, noise: float) -> Any:
    """scikit-learn's mixture, converged."""
    from sklearn.exceptions import ConvergenceWarning  # heavy, and only needed here
    from sklearn.mixture import GaussianMixture as Model

    model = Model(components, reg_covar=noise, max_iter=_ITERATIONS, random_state=seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            return model.fit(points)
    except ConvergenceWarning:
        problem = (
            f"{components} Gaussians: the fit has not settled after {_ITERATIONS} iterations, or "
            "fewer rows are different than there are Gaussians; ask for fewer"
        )
        raise InputError(problem, where="target.components") from None
    except ValueError:  # what it says is of its own settings
        raise _singular(components) from None


def _singular(components: int) -> InputError:
    problem = (
        f"{components} Gaussians: one of them has a singular covariance, for it has no more "
        "different rows than dimensions; ask for fewer, or give rounded data dequantise = STEP"
    )
    return InputError(problem, where="target.components")


def require_mixture(arrays: Any) -> None:
    """Refuse anything but the arrays of a fitted mixture.

    Raises:
        InputError: naming what is missing, of another shape, or no law.
    """
    where = "target.arrays"
    needed = ("weights", "means", "covariances", "shift", "scale", "noise", "counts")
    if not isinstance(arrays, Mapping) or not {*needed} <= {*arrays}:
        problem = "a fitted mixture is named but its numbers are not stored; nothing is fitted anew"
        raise InputError(problem, where=where)
    found = {name: np.asarray(arrays[name]) for name in needed}
    for name, values in found.items():
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise InputError("expected finite numbers", where=f"{where}.{name}")
    if found["means"].ndim != 2 or not found["means"].size:
        raise InputError("expected one point for every Gaussian", where=f"{where}.means")
    count, dim = found["means"].shape
    if count > MOST_MODES:
        raise InputError(f"at most {MOST_MODES} Gaussians are followed", where=f"{where}.means")
    shapes = {"weights": (count,), "covariances": (count, dim, dim), "shift": (dim,)}
    for name, shape in (shapes | {"scale": (), "noise": (), "counts": (2,)}).items():
        if found[name].shape != shape:
            problem = f"expected shape {shape}, got {found[name].shape}"
            raise InputError(problem, where=f"{where}.{name}")
    weights, spread = found["weights"], found["covariances"]
    if not (weights > 0.0).all() or abs(weights.sum() - 1.0) > 1e-6:
        raise InputError("expected positive weights that sum to 1", where=f"{where}.weights")
    if finite(float(found["scale"]), f"{where}.scale") <= 0.0 or float(found["noise"]) < 0.0:
        raise InputError("expected a positive scale and a variance", where=where)
    if (found["counts"] < 1).any():
        raise InputError("expected one image at least in every split", where=f"{where}.counts")
    if not np.allclose(spread, spread.transpose(0, 2, 1), rtol=1e-9, atol=1e-12):
        raise InputError("expected symmetric covariances", where=f"{where}.covariances")
    if np.linalg.eigvalsh(spread).min() < max(_NARROWEST, 0.999 * float(found["noise"])):
        raise _singular(count)

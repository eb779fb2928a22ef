r"""A law whose score is known, made to resemble a data set: the yardstick for proxies of the truth.

    p(x) = sum_k w_k N(x; m_k, C_k)      fitted to the training rows by expectation maximisation,
    C_k = (n_k S_k + d C)/(n_k + d)      S_k the component's covariance, C the data's, n_k its rows

shrunk by as many pseudo-observations as there are dimensions: every direction keeps a width.
From that law as many rows are drawn as the data set has, once: a network that learns from them is
as short of data as one that learns from the data set, stops by as few validation rows, and overfits
as much. Held-out points are fresh, and the exact score says what the network got wrong.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from thermohw.study import Row
from thermohw.target import DataSet, GaussianMixture, MixtureLaw

_ROUNDS = 40


def fit_law(rows: np.ndarray, components: int, seed: int = 0) -> MixtureLaw:
    """A Gaussian mixture with full covariances by expectation maximisation of rows of shape (n, d),
    the first means being rows that are drawn.
    """
    n, dim = rows.shape
    means = rows[np.random.Generator(np.random.PCG64(seed)).choice(n, components, replace=False)]
    whole = np.cov(rows.T, bias=True)
    weights, spread = np.full(components, 1.0 / components), np.stack([whole] * components)
    for _ in range(_ROUNDS):
        parts = [
            MixtureLaw(np.ones(1), means[k : k + 1], spread[k : k + 1]).log_prob(rows)
            for k in range(components)
        ]
        log_share = np.log(weights)[:, None] + np.stack(parts)
        log_share -= log_share.max(0)
        share = np.exp(log_share)
        share /= share.sum(0)
        count = share.sum(1)
        weights = (count + 1.0) / (n + components)  # no component dies
        for k in range(components):
            # the prior of a component that lost its rows: the data's mean and covariance
            means[k] = (share[k] @ rows + rows.mean(0)) / (count[k] + 1.0)
            centred = rows - means[k]
            own = (share[k][:, None] * centred).T @ centred
            spread[k] = (own + dim * whole) / (count[k] + dim)
    return MixtureLaw(weights / weights.sum(), means, spread)


class Surrogate(GaussianMixture):
    """A mixture fitted to a data set, with as many training and validation rows as it has."""

    analytic = False  # what a network sees of it is finite

    def __init__(self, data: DataSet, components: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        law = fit_law(data.training(None, generator).numpy(), components, seed)
        table = {"kind": "surrogate", "of": data.to_dict(), "components": components, "seed": seed}
        super().__init__(law, table)
        self.name = f"a mixture of {components} Gaussians like {data.name}"
        self.shift, self.scale, self.image_shape = data.shift, data.scale, data.image_shape
        if self.entropy is not None:  # of one component, or in one or two dimensions
            self.entropy += self.log_volume
        self.counts = {part: data.counts[part] for part in ("train", "validation")}
        self._rows = {part: law.sample(n, generator) for part, n in self.counts.items()}

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Training rows with replacement, shape (n, dim), float64, model units."""
        rows = self._rows["train"]
        return rows[torch.randint(len(rows), (n,), generator=generator)]

    def training(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Training rows: all, or n different ones."""
        return self._pick("train", n, generator)

    def validation(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Validation rows: all, or n different ones."""
        return self._pick("validation", n, generator)

    def held_out(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Fresh points of the law."""
        assert n is not None, "a law has no last point: say how many"
        return self.law.sample(n, generator)

    def _pick(self, part: str, n: int | None, generator: torch.Generator) -> Tensor:
        rows = self._rows[part]
        return rows if n is None else rows[torch.randperm(len(rows), generator=generator)[:n]]

    def arrays(self) -> dict[str, np.ndarray]:
        """What a network learns from."""
        return {part: rows.numpy() for part, rows in self._rows.items()}

    def to_dict(self) -> Row:
        """How it was made."""
        return dict(self._table)

"""Likelihood of the data alone under a Langevin process, against the exact law in plain noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rlc import cell

from thermohw import targets
from thermohw.circuit import langevin
from thermohw.likelihood import evaluate
from thermohw.process import Observed
from thermohw.target import momentum_entropy

TOLERANCE = 1e-5


@pytest.mark.parametrize("t_min", [0.0, 0.05])
def test_exact_score_gives_the_density_of_the_data_in_their_noise(t_min: float) -> None:
    """-ln p_tmin(x_0) point by point: what is not data leaves nothing behind.

    The matched prior of a Gaussian is p_T, so only the solver errs; it is asked for a root mean
    square of TOLERANCE (1 + |int trace|), |int trace| = Gamma T < 4, and one of 16 points may be
    four times that.
    """
    process = langevin(cell(1.0), 3.0, t_min=t_min)
    data = targets.gaussian(0.3, 0.4)
    score = data.score(process)
    joint = score.target
    assert joint is not None
    points = joint.sample(16, torch.Generator().manual_seed(5))
    found = evaluate(score, data, generator=torch.Generator().manual_seed(1), points=points,
                     tolerance=TOLERANCE, moments=27, prior="matched")  # fmt: skip
    spread = 0.4**2 + (Observed(process).transition(t_min)[1] if t_min else 0.0)
    x = points[:, list(process.positions)].numpy()[:, 0]
    wanted = 0.5 * ((x - 0.3) ** 2 / spread + np.log(2.0 * np.pi * spread))
    assert np.abs(found.points["nll.data.ode"] - wanted).max() < 4.0 * TOLERANCE * 5.0
    assert found["nll.data.ode"].value == pytest.approx(found.points["nll.data.ode"].mean())
    rest = process.rest_entropy(t_min)
    if not t_min:
        assert rest == pytest.approx(momentum_entropy(joint))  # type: ignore[arg-type]
    for name in ("marginal", "sde_elbo"):
        assert abs(found[f"nll.{name}"].value - found[f"nll.data.{name}"].value - rest) < 1e-12

"""Data with momenta: moments, entropies, tables, and what the joint likelihood says of the data."""

from __future__ import annotations

import numpy as np
import torch
from rlc import cell
from scipy.integrate import solve_ivp

from thermohw import targets
from thermohw.circuit import langevin
from thermohw.likelihood import evaluate
from thermohw.process import OU
from thermohw.score.network.design import design
from thermohw.score.training.noising import NoiseLevels
from thermohw.target import lift, momentum_entropy, target_from_dict


def test_joint_law_is_the_product() -> None:
    """Entropy S_data + ln(2 pi e M)/2, moments side by side; the table rebuilds it."""
    process = langevin(cell(0.5), 4.0, momentum=0.3)
    data = targets.gaussian_mixture([-1.0, 2.0], [0.3, 0.5])
    both = lift(data, process)
    assert data.entropy is not None and both.entropy is not None
    gauss = 0.5 * np.log(2.0 * np.pi * np.e * 0.3)
    assert abs(both.entropy - data.entropy - gauss) < 1e-8
    assert np.allclose(both.mean, [0.0, 0.5])
    assert np.allclose(both.covariance, np.diag([0.3, data.covariance[0, 0]]))
    again = target_from_dict(both.to_dict())
    assert again.to_dict() == both.to_dict() and np.array_equal(again.covariance, both.covariance)
    assert lift(both, process) is both and lift(data, OU()) is data


def test_a_data_set_keeps_its_rows_and_scale(tmp_path) -> None:
    """Positions are the rows, momenta fresh; one scale for all, as densities need."""
    rows = np.random.default_rng(0).normal(3.0, 2.0, size=(400, 1))
    np.save(tmp_path / "rows.npy", rows)
    data = targets.array(str(tmp_path / "rows.npy"))
    both = lift(data, langevin(cell(0.5), 4.0))
    drawn = both.held_out(None, torch.Generator().manual_seed(0))
    alone = data.held_out(None, torch.Generator().manual_seed(0))
    assert torch.equal(drawn[:, 1:], alone) and drawn[:, 0].std() > 0.5
    assert abs(momentum_entropy(both) - 0.5 * np.log(2 * np.pi * np.e) - np.log(data.scale)) < 1e-12  # type: ignore[arg-type]


def test_joint_likelihood_less_the_momenta_bounds_the_datas() -> None:
    """Exact score: the entropy of the data. A score 20 % too small: an upper bound, whose gap to
    the data's own likelihood is the relative entropy of the momenta given the data; both from the
    Gaussian that the linear flow carries, integrated apart.
    """
    process = langevin(cell(0.5), 6.0)
    data = targets.gaussian(0.0, 0.5)
    score = data.score(process)
    both = score.target
    assert both is not None
    options = {"points": 64, "probes": 0, "tolerance": 1e-6, "prior": "matched"}
    points = both.sample(400, torch.Generator().manual_seed(5))
    wrong = score.scaled(0.8)
    found = evaluate(wrong, data, generator=torch.Generator().manual_seed(1),
                     **(options | {"points": points}))  # type: ignore[arg-type]  # fmt: skip

    def rate(t: float, flat: np.ndarray) -> np.ndarray:
        slope = -0.8 * np.linalg.inv(score.law(t).covariance)  # type: ignore[attr-defined]
        flow = -process.A - 0.5 * process.B2 @ slope
        return (flow @ flat.reshape(2, 2)).ravel()

    carried = solve_ivp(rate, (0.0, 6.0), np.eye(2).ravel(), rtol=1e-10, atol=1e-13).y[:, -1]
    back = np.linalg.inv(carried.reshape(2, 2))
    model = back @ process.prior("matched", both.mean, both.covariance).matrix @ back.T
    x = points.numpy()
    exact = 0.5 * (np.log(4 * np.pi**2 * np.linalg.det(model))
                   + np.einsum("ni,ij,nj->n", x, np.linalg.inv(model), x))  # fmt: skip
    # a root mean square of 1e-6 (1 + |int trace|) is asked for, |int trace| = Gamma T = 6
    assert np.abs(found.points["nll.ode"] - exact).max() < 4.0 * 1e-6 * 7.0
    # means over the true law: joint less momenta, and the data's own under the marginal
    spread = np.diag([1.0, 0.25])
    joint = 0.5 * (np.log(4 * np.pi**2 * np.linalg.det(model))
                   + np.trace(np.linalg.solve(model, spread)))  # fmt: skip
    own = 0.5 * (np.log(2 * np.pi * model[1, 1]) + 0.25 / model[1, 1])
    slope = model[0, 1] / model[1, 1]
    left = model[0, 0] - slope * model[0, 1]
    gap = 0.5 * (np.log(left) + (1.0 + slope**2 * 0.25) / left - 1.0)
    assert gap > 1e-3
    assert abs(joint - momentum_entropy(both) - own - gap) < 1e-12  # type: ignore[arg-type]


def test_training_bound_of_a_matrix_process_has_its_whole_covariances() -> None:
    """-E ln prior(x_T) - int tr F dt of a Gaussian is its entropy at T plus Gamma (T - t_clean)."""
    process = langevin(cell(0.5), 3.0)
    both = lift(targets.gaussian(0.3, 0.2), process)
    table = NoiseLevels(design(both, process))
    points = both.sample(4000, torch.Generator().manual_seed(2))
    law = process.prior("matched", both.mean, both.covariance)
    wanted = law.entropy + (3.0 - table._clock.earliest)
    # the sample's Mahalanobis mean has standard error sqrt(2 n_dim)/2 / sqrt(4000), decayed
    assert abs(table.ends(points) - wanted) < 4.0 * 1.0 / np.sqrt(4000)

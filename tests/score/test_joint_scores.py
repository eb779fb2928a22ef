"""Scores read off the denoiser of the data: against exact joint scores, derivatives, files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rlc import cell, network

from thermohw import targets
from thermohw.circuit import LinearDevice, langevin
from thermohw.likelihood.trace import ExactTrace
from thermohw.process import Langevin, Observed
from thermohw.score import Field
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.score.training import fit_score
from thermohw.score.weights import score_from_bytes, score_to_bytes
from thermohw.target import Target

F64 = torch.float64


def lossy() -> LinearDevice:
    """Two coupled nodes, two coupled inductors: what is seen of the data has a noise matrix."""
    resistors = [("a", "gnd", 1.0, 1.0), ("b", "gnd", 2.0, 1.0), ("a", "b", 1.5, 1.0)]
    inductors = [("a", "gnd", 0.3), ("b", "a", 0.5)]
    return network({"a": 1.0, "b": 0.7}, resistors, inductors, capacitors=[("a", "b", 0.3)],
                   mutuals=[(0, 1, 0.4)])  # fmt: skip


CASES = {
    "ringing": (cell(5.0), targets.gaussian_mixture([-1.0, 2.0], [0.3, 0.5])),
    "critical": (cell(0.5), targets.gaussian_mixture([-1.0, 2.0], [0.3, 0.5])),
    "coupled": (lossy(), targets.gaussian_mixture([[-1.0, 0.5], [1.5, 0.0]], 0.4)),
}


def random_score(target: Target, process: Langevin) -> NetworkScore:
    """A joint score whose network is anything but zero."""
    head = design(target, process, {"width": 16})
    generator = torch.Generator().manual_seed(3)
    shapes = head.trunk.shapes.items()
    weights = {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes}
    return NetworkScore(head, weights)


def states(process: Langevin, n: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(n, process.dim, generator=generator, dtype=F64)


@pytest.mark.parametrize("name", CASES)
def test_posterior_mean_gives_the_exact_joint_score(name: str) -> None:
    """-C^-1 (w - K D(y)) with D = y + I^-1 grad ln p(y) is the score of the joint mixture.

    Round-off: C^-1 has entries up to t^-3 at short times, so 1e-16 of them is lost.
    """
    device, target = CASES[name]
    process = langevin(device, 6.0, momentum=0.6)
    joint, alone = target.score(process), target.score(Observed(process))
    w = states(process)
    for t in (0.01, 0.2, 1.3, 6.0):
        seen = process.statistic(t)
        y = process.read(w, t)
        denoised = y + alone(y, t) @ torch.as_tensor(seen.noise)
        score = -(w - denoised @ torch.as_tensor(seen.decay.T)) @ torch.as_tensor(seen.precision)
        exact = joint(w, t)
        assert (score - exact).abs().max() < 1e-13 * np.abs(seen.precision).max() * 10.0
        both = alone.log_prob(y, t) - process.rest_nll(w, t)
        assert (both - joint.log_prob(w, t)).abs().max() < 1e-7


@pytest.mark.parametrize("name", CASES)
def test_a_gaussian_needs_no_training(name: str) -> None:
    """The untrained head is the joint Gaussian of the data's moments."""
    device, _ = CASES[name]
    process = langevin(device, 4.0)
    d = len(process.positions)
    target = targets.gaussian(np.full(d, 0.4), covariance=0.2 * np.eye(d) + 0.1)
    head = design(target, process)
    weights = head.trunk.initial(torch.Generator().manual_seed(0))
    score, exact = NetworkScore(head, weights), target.score(process)
    w = states(process)
    for t in (0.05, 0.7, 4.0):
        gap = (score(w, t) - exact(w, t)).abs().max()
        assert gap < 1e-12 * np.abs(process.statistic(t).precision).max()


@pytest.mark.parametrize("name", [*CASES, "levels"])
def test_traces_are_derivatives(name: str, tmp_path) -> None:
    """div s and tr(D grad s) of random networks against forward differentiation, to round-off."""
    if name == "levels":
        device = cell(5.0)
        rows = np.random.default_rng(1).integers(0, 5, size=(300, 1)).astype(float)
        np.save(tmp_path / "rows.npy", rows)
        target = targets.array(str(tmp_path / "rows.npy"), dequantise=1.0)
    else:
        device, target = CASES[name]
    process = langevin(device, 5.0, t_min=0.02)
    score, w = random_score(target, process), states(process)
    mobility = torch.as_tensor(0.5 * process.diffusion(0.0))
    for t in (0.05, 0.9, 5.0):
        field = score.at(t)
        jacobian = torch.stack([_jacobian(field, row) for row in w])
        scale = np.abs(process.statistic(t).precision).max()
        full = torch.einsum("nii->n", jacobian)
        assert (field.divergence(w) - full).abs().max() < 1e-10 * scale
        own = field.weighted_divergence(w, mobility)
        assert own is not None
        assert (own - (jacobian * mobility).sum((1, 2))).abs().max() < 1e-10 * scale
        tracer = ExactTrace().prepare(*w.shape)
        assert torch.equal(tracer(field, w, mobility)[0], own)
        assert (tracer(_Bare(field), w, mobility)[0] - own).abs().max() < 1e-10 * scale


def _jacobian(field: Field, row: torch.Tensor) -> torch.Tensor:
    return torch.func.jacfwd(lambda x: field(x[None])[0])(row)  # type: ignore[return-value]


class _Bare(Field):
    """A field that knows nothing but its values."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._field(x)

    def with_divergence(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("not asked for")


def test_the_quick_share_is_all_where_the_network_is_constant(tmp_path) -> None:
    """With a network whose outputs do not depend on y nothing is left beside the quick share."""
    rows = np.random.default_rng(1).integers(0, 5, size=(300, 1)).astype(float)
    np.save(tmp_path / "rows.npy", rows)
    target = targets.array(str(tmp_path / "rows.npy"), dequantise=1.0)
    process = langevin(cell(5.0), 5.0, t_min=0.02)
    head = design(target, process)
    score = NetworkScore(head, head.trunk.initial(torch.Generator().manual_seed(0)))
    w, mobility = states(process), torch.as_tensor(0.5 * process.diffusion(0.0))
    for t in (0.05, 0.9):
        field = score.at(t)
        quick, whole = field.quick_divergence(w), field.weighted_divergence(w, mobility)
        assert quick is not None and whole is not None
        assert (quick - whole).abs().max() < 1e-10 * np.abs(process.statistic(t).precision).max()
        doubled = score.scaled(2.0).at(t).weighted_divergence(w, mobility)
        assert doubled is not None and torch.allclose(doubled, 2.0 * whole)


@pytest.mark.parametrize("name", ["ringing", "coupled"])
def test_training_and_files(name: str) -> None:
    """The network reads the data's image alone; a trained score survives its file to the bit."""
    device, target = CASES[name]
    process = langevin(device, 5.0)
    score = fit_score(target, process, steps=51, progress=False, architecture={"width": 16})
    assert score.dim == process.dim and score.head.trunk.inputs == len(process.positions)  # type: ignore[attr-defined]
    assert score.shift.shape == (process.dim,)
    again = score_from_bytes(score_to_bytes(score), process)
    w = states(process)
    assert torch.equal(again(w, 0.8), score(w, 0.8))
    first, last = score.record["validation"][0][2], score.record["validation"][-1][2]
    assert last < first and target.entropy is not None

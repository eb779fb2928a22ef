"""The closed loop's drift is the reverse drift, for every process, wiring and device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import chain, mixture_score, rc1, unequal_nodes

from thermohw.circuit import LinearDevice, load_device, relaxation
from thermohw.control import Protocol, make_plan
from thermohw.process import OU, VE, VP, Process
from thermohw.score import Score
from thermohw.target import gaussian, gaussian_mixture

F64 = torch.float64


def mixture(dim: int, process: Process) -> Score:
    rng = np.random.default_rng(5)
    target = gaussian_mixture(rng.normal(size=(3, dim)), stds=[0.5, 0.7, 0.6])
    return target.score(process)


def cases() -> dict[str, tuple[LinearDevice, Process, dict[str, float]]]:
    one, many = rc1(), load_device("rc64")
    hot, odd = chain(hot=True), unequal_nodes()
    volt = one.scale.voltage
    return {
        "ou": (one, OU(3.0), {}),
        "ou wide": (one, OU(3.0), {"volts_per_unit": 0.3 * volt}),
        "vp": (one, VP(), {}),
        "vp array": (many, VP(), {}),
        "ve": (one, VE(6.0), {}),
        "ve thermal": (one, VE(6.0), {"volts_per_unit": volt}),
        "relaxation": (hot, relaxation(hot, 2.0), {}),
        "relaxation scaled": (hot, relaxation(hot, 2.0, volts_per_unit=0.4 * hot.scale.voltage),
                              {"volts_per_unit": 0.4 * hot.scale.voltage}),
        "relaxation uncoupled": (odd, relaxation(odd, 2.0), {}),
    }  # fmt: skip


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("name", cases())
def test_closed_loop_drift(name: str, wiring: str, generator: torch.Generator) -> None:
    """dz/ds = -A z + S e + B i, turned into model units, equals (-F x + g^2 s) dt/ds."""
    device, process, settings = cases()[name]
    score = mixture(device.dim, process)
    plan = make_plan(Protocol(device, process, score, wiring=wiring, control="clocked", ticks=600,
                              **settings))  # type: ignore[arg-type]  # fmt: skip
    theta = plan.protocol.theta
    for tick in (0, 311, 599):
        t = float(plan.schedule.model_time[tick])
        x = 1.5 * torch.randn(40, device.dim, generator=generator, dtype=F64)
        voltage = x / theta**0.5
        source = plan.laws[tick].sources(voltage).numpy()
        charge = voltage.numpy() @ device.capacitance
        rate = -charge @ device.drift_matrix.T
        if wiring == "emf":
            rate = rate + source @ device.source_matrix[:, list(device.controlled)].T
        else:
            rate = rate + source @ device.port_matrix.T
        found = theta**0.5 * rate @ device.hessian
        s = score(x, t).numpy()
        if process.isotropic:
            stretch = 2 * theta / float(process.diffusion(t))  # dt_model/ds
            exact = stretch * (
                -float(process.drift(t)) * x.numpy() + float(process.diffusion(t)) * s
            )
        else:
            exact = -x.numpy() @ process.drift(t).T + s @ process.diffusion(t).T
        np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-11 * np.abs(exact).max())


@pytest.mark.parametrize("name", ["ou wide", "ve", "relaxation", "relaxation scaled"])
def test_divergence_of_the_control(name: str, generator: torch.Generator) -> None:
    """div u by central differences of the drift that the sources add, in model units."""
    device, process, settings = cases()[name]
    score = mixture(device.dim, process)
    plan = make_plan(Protocol(device, process, score, wiring="current", control="clocked",
                              ticks=600, **settings))  # type: ignore[arg-type]  # fmt: skip
    law, theta = plan.laws[400], plan.protocol.theta
    x = torch.randn(6, device.dim, generator=generator, dtype=F64)
    step, total = 1e-5, torch.zeros(6, dtype=F64)

    def u(x: torch.Tensor) -> torch.Tensor:
        current = law.sources(x / theta**0.5)
        return theta**0.5 * current @ torch.tensor(device.port_matrix.T @ device.hessian)

    for i in range(device.dim):
        shift = torch.zeros(device.dim, dtype=F64)
        shift[i] = step
        total += (u(x + shift) - u(x - shift))[:, i] / (2 * step)
    # Differences of a function of size |div u| lose eps/step; the third derivative adds step^2.
    found = law.divergence(x / theta**0.5)
    torch.testing.assert_close(found, total, rtol=1e-7, atol=1e-7 * float(total.abs().max()))


@pytest.mark.parametrize("target", [
    gaussian([0.0], 0.8), gaussian([0.4], 0.8), gaussian([0.1, -0.3, 0.0], [0.3, 0.5, 0.6])
])  # fmt: skip
def test_affine_laws_are_the_general_ones(target: object, generator: torch.Generator) -> None:
    """Where the score is affine the law is folded into gain and bias: same numbers."""
    process = OU(3.0)
    dim = target.dim  # type: ignore[attr-defined]
    device = rc1() if dim == 1 else _three_equal_nodes()
    score = target.score(process)  # type: ignore[attr-defined]
    plan = make_plan(Protocol(device, process, score, wiring="emf", control="clocked", ticks=600,
                              volts_per_unit=0.7 * device.scale.voltage))  # fmt: skip
    v = torch.randn(30, dim, generator=generator, dtype=F64)
    for tick in (0, 500):
        law = plan.laws[tick]
        assert law.gain is not None
        general = law.combine(v, law.field(law.model(v)))
        torch.testing.assert_close(law.sources(v), general, rtol=1e-12, atol=1e-12)
        single = law.sources(v.float())
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), general, rtol=1e-4, atol=1e-4)


def _three_equal_nodes() -> LinearDevice:
    from dataclasses import replace

    return replace(unequal_nodes(), hessian=np.eye(3), coefficients=np.ones(3),
                   temperatures=np.ones(3))  # fmt: skip


def test_sign_of_the_wirings() -> None:
    """A node above its target is pulled down: emf and current both take charge out."""
    score = mixture_score()
    for wiring in ("emf", "current"):
        plan = make_plan(Protocol(rc1(), score.process, score, wiring=wiring, control="clocked",
                                  ticks=100))  # fmt: skip
        source = plan.laws[99].sources(torch.tensor([[5.0], [-5.0]], dtype=F64))
        assert float(source[0]) < 0 < float(source[1])

"""The exponential average, and path ratios written out with log densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from problems import F64, chain, make, mixture_protocol, one_tick, quadrupling_protocol, rc1
from scipy.stats import multivariate_normal as normal

from thermohw.books import ExponentialMean, PathRatio
from thermohw.circuit import relaxation, tick_moments
from thermohw.control import Protocol
from thermohw.integrate import Engine
from thermohw.target import gaussian


def test_average_of_a_gaussian_sigma(rng: np.random.Generator) -> None:
    """Sigma ~ N(s^2/2, s^2) has <e^-Sigma> = 1 and n_eff/n = e^{-s^2}."""
    sigma = 0.5 * rng.normal(size=200_000) + 0.125
    mean = ExponentialMean.of(sigma)
    (value, stderr), effective = mean.average, mean.effective
    assert_z(value, 1.0, stderr=stderr)
    assert stderr == pytest.approx(np.sqrt(np.expm1(0.25) / 200_000), rel=0.02)
    assert effective / 200_000 == pytest.approx(np.exp(-0.25), rel=0.02)


def test_average_does_not_overflow(rng: np.random.Generator) -> None:
    sigma = rng.normal(size=1000) - 2000.0
    plain, huge = ExponentialMean.of(sigma + 2000.0), ExponentialMean.of(sigma + 1500.0)
    assert np.isfinite(huge.average.value)
    assert huge.average.value / np.exp(500.0) == pytest.approx(plain.average.value, rel=1e-9)
    assert huge.effective == pytest.approx(plain.effective, rel=1e-9)


def test_one_path_carries_all() -> None:
    sigma = np.concatenate([np.zeros(999), [-50.0]])
    assert ExponentialMean.of(sigma).effective == pytest.approx(1.0, abs=1e-9)


def engines() -> dict[str, Engine]:
    device = chain(hot=True)
    process = relaxation(device, 1.0)
    score = gaussian(np.zeros(8), 0.9).score(process)
    result = {}
    for wiring in ("emf", "current"):
        for kernel in ("held", "euler"):
            control, stepper = ("clocked", "auto") if kernel == "held" else ("continuous", "euler")
            watch = PathRatio(rc1(), wiring, kernel=kernel)
            protocol = mixture_protocol(wiring, control, 64, stepper=stepper)
            result[f"mixture {wiring} {kernel}"] = make(protocol, watch, flux=True, closing=True)
            protocol = quadrupling_protocol(wiring, control, 64, 0.5, stepper=stepper)
            result[f"gaussian {wiring} {kernel}"] = make(protocol, watch, flux=True, closing=True)
        watch = PathRatio(device, wiring, kernel="held")
        protocol = Protocol(device, process, score, wiring=wiring, control="clocked", ticks=32)
        result[f"chain {wiring} held"] = make(protocol, watch, flux=True, closing=True)
    return result


@pytest.mark.parametrize("name", engines())
def test_ratio_of_one_tick(name: str, generator: torch.Generator) -> None:
    """ln K(x', I | x) - ln K~(x, I | x') from scipy's normal densities, for a middle tick.

    Forward: mean Phi x + Gamma e(x). Backward: Phi x' +- Gamma e'(x') with the same covariance. The
    port integrals enter the odd chain only; they are reconstructed from the step itself.
    """
    engine = engines()[name]
    device, wiring = engine.plan.protocol.device, engine.plan.protocol.wiring
    n, k, tick, paths = device.dim, len(device.elements), 20, 7
    watch = engine.observers[1]
    assert isinstance(watch, PathRatio)
    seen = []
    plain = watch.update
    watch.update = lambda carry, step: (seen.append(step), plain(carry, step))  # type: ignore[method-assign,assignment]
    state = torch.randn(paths, n, generator=generator, dtype=F64)
    normals = torch.randn(paths, engine.stepper.normals, generator=generator, dtype=F64)
    end, results = one_tick(engine, tick, state, normals)
    h = float(engine.plan.schedule.durations[tick])
    law, following = engine.plan.laws[tick], engine.plan.laws[tick + 1]
    c = law.sources(device.efforts(state)).numpy()
    d = following.sources(device.efforts(end)).numpy()
    columns = list(device.controlled) if wiring == "emf" else list(range(k, k + n))
    x, y = state.numpy(), end.numpy()
    held = "held" in name
    if held:
        m = tick_moments(device, h)
        phi, gamma, cov = m.propagator, m.input[:, columns], m.end_covariance
        joint = np.concatenate([m.end_noise, np.eye(k + n)[k:]]) @ m.factor
        full_phi = np.concatenate([phi, m.flow_state[k:]])
        full_gamma = np.concatenate([gamma, m.flow_input[k:][:, columns]])
        full_cov = joint @ joint.T
        flux = seen[0].flux.numpy()
    else:
        phi = np.eye(n) - h * device.drift_matrix
        into = np.concatenate([device.source_matrix, device.port_matrix], 1)[:, columns]
        gamma, cov = h * into, h * device.noise_matrix @ device.noise_matrix.T
        full_phi, full_gamma, full_cov = phi, gamma, cov
    for p in range(paths):
        forward = normal.logpdf(y[p], phi @ x[p] + gamma @ c[p], cov)  # type: ignore[arg-type]
        backward = normal.logpdf(x[p], phi @ y[p] + gamma @ d[p], cov)  # type: ignore[arg-type]
        found = float(results["fluctuation"]["even"][p])
        assert found == pytest.approx(forward - backward, rel=1e-7, abs=1e-7)
        a, b = (np.concatenate([v[p], flux[p]]) if held else v[p] for v in (y, x))
        forward = normal.logpdf(a, full_phi @ x[p] + full_gamma @ c[p], full_cov)  # type: ignore[arg-type]
        backward = normal.logpdf(b, full_phi @ y[p] - full_gamma @ d[p], full_cov)  # type: ignore[arg-type]
        found = float(results["fluctuation"]["odd"][p])
        assert found == pytest.approx(forward - backward, rel=1e-6, abs=1e-6)

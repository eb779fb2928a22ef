"""Path by path against sdeint on identical increments, to 1e-10."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import F64, chain, make, mixture_protocol, simulate

from thermohw.circuit import relaxation
from thermohw.control import Protocol
from thermohw.errors import InputError
from thermohw.integrate import Engine, TileRun, tiles
from thermohw.integrate.reference import sdeint_path
from thermohw.noise import Recording
from thermohw.target import gaussian_mixture

PATHS = 5


def chain_protocol(wiring: str, stepper: str) -> Protocol:
    device = chain(hot=True)
    process = relaxation(device, 2.0)
    generator = torch.Generator().manual_seed(1)
    target = gaussian_mixture(torch.randn(2, 8, generator=generator).numpy(), 0.6)
    return Protocol(device, process, target.score(process), wiring=wiring, control="continuous",
                    ticks=64, stepper=stepper)  # fmt: skip


def closed_loop(engine: Engine) -> tuple[object, np.ndarray]:
    """Drift f(z, s) and noise matrix of the controlled circuit, straight from its matrices.

    The control laws are those of the tick boundaries, where both schemes evaluate the drift.
    """
    plan = engine.plan
    device, h = plan.protocol.device, plan.schedule.duration / plan.schedule.ticks
    if plan.drive.wiring == "emf":
        into = device.source_matrix[:, list(device.controlled)]
    else:
        into = device.port_matrix

    def drift(z: np.ndarray, s: float) -> np.ndarray:
        voltage = torch.tensor(device.hessian @ z)[None]
        source = plan.laws[round(s / h)].sources(voltage)[0].numpy()
        return -device.drift_matrix @ z + into @ source

    return drift, device.noise_matrix


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("method", ["euler", "heun"])
@pytest.mark.parametrize("device", ["rc1", "chain"])
def test_whole_runs(device: str, method: str, wiring: str, generator: torch.Generator) -> None:
    protocol = (
        mixture_protocol(wiring, "continuous", 128, stepper=method)
        if device == "rc1"
        else chain_protocol(wiring, method)
    )
    engine = make(protocol)
    engine.observers = ()
    ticks, n = engine.plan.schedule.ticks, protocol.device.dim
    h = engine.plan.schedule.duration / ticks
    width = len(protocol.device.elements)
    normals = torch.randn(ticks, PATHS, width, generator=generator, dtype=F64)
    start = torch.randn(PATHS, n, generator=generator, dtype=F64)
    tape = Recording(normals)
    run = TileRun(engine, tiles(PATHS)[0], tape, tape, start, {})
    states = [start]
    for tick in range(ticks):
        run.advance(tick + 1)
        states.append(run.state)
    drift, noise = closed_loop(engine)
    times = h * np.arange(ticks + 1)
    increments = normals.numpy() * h**0.5
    for path in range(PATHS):
        exact = sdeint_path(
            drift, noise, start[path].numpy(), times=times,  # type: ignore[arg-type]
            increments=increments[:, path], method=method,
        )  # fmt: skip
        found = torch.stack(states)[:, path].numpy()
        assert np.abs(found - exact).max() < 1e-10


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("device", ["rc1", "chain"])
def test_reference_stepper_keeps_the_same_books(device: str, wiring: str) -> None:
    """sdeint makes the moves of `reference`; states, heat and work are Heun's, on one stream."""
    results = []
    for stepper in ("heun", "reference"):
        protocol = (
            mixture_protocol(wiring, "continuous", 64, stepper=stepper)
            if device == "rc1"
            else chain_protocol(wiring, stepper)
        )
        results.append(simulate(make(protocol, seed=5), PATHS))
    heun, reference = results
    torch.testing.assert_close(heun.end, reference.end, rtol=0, atol=1e-10)
    for channel in ("heat", "work", "first_law.residual"):
        torch.testing.assert_close(
            heun.results["ledger"][channel], reference.results["ledger"][channel],
            rtol=0, atol=1e-9,
        )  # fmt: skip


def test_reference_is_refused_above_its_size() -> None:
    engine = make(mixture_protocol("emf", "continuous", 64, stepper="reference"))
    with pytest.raises(InputError, match="64 paths"):
        simulate(engine, 65)


def test_times_must_increase() -> None:
    """sdeint returns NaN without a word for times that run backwards."""
    args = {"times": np.array([0.0, 1.0, 0.5]), "increments": np.zeros((2, 1))}
    with pytest.raises(InputError, match="increasing"):
        sdeint_path(lambda y, t: -y, np.eye(1), np.ones(1), **args)
    args = {"times": np.array([0.0, 1.0]), "increments": np.full((1, 1), np.nan)}
    with pytest.raises(InputError, match="finite"):
        sdeint_path(lambda y, t: -y, np.eye(1), np.ones(1), **args)

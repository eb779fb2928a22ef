"""Fluctuation theorems of electron jumps, and the Gaussian noise that breaks them."""

from __future__ import annotations

from dataclasses import replace

import jump_circuits as circuits
import numpy as np
import pytest
from jump_books import KT, z_of

from thermohw.books import Books
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.errors import InputError
from thermohw.jumps import (
    entropy_production,
    fluctuation_theorem,
    master_equation,
    simulate_jumps,
)


def test_fluctuation_theorems(seed: int) -> None:
    """Integral and detailed, in the stationary law; the integral one between two laws.

    How far <exp(-Sigma)> is known is chance itself, as few paths carry it. One nat of 16384 paths:
    to .017 to .036, by 800 to 2850 effective ones (25 seeds). A quarter of the paths would miss
    what is asked for one seed in four, and 1.5 nats of so many nearly always.
    """
    device = circuits.motley("12 mV", "-8 mV", cold="200 K")
    law = master_equation(device)
    span = 1.0 / law.entropy_production
    run = simulate_jumps(device, span, paths=16384, seed=seed, start=law)
    theorem = fluctuation_theorem(run, law)
    assert abs(theorem.mean.z()) < 4.0
    assert theorem.mean.average.stderr < 0.05 and theorem.mean.effective > 300.0
    assert np.nanmax(np.abs(theorem.z)) < 4.0
    assert theorem.production == pytest.approx(1.0, abs=0.3)
    assert theorem.mean.trusted and np.isfinite(theorem.z).sum() >= 4
    assert "effective samples" in str(theorem)
    # It can fail: heat too large by three tenths. Bins, whose weights are bounded, say so for any
    # seed (|z| of 8 to 11); the mean has no honest error any more.
    heats = {f"heat.{bath}": 1.3 * run.heat[:, k] for k, bath in enumerate(run.books.baths)}
    wrong = Books({**run.books, **heats}, run.books.kt, run.books.temperatures)
    broken = fluctuation_theorem(replace(run, books=wrong), law)
    assert np.nanmax(np.abs(broken.z)) > 4.0 and broken.mean.judge_against() != "holds"

    few = simulate_jumps(device, 20.0 * span, paths=256, seed=seed, start=law)
    assert "not applicable" in str(fluctuation_theorem(few, law))  # 20 nats: no path goes back

    # Half as long, as the change of law produces half a nat itself: <exp(-Sigma)> to .019 to .027.
    span *= 0.5
    other = master_equation(circuits.motley("0 V", "0 V"))
    generator = np.random.default_rng(seed)
    start = other.sample(16384, generator)
    first = np.zeros(len(law.states))
    first[law.index(other.states[other.stationary > 1e-13])] = other.stationary[
        other.stationary > 1e-13
    ]
    run = simulate_jumps(device, span, paths=16384, seed=seed, start=start)
    sigma = entropy_production(
        run,
        law.log_probability(run.start, first),
        law.log_probability(run.end, law.evolve(first, span)),
    )
    assert abs(z_of(np.exp(-sigma), 1.0)) < 4.0
    assert z_of(np.exp(-sigma - 0.3 * run.medium_entropy), 1.0) > 4.0


def test_detailed_theorem_of_a_discrete_production(seed: int) -> None:
    """One node and held gates: Sigma takes hundreds of values, and edges of bins meet them.

    The round-off of a value must not decide its bin: with Sigma moved by 1e-12 all stays as it is.
    """
    device = circuits.inverter("0.05 fF", "15 mV")
    law = master_equation(device)
    run = simulate_jumps(device, "200 ns", paths=10_000, seed=seed, start=law)
    theorem = fluctuation_theorem(run, law)
    assert np.isfinite(theorem.z).sum() >= 6 and np.nanmax(np.abs(theorem.z)) < 4.0
    noise = np.random.default_rng(seed).normal(size=run.heat.shape) * 1e-12 * KT
    heats = {f"heat.{bath}": run.heat[:, k] + noise[:, k] for k, bath in enumerate(run.books.baths)}
    shaken = Books({**run.books, **heats}, run.books.kt, run.books.temperatures)
    again = fluctuation_theorem(replace(run, books=shaken), law)
    assert again.z == pytest.approx(theorem.z, abs=1e-6, nan_ok=True)


def test_gaussian_noise_breaks_the_fluctuation_theorem(seed: int) -> None:
    """A junction at two kT/q: <exp(-Sigma)> = 1 for jumps; a Gaussian of the same mean and variance
    gives exp((I+ + I-)(t/q)(x^2/2 - x tanh(x/2))), x = qV/kT, and nothing can mend it but less
    noise than shot noise.
    """

    def wire(**noise: object) -> circuits.JumpDevice:
        return circuits.build(
            circuits.node("idle", "1 aF"),
            circuits.supply("v", f"{2.0 * KT / ELEMENTARY_CHARGE} V"),
            circuits.junction("tunnel", "v", "gnd", resistance="1 Gohm", **noise),
            circuits.junction("hold", "idle", "gnd", resistance="1000 Gohm", **noise),
        )

    x, device = 2.0, wire()
    forward, backward = device.event_rates(np.zeros(1))[[0, 2]]
    assert forward / backward == pytest.approx(np.exp(x), rel=1e-12)
    span = 1.0 / (forward + backward)
    jumps = simulate_jumps(device, span, paths=16384, seed=seed)
    sigma = x * jumps.transferred[:, 0]
    assert abs(z_of(np.exp(-sigma), 1.0)) < 4.0
    gaussian = wire(noise="gaussian", approximate=True)
    run = simulate_jumps(gaussian, span, paths=16384, seed=seed, step=span)
    assert run.method == "langevin" and "Gaussian" in str(run)
    weights = np.exp(-x * run.transferred[:, 0])
    assert abs(z_of(weights, np.exp(0.5 * x**2 - x * np.tanh(0.5 * x)))) < 4.0
    assert z_of(weights, 1.0) > 4.0
    assert run.heat[:, 0] == pytest.approx(KT * x * run.transferred[:, 0], abs=1e-12 * KT)
    with pytest.raises(InputError, match="Poisson"):
        master_equation(gaussian)
    with pytest.raises(InputError, match="no local detailed balance"):
        entropy_production(run, weights, weights)

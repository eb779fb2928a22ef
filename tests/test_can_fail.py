"""Broken physics must be caught: one mutation at a time, and the acceptance check that trips on it.

Each check is first run on the code as it is, once for all that break it, so that a check that fails
for another reason cannot pass for a catch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import laws
import numpy as np
import pytest
import torch
from acceptance import assert_z
from problems import expected, make, mixture_protocol, mixture_score, rc1, simulate

import thermohw.circuit.tick as tick_module
import thermohw.control.plan as plan_module
from thermohw.books import Ledger, PathRatio, nearest_neighbour_entropy
from thermohw.circuit import LinearDevice, node_moments, tick_moments
from thermohw.control.drive import Law
from thermohw.integrate import HeldNodes, Step, continuous, held_nodes
from thermohw.integrate.continuous import _Continuous
from thermohw.integrate.fused import tables
from thermohw.integrate.terminals import Terminals
from thermohw.noise import TickNoise

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def fresh_moments() -> Any:
    """Moments are cached per device; a mutation must not find or leave any."""
    caches = (tick_moments, node_moments)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@functools.cache
def holds(check: Callable[..., object], *asked: Any) -> None:
    """The check passes while nothing is broken; what breaks it has been undone for the next."""
    check(*asked)


def caught(check: Callable[[], object]) -> None:
    """The check fails, by its assertion and nothing else."""
    for cache in (tick_moments, node_moments):
        cache.cache_clear()
    with pytest.raises(AssertionError):
        check()


def short_first_law() -> None:
    laws.first_law(simulate(make(mixture_protocol("emf", "clocked", 64)), 4096))


def resting_variance() -> None:
    """200,704 paths of one node, discharged and left alone for 8 RC: k T/C within 4 errors."""
    device = rc1()
    stepper = HeldNodes(device, "emf", dtype=torch.float32)
    noise = TickNoise(0, 0, 49 * 4096, dtype=torch.float32).normals(1, 0)
    end = laws.free_step(device, stepper, 8.0, torch.zeros(49 * 4096, 1), noise[None]).end
    assert_z(end.double().square(), 1.0)


def entropy_change() -> None:
    """Generation gains 0.090963 nats."""
    sample = simulate(make(mixture_protocol("emf", "continuous", 64), dtype=torch.float32), 65536)
    value, stderr = nearest_neighbour_entropy(sample.end.double().numpy())
    change = value - float(mixture_score().entropy(3.0).value)
    assert_z(change, 0.090963, stderr=stderr)


# -------------------------------------------------------------------- heat times 1.001


def test_heat_a_thousandth_too_large(monkeypatch: Patch) -> None:
    short_first_law()
    plain = Ledger.update

    def scaled(self: Ledger, carry: Any, step: Step) -> None:
        heat_correction = None if step.heat_correction is None else 1.001 * step.heat_correction
        work = step._replace(force=torch.zeros_like(step.force), heat_correction=None)
        heat = step._replace(
            force=1.001 * step.force, heat_correction=heat_correction, emf=None, current=None
        )
        plain(self, carry, work)
        plain(self, carry, heat)

    monkeypatch.setattr(Ledger, "update", scaled)
    caught(short_first_law)


# ----------------------------------------------------- temperature 2 % off, missing sqrt 2


def wrong_noise(monkeypatch: Patch, factor: float) -> None:
    """Noise of held ticks times a factor: of networks, and of nodes wherever paths are moved."""
    plain = tick_module.augmented_system

    def wrong(device: LinearDevice) -> Any:
        f, g, m = plain(device)
        return f, g, factor * m

    monkeypatch.setattr(tick_module, "augmented_system", wrong)
    for module in (held_nodes, continuous, tables):
        monkeypatch.setattr(
            module, "node_moments", lambda *asked: node_moments(*asked).heated(factor**2)
        )


@pytest.mark.parametrize("factor", [1.02**0.5, 0.98**0.5, 0.5**0.5], ids=["+2%", "-2%", "sqrt2"])
def test_wrong_noise_in_held_ticks(monkeypatch: Patch, factor: float) -> None:
    """Equilibrium, conduction, the accounts and the theorems all see it."""
    holds(laws.equilibrium)
    holds(laws.reference_heat, "emf", "clocked", (32, 64, 128, 256))
    wrong_noise(monkeypatch, factor)
    caught(laws.equilibrium)
    caught(laws.conduction)
    caught(lambda: laws.reference_heat("emf", "clocked", (32, 64, 128, 256)))
    caught(lambda: laws.theorems("emf", "held", 16))


@pytest.mark.parametrize("factor", [1.02**0.5, 0.5**0.5], ids=["+2%", "sqrt2"])
def test_wrong_noise_in_steps(monkeypatch: Patch, factor: float) -> None:
    """Euler and Heun take their noise from the terminals."""
    holds(laws.driftless_heat, "heun")
    plain = Terminals.__init__

    def wrong(self: Terminals, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        self.noise = factor * self.noise

    monkeypatch.setattr(Terminals, "__init__", wrong)
    caught(lambda: laws.driftless_heat("heun"))
    caught(lambda: laws.theorems("emf", "euler", 16))


@pytest.mark.parametrize("factor", [1.02**0.5, 0.98**0.5, 0.5**0.5], ids=["+2%", "-2%", "sqrt2"])
def test_wrong_noise_is_seen_by_an_ensemble(monkeypatch: Patch, factor: float) -> None:
    """2 % of temperature is six standard errors of a variance from 2e5 paths."""
    holds(resting_variance)
    wrong_noise(monkeypatch, factor)
    caught(resting_variance)


# -------------------------------------------------------------------- Ito for Stratonovich


def test_ito_for_stratonovich(monkeypatch: Patch) -> None:
    """Source at the left point: the first law still closes, so only the accounts can tell."""
    holds(laws.driftless_heat)
    plain = _Continuous._books

    def left(self: Any, piece: Any, state: Any, end: Any, control: Any, following: Any,
             **kwargs: Any) -> Step:  # fmt: skip
        step = plain(self, piece, state, end, control, following, **kwargs)
        if step.emf is None:
            return step
        emf = self.terminals.emf(control)
        return step._replace(emf=emf, force=step.force + step.emf - emf)

    monkeypatch.setattr(_Continuous, "_books", left)
    laws.first_law(simulate(make(mixture_protocol("emf", "continuous", 64)), 4096))
    caught(laws.driftless_heat)
    caught(lambda: laws.reference_heat("emf", "continuous"))


# ------------------------------------------------------------------------- a dropped bath


def test_dropped_bath_in_the_books(monkeypatch: Patch) -> None:
    """The ledger forgets one resistor of the chain."""
    network_sample = laws.free_network
    laws.first_law(network_sample())
    plain = Ledger.update

    def forgetful(self: Ledger, carry: Any, step: Step) -> None:
        force = step.force.clone()
        force[:, 9] = 0.0
        heat_correction = step.heat_correction
        if heat_correction is not None:
            heat_correction = heat_correction.clone()
            heat_correction[:, 9] = 0.0
        plain(self, carry, step._replace(force=force, heat_correction=heat_correction))

    monkeypatch.setattr(Ledger, "update", forgetful)
    caught(lambda: laws.first_law(network_sample()))


def test_dropped_bath_in_the_noise(monkeypatch: Patch) -> None:
    """One resistor of the chain conducts without fluctuating: no equilibrium, wrong heat."""
    holds(laws.equilibrium)
    holds(laws.conduction)
    plain = tick_module.augmented_system

    def silent(device: LinearDevice) -> Any:
        f, g, m = plain(device)
        m = m.copy()
        m[:, min(9, m.shape[1] - 1)] *= 1e-6
        return f, g, m

    monkeypatch.setattr(tick_module, "augmented_system", silent)
    caught(laws.equilibrium)
    caught(laws.conduction)


# ---------------------------------------------------------------------- a swapped wiring


def test_swapped_wiring(monkeypatch: Patch) -> None:
    """Same samples, other joules: the law is right and the account is not."""
    holds(laws.sample_law)
    plain = laws.mixture_protocol
    other = {"emf": "current", "current": "emf"}
    monkeypatch.setattr(laws, "mixture_protocol", lambda w, c, n, **kw: plain(other[w], c, n, **kw))
    laws.sample_law("emf")
    caught(lambda: laws.reference_heat("emf", "clocked"))
    caught(lambda: laws.reference_heat("current", "clocked"))
    caught(lambda: laws.reference_heat("emf", "continuous"))
    caught(lambda: laws.reference_heat("current", "continuous"))


@pytest.mark.parametrize("kernel", ["held", "euler"])
def test_backward_control_at_the_wrong_end(monkeypatch: Patch, kernel: str) -> None:
    """The backward tick must decide at its own start x'; with the forward decision it is no kernel.

    (Flipping the sign of that decision would only swap the even theorem for the odd one.)
    """
    holds(laws.theorems, "emf", kernel, 16)
    plain = PathRatio.update

    def stale(self: PathRatio, carry: Any, step: Step) -> None:
        plain(self, carry, step._replace(next_control=step.control))

    monkeypatch.setattr(PathRatio, "update", stale)
    caught(lambda: laws.theorems("emf", kernel, 16))


# ------------------------------------------------------- forward for generation sign


def test_clock_that_runs_forward(monkeypatch: Patch) -> None:
    """Control laws taken at the mirrored model time: the data never come out."""
    holds(laws.sample_law)
    holds(entropy_change)
    plain = plan_module.Laws.__init__

    def forward(self: Any, drive: Any, score: Any, times: np.ndarray, *rest: Any) -> None:
        plain(self, drive, score, np.maximum(times[::-1], 1e-6), *rest)

    monkeypatch.setattr(plan_module.Laws, "__init__", forward)
    caught(laws.sample_law)
    caught(entropy_change)
    caught(lambda: laws.reference_heat("emf", "continuous"))


def test_score_with_the_forward_sign(monkeypatch: Patch) -> None:
    """Noising drift instead of its reverse: u = (A - kappa) v - s."""
    plain = Law.combine

    def forward(self: Law, voltage: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        return plain(self, voltage, -score)

    holds(laws.sample_law)
    monkeypatch.setattr(Law, "combine", forward)
    caught(laws.sample_law)
    caught(entropy_change)


def test_entropy_change_with_the_forward_sign() -> None:
    """Reported with the noising sign, the entropy change is off by 80 standard errors."""
    holds(entropy_change)
    exact = expected(make(mixture_protocol("emf", "clocked", 32)))
    assert exact["heat"] < 0  # extracted, and a sign error would call it dissipated
    with pytest.raises(AssertionError):
        assert_z(-0.090963, 0.090963, stderr=0.0022)

"""Start laws: their moments, densities and the cost of preparing them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from problems import chain, make, mixture_protocol, mixture_score, quadrupling_protocol, rc1

from thermohw.circuit import relaxation
from thermohw.control import Protocol, make_plan
from thermohw.errors import InputError
from thermohw.integrate import start_law, tiles
from thermohw.process import OU
from thermohw.target import gaussian_mixture

PATHS = 4 * 4096


def chain_protocol() -> Protocol:
    device = chain(hot=True)
    process = relaxation(device, 1.0)
    target = gaussian_mixture(np.random.default_rng(0).normal(size=(2, 8)), 0.6)
    return Protocol(device, process, target.score(process), wiring="emf", control="clocked",
                    ticks=64)  # fmt: skip


@pytest.mark.parametrize("kind", ["marginal", "prior", "state"])
@pytest.mark.parametrize("name", ["rc1", "chain"])
def test_samples_have_the_stated_moments(name: str, kind: str) -> None:
    plan = make_plan(mixture_protocol("emf", "clocked", 64) if name == "rc1" else chain_protocol())
    law = start_law(plan, kind)
    x = law.sample(4, 0, PATHS)
    assert x.dtype == torch.float64 and x.shape == (PATHS, plan.protocol.device.dim)
    assert_z(x, law.mean)
    centred = x - torch.tensor(law.mean)
    products = centred[:, :, None] * centred[:, None, :]
    rows, columns = np.triu_indices(x.shape[1])
    assert_z(products[:, rows, columns], law.covariance[rows, columns])


def test_exact_laws() -> None:
    """p_3 of the mixture; N(0, 1 - e^-6); the node's own N(0, 1): mean and variance by hand."""
    plan = make_plan(mixture_protocol("emf", "clocked", 64))
    e6 = np.exp(-6.0)
    for kind, variance in (("marginal", 1.4 * e6 + 1 - e6), ("prior", 1 - e6), ("state", 1.0)):
        law = start_law(plan, kind)
        assert float(law.mean[0]) == pytest.approx(0.0, abs=1e-15)
        assert float(law.covariance[0, 0]) == pytest.approx(variance, rel=1e-13)
    matched = start_law(plan, "prior", prior="matched")
    assert float(matched.covariance[0, 0]) == pytest.approx(1.4 * e6 + 1 - e6, rel=1e-13)


@pytest.mark.parametrize("kind", ["marginal", "prior", "state"])
def test_density_and_entropy_belong_to_the_samples(kind: str) -> None:
    """-ln q_0 averages to the stated entropy, and q_0 integrates to one."""
    law = start_law(make_plan(mixture_protocol("emf", "clocked", 64)), kind)
    assert law.log_prob is not None and law.entropy is not None
    assert_z(-law.log_prob(law.sample(0, 0, PATHS)), law.entropy)
    x = torch.linspace(-9, 9, 3001, dtype=torch.float64)[:, None]
    assert float(law.log_prob(x).exp().sum() * 18 / 3000) == pytest.approx(1.0, rel=1e-12)


def test_engine_opens_in_charges() -> None:
    """The engine's first states are charges in thermal units: q = C v, v = x/sqrt(theta)."""
    engine = make(chain_protocol())
    run = engine.open(tiles(4096)[0])
    x = engine.start.sample(0, 0, 4096)
    device = engine.plan.protocol.device
    torch.testing.assert_close(run.state @ torch.tensor(device.hessian), x, rtol=1e-12, atol=1e-13)
    wide = make(quadrupling_protocol("emf", "clocked", 64, 0.25))
    v = wide.open(tiles(4096)[0]).state
    assert_z(v.square(), 4.0 / 0.25)  # variance 4 in model units, theta = 1/4


def test_preparation_cost() -> None:
    """(1/2)(r - 1 - ln r) kT a node for variance ratio r; nothing for the node's own state."""
    for theta, r in ((4.0, 1.0), (1.0, 4.0), (0.1, 40.0)):
        plan = make_plan(quadrupling_protocol("emf", "clocked", 400, theta))
        found = start_law(plan, "marginal").preparation(plan)
        assert found == pytest.approx(0.5 * (r - 1 - np.log(r)), rel=1e-10, abs=1e-12)
        assert start_law(plan, "state").preparation(plan) == pytest.approx(0.0, abs=1e-12)


def test_altered_score_still_starts_from_the_data() -> None:
    """A scaled score knows its data: the marginal start is their exact p_T."""
    score = mixture_score().scaled(0.9)
    protocol = Protocol(rc1(), OU(3.0), score, wiring="emf", control="clocked", ticks=128)
    law = start_law(make_plan(protocol), "marginal")
    e6 = np.exp(-6.0)
    assert_z(law.sample(0, 0, PATHS).square(), 1.4 * e6 + 1 - e6)


def test_refusals() -> None:
    plan = make_plan(mixture_protocol("emf", "clocked", 64))
    with pytest.raises(InputError, match="marginal"):
        start_law(plan, "warm")
    with pytest.raises(InputError, match="prior"):
        start_law(plan, "prior", prior="flat")

"""More resistors than nodes: currents circulate between them that the states do not show.

Two nodes at 300 and 600 K joined by a third resistor. The production is known in closed form for a
Gaussian, and log path ratios of the states miss most of it: that must neither be called a violation
nor be printed as the production, while books that fall short of the ratios are still refused.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from thermohw.audit import audit
from thermohw.pipeline import load_spec, run_spec

ENTRY = '{{ value = "{}", source = "a test", evidence = "projected" }}'
DURATION, VARIANCE = 1.0, np.array([0.3, 0.5])
R, T = np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])  # of 1 Mohm and 300 K
B = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])  # 1 pF a node: charges are voltages


@pytest.fixture
def finished(tmp_path):
    """wiring -> path of a run with Euler steps and path ratios."""
    parts = ['format = "thermohw-device/1"', 'description = "two nodes, three resistors"']
    for node in ("n0", "n1"):
        parts.append(f'[[node]]\nname = "{node}"\ncapacitance = {ENTRY.format("1 pF")}')
    ends = (("n0", "gnd"), ("n1", "gnd"), ("n0", "n1"))
    for k, (end, r, t) in enumerate(zip(ends, R, T, strict=True)):
        parts.append(
            f'[[resistor]]\nname = "r{k}"\nbetween = ["{end[0]}", "{end[1]}"]\n'
            f"resistance = {ENTRY.format(f'{r} Mohm')}\n"
            f"temperature = {ENTRY.format(f'{300 * t} K')}" + ("\nsource = true" if k < 2 else "")
        )
    sheet = tmp_path / "two.toml"
    sheet.write_text("\n".join(parts))

    def make(wiring, *more):
        std = np.sqrt(VARIANCE).tolist()
        settings = [
            f"device.name={sheet}",
            f"process={{kind='relaxation', duration={DURATION}}}",
            f"target={{kind='gaussian', mean=[0.0, 0.0], std={std}}}",
            f"protocol.wiring={wiring}",
            "protocol.ticks=128",
            "simulate.paths=4096",
            "likelihood.test=0",
            "store.every=0",
            *more,
        ]
        path = tmp_path / f"{wiring}{len(more)}.h5"
        run_spec(load_spec("mixture_rc", settings), path, progress=False)
        return path

    return make


def production(wiring):
    """sum_k (gamma_k/T_k) E (X_k + T_k b_k . grad ln q)^2 over the run: quadrature, Gaussian."""
    a = (B.T / R) @ B
    two_d = 2.0 * (B.T * (T / R)) @ B
    steady = solve_continuous_lyapunov(a, two_d)
    nodes, weights = np.polynomial.legendre.leggauss(32)
    total = 0.0
    for t, weight in zip(0.5 * DURATION * (1 + nodes), 0.5 * DURATION * weights, strict=True):
        e = expm(-a * t)
        law = e @ np.diag(VARIANCE) @ e.T + steady - e @ steady @ e.T
        score = -np.linalg.inv(law)
        force = B.copy()
        if wiring == "emf":  # e_k = R_k u_k on the grounded resistors
            force[:2] -= R[:2, None] * (2.0 * a + two_d @ score)
        force += T[:, None] * (B @ score)
        total += weight * float((np.einsum("ki,ij,kj->k", force, law, force) / (R * T)).sum())
    return total


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_production_is_that_of_all_resistors(finished, wiring):
    result = audit(finished(wiring))
    check, slack = result.check("second_law"), result.quantities["second_law.slack"]
    total = result.quantities["production.total"]
    assert check.status == "holds" and "unseen" in check.detail
    assert total.value == slack.value and total.method.startswith("ledger")
    # Euler: first order, at most (tick x rate of the loop) of every term; the loop's rate is at
    # most tr 2D/0.3 = 12, and the terms are the heats, together below twice the production.
    exact = production(wiring)
    assert slack.value is not None and slack.stderr is not None
    assert abs(slack.value - exact) < 4.0 * slack.stderr + 12.0 / 128.0 * 2.0 * exact
    for name in ("fluctuation_even", "fluctuation_odd"):
        assert result.check(name).status != "violated"


def test_clocked_ratios_are_labelled_a_lower_bound(finished):
    path = finished("emf", "protocol.control=clocked", "protocol.stepper=auto")
    assert "a lower bound" in audit(path).quantities["production.total"].note


def test_books_that_fall_short_are_still_refused(finished, monkeypatch):
    from thermohw.audit.accounts import Accounts

    right = Accounts._differences

    def halved(columns, chunk, kt):
        right({**columns}, chunk, kt)
        columns["medium"] = 0.1 * columns["medium"]
        right(columns, chunk, kt)

    path = finished("emf")
    monkeypatch.setattr(Accounts, "_differences", staticmethod(halved))
    assert audit(path).check("second_law").status == "violated"

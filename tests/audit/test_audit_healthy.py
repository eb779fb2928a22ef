"""Every check on right runs of every kind: what holds, what is explained, what does not apply and
why.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from thermohw.audit import audit
from thermohw.errors import StoreError
from thermohw.run.setting import rebuild
from thermohw.store import RunReader
from thermohw.units import K_B

CHECKS = [
    "finite_values", "distinct_paths", "first_law", "bath_heat", "noise_temperature",
    "noise_correlation", "gain", "filter", "start_law", "second_law", "production",
    "fluctuation_even", "fluctuation_odd",
    "bound_marginal", "bound_ode", "nll_above_entropy", "twin_bound", "evidence",
    "energy_likelihood", "information", "information_identity", "sample_law", "protocol_limits",
]  # fmt: skip
BOUNDS = {"bound_marginal", "bound_ode", "nll_above_entropy"}
THEOREMS = {"fluctuation_even", "fluctuation_odd"}
DEMON = {"information", "information_identity"}
HELD = {"bath_heat"}  # clocked control
STEPS = {"noise_temperature", "gain", "start_law"}
SOUND = {"finite_values", "distinct_paths"}
ALWAYS = {"first_law", "sample_law", "protocol_limits"} | BOUNDS | STEPS | SOUND
KERNEL = {"evidence"}  # a Gaussian law of every tick: not of splitting
ENERGY = {"energy_likelihood"}  # and sources that are the score's own, node by node
# Recorded: of theorems' runs, and where no compiled tick plays; judged where heat stands beside it.
RATIOS = {"production"}
# What applies to each run; everything that applies holds, except what is explained.
APPLIES = {
    "emf": ALWAYS | KERNEL | ENERGY | THEOREMS | RATIOS | {"second_law"},
    "current": ALWAYS | KERNEL | ENERGY | THEOREMS | {"second_law"},
    "clocked": ALWAYS | KERNEL | ENERGY | THEOREMS | RATIOS | HELD | {"second_law"},
    "clocked current": ALWAYS | KERNEL | ENERGY | THEOREMS | HELD,
    "scaled": ALWAYS | KERNEL | ENERGY | THEOREMS | RATIOS | {"second_law"},
    "float32": ALWAYS | {"second_law"},
    "noisy": ALWAYS | KERNEL | HELD | DEMON | {"filter"},
    "one bit": ALWAYS | KERNEL | HELD,  # a slack above half of its bits: no verdict on the sums
    "coarse source": ALWAYS | KERNEL | HELD,
    "forgetful": ALWAYS | KERNEL | HELD | DEMON | {"filter"},
    "chain": ALWAYS | {"second_law", "noise_correlation"},
    "chain current": ALWAYS | {"second_law", "noise_correlation"},
    "chain noisy": ALWAYS | KERNEL | HELD | DEMON | {"noise_correlation", "filter"},
}
EXPLAINED = {
    "scaled": {"bound_ode", "sample_law"},
    "coarse source": {"sample_law"},
    "chain": {"sample_law"},  # 32 ticks: the node at 600 K is 8 % too wide, as its twins say
    "chain current": {"sample_law"},
    "chain noisy": {"sample_law"},
}
# Readings so coarse that the samples are another law's: W1 is measured, and beyond what is excused.
VIOLATED = {name: {"sample_law"} for name in ("noisy", "one bit", "forgetful")}


def values(result) -> dict[str, Any]:
    """Quantity -> value."""
    return {name: quantity.value for name, quantity in result.quantities.items()}


@pytest.mark.parametrize("name", APPLIES)
def test_statuses(run_file, name):
    result = audit(run_file(name))
    assert [check.name for check in result.checks] == CHECKS
    found = {check.name: check for check in result.checks}
    applies = {n for n, check in found.items() if check.status != "not-applicable"}
    assert applies == APPLIES[name], str(result)
    # |z| between 3 and 4 would be chance: 12 runs with up to 9 two-sided checks, 0.3 expected. It
    # may say so.
    explained = {n for n, check in found.items() if check.status == "explained"}
    assert explained == EXPLAINED.get(name, set()), str(result)
    violated = {n for n, check in found.items() if check.status == "violated"}
    assert violated == VIOLATED.get(name, set()), str(result)
    assert result.holds == (not violated)
    for check in found.values():
        assert check.detail and "\n" not in check.detail
        if check.status == "not-applicable" and check.name != "second_law":
            assert check.value is None, "no number without a verdict"
    text = str(result)
    assert all(n in text for n in CHECKS) and "heat.total.kT" in text
    json.loads(result.to_json(), parse_constant=pytest.fail)


def test_quantities_are_those_of_the_file(run_file):
    path = run_file("chain")
    result = audit(path)
    with RunReader.open(path) as run:
        heats = {n: run.ledger(n) for n in run.ledger_names if n.startswith("heat.")}
        work = run.ledger("work.emf")
        change = run.ledger("energy.end") - run.ledger("energy.start")
    kt = K_B * 300.0
    q = values(result)
    total = np.sum(list(heats.values()), axis=0)
    assert q["heat.total.J"] == pytest.approx(total.mean(), rel=1e-12)
    assert result.quantities["heat.total.J"].stderr == pytest.approx(
        total.std(ddof=1) / 2048**0.5, rel=1e-9
    )
    assert q["heat.total.kT"] == pytest.approx(total.mean() / kt, rel=1e-12)
    # r0 is the hot one: its line says so, and counts in the kT of all others.
    assert q["heat.r0.kT"] == pytest.approx(heats["heat.r0"].mean() / kt, rel=1e-12)
    assert result.quantities["heat.r0.kT"].note == "kT of 300 K; the bath is at 600 K"
    assert q["heat.r7.kT"] == pytest.approx(heats["heat.r7"].mean() / kt, rel=1e-12)
    medium = (total - 0.5 * heats["heat.r0"]) / kt
    assert q["entropy.medium"] == pytest.approx(medium.mean(), rel=1e-12)
    assert q["work.emf.J"] == pytest.approx(work.mean(), rel=1e-12)
    assert q["work.current.J"] == 0.0 and q["work.parameters.kT"] == 0.0
    assert q["energy.change.J"] == pytest.approx(change.mean(), rel=1e-9)
    slack = q["entropy.system_change"] + medium.mean()
    assert q["second_law.slack"] == pytest.approx(slack, rel=1e-12)
    assert "not included" in result.quantities["start.preparation.kT"].note
    assert q["protocol.duration"] == pytest.approx(3e-6, rel=1e-9)
    assert q["protocol.ticks"] == 32


def test_second_law_of_each_wiring(run_file):
    # Production of the OU mixture is 0.108541 nats under emf control and, the drift being half
    # leak half flow, 0.108541 under current control too. 256 Euler steps are first order: eps =
    # 256^-1 * 3 * 2/0.4 = 0.06 of 2.8.
    for name in ("emf", "current"):
        slack = audit(run_file(name)).quantities["second_law.slack"]
        assert slack.value is not None and slack.stderr is not None
        assert abs(slack.value - 0.108541) < 4 * slack.stderr + 0.25 * 0.06 * 2.8
    # A clocked demon extracts heat: dS + Q/kT = 0.0910 - 0.1644 < 0, seen at 6 standard errors of
    # 0.011. Exact readings leave no law of these sums, but the bound of the ticks' production:
    # .110632 with the data's law (tests/books/test_production.py).
    check = audit(run_file("clocked")).check("second_law")
    assert check.status == "holds" and "demon" in check.detail and "infinite" in check.detail
    assert check.value is not None and check.stderr is not None
    assert abs(check.value - 0.110632) < 4 * check.stderr


@pytest.mark.parametrize("part", ["temperature", "resistance"])
def test_energy_identity_is_one_of_the_scores_own_circuit(run_file, part):
    # By sources for another T or R the drift is not the likelihoods': 10 standard errors off.
    extra = ["simulate.paths=512", "process.t_min=0.01", f"protocol.node_{part}=1.3"]
    check = audit(run_file("clocked", tuple(extra))).check("energy_likelihood")
    assert check.status == "not-applicable", check.detail
    assert f"node {part}: the circuit is not the score's own" in check.detail


def test_second_law_with_information_needs_no_final_density(run_file):
    # Kalman's form against the same sum with dS and I(X_N;Y) estimated from the end states:
    # S(X_N) - S(X_N|Y) has the nearest-neighbour error.
    path = run_file("noisy")
    result = audit(path)
    q = values(result)
    with RunReader.open(path) as run:
        facts = run.parameters["information"]
        units = run.parameters["units"]
        v = run.ledger("voltage.start")[:, 0] / units["volts_per_unit"]
    start = 0.5 * np.log(2 * np.pi * np.e * v.var())
    conditional = start + facts["log_det_change"]  # (1/2) ln 2 pi e P_N
    final = q["entropy.system_change"] + run_start_entropy(path)
    mutual = final - conditional
    assert mutual > 0.0
    again = q["entropy.system_change"] + q["entropy.medium"] + facts["acquired"] - mutual
    # the start's sample variance is known to sqrt(2/8192), half of that in its entropy
    assert again == pytest.approx(q["second_law.slack"], abs=4 * 0.5 * (2 / 8192) ** 0.5)


def run_start_entropy(path):
    with RunReader.open(path) as run:
        return run.parameters["start"]["entropy"]


def test_bound_below_is_explained_by_terms_that_add_up(run_file):
    result = audit(run_file("scaled"))
    check, q = result.check("bound_ode"), values(result)
    assert check.status == "explained"
    assert q["nll.ode"] < q["bound.lower"]
    parts = ("terminal_mismatch", "trajectory_drift", "prior_mismatch", "score_error")
    total = sum(q[f"bound.{part}"] for part in parts)
    assert q["nll.ode"] - q["bound.lower"] == pytest.approx(total, abs=1e-7)
    for part in parts:
        assert part.replace("_", " ") in check.detail
    assert "truncation" in check.detail and "solver error" in check.detail
    assert result.check("nll_above_entropy").status == "holds"


def test_sagawa_ueda_is_tried_with_little_information_only(run_file):
    few = audit(run_file("forgetful"))
    assert values(few)["information.acquired"] < 1.0
    assert "Sagawa-Ueda average 1." in few.check("information").detail or (
        "Sagawa-Ueda average 0.9" in few.check("information").detail
    )
    assert "not applicable at" in audit(run_file("noisy")).check("information").detail


def test_unreliable_exponential_averages_get_no_verdict(run_file):
    # VE expands sixteenfold: reversed odd control needs paths that never occur, and the average
    # falls far short of 1.
    check = audit(run_file("ve")).check("fluctuation_odd")
    assert check.status == "not-applicable" and "tail index" in check.detail
    assert audit(run_file("ve")).check("fluctuation_even").status == "holds"


def test_costs(run_file):
    q = values(audit(run_file("noisy")))
    assert q["cost.adc"] == pytest.approx(256 * 0.3e-12, abs=0.0)
    assert q["cost.dac"] == pytest.approx(256 * 0.16e-12, abs=0.0)
    assert q["cost.erasure"] == pytest.approx(K_B * 300.0 * q["information.acquired"], abs=0.0)
    # An exact formula has no counted arithmetic, so neither has the total.
    assert q["cost.score"] is None and q["cost.total"] is None
    for name in ("adc", "dac", "score", "erasure", "total"):
        assert audit(run_file("emf")).quantities[f"cost.{name}"].value is None


def test_limits_name_what_binds(run_file):
    result = audit(run_file("emf"))
    check, q = result.check("protocol_limits"), values(result)
    assert check.detail.startswith("dac_full_scale binds")
    assert check.value == pytest.approx(q["protocol.peak.dac_full_scale"] / 0.1)
    assert q["protocol.effective_temperature"] == pytest.approx(300.0)
    # sqrt(k T C)/e of 1 pF at 300 K
    assert q["protocol.electrons_per_unit"] == pytest.approx(401.69, rel=1e-4)
    hot = audit(run_file("emf", ("protocol.volts_per_unit=1 mV", "protocol.ticks=512")))
    assert hot.check("protocol_limits").detail.count("effective temperature") == 1


def test_a_data_set_with_a_network(tmp_path):
    """High dimension, unknown law, learned score: the reasons are given and the numbers printed."""
    from thermohw.pipeline import load_spec, run_spec

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 8))[rng.integers(0, 3, 300)] + 0.3 * rng.normal(size=(300, 8))
    np.save(tmp_path / "rows.npy", rows)
    overrides = {
        "device.name": "rc64",
        "device.array.shape": [2, 4],
        "target": {"kind": "array", "path": str(tmp_path / "rows.npy")},
        "process": {"kind": "vp", "t_min": 1e-3},
        "score": {"kind": "network", "steps": 20},
        "protocol.control": "clocked",
        "protocol.stepper": "auto",
        "protocol.grid": "log-snr",
        "protocol.ticks": 128,
        "simulate.start": "prior",
        "simulate.dtype": "float32",
        "simulate.paths": 512,
        "likelihood.test": 30,
        "store.every": 0,
    }
    spec = load_spec("mixture_rc", overrides)
    run_spec(spec, tmp_path / "run.h5", progress=False)
    result = audit(tmp_path / "run.h5")
    status = {check.name: check.status for check in result.checks}
    assert status["first_law"] == status["protocol_limits"] == "holds"
    for name in (*BOUNDS, *THEOREMS, *DEMON):
        assert status[name] == "not-applicable"
    assert status["second_law"] == status["production"] == "holds"
    # Twenty steps of training: off by .22, three times what is excused as a learned score's own.
    # From right samples that is z = 7 for 512 paths, from excused ones 5.8 to 6.6 (8 seeds); for
    # 256 it is 4.2 from right ones, and called for one seed in four.
    assert result.check("sample_law").status == "violated"
    q = values(result)
    for name in ("nll.ode", "nll.marginal", "nll.sde_elbo", "entropy.estimate_plugin"):
        assert q[name] is not None
    for name in ("entropy.data", "bound.lower", "bound.gap"):
        assert q[name] is None and "not known" in result.quantities[name].note
    assert "estimates of S0: plug-in" in result.check("bound_marginal").detail
    assert "8 dimensions" in result.check("fluctuation_even").detail
    assert "upper bound" in result.quantities["entropy.system_change"].method
    trunk = rebuild(RunReader.open(tmp_path / "run.h5").parameters).score.head.trunk  # type: ignore[attr-defined]
    macs = trunk.width * (trunk.inputs + trunk.width + trunk.outputs)
    assert trunk.inputs == 8
    assert q["cost.score"] == pytest.approx(128 * macs * 0.2e-12)
    assert q["cost.total"] == pytest.approx(
        sum(q[f"cost.{part}"] for part in ("adc", "dac", "score"))
    )
    assert "without erasure" in result.quantities["cost.total"].note
    assert q["quality.sliced_w2.held_out"] > 0.0


def test_chunks_of_the_ledger_do_not_matter(run_file, monkeypatch):
    # 8192 paths at 1024 a chunk; what is taken from the first paths only is the same anyway.
    path = run_file("noisy")
    whole = audit(path)
    monkeypatch.setattr("thermohw.audit.gather._CHUNK", 1)
    parts = audit(path)
    assert [check.status for check in parts.checks] == [check.status for check in whole.checks]
    for name, quantity in whole.quantities.items():
        again = parts.quantities[name]
        for one, other in ((quantity.value, again.value), (quantity.stderr, again.stderr)):
            assert one is None or other == pytest.approx(one, rel=1e-9, abs=1e-12), name


def test_unfinished_and_foreign_files(run_file, tmp_path, tampered):
    unfinished = tampered("emf", {"run/finished": lambda _: 0, "run/committed": lambda _: 0})
    with pytest.raises(StoreError, match="--resume"):
        audit(unfinished)
    with pytest.raises(StoreError, match="no such file"):
        audit(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(StoreError, match="not an HDF5 file"):
        audit(tmp_path / "text.h5")


def test_the_package_is_the_function(run_file):
    import thermohw

    before = torch.get_num_threads()
    module = thermohw.audit  # the sub-package, once anything in it has been imported
    assert module(run_file("emf")).to_json() == audit(run_file("emf")).to_json()
    assert torch.get_num_threads() == before

"""Information behind converters and of starts that are not Gaussian: bounds are called bounds, and
right physics is not called wrong.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.stats import norm
from store.toy import unsealed

from thermohw.audit import Audit, audit
from thermohw.audit.gather import gather
from thermohw.audit.information import _kappa, learned
from thermohw.pipeline import load_spec, run_spec

LN2 = float(np.log(2.0))
KT = 1.380649e-23 * 300.0
ONE_BIT = {
    "target": {"kind": "gaussian", "mean": [0.0], "std": [1.0]},
    "process": {"kind": "ou", "duration": 60.0},
    "score": {"kind": "exact", "scale": 0.97},
    "protocol.allow_ringing": True,
    "protocol.adc_bits": 1,
    "protocol.adc_range": ["-643.58 uV", "1930.74 uV"],
}
APART = {
    "target": {"kind": "gaussian_mixture", "means": [[-3.0], [3.0]], "stds": 0.1},
    "process": {"kind": "ou", "duration": 0.02},
    "protocol.reading_noise": "19.3074 uV",  # .3 V0 on rc1
    "protocol.allow_ringing": True,
}


def run(folder: Path, overrides: dict[str, Any], *, paths: int, ticks: int) -> Path:
    path = folder / "run.h5"
    common = {
        "protocol.control": "clocked", "protocol.stepper": "auto", "protocol.ticks": ticks,
        "simulate.paths": paths, "store.every": 0, "likelihood.test": 8,
    }  # fmt: skip
    run_spec(load_spec("mixture_rc", {**common, **overrides}), path, progress=False)
    return path


def convicted(result: Audit) -> set[str]:
    """What is called violated, but for the samples: ticks as long as these make them wrong ones."""
    return {check.name for check in result.checks if check.status == "violated"} - {"sample_law"}


@pytest.fixture(scope="module")
def one_bit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("bit"), ONE_BIT, paths=32_768, ticks=20)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("apart"), APART, paths=20_000, ticks=1)


def test_one_bit_pays_for_four_kt(one_bit: Path) -> None:
    """Ticks of 3 RC forget what they start from, and each sign of N(0, 1) is one bit.

    With the node at the source value e = -+a it then is N(e, 1) at the next reading: of 20 readings
    the entropies are 20 ln 2 by symmetry, and heat is -4.03 kT, less than the old bound allowed.
    """
    result = audit(one_bit)
    heat = result.quantities["heat.total.kT"]
    assert heat.value is not None and heat.stderr is not None
    assert abs(heat.value + 4.03) < 4 * heat.stderr + 0.005
    told = result.quantities["information.acquired"]
    assert told.value == pytest.approx(20 * LN2, rel=1e-3) and told.stderr is None
    assert "upper bound" in told.note
    check = result.check("bath_heat")
    assert check.status == "holds", check.detail
    assert check.power is not None and check.power > 0.0
    for name in ("second_law", "information"):  # 10 nats of 14 left: half would not be missed
        law = result.check(name)
        assert law.status == "not-applicable" and "could be missing" in law.detail
    law = result.check("second_law")
    change = result.quantities["entropy.system_change"].value
    assert told.value is not None and change is not None
    assert law.value == pytest.approx(told.value + heat.value + change, abs=1e-9)
    cost = result.quantities["cost.erasure"]
    assert (
        told.value is not None
        and cost.note.startswith("at most")
        and cost.value == pytest.approx(KT * told.value)
    )


def test_what_a_file_says_of_converters_is_not_trusted(one_bit: Path, tmp_path: Path) -> None:
    """An older file holds another bound and no entropies of codes: both are done without."""
    old = tmp_path / "old.h5"
    shutil.copy(one_bit, old)
    with h5py.File(unsealed(old), "r+") as file:
        information: Any = file["parameters/information"]
        information["acquired"][...] = 0.5
        del information["law"]
    evidence = gather(old)
    evidence.codes = None
    assert learned(evidence).most == pytest.approx(20 * LN2)
    result = audit(old, recompute=True)
    assert convicted(result) == set()
    assert "information" not in result.check("recomputed").detail


def test_codes_that_hardly_change_tell_little(tmp_path: Path) -> None:
    """A range off the node's law: nearly every code is the same, and H(code) binds."""
    low = {**ONE_BIT, "protocol.adc_range": ["-836.65 uV", "1737.67 uV"]}  # threshold at -3 V0
    path = run(tmp_path, {**low, "score": {"kind": "exact", "scale": 0.3}}, paths=8192, ticks=20)
    evidence = gather(path)
    told = learned(evidence)
    assert told.source == "entropy of its codes" and told.most < 0.5 * 20 * LN2
    assert convicted(audit(path)) == set()


def test_a_start_far_from_gaussian_gets_a_bound(apart: Path) -> None:
    """One reading of a mixture: sum I_k - J <= true <= sum I_k, with the truth by quadrature."""
    evidence = gather(apart)
    start, told = evidence.start, learned(evidence)
    decay = np.exp(-0.02)
    centre, spread = 3.0 * decay, np.hypot(0.1 * decay, np.sqrt(-np.expm1(-0.04)))
    y = np.linspace(-8.0, 8.0, 160_001)

    def entropy(scale: float) -> float:
        p = 0.5 * (norm.pdf(y, -centre, scale) + norm.pdf(y, centre, scale))
        return float(-(p * np.log(np.maximum(p, 1e-300))).sum() * (y[1] - y[0]))

    def gaussian(scale: float) -> float:
        return 0.5 * float(np.log(2 * np.pi * np.e * (centre**2 + scale**2)))

    read = float(np.hypot(spread, 0.3))
    truth = entropy(read) - 0.5 * float(np.log(2 * np.pi * np.e * 0.09))
    assert truth == pytest.approx(0.9098, abs=1e-4)
    assert told.most == pytest.approx(2.2905, abs=1e-4) and not told.exact
    assert start.negentropy is not None and told.away is not None
    assert told.away == start.negentropy.value
    assert told.away == pytest.approx(gaussian(spread) - entropy(spread), abs=1e-6)
    # what the sum is too large by is the relative entropy of the readings: data processing
    assert told.most - truth == pytest.approx(gaussian(read) - entropy(read), abs=1e-4)
    assert told.most - told.away <= truth <= told.most


def test_a_start_far_from_gaussian_is_no_violation(apart: Path) -> None:
    result = audit(apart, recompute=True)
    assert convicted(result) == set()
    for name in ("information", "bath_heat"):
        assert result.check(name).status == "holds"
    assert "could be missing" in result.check("second_law").detail
    identity = result.check("information_identity")
    assert identity.status == "not-applicable" and "nats from Gaussian" in identity.detail
    acquired = result.quantities["information.acquired"]
    assert acquired.stderr is None and "upper bound" in acquired.note
    assert "[0." in acquired.note and "2.2905]" in acquired.note
    assert result.quantities["cost.erasure"].note.startswith("at most")


def test_the_identity_would_have_convicted_it(apart: Path) -> None:
    """Why it is not judged: the control, sure of the hump, correlates with the filter's errors."""
    evidence = gather(apart)
    gap = evidence.moments["identity"]
    assert abs(gap.z()) > 4.0
    assert evidence.start.negentropy is not None
    assert abs(gap.z()) < np.sqrt(2.0 * evidence.start.negentropy.value * evidence.paths)


def test_a_gaussian_start_gets_the_transfer_entropy(tmp_path: Path) -> None:
    path = run(tmp_path, {"protocol.reading_noise": "60 uV", "simulate.start": "prior"},
               paths=4096, ticks=64)  # fmt: skip
    result, told = audit(path), learned(gather(path))
    assert told.exact and told.away is not None and told.away < 1e-6
    acquired = result.quantities["information.acquired"]
    assert acquired.value == told.most and acquired.stderr == told.away
    assert result.quantities["cost.erasure"].note.startswith("at least")
    for name in ("information", "information_identity"):
        check = result.check(name)
        assert check.status == "holds" and check.power is not None and check.power > 0.0


def test_kappa_of_two_readings(tmp_path: Path) -> None:
    """Two readings of a node at rest in N(0, 1), e^-h apart: lambda_max = 1 + e^-h."""
    path = run(tmp_path, {"protocol.reading_noise": "128.716 uV", "simulate.start": "state",
                          "process": {"kind": "ou", "duration": 1.0},
                          "protocol.allow_ringing": True}, paths=64, ticks=2)  # fmt: skip
    kappa = _kappa(gather(path))
    assert kappa == pytest.approx((1.0 + np.exp(-0.5)) / 4.0, rel=1e-4)


def test_few_paths_earn_no_verdict(tmp_path: Path) -> None:
    path = run(tmp_path, {"protocol.reading_noise": "60 uV"}, paths=29, ticks=64)
    result = audit(path)
    for name in ("information", "information_identity", "second_law", "bath_heat"):
        check = result.check(name)
        assert check.status == "not-applicable", check.detail


def test_efficiency_and_bits(tmp_path: Path) -> None:
    """eta = -(dS + Q/kT)/(sum I - I(X_N;Y)), every part taken from where it stands by itself."""
    noisy = {"protocol.reading_noise": "10 uV", "simulate.start": "prior"}
    path = run(tmp_path, noisy, paths=8192, ticks=128)
    result, evidence = audit(path), gather(path)
    q: Any = {name: quantity.value for name, quantity in result.quantities.items()}
    told = learned(evidence).most
    assert q["information.per_tick"] == pytest.approx(told / 128, rel=1e-12)
    assert q["information.bits_read"] == pytest.approx(told / LN2, rel=1e-12)
    kalman = evidence.analog
    end = 0.5 * float(np.log(2.0 * np.pi * np.e * kalman.final_covariance[0, 0]))
    start = 0.5 * float(np.log(2.0 * np.pi * np.e))
    kept = start + q["entropy.system_change"] - end  # I(X_N;Y) = S(X_N) - S(X_N | Y)
    eta = -(q["entropy.system_change"] + q["entropy.medium"]) / (told - kept)
    assert q["information.efficiency"] == pytest.approx(eta, rel=1e-4)
    assert 0.0 < eta <= 1.0  # readings of 10 uV: a demon at work


def test_identity_ahead_of_a_coarse_converter(tmp_path: Path) -> None:
    """Codes of a coarse converter: the identity ahead of it holds, and sees a heat booked wrong by
    as much as its power says; what the codes say stands beside it without a verdict.
    """
    coarse = {"protocol.reading_noise": "10 uV", "protocol.adc_bits": 6, "simulate.start": "prior",
              "protocol.adc_range": ["-400 uV", "400 uV"]}  # fmt: skip
    path = run(tmp_path, coarse, paths=8192, ticks=128)
    result = audit(path)
    check = result.check("information_identity")
    assert check.status == "holds" and "LSB^2/R = 1.56" in check.detail, check.detail
    assert "no verdict" in check.detail and check.power is not None
    assert result.check("information").status == "holds", result.check("information").detail
    law = result.check("second_law")
    assert "ahead of the converter" in law.detail and "could be missing" in law.detail
    # One node's recursion by hand: dS + sum I - I(X_N;Y) = sum I + (1/2) ln(P_N/P_0).
    evidence, paid = gather(path), 0.0
    start = variance = float(evidence.start.covariance[0, 0])
    noise = evidence.plan.reading_noise**2
    for piece in evidence.plan.timeline:
        paid += 0.5 * float(np.log1p(variance / noise))
        decay = float(np.exp(-2.0 * piece.duration))
        variance = decay * variance * noise / (variance + noise) + 1.0 - decay
    medium = result.quantities["entropy.medium"].value
    assert law.value is not None and medium is not None
    assert law.value - medium == pytest.approx(
        paid + 0.5 * float(np.log(variance / start)), rel=1e-9
    )
    with h5py.File(unsealed(path), "r+") as file:
        heat: Any = file["ledger/heat.r0"]
        heat[...] = heat[...] + 1.1 * check.power * KT
    assert audit(path).check("information_identity").status == "violated"

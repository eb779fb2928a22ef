"""Every check can fail: a copy of a right run with one number changed is caught, and by the right
check.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import h5py
import numpy as np
import pytest

from thermohw.audit import audit
from thermohw.audit.balance import _rows
from thermohw.audit.gather import gather
from thermohw.errors import InputError
from thermohw.report import report

LEDGER = "ledger/"
TERM = "parameters/likelihood/terms/"


def times(factor):
    return lambda old: old * factor


def add(amount):
    return lambda old: old + amount


def negative(old):
    return -old


def moved(amount):
    """A term (value, standard error) with another value."""
    return lambda old: old + np.array([amount, 0.0])


def violated(path):
    return {check.name for check in audit(path).checks if check.status == "violated"}


@pytest.mark.parametrize("name", ["emf", "current", "clocked", "float32", "noisy"])
def test_heat_a_thousandth_wrong(tampered, name):
    assert "first_law" in violated(tampered(name, {LEDGER + "heat.r0": times(1.001)}))


def test_a_scale_error_below_the_rounding_of_single_paths(tampered):
    # 4096 float32 ticks may round 6e-5 of the energy exchanged away. A heat that is 1e-4 wrong
    # leaves less than that on every path, yet all paths lean the same way: slope 1e-4 against 6e-5.
    long = ("protocol.ticks=4096", "simulate.paths=1024", "likelihood.test=0", "audit.twins=false")
    check = audit(tampered("float32", {LEDGER + "heat.r0": times(1.0001)}, long)).check("first_law")
    assert check.value is not None and check.expected is not None
    assert check.value < check.expected and check.status == "violated"


@pytest.mark.parametrize("bath", ["r0", "r4", "r34"])
def test_one_bath_of_many_a_thousandth_wrong_or_dropped(tampered, bath):
    place = f"{LEDGER}heat.{bath}"
    assert violated(tampered("chain", {place: times(1.001)})) == {"first_law"}
    assert "first_law" in violated(tampered("chain", {place: times(0.0)}))


@pytest.mark.parametrize("name", ["emf", "float32"])
def test_work_a_thousandth_wrong(tampered, name):
    assert "first_law" in violated(tampered(name, {LEDGER + "work.emf": times(1.001)}))


def test_first_law_does_not_trust_the_stored_residual_or_energies(tampered):
    assert "first_law" in violated(
        tampered("emf", {LEDGER + "heat.r0": negative, LEDGER + "first_law.residual": times(0.0)})
    )
    # Energies and heat changed together close the balance, but the stored voltages say otherwise.
    assert "first_law" in violated(
        tampered("emf", {LEDGER + "energy.end": add(4e-21), LEDGER + "heat.r0": add(-4e-21)})
    )


def test_a_nan_is_a_violation_and_no_nan_in_json(tampered):
    def poison(old):
        old[7] = np.nan
        return old

    result = audit(tampered("emf", {LEDGER + "heat.r0": poison}))
    assert result.check("first_law").status == "violated"
    json.loads(result.to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "place",
    [LEDGER + "voltage.end", LEDGER + "voltage.start", LEDGER + "pumping", LEDGER + "sigma.even",
     LEDGER + "log_prob.end", "results/profile", "results/residual.sums", "results/peaks",
     "parameters/twins/as_is/state", "parameters/twins/halved/heat.r0"],
)  # fmt: skip
def test_a_number_that_is_none_anywhere(tampered, place, bad, tmp_path):
    """One of them is a violation that says where, never a traceback, a warning or a mean."""

    def poison(old):
        old.reshape(-1)[min(3, old.size - 1)] = bad
        return old

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = tampered("emf", {place: poison})
        result = audit(path)
        report(path, tmp_path / "page.html")
    found = result.check("finite_values")
    name = place.removeprefix(LEDGER).removeprefix("parameters/")
    assert found.status == "violated" and found.value == 1.0 and f"1 of {name}" in found.detail
    said = {c.status for c in result.checks if c.name not in ("finite_values", "first_law")}
    assert said == {"not-applicable"} and not result.quantities


def test_paths_that_are_copies_of_others(tampered):
    """The second half of the paths repeats the first: every standard error is wrong by sqrt(2)."""

    def repeat(old):
        old[len(old) // 2 :] = old[: len(old) - len(old) // 2]
        return old

    names = [LEDGER + name for name in ledger_names(tampered("emf", {}))]
    result = audit(tampered("emf", dict.fromkeys(names, repeat)))
    found = result.check("distinct_paths")
    assert found.status == "violated" and found.value == result.run["paths"] // 2
    one = {name: lambda old: np.concatenate([old[:1], old[:1], old[2:]]) for name in names}
    assert audit(tampered("emf", one)).check("distinct_paths").value == 1.0


def ledger_names(path):
    with h5py.File(path) as file:
        ledger: Any = file["ledger"]
        return list(ledger)


def test_books_of_the_wrong_calculus(tampered):
    """Heat and work both left-point (Ito): the first law closes, the second does not.

    The left point misses int div u of the source's work, which this file has recorded as pumping
    (in k T).
    """

    def ito(path, sign):
        with h5py.File(path, "r+") as file:
            ledger: Any = file["ledger"]
            unit: Any = file["parameters/units/energy"]
            shift = sign * unit[()] * ledger["pumping"][()]
            for name in ("heat.r0", "work.emf"):
                ledger[name][...] += shift
        return path

    for sign in (-1, 1):
        result = audit(ito(tampered("emf", {}), sign))
        assert result.check("first_law").status == "holds"
        assert result.check("second_law").status == "violated"


def test_a_second_law_broken_outright(tampered):
    # A nat less heat, taken out of work as well. At one temperature that is 1 k T.
    kt = 1.380649e-23 * 300
    edits = {LEDGER + "heat.r0": add(-kt), LEDGER + "work.emf": add(-kt)}
    for name in ("emf", "float32"):
        found = audit(tampered(name, edits))
        assert found.check("second_law").status == "violated"
        assert found.check("first_law").status == "holds"
    # The chain dissipates what flows from its hot end to the others too, 14 nats in all.
    edits = {LEDGER + "heat.r4": add(-20 * kt), LEDGER + "work.emf": add(-20 * kt)}
    assert violated(tampered("chain", edits)) == {"second_law"}
    # Clocked with noisy readings: the slack of 20 nats goes, and the conditional heat contradicts.
    edits = {LEDGER + "heat.r0": add(-40 * kt), LEDGER + "work.emf": add(-40 * kt)}
    assert {"second_law", "information", "information_identity"} <= violated(
        tampered("noisy", edits)
    )


def test_each_bath_counts_at_its_own_temperature(run_file):
    # r0 is twice as hot as T_ref: half a nat a k T_ref.
    quantities = audit(run_file("chain")).quantities
    q: dict[str, Any] = {name: quantity.value for name, quantity in quantities.items()}
    hot = q["heat.r0.J"]
    assert q["entropy.medium"] - q["heat.total.kT"] == pytest.approx(
        -0.5 * hot / (1.380649e-23 * 300), rel=1e-9
    )


def test_pumping_of_the_wrong_sign(tampered):
    # Generation for noising: pumping changes sign, and 2 x 0.18 nats are missing.
    assert violated(tampered("current", {LEDGER + "pumping": negative})) == {"second_law"}


@pytest.mark.parametrize("parity", ["even", "odd"])
def test_path_ratios(tampered, parity):
    place, name = f"{LEDGER}sigma.{parity}", f"fluctuation_{parity}"
    # Noising for generation: e^{+Sigma} averages to more than 1, and its mean is negative.
    assert name in violated(tampered("emf", {place: negative}))
    # Four standard errors are 0.02: an entropy boundary off by 0.05 nats.
    assert name in violated(tampered("emf", {place: add(0.05)}))
    assert name in violated(tampered("emf", {place: times(1.5)}))


def test_densities_that_are_not_those_of_the_states(tampered):
    found = violated(tampered("emf", {LEDGER + "log_prob.end": add(1e-3)}))
    assert {"fluctuation_even", "fluctuation_odd"} <= found
    assert "fluctuation_even" in violated(tampered("emf", {LEDGER + "log_prob.start": add(1e-3)}))


def test_samples_of_another_law(tampered):
    # 10 % wider: W1 is off by 8 % of the width, more than a tick's bias of 6 %; energies
    # contradict too.
    found = violated(tampered("emf", {LEDGER + "voltage.end": times(1.15)}))
    assert {"sample_law", "first_law"} <= found
    assert "sample_law" in violated(tampered("chain", {LEDGER + "voltage.end": add(1.3e-4)}))


@pytest.mark.parametrize(
    ("name", "term", "amount", "check"),
    [
        ("emf", "nll.marginal", -1e-3, "bound_marginal"),
        ("emf", "entropy.sigma_forward", 1e-3, "bound_marginal"),
        ("emf", "entropy.data", 1e-3, "nll_above_entropy"),
        ("emf", "nll.ode", -1e-3, "nll_above_entropy"),
        ("emf", "nll.sde_elbo", -1e-3, "nll_above_entropy"),
        ("clocked", "nll.device_elbo", 1e-3, "evidence"),
        ("clocked", "nll.device_elbo.control", -1e-3, "evidence"),
        ("clocked", "nll.device_elbo.excess", -1.0, "evidence"),
        ("clocked", "energy_likelihood.heat", 1e-3, "energy_likelihood"),
        ("clocked", "energy_likelihood.drift", 1e-3, "energy_likelihood"),
        ("clocked", "nll.marginal", 1e-3, "energy_likelihood"),
        ("clocked", "energy_likelihood.residual", 1.0, "energy_likelihood"),
        ("clocked", "energy_likelihood.ticks", 1e-3, "energy_likelihood"),
        ("clocked", "energy_likelihood.strain", 1e-3, "energy_likelihood"),
        ("scaled", "bound.terminal_mismatch", 1e-3, "bound_ode"),
        ("scaled", "bound.score_error", 1e-3, "bound_ode"),
        ("scaled", "bound.score_error", 1e-3, "bound_marginal"),
    ],
)
def test_likelihood_terms_that_do_not_add_up(tampered, name, term, amount, check):
    assert check in violated(tampered(name, {TERM + term: moved(amount)}))


def test_forward_for_generation_rate(tampered):
    # Sigma with the other sign: B changes by |Sigma| = 0.09 nats and NLL_marg < B.
    assert {"bound_marginal", "bound_ode"} <= violated(
        tampered("emf", {TERM + "entropy.sigma_forward": lambda old: old * [-1.0, 1.0]})
    )


def test_mean_of_points(tampered):
    path = tampered("emf", {"parameters/likelihood/points/nll.ode": add(0.01)})
    assert "nll_above_entropy" in violated(path)


def test_information(tampered):
    # sum i_k is known to 0.05 nats of 20; four standard errors are 0.2.
    assert "information" in violated(
        tampered("noisy", {"parameters/information/acquired": times(1.02)})
    )
    # The identity's standard error is 0.02 k T.
    kt = 1.380649e-23 * 300
    assert violated(tampered("noisy", {LEDGER + "identity.heat": add(0.15 * kt)})) == {
        "information_identity",
        "sample_law",  # with readings as noisy as that
    }
    place = LEDGER + "information.pathwise"
    assert "information" in violated(tampered("forgetful", {place: add(-0.3)}))


def test_limits(tampered):
    assert violated(tampered("emf", {"results/peaks": times(1e4)})) == {"protocol_limits"}


@pytest.mark.parametrize(
    "edits",
    [
        # 300 K -> 306 K, 2 % off
        {"parameters/datasheet/text": lambda text: text.replace('"300 K"', '"306 K"')},
        {"parameters/units/energy": times(1.02)},
        {"parameters/units/volts_per_unit": times(1.01)},
        {"parameters/process": lambda text: text.replace("3.0", "2.9")},
        {"parameters/protocol": lambda text: text.replace('"emf"', '"current"')},
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tampered, edits):
    with pytest.raises(InputError, match="changed|not the one that ran|not a"):
        audit(tampered("emf", edits))


def test_a_file_without_what_a_run_needs(tampered):
    with pytest.raises(InputError, match="refused|cannot be read|lacks"):
        audit(tampered("emf", {"parameters/process": lambda text: text.replace("ou", "oo")}))


@pytest.mark.parametrize(
    ("peaks", "words"),
    [
        (lambda old: old * 0.0, "the stored peak voltage is 0 V, but a stored path was at"),
        (negative, "the stored peak of the voltage is -"),
        (lambda old: old * [0.5, 1.0, 1.0, 1.0], "but a stored path was at"),
        (lambda old: old * [1.0, 1.0, 1.0, -1.0], "the stored peak of the rate is -"),
    ],
)
def test_peaks_that_the_paths_contradict(tampered, peaks, words):
    found = audit(tampered("emf", {"results/peaks": peaks})).check("protocol_limits")
    assert found.status == "violated" and words in found.detail


@pytest.mark.parametrize(
    ("place", "name"), [(1, "of the source"), (2, "of the current"), (3, "of the rate")]
)
def test_peaks_that_kept_ticks_contradict(tampered, place, name):
    """A bit of the exponent: what 16 paths did at one tick is more."""

    def flipped(peaks):
        return peaks * np.where(np.arange(4) == place, 2.0**-2, 1.0)

    for run in ("clocked", "clocked current"):
        found = audit(tampered(run, {"results/peaks": flipped})).check("protocol_limits")
        assert found.status == "violated" and f"the stored peak {name} is" in found.detail


def settings(**changed):
    """parameters/simulate with other entries."""
    return lambda text: json.dumps(json.loads(text) | changed)


@pytest.mark.parametrize(
    ("place", "edit", "words"),
    [
        ("simulate", settings(paths=3), "simulate.paths is 3, but the ledger has 8192 paths"),
        ("simulate", settings(paths="many"), "simulate.paths is many"),
        ("simulate", settings(seed=[1, 2]), "simulate.seed is [1, 2], which no run has"),
        ("simulate", settings(seed=10**400), "simulate.seed is not that of the SPEC"),
        ("simulate", settings(dtype="float16"), "simulate.dtype is float16"),
        ("simulate", settings(dtype="float32"), "simulate.dtype is not that of the SPEC"),
        ("simulate", settings(start="state"), "start/kind is marginal, but simulate.start is"),
        ("simulate", settings(prior=None), "simulate.prior is None"),
        ("simulate", lambda text: "[]", "simulate is no table"),
        ("start/kind", lambda text: "prior", "start/kind is prior, but simulate.start is marginal"),
        ("schedule/physical_time", times(1.001), "schedule/physical_time is not what"),
        ("schedule/model_time", lambda old: old[::-1], "schedule/model_time is not what"),
        ("schedule/stepper", lambda text: "heun", "schedule/stepper is heun"),
        ("baths/energy", times(2.0), "baths/energy is not what"),
        ("likelihood/terms/nll.ode", add([0.0, -1.0]), "standard error of nll.ode is -"),
    ],
)
def test_settings_that_the_file_contradicts(tampered, place, edit, words):
    with pytest.raises(InputError) as caught:
        audit(tampered("emf", {f"parameters/{place}": edit}))
    assert words in str(caught.value) and "changed after the run" in str(caught.value)


def test_terms_that_their_points_deny(tampered):
    """A bound and its control share moved together add up as before; the points know better."""
    both = {TERM + f"nll.device_elbo{part}": moved(0.5) for part in ("", ".control")}
    assert "evidence" in violated(tampered("clocked", both))
    assert "nll_above_entropy" in violated(tampered("clocked", {TERM + "nll.ode": moved(1e-6)}))


@pytest.mark.parametrize("name", ["emf", "float32", "noisy"])
def test_log_densities_of_the_start_are_worked_out_again(tampered, name):
    found = audit(tampered(name, {LEDGER + "log_prob.start": add(0.01)})).check("start_law")
    assert found.status == "violated" and "stored ln q_0" in found.detail


ARRAY = ("device.name=rc64", "device.array={cell='n0', shape=[1, 6]}", "protocol.ticks=64",
         "target={kind='gaussian', mean=[1,0,0,0,0,-1], std=[0.5,1,1,1,1,0.7]}",
         "simulate.paths=1024", "likelihood.test=0", "audit.twins=false")  # fmt: skip


def test_heat_that_every_bath_lacks_alike(tampered, run_file):
    """All heats, and the works with them: no single one of six is far enough off, their sum is."""
    right = audit(run_file("clocked", ARRAY)).check("bath_heat")
    assert right.status == "holds" and "of 7:" in right.detail
    with h5py.File(run_file("clocked", ARRAY)) as file:
        ledger: Any = file["ledger"]
        baths = [name for name in ledger if name.startswith("heat.")]
        unit: Any = file["parameters/units/energy"]
        kt = float(unit[()])
    gaps = _rows(gather(run_file("clocked", ARRAY)))[2]
    alone, whole = [gap.stderr for gap in gaps[:-1]], gaps[-1].stderr
    recorded = gather(run_file("clocked", ARRAY))
    scales, heats, _ = _rows(recorded)  # the last is the medium's entropy, in nats
    assert heats[-1] / scales[-1] == pytest.approx(recorded.moments["medium"].value, rel=1e-9)
    assert whole < 0.6 * sum(alone)  # independent: 1/sqrt(6) of it
    # Six standard errors of the sum are two and a half of each bath.
    shift = 6.0 * whole * kt / 6.0
    edits = {LEDGER + bath: add(shift) for bath in baths} | {LEDGER + "work.emf": add(6.0 * shift)}
    changed = tampered("clocked", edits, ARRAY)
    assert audit(changed).check("bath_heat").status == "violated"
    moved_by = _rows(gather(changed))[2][-1].value - gaps[-1].value
    assert abs(moved_by - 6.0 * whole) < 1e-6 * whole

"""The first law of every path, and the joules.

    residual = E_N - E_0 - (sum_j W_j - sum_k Q_k) = 0           per path

Heat is summed from its own products while the run goes on, so the residual is a measurement. It is
held against the energy that the path exchanged, E_0 + E_N + sum |W| + sum |Q|.

At every tick about 16 numbers of the size of the energy in flight are rounded, each by at most u of
itself, in either direction (u = 2^-24 in float32, 2^-53 in float64). N ticks add up to a random
walk of standard deviation sqrt(16 N/3) u; six of them are 14, taken as

    |residual| <= 16 sqrt(N) u (exchanged energy + thermal energy of the nodes),

in float64 at least 1e-10 of it (ticks from 1/1000 to 15000 of a loop's own time leave 2e-13). A
tick longer than its loop's own time (`Recorded.step` above 1) pushes a path further inside than it
ends up moving, and the energy in flight is that many times larger, squared.

In float32 a wrong scale of one account hides below that on a long run, but not in all paths
together: the slope of the residual against every heat and work is zero up to 1024 u = 6e-5 (a chain
of roundings on each product, amplified by at most the condition of a tick; for an account that is
small beside the energy exchanged, four times the 16 u of that energy), while a heat that is 0.1 %
wrong has slope 1e-3.
"""

from __future__ import annotations

from math import sqrt

from thermohw.audit.kept import ROUND_OFF
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity
from thermohw.control.realisation import injected_work
from thermohw.estimate import FEWEST, HOLDS, VIOLATED, Estimate

__all__ = ["energy_quantities", "first_law", "rounding"]

_EXACT = 1e-10  # least that is allowed in float64
_UNIT = 2.0**-24  # unit roundoff of float32
_DOUBLE = 2.0**-53
_STATE = 1e-9  # stored energies against those of the stored voltages


def first_law(recorded: Recorded) -> Check:
    """Energy is conserved on every path."""
    single = recorded.simulate["dtype"] == "float32"
    pieces, flight, allowed = len(recorded.plan.timeline), _flight(recorded), rounding(recorded)
    value = recorded.accounts.residual
    fine = value <= allowed and recorded.accounts.mismatch <= _STATE
    detail = (
        f"energy change = work - heat on each of {recorded.paths} paths: "
        f"largest residual {value:.2g} of the energy exchanged, "
    )
    detail += (
        f"float32 rounding over {pieces} ticks explains {allowed:.2g}"
        if single
        else f"allowed {allowed:.2g} over {pieces} ticks"
    )
    if single and recorded.paths >= FEWEST:
        name, slope, limit = _steepest(recorded, flight)
        fine = fine and abs(slope.value) <= limit
        detail += f"; the residual follows {name} with slope {slope.value:.1g}"
        detail += f" (rounding explains {limit:.1g})"
    if not recorded.accounts.mismatch <= _STATE:
        mismatch = recorded.accounts.mismatch
        detail += f"; stored energies differ from those of the stored voltages by {mismatch:.2g}"
    if not recorded.accounts.contradiction <= ROUND_OFF:
        fine, gap = False, recorded.accounts.contradiction
        detail += f"; the moments that were kept contradict each other by {gap:.2g}"
    status = HOLDS if fine else VIOLATED
    return Check("first_law", status, value, allowed, None, detail, "<=", allowed)


def rounding(recorded: Recorded) -> float:
    """What rounding leaves of the energy exchanged; see the module."""
    rounded = 16.0 * sqrt(len(recorded.plan.timeline)) * _flight(recorded)
    single = recorded.simulate["dtype"] == "float32"
    return rounded * _UNIT if single else max(rounded * _DOUBLE, _EXACT)


def _flight(recorded: Recorded) -> float:
    """Energy within a tick longer than its loop's time."""
    return max(1.0, recorded.step) ** 2


def _steepest(recorded: Recorded, flight: float) -> tuple[str, Estimate, float]:
    """The account that the residual follows most, its slope, and the slope rounding explains."""
    moments, rows = recorded.moments, []
    for name in moments.mean:
        if name.startswith(("heat.", "work.")):
            slope, spread = moments.slope(name), sqrt(moments.variance(name))
            small = moments["exchanged"].value / spread if spread > 0.0 else 0.0
            limit = max(1024.0, 64.0 * small * flight) * _UNIT + 4.0 * slope.stderr
            rows.append((name, slope, limit))
    return max(rows, key=lambda row: abs(row[1].value) - row[2])


def energy_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """Heat, work and energy change in joule and k T_ref, mean per sample; the residual; what
    starting cost. One kT for all, so that they add up whatever the baths' temperatures.
    """
    device, moments = recorded.setting.device, recorded.moments
    quantities: dict[str, Quantity] = {}

    def put(name: str, measured: Estimate, note: str = "") -> None:
        joule = recorded.kt
        quantities[f"{name}.kT"] = Quantity(measured.value, measured.stderr, "kT", note)
        quantities[f"{name}.J"] = Quantity(measured.value * joule, measured.stderr * joule, "J")

    put("heat.total", moments["heat.total"])
    for bath, relative in zip(recorded.baths, device.temperatures, strict=True):
        ref, own_kelvin = recorded.temperature, relative * recorded.temperature
        own = f"kT of {ref:g} K; the bath is at {own_kelvin:g} K"
        put(f"heat.{bath}", moments[f"heat.{bath}"], own if relative != 1.0 else "")
    for kind in ("emf", "current", "parameters"):
        name = f"work.{kind}"
        put(name, moments[name] if name in moments else Estimate(0.0, 0.0))
    injected = injected_work(recorded.plan)
    if injected is not None:
        note = "heat.total is at the effective temperature; this reaches the bath at its own"
        heat = moments["heat.total"]
        put("work.injected", Estimate(injected, 0.0), "mean, from bandwidth and shape")
        put("heat.calorimetric", Estimate(heat.value + injected, heat.stderr), note)
    put("energy.change", moments["energy.change"])
    quantities["first_law.residual"] = Quantity(
        recorded.accounts.residual,
        0.0,
        "1",
        "largest of any path, relative to the energy it exchanged",
    )
    quantities["start.preparation.kT"] = Quantity(
        float(recorded.parameters.get("start", {}).get("preparation", float("nan"))),
        0.0,
        "kT",
        "least work to prepare the start law from the circuit's steady state; not included in heat",
    )
    return quantities

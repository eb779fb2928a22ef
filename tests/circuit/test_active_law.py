"""Circuits with active elements: closed forms, quadrature, ideal limits, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, quad_vec
from scipy.linalg import expm

from thermohw.circuit import ActiveDevice, active_law, build_device
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError

HEAD = 'format = "thermohw-device/1"\n'


def node(name: str, farad: str = "1 pF") -> str:
    return f'[[node]]\nname = "{name}"\ncapacitance = "{farad}"\n'


def resistor(name: str, a: str, b: str, ohm: str = "1 Mohm", kelvin: str = "300 K") -> str:
    return (
        f'[[resistor]]\nname = "{name}"\nbetween = ["{a}", "{b}"]\nresistance = "{ohm}"\n'
        f'temperature = "{kelvin}"\n'
    )


def transconductor(name: str, a: str, b: str, p: str, m: str, siemens: str) -> str:
    return (
        f'[[transconductor]]\nname = "{name}"\nbetween = ["{a}", "{b}"]\ncontrol = ["{p}", "{m}"]\n'
        f'conductance = "{siemens}"\n'
    )


def build(*tables: str) -> ActiveDevice:
    device = build_device(read_datasheet(HEAD + "".join(tables), "test"))
    assert isinstance(device, ActiveDevice)
    return device


INTEGRATOR = (
    node("s", "0.2 pF")
    + node("o", "0.3 pF")
    + '[[capacitor]]\nbetween = ["s", "o"]\ncapacitance = "1 pF"\n'
    + resistor("in", "s", "gnd")
    + resistor("back", "s", "o", "2 Mohm")
)


def amplifier(extra: str = "") -> str:
    return f'[[amplifier]]\nname = "amp"\nminus = "s"\noutput = "o"\n{extra}\n'


def test_negative_conductance_raises_the_variance() -> None:
    """One node, R and g = -G/2: Cov(v) = (kT/C) G/(G + g); the element's power pays the heat."""
    device = build(node("n"), resistor("r", "n", "gnd"),
                   transconductor("g", "n", "gnd", "n", "gnd", "-0.5 uS"))  # fmt: skip
    law = active_law(device)
    assert law.effort_covariance[0, 0] == pytest.approx(2.0, rel=1e-12)
    rates = law.steady_rates()
    assert rates["heat.r"] == pytest.approx(1.0, rel=1e-12)  # gamma (E v^2 - T/C) = 2 - 1
    assert rates["work.g"] == pytest.approx(1.0, rel=1e-12)  # -g E v^2


def test_a_conductance_as_transconductor_is_a_resistor_without_noise() -> None:
    passive = build_device(
        read_datasheet(HEAD + node("a") + node("b", "2 pF") + resistor("ra", "a", "gnd")
                       + resistor("rb", "b", "gnd") + resistor("rc", "a", "b", "4 Mohm"), "test")
    )  # fmt: skip
    device = build(node("a"), node("b", "2 pF"), resistor("ra", "a", "gnd"),
                   resistor("rb", "b", "gnd"),
                   transconductor("g", "a", "b", "a", "b", "0.25 uS"))  # fmt: skip
    assert np.allclose(active_law(device).drift_matrix, passive.drift_matrix, rtol=1e-14)


def one_way() -> ActiveDevice:
    """Node b drives node a and not the other way: A is far from normal."""
    return build(node("a"), node("b"), resistor("ra", "a", "gnd"),
                 resistor("rb", "b", "gnd", "0.5 Mohm", "450 K"),
                 transconductor("g", "a", "gnd", "b", "gnd", "2 uS"))  # fmt: skip


def test_non_normal_moments_against_quadrature() -> None:
    device = one_way()
    law = active_law(device)
    a, noise = law.drift_matrix, law.noise[:2]
    assert np.linalg.norm(a @ a.T - a.T @ a) > 0.5 * np.linalg.norm(a) ** 2 / 2

    def spread(t: float) -> np.ndarray:
        response = expm(-a * t) @ noise
        return response @ response.T

    steady = quad_vec(spread, 0.0, 80.0, epsabs=1e-13, epsrel=1e-13)[0]
    assert np.allclose(law.covariance, steady, rtol=1e-10)
    for h in (1e-3, 0.7):
        moved, factor = law.transition(h)
        exact = quad_vec(spread, 0.0, h, epsabs=1e-15, epsrel=1e-13)[0]
        assert np.allclose((factor @ factor.T)[:2, :2], exact, rtol=1e-10)
        assert np.allclose(moved[:2, :2], expm(-a * h), rtol=1e-12)


@pytest.mark.parametrize("extra", ["", "gain = 50", 'gain = 200\ngbw = "2 MHz"\noffset = "1 uV"',
                                   'gbw = "2 MHz"\nnoise = "20 nV/sqrt(Hz)"'])  # fmt: skip
def test_works_pay_for_heats(extra: str) -> None:
    """The steady first law, every account from its own force and flow."""
    device = build(INTEGRATOR, amplifier(extra))
    rates = active_law(device).steady_rates(np.array([1.0, 0.5]))
    assert rates.signs @ rates.rates == pytest.approx(0.0, abs=1e-13 * np.abs(rates.rates).sum())


@pytest.mark.parametrize("gain", [20.0, 1e4])
def test_finite_gain_at_rest(gain: float) -> None:
    """Inverting amplifier: o = -2 e/(1 + 3/A0) and an offset that is amplified by 3/(1 + 3/A0)."""
    for pole in ("", 'gbw = "3 MHz"\n'):
        device = build(INTEGRATOR, amplifier(f'gain = {gain}\noffset = "5 uV"\n{pole}'))
        e = 4.0
        offset = 5e-6 / device.scale.voltage
        out = active_law(device).effort_mean(np.array([e, 0.0]))[1]
        assert out == pytest.approx((-2.0 * e + 3.0 * offset) / (1.0 + 3.0 / gain), rel=1e-10)


def test_pole_of_the_amplifier_against_the_spectrum() -> None:
    """Var(o) of a lossy integrator with one pole, from its transfer function over all frequencies.

    Nodal equation at the summing node, o = -G(w) v_s with G = w_t/(i w + w_t/A0).
    """
    gain, gbw = 300.0, 0.8e6
    device = build(
        INTEGRATOR, amplifier(f'gain = {gain}\ngbw = "0.8 MHz"\nnoise = "30 nV/sqrt(Hz)"')
    )
    rate, c, stray = 2 * np.pi * gbw * device.scale.time, 1.0, 0.2
    unit = device.scale.capacitance / 1e-12  # reference capacitance in pF
    c, stray = c / unit, stray / unit
    # The clock of the device is R_ref C_ref.
    ohm = device.scale.resistance / 1e6
    en = 30e-9**2 / 2 / (device.scale.voltage**2 * device.scale.time)

    def density(w: float) -> float:
        s = 1j * w
        g = rate / (s + rate / gain)
        # (ohm + s stray) v + (ohm/2 + s c)(v - o) = i;  o = g (n - v)
        load = ohm + s * stray + (ohm / 2 + s * c)
        back = ohm / 2 + s * c
        of_current = -g / (load + back * g)
        of_noise = g * load / (load + back * g)
        johnson = 2.0 * (ohm + ohm / 2)
        return (abs(of_current) ** 2 * johnson + abs(of_noise) ** 2 * en) / (2.0 * np.pi)

    total = 2.0 * (quad(density, 0.0, 1.0)[0]
                   + quad(lambda x: density(1.0 / x) / x**2, 1e-9, 1.0, limit=400)[0])  # fmt: skip
    assert active_law(device).effort_covariance[1, 1] == pytest.approx(total, rel=1e-6)


def test_fast_amplifiers_tend_to_the_ideal_one() -> None:
    """The distance from the nullor falls with the first power of 1/GBW and of 1/A0."""
    ideal = active_law(build(INTEGRATOR, amplifier())).effort_covariance[1, 1]
    for key, sizes, unit in (("gbw", (2e3, 4e3), " MHz"), ("gain", (1e5, 2e5), "")):
        text = [f'{key} = "{size:g}{unit}"' for size in sizes]
        gaps = [
            abs(active_law(build(INTEGRATOR, amplifier(t))).effort_covariance[1, 1] - ideal)
            for t in text
        ]
        assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.01)


def test_ideal_switch() -> None:
    real = build(INTEGRATOR, amplifier('gain = 100\ngbw = "1 MHz"\noffset = "2 uV"'))
    perfect = build(INTEGRATOR, amplifier())
    assert np.array_equal(active_law(real.ideal()).drift_matrix, active_law(perfect).drift_matrix)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        (node("n") + resistor("r", "n", "gnd")
         + transconductor("g", "n", "gnd", "n", "gnd", "-3 uS"), "eigenvalue 2e+06/s"),
        (node("n") + resistor("r", "n", "gnd")
         + transconductor("g", "n", "gnd", "n", "gnd", "-1 uS"), "never comes to rest"),
        (INTEGRATOR + amplifier().replace('minus = "s"', 'minus = "gnd"\nplus = "s"'),
         "exchange minus and plus"),
        (INTEGRATOR + amplifier('gbw = "1 MHz"').replace('minus', 'plus').replace(
            'plus = "s"', 'plus = "s"\nminus = "gnd"'),
         "unstable loop: a motion grows"),
        (INTEGRATOR + amplifier('slew = "1 V/us"'), "amp.slew: needs gbw"),
        (INTEGRATOR + amplifier("gain = 0.5"), "amp.gain: 0.5; expected"),
        (INTEGRATOR + amplifier().replace('"o"', '"q"'), "amp.output: no node 'q'"),
        (INTEGRATOR + amplifier().replace('"o"', '"gnd"'), "amplifier output 'gnd' is ground"),
        (node("n") + resistor("r", "n", "gnd", "-1 Mohm"), "[[transconductor]]"),
        (node("n") + resistor("r", "n", "gnd")
         + transconductor("g", "n", "n", "n", "gnd", "1 uS"), "g.between: joins 'n' to itself"),
        (node("n") + resistor("r", "n", "gnd")
         + transconductor("r", "n", "gnd", "n", "gnd", "1 uS"), "taken twice"),
        (INTEGRATOR + amplifier() + "[solver]\nsize = 2\nfull_scale = '1 V'\n",
         "solver: expected one integrator"),
        (node("n") + resistor("r", "n", "gnd") + transconductor("g", "n", "gnd", "n", "gnd", "1 uS")
         + "[array]\ncell = 'n'\nshape = [2]\n", "cannot be repeated"),
    ],
)  # fmt: skip
def test_bad_input(tables: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        build(tables)
    assert says in str(caught.value)


def test_old_sheets_keep_their_hash() -> None:
    """Families that a sheet lacks are left out of what is hashed."""
    sheet = read_datasheet(HEAD + node("n") + resistor("r", "n", "gnd"), "test")
    assert not {"amplifiers", "transconductors", "solver"} & set(sheet.content())

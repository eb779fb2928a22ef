"""First law per path to 1e-10 of the exchanged energy: every stepper, wiring and kind of device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from laws import first_law
from problems import chain, make, mixture_protocol, quadrupling_protocol, simulate, unequal_nodes

from thermohw.circuit import LinearDevice, load_device, relaxation
from thermohw.control import Protocol
from thermohw.process import OU
from thermohw.target import gaussian_mixture

STEPPERS = [("clocked", "auto"), ("continuous", "splitting"), ("continuous", "heun"),
            ("continuous", "euler")]  # fmt: skip


def several_nodes(
    device: LinearDevice, wiring: str, control: str, stepper: str, **settings: object
) -> Protocol:
    generator = torch.Generator().manual_seed(3)
    means = torch.randn(2, device.dim, generator=generator).numpy()
    equal = device.uncoupled and np.ptp(device.coefficients) == 0.0
    process = OU(2.0) if equal else relaxation(device, 2.0)
    score = gaussian_mixture(means, 0.7).score(process)
    ticks = 96 if equal else 64  # far modes: 64 are too few
    return Protocol(device, process, score, wiring=wiring, control=control, ticks=ticks,
                    stepper=stepper, **settings)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("control, stepper", STEPPERS)
def test_one_node(wiring: str, control: str, stepper: str) -> None:
    first_law(simulate(make(mixture_protocol(wiring, control, 128, stepper=stepper)), 4096))


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("control, stepper", STEPPERS)
@pytest.mark.parametrize("device", ["chain", "unequal", "rc64"])
def test_several_nodes(device: str, wiring: str, control: str, stepper: str) -> None:
    made = {"chain": lambda: chain(hot=True), "unequal": unequal_nodes,
            "rc64": lambda: load_device("rc64")}[device]()  # fmt: skip
    protocol = several_nodes(made, wiring, control, stepper)
    first_law(simulate(make(protocol), 600, tile=4096))


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("settings", [
    {"reading_noise": "30 uV"}, {"reading_noise": "30 uV", "filter": "kalman"},
    {"latency": "70 ns"}, {"dac_bits": 5, "adc_bits": 4}, {"grid": "log-snr"},
    {"volts_per_unit": "20 uV"},
], ids=str)  # fmt: skip
def test_imperfect_controllers(wiring: str, settings: dict[str, object]) -> None:
    """Noise, latency and converters change what is applied, never the balance of energy."""
    first_law(simulate(make(mixture_protocol(wiring, "clocked", 256, **settings)), 4096))


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("theta", [1e4, 1.0, 0.1])
def test_stiff_and_leaky_nodes(wiring: str, theta: float) -> None:
    """From the ideal integrator to a node that leaks for 15 RC against its controller."""
    first_law(simulate(make(quadrupling_protocol(wiring, "clocked", 64, theta)), 4096))


def test_latency_on_a_network() -> None:
    protocol = several_nodes(chain(hot=True), "current", "clocked", "auto", latency="17 ns")
    first_law(simulate(make(protocol), 300, tile=4096))

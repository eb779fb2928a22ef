"""Likelihoods of a diffusion model, the entropy bound, and the account of the gap between them.

`evaluate` computes everything for one score and one target; the parts are usable by themselves:
`flow_nll` for points, `sweep` for time integrals over the noised law, `bound_terms` for the
account. `physical_rates` and `energy_law` say what the same generation costs on a circuit.
"""

from __future__ import annotations

from thermohw.estimate import Estimate
from thermohw.likelihood.device import DeviceBound, device_elbo
from thermohw.likelihood.ensemble import GridEnsemble, SampleEnsemble
from thermohw.likelihood.evaluate import Likelihood, evaluate
from thermohw.likelihood.flow import Flow, flow_nll
from thermohw.likelihood.sweep import Sweep, sweep
from thermohw.likelihood.timeline import Timeline
from thermohw.likelihood.trace import ExactTrace, Hutchinson
from thermohw.likelihood.wiring import EnergyLaw, energy_law, integrate_rates, physical_rates

__all__ = [
    "DeviceBound",
    "EnergyLaw",
    "Estimate",
    "ExactTrace",
    "Flow",
    "GridEnsemble",
    "Hutchinson",
    "Likelihood",
    "SampleEnsemble",
    "Sweep",
    "Timeline",
    "device_elbo",
    "energy_law",
    "evaluate",
    "flow_nll",
    "integrate_rates",
    "physical_rates",
    "sweep",
]

"""Everything an audit looks at: a run as its file tells it (`audit.gather` reads it).

The stored numbers and sums over the ledger, what ran (rebuilt from the file's own parameters), and
what follows from both: the plan, the law of the start, the size of a tick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thermohw.audit.accounts import Accounts
from thermohw.audit.moments import Moments
from thermohw.books import analog_filter
from thermohw.control import KalmanFilter, Plan, make_plan
from thermohw.control.chain import describe_keys
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.intake import parse_json
from thermohw.integrate import StartLaw, start_law
from thermohw.process import Langevin
from thermohw.run.setting import Setting
from thermohw.score import ExactScore

__all__ = ["Recorded", "model_tensor"]


@dataclass(eq=False)
class Recorded:
    """A run as an audit sees it.

    Attributes:
        path: the file.
        parameters: its /parameters.
        provenance: its /provenance.
        spec_hash: identifies its SPEC.
        setting: device, target, process, score and protocol, rebuilt.
        simulate: paths, seed, start, dtype, prior, every.
        paths: number of samples.
        channels: names of the ledger's channels.
        accounts: sums over its ledger.
        first: end voltages of the first paths, model units, shape (rows, nodes).
        first_start: and their start voltages.
        log_prob: stored ln q_0(x_0) and ln rho(x_N) of the first paths, where stored.
        ratio: sums of ln K/K~ of the first paths, where recorded.
        density: "nll", "solver_error" and "state" of `thermohw.worlds.played.density`; empty where
            no density was wanted.
        peaks: largest voltage, source, current and rate, thermal units.
        balance: sums over paths for every bath, see `thermohw.books.balance`, shape (K + 1, 4);
            (K, 3) in older files.
        codes: sum of the entropies of a converter's codes, an upper bound, nats per sample, where
            they were counted.
        residuals: "sums", "power", "products", "states" and "sources" of
            `thermohw.books.residuals`, SI; what was not recorded is not there.
        filter: what `thermohw.books.updates` kept, SI; empty where there is no filter.
    """

    path: Path
    parameters: dict[str, Any]
    provenance: dict[str, str]
    spec_hash: str
    setting: Setting
    simulate: dict[str, Any]
    paths: int
    channels: tuple[str, ...]
    peaks: dict[str, float] | None
    accounts: Accounts
    first: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    first_start: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    log_prob: dict[str, np.ndarray] = field(default_factory=dict)
    ratio: np.ndarray | None = None
    density: dict[str, np.ndarray] = field(default_factory=dict)
    balance: np.ndarray | None = None
    residuals: dict[str, np.ndarray] = field(default_factory=dict)
    filter: dict[str, np.ndarray] = field(default_factory=dict)
    codes: float | None = None

    @property
    def moments(self) -> Moments:
        """Means over paths."""
        return self.accounts.moments

    @cached_property
    def plan(self) -> Plan:
        """The protocol worked out."""
        return make_plan(self.setting.protocol, refuse=False)

    @cached_property
    def start(self) -> StartLaw:
        """The law of the start states."""
        return start_law(
            self.plan,
            self.simulate["start"],
            target=self.setting.target,
            prior=self.simulate["prior"],
        )

    @cached_property
    def analog(self) -> KalmanFilter:
        """The filter of the readings with their Gaussian noise, ahead of any converter."""
        protocol, start = self.setting.protocol, self.start
        return analog_filter(
            self.plan,
            protocol.to_thermal(start.mean),
            protocol.covariance_to_thermal(start.covariance),
        )

    @cached_property
    def truth(self) -> ExactScore | None:
        """The exact law of the data under the process, where it is known."""
        target = self.setting.target
        if target is None:
            return None
        try:
            return target.score(self.setting.process)
        except InputError:
            return None

    @property
    def data(self) -> list[int]:
        """Coordinates that carry the data: all but the momenta of a Langevin process."""
        process = self.setting.process
        if isinstance(process, Langevin):
            return list(process.positions)
        return list(range(self.setting.device.dim))

    @property
    def clocked(self) -> bool:
        """Control held between ticks."""
        return self.setting.protocol.control == "clocked"

    @property
    def exact(self) -> bool:
        """The score that drove the run is the data's own."""
        return bool(self.setting.score.exact)

    @property
    def baths(self) -> tuple[str, ...]:
        """Names of the baths in the order of the device."""
        return self.setting.device.elements

    @property
    def kt(self) -> float:
        """k T_ref, joule."""
        return self.setting.device.scale.energy

    @property
    def temperature(self) -> float:
        """T_ref, kelvin."""
        return self.setting.device.scale.temperature

    @cached_property
    def loop_rates(self) -> np.ndarray:
        """Rate of the control loop on the narrowest mode at every tick, per R C in force."""
        setting, process = self.setting, self.setting.process
        narrowest, rates = setting.score.narrowest, []
        for t in self.plan.schedule.model_time[:-1]:
            decay, noise = process.transition(float(t))
            if process.isotropic:
                variance = float(decay) ** 2 * narrowest + float(noise)
                rates.append(2.0 * setting.protocol.theta / variance)
            else:
                covariance = process.narrowest(narrowest, float(t))
                diffusion, parts = np.asarray(process.diffusion(float(t))), [slice(None)]
                if isinstance(process, Langevin):
                    parts = [np.ix_(p[0], p[0]) for _, p in process.cells]
                rates.append(
                    max(
                        np.linalg.norm(diffusion[part] @ np.linalg.inv(covariance[part]), 2)
                        for part in parts
                    )
                )
        return np.array(rates, dtype=np.float64) * self.plan.schedule.temperatures

    @cached_property
    def step(self) -> float:
        """Largest tick in units of its loop's own time: the relative size of first-order errors.

        The circuit's own relaxation counts too: where V0 is far above the thermal voltage the score
        is a small correction to the leak that the sources cancel, and a tick errs on both.
        """
        return float(
            (self.plan.schedule.relaxations * np.maximum(self.loop_rates, self.leak)).max()
        )

    @cached_property
    def leak(self) -> float:
        """Rate of the circuit's own relaxation, per R_ref C_ref."""
        return float(np.linalg.norm(self.setting.device.effort_drift, 2))

    @cached_property
    def information(self) -> dict[str, Any]:
        """What the run stored about its readings; empty for continuous control."""
        return self.parameters.get("information", {})

    @cached_property
    def start_entropy(self) -> float | None:
        """S of the start law, nats, model units; None where it is not known."""
        value = float(self.parameters.get("start", {}).get("entropy", float("nan")))
        return value if isfinite(value) else None

    def term(self, name: str) -> Estimate | None:
        """A stored likelihood term, or None where it is unknown."""
        stored = self.parameters.get("likelihood", {}).get("terms", {}).get(name)
        return (
            None
            if stored is None or not isfinite(float(stored[0]))
            else Estimate(*map(float, stored))
        )

    @cached_property
    def notes(self) -> dict[str, str]:
        """Why likelihood terms are unknown, or what qualifies them."""
        return parse_json(self.parameters.get("likelihood", {}).get("notes", "{}"))

    def describe_imperfections(self) -> list[str]:
        """What keeps control from being an exact function of the present state, in words."""
        protocol = self.setting.protocol
        names = {
            "adc_bits": "ADC",
            "dac_bits": "DAC",
            "reading_noise": "reading noise",
            "latency": "latency",
        }
        words = [text for key, text in names.items() if getattr(protocol, key)]
        return words + describe_keys(protocol)


def model_tensor(values: np.ndarray) -> torch.Tensor:
    """An array of model-unit states as a torch tensor."""
    return torch.from_numpy(np.ascontiguousarray(values))

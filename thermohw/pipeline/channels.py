"""What a run writes down per path: names, units, and where each number comes from.

Observers speak thermal units; a file speaks SI. This is the one place that knows both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from thermohw.store import Channel

if TYPE_CHECKING:
    import numpy as np

    from thermohw.integrate import Engine
    from thermohw.score import ExactScore

__all__ = ["ledger_channels", "ledger_values", "series_channels", "series_values"]

_STATES = {
    "voltage.start": "node voltages at the start of the run",
    "voltage.end": "node voltages of the generated sample",
}


def ledger_channels(engine: Engine) -> tuple[Channel, ...]:
    """The per-path channels of a run, in the order of the file."""
    device, wiring = engine.plan.protocol.device, engine.plan.drive.wiring
    names = {observer.name for observer in engine.observers}
    channels = [
        Channel(f"heat.{bath}", "J", description=f"heat into bath {bath}")
        for bath in device.elements
    ]
    channels += [
        Channel(f"work.{wiring}", "J", description="work done by the controlled sources"),
        Channel("energy.start", "J", description="stored energy at the start"),
        Channel("energy.end", "J", description="stored energy at the end"),
        Channel("first_law.residual", "J", description="energy change minus (work minus heat)"),
    ]
    if "pumping" in names:
        channels.append(Channel("pumping", "1", description="int div u, nats"))
    if "fluctuation" in names:
        channels.append(
            Channel("sigma.even", "1", description="log path ratio, even control, nats")
        )
        channels.append(Channel("sigma.odd", "1", description="log path ratio, odd control, nats"))
    if "information" in names:
        channels.append(Channel("information.pathwise", "1", description="sum of i_k, nats"))
        if wiring == "emf":
            channels.append(
                Channel(
                    "identity.heat",
                    "J",
                    description="conditional mean of the heat given the readings",
                )
            )
    if engine.start.log_prob is not None:
        channels.append(
            Channel("log_prob.start", "1", description="ln q_0(x_0), nats, model units")
        )
    if _truth(engine) is not None:
        channels.append(
            Channel(
                "log_prob.end",
                "1",
                description="ln p(x_N) of the model law at t_min, nats, model units",
            )
        )
    return tuple(channels) + tuple(
        Channel(n, "V", axis="node", description=d) for n, d in _STATES.items()
    )


def ledger_values(
    engine: Engine,
    start: torch.Tensor,
    end: torch.Tensor,
    results: dict[str, dict[str, torch.Tensor]],
) -> dict[str, np.ndarray]:
    """Values of every ledger channel of one tile, SI.

    Args:
        engine: the run.
        start: start states, thermal units, shape (paths, n).
        end: end states.
        results: what the observers said.
    """
    device, scale = engine.plan.protocol.device, engine.plan.protocol.device.scale
    theta = engine.plan.protocol.theta
    ledger = results["ledger"]
    values = {
        f"heat.{bath}": ledger["heat"][:, k] * scale.energy
        for k, bath in enumerate(device.elements)
    }
    for name in (
        f"work.{engine.plan.drive.wiring}",
        "energy.start",
        "energy.end",
        "first_law.residual",
    ):
        values[name] = ledger[name] * scale.energy
    if "pumping" in results:
        values["pumping"] = results["pumping"]["pumping"]
    v_start, v_end = (device.efforts(state.double()) for state in (start, end))
    truth = _truth(engine)
    if engine.start.log_prob is not None:
        values["log_prob.start"] = engine.start.log_prob(v_start * theta**0.5)
    if truth is not None:
        values["log_prob.end"] = truth.log_prob(v_end * theta**0.5, truth.process.t_min)
    if "fluctuation" in results:
        boundary = values["log_prob.start"] - values["log_prob.end"]
        for parity in ("even", "odd"):
            values[f"sigma.{parity}"] = results["fluctuation"][parity] + boundary
    if "information" in results:
        values["information.pathwise"] = results["information"]["information.pathwise"]
        if "identity.heat" in results["information"]:
            values["identity.heat"] = results["information"]["identity.heat"] * scale.energy
    values["voltage.start"], values["voltage.end"] = v_start * scale.voltage, v_end * scale.voltage
    return {name: value.numpy() for name, value in values.items()}


def series_channels(engine: Engine, dtype: str) -> tuple[Channel, ...]:
    """The recorded series of a run."""
    current = engine.plan.drive.wiring == "current"
    return (
        Channel("voltage", "V", axis="node", dtype=dtype, description="node voltages"),
        Channel("control", "A" if current else "V", axis="node", dtype=dtype,
                description="injected currents" if current else "source voltages"),
        Channel("score", "1", axis="node", dtype=dtype, description="score, model units"),
    )  # fmt: skip


def series_values(engine: Engine, frames: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Recorded frames in SI, shape (frames, paths, node)."""
    scale = engine.plan.protocol.device.scale
    source = scale.current if engine.plan.drive.wiring == "current" else scale.voltage
    factors = {"voltage": scale.voltage, "control": source, "score": 1.0}
    return {name: (values * factors[name]).numpy() for name, values in frames.items()}


def _truth(engine: Engine) -> ExactScore | None:
    """The exact law of the data under the process, where it is known."""
    score = engine.plan.protocol.score
    if score.exact:
        return score  # type: ignore[return-value]
    base = getattr(score, "base", None)
    return base if base is not None and base.exact else None

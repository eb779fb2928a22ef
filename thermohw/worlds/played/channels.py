"""What a run writes down per path: names, units, and where each number comes from.

Observers speak thermal units; a file speaks SI. This is the one place that knows both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.store import Channel

if TYPE_CHECKING:
    from thermohw.integrate import Engine
    from thermohw.score import ExactScore

__all__ = ["ENERGIES", "ledger_channels", "ledger_values", "series_axes", "series_channels",
           "series_values"]  # fmt: skip

ENERGIES = ("heat", "work", "energy", "rotation", "first_law")
"""First words of the channels in joule whose means are the summary of a run."""

_STATES = {
    "voltage.start": "node voltages at the start of the run",
    "voltage.end": "node voltages of the generated sample",
}
_CURRENTS = {
    "inductor_current.start": "inductor currents at the start of the run",
    "inductor_current.end": "inductor currents of the generated sample",
}


_FRAMES = {
    "inductor_current": "voltage",
    "inductor_score": "score",
    "inductor_control": "control",
}  # where a recorder's frames keep them: the columns after those of the nodes


def ledger_channels(engine: Engine) -> tuple[Channel, ...]:
    """The per-path channels of a run, in the order of the file."""
    device, wiring = engine.plan.protocol.board, engine.plan.drive.wiring
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
    if engine.plan.schedule.heating is not None:
        about = "sum over baths of int dQ/(k T(t)), nats"
        channels.append(Channel("medium", "1", description=about))
    if "pumping" in names:
        channels.append(Channel("pumping", "1", description="int div u, nats"))
    if "fluctuation" in names:
        channels.append(
            Channel("sigma.even", "1", description="log path ratio, even control, nats")
        )
        channels.append(Channel("sigma.odd", "1", description="log path ratio, odd control, nats"))
    if "production" in names:
        about = "sum of ln K/K~ of the ticks, even control, nats"
        channels.append(Channel("ratio.ticks", "1", description=about))
        if device.uncoupled and wiring == "emf":
            about = "the part of it that is no heat, nats"
            channels.append(Channel("ratio.returned", "1", description=about))
            if isinstance(engine.plan.laws[0].drive.state, float):
                about = "production from below, by the score's own current velocity, nats"
                channels.append(Channel("ratio.learned", "1", description=about))
    if "information" in names:
        channels.append(Channel("information.pathwise", "1", description="sum of i_k, nats"))
        if wiring == "emf" and device.uncoupled and float(np.ptp(device.temperatures)) == 0.0:
            about = "conditional mean of the heat given the readings"
            channels.append(Channel("identity.heat", "J", description=about))
        elif wiring == "emf":
            about = "conditional mean of sum_k Q_k/kT_k given the readings, nats"
            channels.append(Channel("identity.medium", "1", description=about))
        if wiring == "emf" and engine.plan.adc is not None:
            about = "the same in nats given the codes, their steps taken for noise"
            channels.append(Channel("identity.codes", "1", description=about))
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
    channels += [Channel(n, "V", axis="node", description=d) for n, d in _STATES.items()]
    if device.fluxes:
        channels += [Channel(n, "A", axis="inductor", description=d) for n, d in _CURRENTS.items()]
    return tuple(channels)


def ledger_values(
    engine: Engine,
    start: torch.Tensor,
    end: torch.Tensor,
    results: dict[str, dict[str, torch.Tensor]],
    paths: int | None = None,
) -> dict[str, np.ndarray]:
    """Values of every ledger channel of one tile, SI.

    Args:
        engine: the run.
        start: start states, thermal units, shape (paths, n).
        end: end states.
        results: what the observers said.
        paths: of the tile, where more rows were computed; None: all of them.
    """
    device, scale = engine.plan.protocol.board, engine.plan.protocol.device.scale
    protocol = engine.plan.protocol
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
    if "medium" in ledger:
        values["medium"] = ledger["medium"]
    if "pumping" in results:
        values["pumping"] = results["pumping"]["pumping"]
    v_start, v_end = (device.efforts(state.double()) for state in (start, end))
    truth = _truth(engine)
    if engine.start.log_prob is not None:
        values["log_prob.start"] = engine.start.log_prob(protocol.to_model(v_start))
    if truth is not None:
        values["log_prob.end"] = truth.log_prob(protocol.to_model(v_end), truth.process.t_min)
    if "fluctuation" in results:
        boundary = values["log_prob.start"] - values["log_prob.end"]
        for parity in ("even", "odd"):
            values[f"sigma.{parity}"] = results["fluctuation"][parity] + boundary
    for name, part in (("ratio.ticks", "ratio"), ("ratio.returned", "returned"),
                       ("ratio.learned", "learned")):  # fmt: skip
        if part in results.get("production", {}):
            values[name] = results["production"][part]
    if "information" in results:
        told = results["information"]
        values |= {
            name: told[name]
            for name in ("information.pathwise", "identity.medium", "identity.codes")
            if name in told
        }
        if "identity.heat" in told:
            values["identity.heat"] = told["identity.heat"] * scale.energy
    n = len(device.nodes)
    for when, efforts in (("start", v_start), ("end", v_end)):
        values[f"voltage.{when}"] = efforts[:, :n] * scale.voltage
        if device.fluxes:
            values[f"inductor_current.{when}"] = efforts[:, n:] * scale.current
    return {name: value[:paths].numpy() for name, value in values.items()}


def series_channels(engine: Engine, dtype: str) -> tuple[Channel, ...]:
    """The recorded series of a run."""
    current = engine.plan.drive.wiring == "current"
    if engine.plan.protocol.device.fluxes:
        return tuple(
            Channel(name, unit, axis=axis, dtype=dtype, description=about)
            for name, unit, axis, about, _ in _columns(engine)
        )
    return (
        Channel("voltage", "V", axis="node", dtype=dtype, description="node voltages"),
        Channel("control", "A" if current else "V", axis="node", dtype=dtype,
                description="injected currents" if current else "source voltages"),
        Channel("score", "1", axis="node", dtype=dtype, description="score, model units"),
    )  # fmt: skip


def series_values(engine: Engine, frames: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Recorded frames in SI, shape (frames, paths, node): where they are, not in a copy."""
    scale = engine.plan.protocol.device.scale
    if engine.plan.protocol.device.fluxes:
        sizes = {"V": scale.voltage, "A": scale.current, "1": 1.0}
        return {
            name: (frames[_FRAMES.get(name, name)][..., columns] * sizes[unit]).numpy()
            for name, unit, _, _, columns in _columns(engine)
        }
    source = scale.current if engine.plan.drive.wiring == "current" else scale.voltage
    factors = {"voltage": scale.voltage, "control": source, "score": 1.0}
    for name, values in frames.items():
        if factors[name] != 1.0:
            values.mul_(factors[name])
    return {name: values.numpy() for name, values in frames.items()}


def _columns(engine: Engine) -> list[tuple[str, str, str, str, list[int]]]:
    """Series of a circuit with inductors: name, unit, axis, description and columns of the frame.

    Volts and amperes do not share a channel. What is called after the inductors is of their
    branches: currents, emfs in the branch, sources in parallel with its resistance.
    """
    plan = engine.plan
    device, wiring = plan.protocol.device, plan.drive.wiring
    n, total = len(device.nodes), device.dim
    nodes, branches = list(range(n)), list(range(n, total))
    noisy = plan.protocol.process.diffusion(0.0).diagonal() > 0.0
    rows = [
        ("voltage", "V", "node", "node voltages", nodes),
        ("inductor_current", "A", "inductor", "inductor currents", branches),
        ("score", "1", "node", "score, model units", nodes if noisy[:n].any() else []),
        ("inductor_score", "1", "inductor", "score", branches if noisy[n:].any() else []),
    ]
    if wiring == "current":
        rows += [
            ("control", "A", "node", "injected currents", nodes if noisy[:n].any() else []),
            (
                "inductor_control",
                "V",
                "inductor",
                "emfs in the branches",
                branches if noisy[n:].any() else [],
            ),
        ]
        return [row for row in rows if row[-1]]
    shunt = [bool(device.directions[k, :n].any()) for k in device.controlled]
    of_nodes = [i for i, own in enumerate(shunt) if own]
    of_branches = [i for i, own in enumerate(shunt) if not own]
    rows += [
        ("control", "V", "source", "source voltages", of_nodes),
        ("inductor_control", "A", "branch", "sources beside branch resistances", of_branches),
    ]
    return [row for row in rows if row[-1]]


def series_axes(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Names along every axis of the channels."""
    device = engine.plan.protocol.board
    axes = {"node": device.nodes}
    if device.fluxes:
        n = len(device.nodes)
        own = [(device.elements[k], device.directions[k, :n].any()) for k in device.controlled]
        axes["inductor"] = device.fluxes
        axes["source"] = tuple(name for name, shunt in own if shunt)
        axes["branch"] = tuple(name for name, shunt in own if not shunt)
    return {name: labels for name, labels in axes.items() if labels}


def _truth(engine: Engine) -> ExactScore | None:
    """The exact law of the data under the process, where it is known."""
    score = engine.plan.protocol.score
    if score.exact:
        return score  # type: ignore[return-value]
    base = getattr(score, "base", None)
    return base if base is not None and base.exact else None

"""An imported deck against ngspice: noise of every node, operating points, courses.

rms     ngspice's density of a node's noise over a band far wider than the circuit's, integrated
op      the operating point, against the device's mean under the sources at rest
tran    the course of nodes, against the device's exact response to the sources' waveforms,
        linear between the simulator's own instants
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import expm

from benchmarks.deck_text import bare_deck, ngspice, resisted
from thermohw.circuit import ActiveDevice, build_device
from thermohw.circuit.active_law import active_law
from thermohw.datasheet.netlist import Netlist
from thermohw.datasheet.netlist.lines import decode

__all__ = ["Verdict", "against_ngspice"]

PIECES = 4000
"""Of a course, at least."""


@dataclass
class Verdict:
    """What became of a deck.

    Attributes:
        kind: "imports", "with ..." (what had to be asked for), "refused", "other elements" or
            "no circuit".
        said: the refusal, or nothing.
        rms: largest relative difference of noise voltages; None where ngspice cannot say.
        op: of operating points, relative to the largest.
        tran: of courses, relative to the largest value.
        nodes: how many were compared.
    """

    kind: str
    said: str = ""
    rms: float | None = None
    op: float | None = None
    tran: float | None = None
    nodes: int = 0


def against_ngspice(
    path: Path,
    found: Netlist,
    verdict: Verdict,
    parasitic: str | None = None,
    source: str | None = None,
) -> None:
    """Fill in what ngspice says about an imported deck.

    Raises:
        RuntimeError: it says nothing.
    """
    device: Any = build_device(found.datasheet)
    active = isinstance(device, ActiveDevice)  # resistors without noise
    law: Any = active_law(device) if active else device
    base = bare_deck(path)
    if source is not None:
        base = [line for whole in base for line in resisted(whole)]
    places = dict(_places(found))
    if parasitic is not None:
        base += [f"cthermohw{i} {node} 0 1p" for i, node in enumerate(
            n for n, (name, held) in found.places.items()
            if name is not None and not held and not _has_capacitor(found, name))]  # fmt: skip
    if not places:
        raise RuntimeError("no node has a state: currents alone do")
    probe = next(iter(places.values()))
    rates = np.abs(law.rates)
    unit = device.scale.time
    # Two hundred-thousandths of the variance lie beyond; densities below 1e-38 have no logarithm.
    low, high = float(1e-6 * rates.min() / unit), float(2e3 * rates.max() / unit)
    sweeps = _sweeps(device, low, high)
    head = f"ithermohw {probe[1]} {probe[0]} dc 0 ac 1"
    theirs = []
    for a, b in places.values():
        read = f"v({a}{'' if b == '0' else ',' + b})"
        theirs.append(_rms(path, [*base, head], read, sweeps))
    lines = [head, ".control", "set numdgt=12", "op"]
    lines += [f"print v({a}{'' if b == '0' else ',' + b})" for a, b in places.values()]
    said = ngspice(path, [*base, *lines, "quit", ".endc", ".end"])
    index = {name: i for i, name in enumerate(device.nodes)}
    ours = np.sqrt(np.diag(law.effort_covariance)) * device.effort_scale
    verdict.rms = max(abs(t / ours[index[n]] - 1.0) for n, t in zip(places, theirs, strict=True))
    verdict.nodes = len(places)
    if active:
        verdict.said = "active: of its mean and course nothing is compared"
        return
    points = [float(x) for x in re.findall(r"^v\(.*?\) = (\S+)", said, re.M)]
    means = _mean(device, found)
    mine = [means[index[n]] + _held(found, a) - _held(found, b) for n, (a, b) in places.items()]
    if len(points) == len(places):
        size = max(max(map(abs, points)), 1e-9)
        verdict.op = max(abs(x - y) for x, y in zip(points, mine, strict=True)) / size
    if any(s.wave != "dc" for s in found.sources.values()):
        verdict.tran = _course(path, base, device, found, places)


def _sweeps(device: Any, low: float, high: float) -> list[tuple[int, float, float]]:
    """Points a decade, and ends, of parts of a band: dense where something rings."""
    peaks = [(float(w) / (2.0 * np.pi) / device.scale.time, float(q))
             for w, q in getattr(device, "resonances", []) if q > 2.0]  # fmt: skip
    edges, parts, at = sorted((f / 1.3, f * 1.3, q) for f, q in peaks), [], low
    for begin, end, q in edges:
        begin = max(begin, at)
        if begin > at:
            parts.append((150, at, begin))
        if end > begin:
            parts.append((int(min(60 * q, 400_000)), begin, end))
            at = end
    return [*parts, (150, at, high)]


def _rms(path: Path, lines: list[str], read: str, sweeps: list[tuple[int, float, float]]) -> float:
    """ngspice's density of a noise voltage, integrated over the logarithm of frequency, volt.

    Its own integral, onoise_total, overflows beside sharp resonances.
    """
    more = [".control", "set numdgt=15"]
    for i, (count, low, high) in enumerate(sweeps):
        more += [f"noise {read} ithermohw dec {count} {low!r} {high!r}",
                 f"setplot noise{2 * i + 1}", f"wrdata out{i}.txt onoise_spectrum"]  # fmt: skip
    tables = ngspice(path, [*lines, *more, "quit", ".endc", ".end"], data=len(sweeps))
    if not tables:
        raise RuntimeError("no word on noise")
    # A sweep ends before its last frequency: the next one begins there, and the spline joins them.
    f, density = np.concatenate(tables).T[:2]
    order = np.unique(f, return_index=True)[1]
    f, density = f[order], density[order]
    course = CubicSpline(np.log(f), density**2 * f)
    return float(course.integrate(np.log(f[0]), np.log(f[-1]))) ** 0.5


def _has_capacitor(found: Netlist, name: str) -> bool:
    node = next(n for n in found.datasheet.nodes if n.name == name)
    return "on request" not in node.capacitance.source


def _places(found: Netlist) -> Iterator[tuple[str, tuple[str, str]]]:
    """Device node -> the two nodes of the deck between which it is read."""
    for name in (node.name for node in found.datasheet.nodes):
        told = found.meaning.get(name)
        if told is None:
            own = [n for n, (root, held) in found.places.items() if root == name and not held]
            yield name, (own[0], "0")
        elif sorted(told.values()) == [-1.0, 1.0]:
            yield name, (max(told, key=told.__getitem__), min(told, key=told.__getitem__))
        elif list(told.values()) == [1.0]:
            yield name, (next(iter(told)), "0")


def _held(found: Netlist, node: str, seconds: Any = None) -> Any:
    """Volts of a deck's node above the root that it is one with."""
    if node == "0":
        return 0.0
    parts = found.places[node][1] if node in found.places else {}
    return sum(
        f * (found.sources[s].value if seconds is None else found.sources[s].at(seconds))
        for s, f in parts.items() if s in found.sources
    )  # fmt: skip


def _drives(device: Any, found: Netlist) -> tuple[Any, Any, list[str]]:
    """B and the capacitors' share, one column a source, thermal units per SI unit."""
    names = list(found.sources)
    index = {name: i for i, name in enumerate(device.coordinates)}
    b, shift = np.zeros((device.dim, len(names))), np.zeros((device.dim, len(names)))
    for j, name in enumerate(names):
        for at, amount in found.sources[name].acts.items():
            unit = device.scale.current if at in device.nodes else device.scale.voltage
            b[index[at], j] += amount / unit
        for at, amount in found.sources[name].shifts.items():
            shift[index[at], j] -= amount / device.scale.charge
    return b, shift, names


def _mean(device: Any, found: Netlist) -> Any:
    """Mean efforts under the sources' values at rest, SI."""
    b, _, names = _drives(device, found)
    flow = device.drift_matrix @ device.capacitance
    rest = np.array([found.sources[name].value for name in names])
    return np.linalg.solve(flow, b @ rest) * device.effort_scale


def _course(path: Path, base: list[str], device: Any, found: Netlist, places: Any) -> float | None:
    """Largest difference of the courses, over the largest value."""
    unit = device.scale.time
    own = re.search(r"(?mi)^\s*\.tran\s+(.*)$", decode(path.read_bytes()))
    uic = own is not None and "uic" in own.group(1).lower()
    slowest = float(1.0 / np.real(device.rates).min()) * unit
    stop = 5.0 * slowest
    if own is not None:
        times = [_seconds(w) for w in re.findall(r"[\d.]+(?:e[+-]?\d+)?[a-z]*", own.group(1), re.I)]
        plain = [t for t in times if t]
        stop = plain[1] if len(plain) > 1 and "=" not in own.group(1) else max(plain, default=stop)
    edges = [n for s in found.sources.values() for n in _edges(s) if n < stop]
    stop = min(stop, max(10.0 * slowest, 3.0 * max(edges, default=0.0)))
    if any(q > 2.0 for _, q in getattr(device, "resonances", [])):
        # The simulator's phase drifts; ten periods say as much as a thousand.
        ring = 2.0 * np.pi / max(w for w, _ in device.resonances) * unit
        stop = min(
            stop, max(10.0 * ring, 3.0 * max((e for e in edges if e < 10.0 * ring), default=0.0))
        )
    fastest = 0.5 * float(1.0 / np.abs(device.rates).max()) * unit
    piece = max(min(stop / PIECES, 0.02 * fastest), stop / (10 * PIECES))
    columns = " ".join(dict.fromkeys(n for pair in places.values() for n in pair if n != "0"))
    wanted = " ".join(f"v({n})" for n in columns.split())
    lines = [".options reltol=1e-7 abstol=1e-15 vntol=1e-9", ".control",
             f"tran {stop / PIECES:g} {stop:g} 0 {piece:g}{' uic' if uic else ''}",
             f"wrdata out0.txt {wanted}", "quit", ".endc", ".end"]  # fmt: skip
    tables = ngspice(path, [*base, *lines], data=1)
    if not tables:
        return None
    table = tables[0][np.concatenate([[True], np.diff(tables[0][:, 0]) > 0.0])]
    time, values = table[:, 0], dict(zip(columns.split(), table[:, 1::2].T, strict=True))
    b, shift, names = _drives(device, found)
    u = np.array([found.sources[n].at(time) for n in names]).reshape(len(names), len(time))
    h, flow = device.hessian, device.drift_matrix @ device.capacitance
    start = np.linalg.solve(flow, b @ u[:, 0])
    if uic:
        start = (
            np.array([found.start.get(n, 0.0) for n in device.coordinates]) / device.effort_scale
        )
    # z' = -flow v + b u, v = h (z - shift u): in v without the jumps of the sources' derivatives.
    z = np.linalg.solve(h, start) + shift @ u[:, 0]
    drive, known = b + flow @ h @ shift, {}
    out = [start]
    for k in range(len(time) - 1):
        step = (time[k + 1] - time[k]) / unit
        key = f"{step:.9e}"
        if key not in known:
            known[key] = _held_and_ramp(-flow @ h, step)
        moved, held, ramp = known[key]
        z = moved @ z + held @ drive @ u[:, k] + ramp @ drive @ (u[:, k + 1] - u[:, k])
        out.append(h @ (z - shift @ u[:, k + 1]))
    volts = np.array(out) * device.effort_scale
    index = {name: i for i, name in enumerate(device.nodes)}
    worst, size = 0.0, 1e-12
    for name, (p, q) in places.items():
        theirs = values[p] - (values[q] if q != "0" else 0.0)
        ours = volts[:, index[name]] + _held(found, p, time) - _held(found, q, time)
        worst, size = (
            max(worst, float(np.abs(theirs - ours)[1:].max())),
            max(size, float(np.abs(theirs).max())),
        )
    return worst / size


def _edges(source: Any) -> list[float]:
    """Times that a source's waveform is made of, second."""
    if source.points is not None:
        return [float(source.points[-1, 0])]
    numbers = source._form.numbers if source._form else ()
    if source.wave in ("sin", "sffm", "am"):
        return [1.0 / f for f in numbers[2:4] if f > 0.0]
    return [t for t in numbers[2:7] if t < 1e20]


def _held_and_ramp(generator: Any, step: float) -> tuple[Any, Any, Any]:
    """Responses over a step: of the state, to a constant force, to one that grows from 0 to 1."""
    n = len(generator)
    whole = np.zeros((3 * n, 3 * n))
    whole[:n, :n] = generator * step
    whole[:n, n : 2 * n] = whole[n : 2 * n, 2 * n :] = np.eye(n)
    moved = expm(whole)[:n]
    return moved[:, :n], moved[:, n : 2 * n] * step, moved[:, 2 * n :] * step


def _seconds(word: str) -> float:
    from thermohw.datasheet.netlist.numbers import number

    return number(word) or 0.0

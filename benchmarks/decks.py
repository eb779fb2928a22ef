"""python -m benchmarks.decks FOLDER...: which SPICE decks import, and whether ngspice agrees.

Every deck below the folders is read. One that holds only R, C, L, K, V and I (after its includes)
and imports is handed to ngspice as it stands - its analyses and scripts taken out - which says

    rms     .noise integrated over a band far wider than the circuit's, at every node with a state
    op      the operating point of those nodes
    tran    with sources that vary: their course, under the deck's own .tran or for five time
            constants

against the imported device's stationary covariance, mean and response. Run it on decks that you
trust: ngspice reads what they include, wherever that is. The table is markdown; docs/decks.md
keeps it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import expm

from thermohw.circuit import build_device
from thermohw.datasheet.netlist import Netlist, read_netlist
from thermohw.datasheet.netlist.files import Folder
from thermohw.datasheet.netlist.flatten import flatten
from thermohw.datasheet.netlist.lines import decode
from thermohw.datasheet.netlist.scope import Notes
from thermohw.errors import InputError

__all__ = ["Verdict", "against_ngspice", "judge"]

ENDINGS = (".cir", ".net", ".sp", ".spi", ".ckt")
PARASITIC, OHM = "1 pF", "50 ohm"
_STEP = re.compile(r"\s*\.step\s+(?:dec\s+)?param\s+(\w+)\s+(?:list\s+)?(\S+)", re.I)
PIECES = 4000  # of a course, at least
_SKIPPED = (
    ".op", ".ac", ".dc", ".tran", ".noise", ".meas", ".measure", ".pz", ".four", ".fft", ".print",
    ".plot", ".save", ".probe", ".sp", ".sens", ".pss", ".shooting", ".symbolic", ".step", ".wave",
    ".backanno", ".end", ".tf", ".disto", ".loadbias", ".savebias", ".sndparam", ".sndprint",
)  # fmt: skip


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


def judge(path: Path) -> Verdict:
    """Read one deck, and ask ngspice."""
    folder = Folder(str(path))
    try:
        deck = flatten(folder.main(str(path)), path.name, folder, Notes())
    except InputError as error:
        missing = re.search(r"beside the deck|no sub-circuit", str(error))
        foreign = any(
            line.lstrip()[:1].lower() in set("abdefghjmnopqstuwyz") for line in _bare_deck(path)[1:]
        )
        return Verdict("other elements" if missing or foreign else "refused", error.problem)
    kinds = {flat.line.text[0].lower() for flat in deck.cards}
    if not kinds & set("rcl"):
        return Verdict("no circuit")
    if not kinds <= set("rclkvi"):
        return Verdict("other elements", f"cards {', '.join(sorted(kinds - set('rclkvi')))}")
    parasitic = source = None
    try:
        found = read_netlist(path)
    except InputError as error:
        if "has no capacitor" not in str(error) and "no node of this deck" not in str(error):
            return Verdict("refused", error.problem)
        parasitic = PARASITIC
        try:
            found = read_netlist(path, parasitic=parasitic)
        except InputError as again:
            if "sources hold them all" not in str(again):
                return Verdict("refused", error.problem)
            source = OHM
            found = read_netlist(path, parasitic=parasitic, source_resistance=source)
    try:
        build_device(found.datasheet)
    except InputError as error:
        return Verdict("refused", error.problem)
    kind = "imports" if parasitic is None else f"with parasitic {PARASITIC}"
    verdict = Verdict(kind if source is None else f"{kind}, source_resistance {OHM}")
    try:
        against_ngspice(path, found, verdict, parasitic, source)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        verdict.said = f"ngspice: {str(error)[:80]}"
    return verdict


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
    base = _bare_deck(path)
    if source is not None:
        base = [line for whole in base for line in _resisted(whole)]
    places = dict(_places(found))
    if parasitic is not None:
        base += [f"cthermohw{i} {node} 0 1p" for i, node in enumerate(
            n for n, (name, held) in found.places.items()
            if name is not None and not held and not _has_capacitor(found, name))]  # fmt: skip
    if not places:
        raise RuntimeError("no node has a state: currents alone do")
    probe = next(iter(places.values()))
    rates = np.abs(device.rates)
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
    said = _ngspice(path, [*base, *lines, "quit", ".endc", ".end"])
    index = {name: i for i, name in enumerate(device.nodes)}
    ours = np.sqrt(np.diag(device.effort_covariance)) * device.effort_scale
    verdict.rms = max(abs(t / ours[index[n]] - 1.0) for n, t in zip(places, theirs, strict=True))
    verdict.nodes = len(places)
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
    tables = _ngspice(path, [*lines, *more, "quit", ".endc", ".end"], data=len(sweeps))
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
    tables = _ngspice(path, [*base, *lines], data=1)
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


def _bare_deck(path: Path) -> list[str]:
    """Lines of a deck without its analyses and scripts."""
    lines, script, skipping = [], False, False
    raw = decode(path.read_bytes()).split("\n")
    for line in raw[1:]:
        word = line.split()[0].lower() if line.split() else ""
        if word == ".control":
            script = True
        if not script and not (line.startswith("+") and skipping):
            skipping = word in _SKIPPED
            if not skipping:
                lines.append(_spoken(line))
            elif match := _STEP.match(line):
                if not re.search(rf"(?mi)^\.param.*\b{match.group(1)}\s*=", "\n".join(raw)):
                    lines.append(f".param {match.group(1)}={match.group(2)}")
        if word == ".endc":
            script = False
        if word == ".end" and not script:
            break
    return [raw[0], *lines]


def _resisted(line: str) -> list[str]:
    """A voltage source with a resistance."""
    words = line.split(None, 2)
    if len(words) < 3 or words[0][0].lower() != "v":
        return [line]
    name = words[0].lower()
    return [f"{words[0]} {name}_out {words[2]}", f"r{name}_out {words[1]} {name}_out 50"]


def _spoken(line: str) -> str:
    """A source of ahkab in ngspice's words; any other line as it is."""
    if "type=" not in line or line[:1].lower() not in "vi":
        return line
    head, *parts = re.split(r"\btype\s*=\s*", line)
    words = head.split()
    for part in parts:
        kind, *values = re.sub(r"[a-z]\w*\s*=", " ", part, flags=re.I).split()
        if kind.lower() == "am":  # sa fc fm oc td there, sa oc fm fc td here
            values = [values[0], values[3], values[2], values[1], *values[4:]]
        kind = {"vdc": "dc", "idc": "dc", "vac": "ac", "iac": "ac"}.get(kind.lower(), kind)
        words.append(
            f"{kind} {values[0]}" if kind in ("dc", "ac") else f"{kind}({' '.join(values)})"
        )
    return " ".join(words)


def _ngspice(path: Path, lines: list[str], *, data: int = 0) -> Any:
    """What ngspice prints, or the tables it writes; in a copy of the deck's folder."""
    with tempfile.TemporaryDirectory(prefix="thermohw-decks-") as place:
        for file in path.parent.iterdir():
            if file.is_file() and file.stat().st_size < 4_000_000:
                shutil.copy(file, place)
        (Path(place) / "thermohw.cir").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = subprocess.run(["ngspice", "-b", "thermohw.cir"], cwd=place, capture_output=True,
                              text=True, errors="replace", timeout=120, check=False)  # fmt: skip
        if data:
            files = [Path(place) / f"out{i}.txt" for i in range(data)]
            return [np.loadtxt(f, ndmin=2) for f in files if f.exists()]
        if done.returncode or "v(" not in done.stdout:
            words = [w for w in (done.stdout + done.stderr).splitlines() if "rror" in w]
            raise RuntimeError(words[0].strip() if words else "no word on noise")
        return done.stdout


def main(folders: list[str]) -> None:
    """Print the table of all decks below the folders."""
    warnings.simplefilter("ignore")
    count: Counter[str] = Counter()
    print("| deck | sha256 | result | rms | op | tran |\n|---|---|---|---|---|---|")
    for folder in map(Path, folders):
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS):
            if not path.is_file():
                continue
            verdict = judge(path)
            count[verdict.kind] += 1
            if verdict.kind in ("no circuit", "other elements"):
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            told = verdict.said.replace("|", "\\|").replace(str(folder.parent) + "/", "")
            numbers = " | ".join("" if x is None else f"{x:.0e}"
                                 for x in (verdict.rms, verdict.op, verdict.tran))  # fmt: skip
            result = verdict.kind + (f": {told}" if told else f", {verdict.nodes} nodes")
            print(f"| {folder.name}/{path.relative_to(folder)} | {digest} | {result} | {numbers} |",
                  flush=True)  # fmt: skip
    print("\n" + ", ".join(f"{kind} {n}" for kind, n in sorted(count.items())))


if __name__ == "__main__":
    main(sys.argv[1:])

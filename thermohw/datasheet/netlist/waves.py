r"""Waveforms of V and I cards, as every SPICE has them.

    DC x  AC mag phase          small-signal analyses alone know AC; it has no value in time
    SIN(vo va f td theta phi n) vo + va e^{-(t-td) theta} sin(2 pi f (t-td) + phi), from td on, for
                                n periods if n is given (LTspice)
    PULSE(v1 v2 td tr tf pw per np)         np periods, then v1; endless without np
    EXP(v1 v2 td1 tau1 td2 tau2)
    SFFM(vo va fc mdi fs)       vo + va sin(2 pi fc t + mdi sin(2 pi fs t))
    AM(sa oc fm fc td)          sa (oc + sin(2 pi fm (t-td))) sin(2 pi fc (t-td))
    PWL(t v t v ...) r= td=     linear between points, later by td, constant beyond, or with what
                                follows the time r again and again

A port (portnum, z0) has its impedance in series, 50 ohm if none is given.

ahkab writes `type=vdc vdc=1 type=pulse v1=0 v2=1 ...`; its words mean the same. In ahkab the order
of AM is another, sa fc fm oc td: its `type=` tells which. Times of a pulse that are left out or
zero are the simulator's steps, which a deck without .tran does not have: 1e-9 of the period or of
the pulse, and a remark says so. Random and recorded waveforms (TRNOISE, TRRANDOM, a file) are not
played: the source has its DC value, and a remark says so.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.datasheet.netlist.words import split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet.netlist.lines import Line
    from thermohw.datasheet.netlist.scope import Scope

__all__ = ["KINDS", "Wave", "read_source"]

KINDS = ("dc", "sin", "pulse", "exp", "sffm", "am", "pwl")
_ALIASES = {"sine": "sin"}
_UNKNOWN = {
    "trnoise": "a [[noise]] entry of a datasheet would play it",
    "trrandom": "a [[noise]] entry of a datasheet would play it",
    "external": "give it as PWL",
    "file": "give it as PWL",
    "wavefile": "give it as PWL",
}
_PWL = re.compile(r"\bpwl\b", re.I)
_NAMES = {  # of ahkab
    "sin": ("vo", "va", "freq", "td", "theta", "phi", "ncycles"),
    "pulse": ("v1", "v2", "td", "tr", "tf", "pw", "per", "np"),
    "exp": ("v1", "v2", "td1", "tau1", "td2", "tau2"),
    "sffm": ("vo", "va", "fc", "mdi", "fs"),
    "am": ("sa", "fc", "fm", "oc", "td"),
}
_HARMLESS = ("pwr", "freq", "phase", "iac", "vac", "distof1", "distof2")
_PORT = ("portnum", "z0")
_SERIES = ("rser", "cpar", "m")
_RATES = {"sin": (2,), "sffm": (2,), "am": (2, 3)}  # where a frequency stands


@dataclass(frozen=True, eq=False)
class Wave:
    """A source's value in time.

    Attributes:
        kind: one of KINDS.
        dc: at rest: DC if given, else the waveform's value at its start.
        numbers: of the waveform; of a pwl None.
        points: of a pwl, shape (M, 2): second, volt or ampere; else None.
        again: of a pwl that repeats what follows this time, second.
    """

    kind: str
    dc: float
    numbers: tuple[float, ...] = ()
    points: NDArray[Any] | None = None
    again: float | None = None

    def at(self, seconds: Any) -> NDArray[Any]:
        """Value at times (second), shape of them."""
        t = np.asarray(seconds, dtype=float)
        if self.points is not None:
            if self.again is not None:
                past = np.maximum(t - self.again, 0.0)
                t = np.where(past > 0.0, self.again + past % (self.points[-1, 0] - self.again), t)
            return np.interp(t, self.points[:, 0], self.points[:, 1])
        if self.kind == "dc":
            return np.full(t.shape, self.dc)
        return _SHAPES[self.kind](t, *self.numbers)


def _sin(
    t: Any, vo: float, va: float, f: float, td: float, theta: float, phi: float, count: float
) -> Any:
    s = np.maximum(t - td, 0.0)
    if count > 0.0 and f > 0.0:  # whole periods of a sine: it ends where it began, at vo
        s = np.where(s < count / f, s, 0.0)
    return vo + va * np.exp(-s * theta) * np.sin(2.0 * np.pi * f * s + np.deg2rad(phi))


def _pulse(
    t: Any, v1: float, v2: float, td: float, tr: float, tf: float, pw: float, per: float,
    count: float,
) -> Any:  # fmt: skip
    s = t - td
    over = (count > 0.0) & (per > 0.0) & (s > count * per)
    past = np.ceil(s / per) - 1.0 if per > 0.0 else 0.0  # a period ends with its last instant
    s = np.where(over, -1.0, s - np.maximum(past, 0.0) * per)
    return np.interp(s, [0.0, tr, tr + pw, tr + pw + tf], [v1, v2, v2, v1])


def _exp(t: Any, v1: float, v2: float, td1: float, tau1: float, td2: float, tau2: float) -> Any:
    up = -np.expm1(-np.maximum(t - td1, 0.0) / tau1)
    down = -np.expm1(-np.maximum(t - td2, 0.0) / tau2)
    return v1 + (v2 - v1) * (up - down)


def _sffm(t: Any, vo: float, va: float, fc: float, mdi: float, fs: float) -> Any:
    return vo + va * np.sin(2.0 * np.pi * fc * t + mdi * np.sin(2.0 * np.pi * fs * t))


def _am(t: Any, sa: float, oc: float, fm: float, fc: float, td: float) -> Any:
    s = np.maximum(t - td, 0.0)
    return sa * (oc + np.sin(2.0 * np.pi * fm * s)) * np.sin(2.0 * np.pi * fc * s)


_SHAPES: dict[str, Any] = {"sin": _sin, "pulse": _pulse, "exp": _exp, "sffm": _sffm, "am": _am}


def read_source(line: Line, scope: Scope, text: str) -> tuple[Wave, dict[str, float]]:
    """What a V or I card says behind its nodes.

    Args:
        line: the card.
        scope: of its formulas.
        text: behind the nodes.

    Returns:
        The waveform, and rser and cpar where given.

    Raises:
        InputError: a waveform or a parameter that is not understood.
    """
    found = _PWL.search(text)
    points, tail = None, ""
    if found is not None:
        points, tail = _points(line, scope, text[found.end() :])
        text = text[: found.start()]
    plain, named = split(text)
    more, extra = split(tail)
    named = named | extra
    kind = "pwl" if points is not None else _ALIASES.get(named.get("type", ""), "")
    dc: float | None = None
    shape: tuple[str, list[str]] = ("", [])
    words = [w.lower() for w in (*plain, *more)]
    place, ahkab = 0, "type" in named
    if ahkab:
        words, shape, dc = _ahkab(line, scope, text)
    while place < len(words):
        word = _ALIASES.get(words[place], words[place])
        place += 1
        if word == "dc":
            if place < len(words) and _is_value(words[place]):
                dc, place = scope.value(words[place], line), place + 1
        elif word in ("ac", "distof1", "distof2"):
            while place < len(words) and _is_value(words[place]):
                place += 1
        elif word in _NAMES:
            taken = place
            while taken < len(words) and _is_value(words[taken]):
                taken += 1
            shape, place = (word, words[place:taken]), taken
        elif word in _UNKNOWN:
            scope.notes.say(line.place, f"{word.upper()}: this waveform is not played, the source "
                                        f"has its DC value; {_UNKNOWN[word]}")  # fmt: skip
            break
        elif word in _PORT and place < len(words):
            named.setdefault(word, words[place])
            place += 1
        elif word in _HARMLESS:
            place += place < len(words) and _is_value(words[place])
        elif dc is None and not shape[0] and place <= len(plain):
            dc = scope.value(word, line)
        else:
            raise line.fail(
                f"'{word}' is not understood; a constant, SIN, PULSE, EXP, SFFM, AM or PWL is"
            )
    series: dict[str, float] = {}
    later: dict[str, float] = {}
    for key, value in named.items():
        if key == "dc":
            dc = scope.value(value, line)
        elif key in _SERIES:
            series[key] = scope.value(value, line)
        elif points is not None and key in ("r", "td"):
            later[key] = scope.value(value, line)
        elif key in _PORT:
            if "portnum" in named:  # a port has its impedance in series
                series["rser"] = scope.value(named.get("z0", "50"), line)
                scope.notes.say(line.place, "a port's impedance z0 is a resistor with a bath here; "
                                            "ngspice's .noise takes it as noiseless")  # fmt: skip
        elif key not in ("ac", "type", *_HARMLESS) and not ahkab:
            raise line.fail(
                f"'{key}=' of a source is not understood; dc=, ac=, rser= and cpar= are"
            )
    kind = kind or shape[0] or "dc"
    if points is not None:
        points, again = _later(line, points, later)
        return Wave("pwl", float(points[0, 1]) if dc is None else dc, (), points, again), series
    if kind == "dc":
        return Wave("dc", dc or 0.0), series
    wave = _waveform(line, scope, kind, [scope.value(w, line) for w in shape[1]], ahkab)
    rest = Wave(kind, 0.0, wave)
    return Wave(kind, float(rest.at(0.0)) if dc is None else dc, wave), series


def _later(
    line: Line, points: NDArray[Any], later: dict[str, float]
) -> tuple[NDArray[Any], float | None]:
    """Points of a PWL with its td=, and from when it repeats with its r=."""
    delay, again = later.get("td", 0.0), later.get("r", -1.0)
    if again < 0.0:  # as ngspice has it
        return points + [delay, 0.0], None
    if again not in points[:-1, 0] and again != 0.0:
        raise line.fail(f"PWL r={again:g}: it repeats from one of its times before the last")
    if again < points[0, 0]:
        points = np.vstack([[again, points[0, 1]], points])
    return points + [delay, 0.0], again + delay


def _is_value(word: str) -> bool:
    words = ("dc", "ac", "distof1", "distof2", *_NAMES, *_ALIASES, *_UNKNOWN, *_HARMLESS, *_PORT)
    return word not in words


def _waveform(
    line: Line, scope: Scope, kind: str, given: list[float], ahkab: bool
) -> tuple[float, ...]:
    """Numbers of a waveform, the missing ones filled in."""
    names = _NAMES[kind]
    if not 2 <= len(given) <= len(names):
        raise line.fail(f"{kind.upper()} needs {', '.join(names)}")
    values = [*given, *[0.0] * (len(names) - len(given))]
    if kind == "sin" and values[6] and (values[6] % 1.0 or values[5]):
        raise line.fail("SIN of periods that are not whole, or begin with a phase: leave them out")
    if kind == "am" and ahkab:
        sa, fc, fm, oc, td = values
        values = [sa, oc, fm, fc, td]
    if any(values[i] == 0.0 for i in _RATES.get(kind, ())) and values[1 if kind != "am" else 0]:
        scope.notes.say(line.place, f"{kind.upper()} without a frequency: simulators take it from "
                                    "their .tran, here it does not swing; give one")  # fmt: skip
    if kind == "pulse":
        tr, tf, pw, per, count = values[3:]
        unit = per or pw or 1.0
        if min(tr, tf) <= 0.0:
            scope.notes.say(line.place, "PULSE: an edge without a length takes 1e-9 of its period")
        tr, tf = tr if tr > 0.0 else 1e-9 * unit, tf if tf > 0.0 else 1e-9 * unit
        pw = pw if pw > 0.0 or len(given) > 5 else math.inf
        if not math.isfinite(pw):
            pw, per = 1e30, 0.0
        values[3:] = [tr, tf, pw, per, count]
    if kind == "exp":
        if values[3] <= 0.0 or (values[4] > 0.0 and values[5] <= 0.0):
            raise line.fail("EXP needs v1 v2 td1 tau1 td2 tau2 with positive time constants")
        if len(given) < 5:
            values[4], values[5] = 1e30, 1.0
    return tuple(values)


def _ahkab(
    line: Line, scope: Scope, text: str
) -> tuple[list[str], tuple[str, list[str]], float | None]:
    """`type=` words: what belongs to which kind, as (words left, waveform, dc)."""
    dc, shape = None, ("", [])
    for part in re.split(r"\btype\s*=\s*", text, flags=re.I)[1:]:
        plain, named = split(part)
        kind = _ALIASES.get(plain[0].lower(), plain[0].lower()) if plain else ""
        if kind in ("vdc", "idc"):
            given = named.get(kind, plain[1] if len(plain) > 1 else "0")
            dc = scope.value(given, line)
        elif kind in _NAMES:
            values = plain[1:] or [named[n] for n in _NAMES[kind] if n in named]
            shape = kind, values
        elif kind not in ("vac", "iac"):
            raise line.fail(f"'type={kind}' is not understood; vdc, idc, sin, pulse, exp, sffm, am")
    return [], shape, dc


def _points(line: Line, scope: Scope, text: str) -> tuple[NDArray[Any], str]:
    """Points of a PWL, and what stands behind its bracket."""
    body, tail = text.strip(), ""
    if body.startswith("("):
        end = body.find(")") if body.find("(", 1) < 0 else _closing(body)
        if end < 0:
            raise line.fail("PWL( without a closing bracket")
        body, tail = body[1:end], body[end + 1 :]
    words = body.replace(",", " ").split()
    if "=" in body:  # PWL 0 0 1 1 rser=1: what belongs to the source stands behind
        first = next(i for i, w in enumerate(words) if "=" in w)
        first -= words[first].startswith("=")
        words, tail = words[:first], " ".join(words[first:]) + " " + tail
    if words and words[0].lower() in ("file", "repeat", "time_scale_factor"):
        raise line.fail(f"PWL {words[0].upper()}: give its points")
    try:
        values = np.array(words, dtype=float)
        if any(w[0] == "+" for w in words[::2]):
            raise ValueError
    except ValueError:
        values = _written(line, scope, words)
    if len(values) % 2 or not len(values):
        raise line.fail("PWL needs pairs of a time and a value, in order")
    points = values.reshape(-1, 2)
    if not np.isfinite(points).all() or not (np.diff(points[:, 0]) > 0.0).all():
        raise line.fail("PWL needs pairs of a time and a value, in order")
    return points, tail


def _closing(body: str) -> int:
    """Where the bracket that opens a text is closed; -1 where it is not."""
    depth = 0
    for place, c in enumerate(body):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return place
    return -1


def _written(line: Line, scope: Scope, words: list[str]) -> NDArray[Any]:
    """Points with scale factors, formulas, and LTspice's "+2n": later by that much."""
    if len(words) > 200_000:
        raise line.fail("a PWL of more than 100000 points needs plain numbers, 1e-9 for 1n")
    values: list[float] = []
    for place, word in enumerate(split(" ".join(words)).plain):
        value = scope.value(word.removeprefix("+"), line)
        if place % 2 == 0 and word[0] == "+" and len(values) > 1:
            value += values[-2]
        values.append(value)
    return np.array(values)

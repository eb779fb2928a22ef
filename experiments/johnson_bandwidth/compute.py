r"""A free node, and a mixture played on a node whose only noise is a generator of finite bandwidth.

R is cold; a noise voltage xi of the density of its Johnson noise at T stands in series with it and
with the controlled source e. In V0 = sqrt(kT/C) and R C

    dx/ds = -x + e + xi,       e = 2 x + 2 score(x, T - s)

works   W_e = int e dx,  W_xi = int xi dx        heat   Q = int (e + xi - x) dx = W_e + W_xi - dU

all ordinary integrals, for the path is smooth. xi rests at its exact mean over pieces of length d,
in which the node moves exactly; what varies inside a piece drives (E xi^2 - Var(mean))/R through R,
which is added to W_xi and Q. e is held for `hold`, or follows the state (two evaluations a piece,
explicit midpoint: second order in d). The node thermalises on this very noise for five R C
before it is driven for five.
"""

from __future__ import annotations

from math import ceil, exp, pi

import numpy as np
import torch

from thermohw.audit.distance import line_distance
from thermohw.circuit import build_device
from thermohw.circuit.noises import NoiseInput
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.experiments.shared.problems import two_humps
from thermohw.integrate.free import free_run
from thermohw.integrate.waveforms import Waveforms, WaveNoise
from thermohw.process import OU
from thermohw.score import ExactScore
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target
from thermohw.units import K_B

HORIZON = 5.0  # R C of thermalisation, and of generation
_FOLLOW = 0.004  # R C; the narrow mode answers at 22/RC, so the midpoint errs by some 0.1 %
_COLD = "1 uK"


def compute(cell: Cell, tools: Tools) -> Row:
    """Variance and power of a free node, or works and samples of a driven one."""
    if cell["kind"] == "free":
        return _free(cell)
    how = {"hold": cell["hold"] or None, "paths": cell["paths"]}
    noise = tools.generator()
    return play(two_humps(), cell["shape"], cell["bandwidth"], generator=noise, **how)


def _free(cell: Cell) -> Row:
    """rc1 with a cold resistor and a current of the density that its noise would have at 300 K."""
    sheet = load_datasheet("rc1")
    ohms = sheet.resistors[0].resistance.value
    tau = ohms * sheet.nodes[0].capacitance.value
    density = (4.0 * K_B * 300.0 / ohms) ** 0.5
    text = f"""{sheet.text}
[[noise]]
name = "generator"
kind = "white"
at = "n0"
shape = "{cell["shape"]}"
density = "{density} A/sqrt(Hz)"
bandwidth = "{cell["bandwidth"] / tau} Hz"
"""
    device = build_device(read_datasheet(text, "rc1", {"r0.temperature": _COLD}))
    paths, unit = cell["paths"], K_B * 300.0
    # Means over pieces: half of the fastest time is enough (1 % of (piece/RC)^2 in variance).
    own = 6.283 * cell["bandwidth"] if cell["shape"] == "one-pole" else 2.0 * cell["bandwidth"]
    step = min(0.1, 1.0 / own) * tau
    run = free_run(device, duration=cell["span"] * tau, paths=paths, step=step, seed=cell["seed"])
    variance = run.mean_square[:, 0] * sheet.nodes[0].capacitance.value / unit
    power = run.books["work.generator"] / unit / (run.seconds / tau)
    root = paths**0.5
    return {
        "variance": float(variance.mean()), "variance.stderr": float(variance.std()) / root,
        "power": float(power.mean()), "power.stderr": float(power.std()) / root,
    }  # fmt: skip


def source_of(shape: str, bandwidth: float) -> NoiseInput:
    """Noise whose density is that of the resistor, S = 4, in kT, R C units, `bandwidth` its corner
    ("one-pole") or sample rate ("staircase", "interpolated"), per R C.
    """
    port = np.zeros(1)
    if shape == "one-pole":
        time = 1.0 / (2.0 * pi * bandwidth)
        return NoiseInput("xi", "poles", 0, port, np.array([1.0 / time]), np.array([time]))
    every = np.array([1.0 / bandwidth])
    return NoiseInput("xi", shape, 0, port, 2.0 / every, every)


def play(
    target: Target, shape: str, bandwidth: float, *,
    hold: float | None, paths: int, generator: torch.Generator,
) -> dict[str, float]:  # fmt: skip
    """Works, heat and distance of the samples of one-dimensional data, means with standard errors;
    the source holds for `hold` RC, or follows the state (None).
    """
    score = target.score(OU(duration=HORIZON))
    source = source_of(shape, bandwidth)
    time = float(source.times[0])
    wanted = min(time / 4.0 if shape == "one-pole" else time, hold or _FOLLOW)
    whole = hold or (wanted if shape == "one-pole" else time)  # a whole number of pieces
    piece = whole / ceil(whole / wanted - 1e-9)
    source = _fitted(source, piece)
    count = round(HORIZON / piece)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    waves = Waveforms([source], piece, WaveNoise(seed, 0, paths))
    decay = exp(-piece)
    x = torch.zeros(paths, dtype=torch.float64)
    for n in range(count):
        x = decay * x + (1.0 - decay) * waves.at(n)[:, 0]
    begin, works = x.clone(), torch.zeros(2, paths, dtype=torch.float64)
    heat, e = torch.zeros_like(x), torch.zeros_like(x)
    each = 1 if hold is None else round(hold / piece)
    half = exp(-0.5 * piece)
    for n in range(count):
        xi = waves.at(count + n)[:, 0]
        if hold is None:
            e = _law(score, x, HORIZON - n * piece)
            middle = half * x + (1.0 - half) * (e + xi)
            e = _law(score, middle, HORIZON - (n + 0.5) * piece)
        elif n % each == 0:
            e = _law(score, x, HORIZON - n * piece)
        end = decay * x + (1.0 - decay) * (e + xi)
        moved = end - x
        works[0] += e * moved
        works[1] += xi * moved
        heat += (e + xi - 0.5 * (x + end)) * moved
        x = end
    residual = 0.5 * (x**2 - begin**2) - (works.sum(0) - heat)
    start = float((begin**2).mean())
    found = {"residual": float(residual.abs().max()), "start": start, "pieces": float(count)}
    for name, values in (("work", works[0]), ("injected", works[1]), ("heat", heat)):
        inside = 0.0 if name == "work" else HORIZON * _lost(source, piece)
        found[name] = float(values.mean()) + inside
        found[f"{name}.stderr"] = float(values.std()) / paths**0.5
    grid = np.linspace(-9.0, 9.0, 40001)
    density = score.log_prob(torch.tensor(grid)[:, None], 0.0).exp().numpy()
    whole = np.cumsum(density)
    whole = (whole - 0.5 * density) / whole[-1]
    distance = line_distance(x.numpy(), lambda y: np.interp(y, grid, whole))
    found["distance"], found["floor"] = float(distance.value), float(distance.floor)
    return found


def _law(score: ExactScore, x: torch.Tensor, t: float) -> torch.Tensor:
    return 2.0 * x + 2.0 * score.at(max(t, 0.0))(x[:, None])[:, 0]


def _lost(source: NoiseInput, piece: float) -> float:
    """Mean square of the noise less that of its means over pieces, in time average."""
    square = float(source.variances[0])
    r = piece / float(source.times[0])
    if source.kind == "poles":
        return square * (1.0 - 2.0 * (r - 1.0 + exp(-r)) / r**2)
    return square * r**2 / 6.0 if source.kind == "interpolated" else 0.0


def _fitted(source: NoiseInput, piece: float) -> NoiseInput:
    """Samples a whole number of pieces apart, at the same density."""
    if source.kind == "poles":
        return source
    every = np.array([piece * max(1, round(float(source.times[0]) / piece))])
    return NoiseInput("xi", source.kind, 0, source.port, 2.0 / every, every)

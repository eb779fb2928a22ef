"""The engine: path-ticks per second of a clocked RC node with its full ledger.

One worker, one torch thread, float32, tiles of 32768 paths. The yardstick is torch's own normal
generator filling one reused buffer of a tile.
"""

from __future__ import annotations

import subprocess
import sys

import torch

from benchmarks.clock import Row, alternate, rate
from thermohw.books import Ledger, Pumping
from thermohw.circuit import load_device
from thermohw.control import Protocol
from thermohw.integrate import Engine, make_engine, tiles
from thermohw.process import OU
from thermohw.target import gaussian, gaussian_mixture

__all__ = ["against_noise", "against_torchsde", "memory"]

PATHS, TICKS, TILE = 98304, 400, 32768


def _engine(kind: str, *, ticks: int = TICKS) -> Engine:
    if kind == "gaussian":
        target = gaussian(mean=[0.0], std=[0.5])
    else:
        target = gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5)
    device = load_device("rc1")
    score = target.score(OU(duration=3.0))
    protocol = Protocol(device, score.process, score, wiring="emf", control="clocked", ticks=ticks)
    observers = [Ledger(device, "emf")]
    if kind == "mixture":
        observers.append(Pumping())  # type: ignore[arg-type]
    return make_engine(protocol, observers, dtype=torch.float32, divergence=kind == "mixture")


def _run(engine: Engine, ticks: int = TICKS, paths: int = PATHS) -> None:
    for tile in tiles(paths, TILE):
        run = engine.open(tile)
        run.advance(ticks)
        run.results()


def _bare_noise() -> None:
    generator, buffer = torch.Generator(), torch.empty(TILE)
    for _ in range(TICKS * PATHS // TILE):
        buffer.normal_(generator=generator)


def against_noise() -> list[Row]:
    """Rate of the ledger run over that of its noise alone."""
    return [
        _against_noise("gaussian", "exact Gaussian score", ">= 0.5 (later 0.65)"),
        _against_noise("mixture", "mixture score and pumping", ">= 0.45"),
    ]


def _against_noise(kind: str, name: str, target: str) -> Row:
    engine, work = _engine(kind), float(PATHS * TICKS)
    ratio, low, high, ours, theirs = alternate(
        lambda: rate(work, lambda: _run(engine)), lambda: rate(work, _bare_noise)
    )
    workload = f"rc1 emf clocked, ledger, {name} / normal_() alone"
    detail = f"{ours / 1e6:.0f} against {theirs / 1e6:.0f} million path-ticks/s"
    return Row(workload, ratio, low, high, target, detail)


def against_torchsde() -> list[Row]:
    """The same run against torchsde's Euler without any ledger; needs the peers' environment."""
    try:
        import torchsde
    except ImportError:
        return []

    class Reverse(torch.nn.Module):
        """The same reverse SDE, in torchsde's form."""

        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            decay = torch.exp(-2.0 * (3.0 - t))
            return x - 2.0 * x / (0.25 * decay + 1.0 - decay)

        def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.full_like(x, 2.0**0.5)

    engine, work = _engine("gaussian"), float(PATHS * TICKS)
    start = torch.randn(PATHS, 1)
    times = torch.tensor([0.0, 3.0])

    def peer() -> None:
        with torch.no_grad():
            torchsde.sdeint(Reverse(), start, times, dt=3.0 / TICKS, method="euler")

    ratio, low, high, ours, theirs = alternate(
        lambda: rate(work, lambda: _run(engine)), lambda: rate(work, peer), repeat=3
    )
    detail = f"{ours / 1e6:.0f} against {theirs / 1e6:.1f} million path-ticks/s"
    return [
        Row("the same / torchsde Euler without ledger", ratio, low, high, ">= 4 (later 5)", detail)
    ]


def memory() -> list[Row]:
    """Peak memory of a run over 16 times as many ticks, as a ratio; 1 is flat."""
    peaks = [_peak(ticks) for ticks in (200, 3200)]
    detail = f"{peaks[1] / 1024:.0f} MB at 3200 ticks, {peaks[0] / 1024:.0f} MB at 200"
    ratio = peaks[0] / peaks[1]
    return [Row("peak memory, 200 ticks / 3200 ticks", ratio, ratio, ratio, "1 (flat)", detail)]


def _peak(ticks: int) -> float:
    code = (
        "from benchmarks import engine; import resource; "
        f"engine._run(engine._engine('gaussian', ticks={ticks}), {ticks}, 32768); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)

"""What the rows play. Protocols, with their devices and scores, are made anew for every call,
outside the clock, so that no call profits from what another has worked out.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import torch

import thermohw as th
from thermohw.circuit import build_device
from thermohw.datasheet.read import read_datasheet

__all__ = ["MILLION", "TILE", "array", "exact", "normals", "play", "single"]

TILE = 32768
MILLION = 1e6


def array(name: str, rows: int, columns: int) -> Any:
    """A shipped array of 8 x 8 cells in another shape."""
    text = files("thermohw").joinpath("devices", f"{name}.toml").read_text(encoding="utf-8")
    shaped = text.replace("shape = [8, 8]", f"shape = [{rows}, {columns}]")
    return build_device(read_datasheet(shaped, f"{name}-{rows}x{columns}"))


def exact(modes: int = 1, dim: int = 1) -> Any:
    """The exact score of a Gaussian, or of a mixture of so many modes along the first axis."""
    if modes == 1:
        target = th.targets.gaussian(mean=[0.0] * dim, std=[0.5] * dim)
    else:
        places = [2.0 * k / (modes - 1) - 1.0 for k in range(modes)]
        means = [[x, *([0.0] * (dim - 1))] for x in places]
        target = th.targets.gaussian_mixture(means=means, stds=0.4**0.5)
    return target.score(th.OU(duration=3.0))


def single(
    modes: int = 1, *, ticks: int = 200, device: Any = None, dim: int = 1, **keys: Any
) -> th.Protocol:
    """One RC node, or a device of so many nodes, emf, clocked, driven by an exact score."""
    score = exact(modes, dim)
    device = th.load_device("rc1") if device is None else device
    keys = {"wiring": "emf", "control": "clocked", "ticks": ticks} | keys
    return th.Protocol(device, score.process, score, **keys)


def play(protocol: th.Protocol, paths: int = 65536, **keys: Any) -> th.Run:
    """`simulate()` with its default accounts, on one thread unless asked."""
    keys = {"workers": 1, "progress": False} | keys
    return th.simulate(protocol, paths=paths, **keys)


def normals(count: int) -> None:
    """The normal rate: as many single precision normals into one reused buffer of a tile."""
    buffer, generator = torch.empty(TILE), torch.Generator()
    for _ in range(-(-count // TILE)):
        buffer.normal_(generator=generator)

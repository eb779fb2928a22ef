"""Coupled circuits.

boards    `free_run()` of a grid of RC nodes, books of every bath, against thermox, which draws the
          same Ornstein-Uhlenbeck law at the same times without books: `preprocess`, then `sample`
          over a batch of keys, compiled beforehand, its scan sequential (in one thread the
          associative one is slower); both whole calls. thermox works in single precision, a free
          run in double.
held tick one tick of an 8 x 8 grid with the heat of each of its 176 resistors against its bare
          exact tick, two matrix products: a part of `simulate()`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

import thermohw as th
from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import MILLION, array
from benchmarks.solvers import one_processor
from thermohw.circuit.tick import tick_moments
from thermohw.control import Piece
from thermohw.integrate.choice import make_stepper
from thermohw.noise import TickNoise

__all__ = ["against_bare_tick", "against_thermox"]

STEP = 0.05  # R C
PATHS = 1024  # of the held tick: those of a lane


def against_thermox() -> list[Row]:
    """16 x 16 nodes."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    with one_processor():
        try:
            import thermox  # noqa: F401
        except ImportError:
            return []
        return [_board(16, 256, 8, repeat=3)]


def _board(side: int, paths: int, ticks: int, repeat: int) -> Row:
    import jax
    import thermox

    jnp = jax.numpy
    device = array("ladder64", side, side)
    drift, noise = device.drift_matrix, device.noise_matrix
    a, d = jnp.asarray(drift), jnp.asarray(noise @ noise.T)
    zero, times = jnp.zeros(device.dim), jnp.arange(ticks + 1) * STEP
    keys = jax.random.split(jax.random.key(0), paths)

    @jax.jit
    def sample(a: Any, d: Any) -> Any:
        def one(key: Any) -> Any:
            return thermox.sample(key, times, zero, a, zero, d, associative_scan=False)

        return jax.vmap(one)(keys)

    def peer() -> None:
        sample(*thermox.preprocess(a, d)).block_until_ready()

    unit = device.scale.time

    def ours() -> None:
        th.free_run(array("ladder64", side, side), duration=ticks * STEP * unit, paths=paths,
                    step=STEP * unit, start="zero")  # fmt: skip

    work = float(paths * ticks * device.dim)
    pairs = alternate(ours, peer, repeat=repeat, work=(work, work))
    return row(f"free_run(): grid of {device.dim} RC nodes, every bath's heat, {paths} x {ticks}",
               "thermox, same law and times, no books", pairs.ratios(), ">= 5",
               pairs.told("million path-node-ticks", MILLION))  # fmt: skip


def against_bare_tick() -> list[Row]:
    """One row; time of ours over that of the peer."""
    device = array("ladder64", 8, 8)
    stepper: Any = make_stepper(device, "emf", "exact", dtype=torch.float32)
    moments = tick_moments(device, STEP)
    root = np.linalg.cholesky(moments.end_covariance)
    turn, spread = (torch.tensor(m.T.copy(), dtype=torch.float32)
                    for m in (moments.propagator, root))  # fmt: skip
    state = torch.randn(PATHS, device.dim)
    piece = Piece(0, 0.0, STEP, True, 0, True)

    def ours() -> None:
        noise = TickNoise(0, 0, PATHS, dtype=torch.float32)
        stepper.step(piece, state, None, noise=noise, act=None)

    def bare() -> torch.Tensor:
        noise = TickNoise(0, 0, PATHS, dtype=torch.float32)
        return state @ turn + noise.normals(device.dim, 0) @ spread

    pairs = alternate(ours, bare, repeat=15)
    slower = [1.0 / ratio for ratio in pairs.ratios()]
    return [
        row(
            f"held tick of an 8 x 8 grid, {len(device.elements)} baths' heats, {PATHS} paths; time",
            "its bare exact tick",
            slower,
            "<= 5",
            pairs.told(),
            unit="part",
        )  # fmt: skip
    ]

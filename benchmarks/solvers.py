"""The single node against general solvers of stochastic differential equations, none of which keeps
books: the same reverse equation, the same number of steps, single precision, one processor.

torchsde  Euler; its own default, and with a `BrownianInterval` told the step and given all the
          memory it likes, which is the fastest of the forms its documentation names
diffrax   Euler, compiled, the batch in the state; `UnsafeBrownianPath`, which its documentation
          calls the quick one for fixed steps without gradients, and `ForwardMode`, which it asks
          for then; a virtual Brownian tree is twenty times slower
sdeint    itoEuler, one path at a time, as it is written for: fewer paths and time in proportion
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

import thermohw as th
from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import MILLION, play, single

__all__ = ["against_diffrax", "against_sdeint", "against_torchsde", "one_processor"]

PATHS, TICKS, DURATION = 65536, 200, 3.0
STEP = DURATION / TICKS
FEW = 16  # paths of sdeint


def _ours(protocol: th.Protocol) -> None:
    play(protocol, PATHS)


def _prepare() -> th.Protocol:
    return single(ticks=TICKS)


def _against(name: str, peer: Callable[[], Any], asked: str, repeat: int = 7) -> Row:
    work = float(PATHS * TICKS)
    pairs = alternate(_ours, peer, prepare=_prepare, repeat=repeat, work=(work, work))
    return row(f"simulate(): the first row, {PATHS} x {TICKS}", name, pairs.ratios(), asked,
               pairs.told("million path-ticks", MILLION))  # fmt: skip


def against_torchsde() -> list[Row]:
    """Both forms of the peer."""
    try:
        import torchsde
    except ImportError:
        return []

    class Reverse(torch.nn.Module):
        """The reverse equation in torchsde's form."""

        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            decay = torch.exp(-2.0 * (DURATION - t))
            return x - 2.0 * x / (0.25 * decay + 1.0 - decay)

        def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.full_like(x, 2.0**0.5)

    start, times = torch.randn(PATHS, 1), torch.tensor([0.0, DURATION])

    def peer(told: bool) -> None:
        path = None
        if told:
            path = torchsde.BrownianInterval(0.0, DURATION, size=(PATHS, 1), dt=STEP,
                                             cache_size=None)  # fmt: skip
        with torch.no_grad():
            torchsde.sdeint(Reverse(), start, times, dt=STEP, method="euler", bm=path)

    return [
        _against("torchsde Euler, its default", lambda: peer(False), ">= 10", repeat=5),
        _against("torchsde Euler, BrownianInterval(dt=)", lambda: peer(True), ">= 10", repeat=5),
    ]


@contextmanager
def one_processor() -> Iterator[None]:
    """For this thread and those it starts."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def against_diffrax() -> list[Row]:
    """Compiled once, before anything is timed."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    with one_processor():
        try:
            import diffrax
            import jax
            import lineax
        except ImportError:
            return []
        jnp = jax.numpy

        def drift(t: Any, x: Any, _: Any) -> Any:
            decay = jnp.exp(-2.0 * (DURATION - t))
            return x - 2.0 * x / (0.25 * decay + 1.0 - decay)

        def spread(t: Any, x: Any, _: Any) -> Any:
            return lineax.DiagonalLinearOperator(jnp.full_like(x, 2.0**0.5))

        @jax.jit
        def solve(key: Any, start: Any) -> Any:
            path = diffrax.UnsafeBrownianPath((PATHS,), key)
            terms = diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(spread, path))
            return diffrax.diffeqsolve(
                terms, diffrax.Euler(), 0.0, DURATION, STEP, start,
                saveat=diffrax.SaveAt(t1=True), adjoint=diffrax.ForwardMode(),
            ).ys  # fmt: skip

        key = jax.random.key(0)
        start = jax.random.normal(key, (PATHS,))
        return [
            _against(
                "diffrax Euler, jit, UnsafeBrownianPath",
                lambda: solve(key, start).block_until_ready(),
                ">= 3",
            )  # fmt: skip
        ]


def against_sdeint() -> list[Row]:
    """Per path-tick."""
    import numpy as np
    import sdeint

    times = np.linspace(0.0, DURATION, TICKS + 1)

    def drift(x: Any, t: float) -> Any:
        decay = np.exp(-2.0 * (DURATION - t))
        return x - 2.0 * x / (0.25 * decay + 1.0 - decay)

    spread = np.array([[2.0**0.5]])

    def peer() -> None:
        random = np.random.default_rng(0)
        for _ in range(FEW):
            sdeint.itoEuler(drift, lambda x, t: spread, random.normal(size=1), times,
                            generator=random)  # fmt: skip

    work = float(PATHS * TICKS), float(FEW * TICKS)
    pairs = alternate(_ours, peer, prepare=_prepare, repeat=5, work=work)
    return [
        row(
            f"simulate(): the first row, {PATHS} x {TICKS}",
            f"sdeint itoEuler, {FEW} paths, per path-tick",
            pairs.ratios(),
            ">= 1000",
            pairs.told("million path-ticks", MILLION),
        )  # fmt: skip
    ]

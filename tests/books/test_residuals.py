"""Residuals of steps: the drawn noise found again, from states and sources alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from golden.runs import KINDS

from thermohw.books import CodeEntropy, Kernels, Residuals, Updates
from thermohw.books.kernels import _relax
from thermohw.books.residuals import SUMS
from thermohw.circuit import load_device, tick_moments
from thermohw.control import make_plan
from thermohw.integrate import Engine, make_engine, tiles
from thermohw.noise import Recording, TickNoise
from thermohw.pipeline import load_spec
from thermohw.pipeline.build import build_setting

CELL = [
    "device.name=rlc1",
    "process={kind='langevin', duration=6.0}",
    "target={kind='gaussian', mean=[1.0], std=[0.5]}",
]
RUNS: dict[str, list[str]] = {
    **{name: KINDS[name] for name in ("clocked-emf", "clocked-current", "heun", "latency")},
    **{name: KINDS[name] for name in ("temperature", "amplifier-pole", "chain", "chain-clocked")},
    "late": [*KINDS["kalman"], "protocol.adc_bits=6", "protocol.latency=90 ns"],
    "euler": [],
    "splitting": ["protocol.stepper=splitting"],
    "cell": [*CELL, "protocol.control=clocked", "protocol.stepper=auto"],
    "cell splitting": [*CELL, "protocol.stepper=splitting"],
    "cell heun": [*CELL, "protocol.stepper=heun"],
    "cells": [
        *CELL,
        "device.name=rlc64",
        "device.array.shape=[1, 3]",
        "target={kind='gaussian', mean=[1.0, 0.0, -1.0], std=[0.5, 1.0, 0.7]}",
        "protocol.stepper=splitting",
    ],
}


def engine(name: str, *, seed: int = 0, ticks: int = 40, dtype: str = "float64") -> Engine:
    """A run with no observer but the one under test."""
    grid = [f"protocol.ticks={ticks}", "protocol.allow_ringing=true"]
    spec = load_spec("mixture_rc", [*RUNS[name], *grid, "likelihood.test=0"])
    setting = build_setting(spec, progress=False)
    made = make_engine(
        setting.protocol, seed=seed, target=setting.target, dtype=getattr(torch, dtype)
    )
    made.observers = (Residuals(made.plan),)
    return made


def sums(run: Any) -> dict[str, np.ndarray]:
    """Column -> numbers of all coordinates."""
    table = run.results()["residuals"]["sums"].numpy()
    return dict(zip(SUMS, table.T, strict=True))


@pytest.mark.parametrize("name", ["rc1", "rc8-chain", "rlc1"])
@pytest.mark.parametrize("h", [1e-4, 0.05, 3.0])
def test_two_routes_to_one_tick(name, h):
    """Series and doubling against modes and quadrature: round-off apart, entry by entry."""
    device = load_device(name)
    a, d = device.effort_drift[None], device.effort_diffusion[None]
    decay, push, noise = (block[0] for block in _relax(a, d, h))
    m = tick_moments(device, h)
    up, down = device.hessian, device.capacitance
    inlet = np.concatenate([device.source_matrix, device.port_matrix], 1)
    size = np.sqrt(np.diag(noise))
    for found, right, unit in (
        (decay, up @ m.propagator @ down, np.ones((1, 1))),
        (push @ up @ inlet, up @ m.input, h * np.abs(up @ inlet).max()),
        (noise, up @ m.end_covariance @ up, np.outer(size, size)),
    ):
        assert np.abs((found - right) / unit).max() < 1e-11


@pytest.mark.parametrize("name", ["clocked-emf", "euler", "heun", "temperature"])
def test_the_residual_is_the_noise_that_was_drawn(name):
    """One normal a step: r^2/Sigma is its square, whatever the control did."""
    run_engine, paths = engine(name), 50
    normals = TickNoise(3, 0, paths, dtype=torch.float64)
    drawn = torch.stack([normals.normals(1, tick).clone() for tick in range(40)])
    run = run_engine.open(tiles(paths)[0], noise=Recording(drawn))
    run.advance(40)
    found = sums(run)
    assert found["count"][0] == 40 * paths
    assert found["noise"][0] == pytest.approx(float(drawn.square().sum()), rel=1e-9)


@pytest.mark.parametrize("name", ["latency", "cell", "chain", "late"])
def test_a_run_in_two_parts_is_the_run_in_one(name):
    """Bit for bit, through a checkpoint: sums, kept sources, and what a decision that is on its way
    was made of.
    """
    parts = engine(name)
    if name == "late":
        parts.observers = (*parts.observers, Updates(parts.plan), CodeEntropy(parts.plan))
    whole = parts.open(tiles(40)[0])
    whole.advance(40)
    first = parts.open(tiles(40)[0])
    first.advance(9)
    second = parts.open(tiles(40)[0])
    second.restore(first.checkpoint())
    second.advance(40)
    one, other = whole.results(), second.results()
    for watcher, found in one.items():
        assert found.keys() == other[watcher].keys()
        for key, value in found.items():
            assert torch.equal(value, other[watcher][key]), (watcher, key)


def test_float32_sees_the_same_noise():
    """A float32 run of 1e-3 R C: rounding is 1e-9 of the noise power, so the mean square is 1 to
    its error, sqrt(2/n) = 0.2 %; 5 of them.
    """
    run = engine("splitting", ticks=512, dtype="float32").open(tiles(1000)[0])
    run.advance(512)
    found = sums(run)
    assert abs(found["noise"][0] / found["count"][0] - 1.0) < 5.0 * (2.0 / 512e3) ** 0.5


@pytest.mark.parametrize("name", RUNS)
def test_deviations_are_as_large_as_their_errors(name):
    """z of noise, drift, push and pull of all coordinates over 40 seeds (16 of boards) has mean
    square 1, however coarse the ticks.

    160 squares of normals have a standard error of sqrt(2/160) = 0.11 (those of one run are
    uncorrelated); 4 of them either way, so that an error 1.3 times too small or 1.5 times too large
    is found.
    """
    z, ticks = [], 12
    base = engine(name, ticks=ticks)
    kernels, plan = Kernels(base.plan), base.plan
    # Squares of joined normals: variance of the sum 2 sum_ij (Sigma_ij^2 / Sigma_ii Sigma_jj).
    effective, joined = 0.0, 0.0
    for piece in plan.timeline:
        noise = kernels.at(piece.duration).noise
        scale = np.sqrt(np.einsum("cii->ci", noise))
        alike = noise / (scale[:, :, None] * scale[:, None, :])
        effective += np.sum(alike**2)
        joined += np.sum(alike)
    for seed in range(16 if base.plan.protocol.board.dim > 2 else 40):
        base.seed = seed
        run = base.open(tiles(60)[0])
        run.advance(ticks)
        found = sums(run)
        z.append((found["noise"] - found["count"]).sum() / np.sqrt(2.0 * 60 * effective))
        z.append(found["drift"].sum() / np.sqrt(60 * joined))
        z.append(found["push"].sum() / np.sqrt(found["asked.cross"].sum()))
        z.append(found["pull"].sum() / np.sqrt(found["pulled.cross"].sum()))
    assert abs(np.mean(np.square(z)) - 1.0) < 4.0 * (2.0 / len(z)) ** 0.5


def test_a_plan_that_has_no_such_law_says_so():
    from thermohw.books import without_kernel

    spec = load_spec("mixture_rc", ["protocol.stepper=reference", "protocol.ticks=64"])
    assert "reference" in without_kernel(make_plan(build_setting(spec, progress=False).protocol))

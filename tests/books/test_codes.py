"""What codes can tell: entropies counted on the way, and the bound that they give."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from problems import make, mixture_protocol
from scipy.special import ndtr, ndtri

from thermohw.books.codes import CodeEntropy
from thermohw.books.information import converter_bounds, converter_information
from thermohw.control import Control
from thermohw.integrate import Tile, tiles

LN2 = float(np.log(2.0))


def plan_of(ticks: int, **settings: Any) -> Any:
    return make(mixture_protocol("emf", "clocked", ticks, **settings), start="state").plan


def told(plan: Any, readings: list[torch.Tensor], decisions: list[int] | None = None) -> float:
    """What the observer makes of readings, tick by tick."""
    observer, first = CodeEntropy(plan), readings[0]
    carry = observer.init(first)
    for tick in decisions or range(len(readings)):
        control = Control(tick, first, reading=readings[tick])
        observer.update(carry, cast(Any, SimpleNamespace(control=control)))
    return float(observer.result(carry, first)["information.codes"])


def test_counted_entropy_is_an_upper_bound_and_close() -> None:
    """Codes of N(0, 1) at 3 bits: sum of probabilities by hand, 200 tiles of 4096 paths.

    The bound lies 3 standard errors above a count whose error it knows: below the truth in at most
    0.13 % of the tiles (at most 3 of 200 in 99.98 %), above it by 3 of them in the mean.
    """
    plan = plan_of(64, adc_bits=3, adc_range=("-256 uV", "256 uV"))
    adc = plan.adc
    edges = (np.arange(-4, 3) + 0.5) * adc.lsb + 0.5 * (adc.low + adc.high)
    p = np.diff(np.concatenate([[0.0], ndtr(edges), [1.0]]))
    entropy = float(-(p * np.log(p)).sum())
    error = float(np.sqrt((p * np.log(p) ** 2).sum() - entropy**2) / 64.0)
    normals = torch.randn(200, 4096, 1, generator=torch.Generator().manual_seed(3))
    rest = 63 * 3 * LN2  # ticks that are not played
    found = np.array([told(plan, [adc(x)]) - rest for x in normals]) - entropy
    assert (found < 0.0).sum() <= 3
    # the mean of 200 tiles is known to error/sqrt(200), and m - 1 = 7 codes add the second order
    assert abs(found.mean() - 3.0 * error) < 4.0 * error / 200**0.5 + 7 / 4096


def test_few_samples_count_every_bit() -> None:
    plan = plan_of(64, adc_bits=10, adc_range=("-256 uV", "256 uV"))
    x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    assert told(plan, [plan.adc(x)]) == converter_bounds(plan, np.zeros(1), np.eye(1))["its bits"]


def test_a_reading_counts_once() -> None:
    """With latency a decision acts during several pieces, and the last ones never do."""
    plan = plan_of(64, adc_bits=1, adc_range=("-643.58 uV", "1930.74 uV"))  # a code is a sign
    silent, loud = plan.adc(torch.ones(4096, 1)), plan.adc(torch.linspace(-1, 1, 4096)[:, None])
    once = told(plan, [silent, loud], [0, 0, 1, 1, 1])
    assert once == told(plan, [silent, loud], [0, 1])
    assert abs(once - 63 * LN2) < 1e-9  # a code that never changes tells nothing


def test_a_tile_resumed_counts_the_same() -> None:
    protocol = mixture_protocol("emf", "clocked", 64, adc_bits=4)
    engine = make(protocol)
    engine.observers = (*engine.observers, CodeEntropy(engine.plan))
    tile: Tile = tiles(4096)[0]
    whole, part, again = engine.open(tile), engine.open(tile), engine.open(tile)
    whole.advance(64)
    part.advance(17)
    again.restore(part.checkpoint())
    again.advance(64)
    one, other = (run.results()["codes"]["information.codes"] for run in (whole, again))
    assert torch.equal(one, other) and 0.0 < float(one) < 64 * 4 * LN2


def bisection(paths: int, noise: float) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """States N(0, 1) and eight readings of one bit, each at the median of what the earlier ones
    have left: minus the threshold, the voltage that a control would have brought the node to.
    """
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(paths, 1, generator=generator, dtype=torch.float64)
    word, readings = torch.zeros_like(x), []
    for k in range(8):
        threshold = torch.as_tensor(ndtri(((word + 0.5) / 2.0**k).numpy()))
        reading = x - threshold + noise * torch.randn(x.shape, generator=generator).double()
        word = 2.0 * word + (reading > 0.0).double()
        readings.append(reading)
    return x, readings


def bisected_information(noise: float) -> float:
    """I(X; word) = H(word) - E H(word | X), by quadrature over x: nothing of the program in it.

    Given x the bits are independent coin tosses along each word's own thresholds.
    """
    edges = np.linspace(-7.0, 7.0, 56_001)
    x = 0.5 * (edges[1:] + edges[:-1])
    weight = np.diff(ndtr(edges))
    likely = np.ones((1, len(x)))
    for k in range(8):
        threshold = ndtri((np.arange(2**k) + 0.5) / 2.0**k)
        up = ndtr((x - threshold[:, None]) / noise)
        likely = np.stack([likely * (1.0 - up), likely * up], 1).reshape(2 ** (k + 1), -1)
    p = likely @ weight
    conditional = -(np.where(likely > 0, likely * np.log(np.maximum(likely, 1e-300)), 0.0)).sum(0)
    return float(-(p * np.log(p)).sum() - conditional @ weight)


def test_bisection() -> None:
    """Eight 1-bit readings with R = 1e-6 acquire 5.415 nats; no valid bound may be lower.

    Thermal volts: on rc1 the unit is 64.358 uV; a run of 1e-9 RC does not move the node.
    """
    truth = bisected_information(1e-3)
    assert abs(truth - 5.415) < 5e-4
    plan = plan_of(64, adc_bits=1, adc_range=("-643.58 uV", "1930.74 uV"))
    _, readings = bisection(32_768, 1e-3)
    codes = [plan.adc(reading) for reading in readings]
    words = torch.stack([(code > code.min()).double() for code in codes]).squeeze(-1)
    counts = np.unique(words.numpy(), axis=1, return_counts=True)[1]
    assert len(counts) == 256  # the words are those of the bisection
    seen = told(plan, codes) - 56 * LN2
    assert truth <= seen < 8 * LN2 + 1e-9
    # analog noise ahead of the converter, the node all but at rest between the readings
    protocol = plan_of(64).protocol
    quick = type(protocol.process)(duration=1e-9)
    protocol = type(protocol)(
        protocol.device, quick, protocol.score.target.score(quick), wiring="emf", control="clocked",
        ticks=8, adc_bits=1, reading_noise="64.358 nV", adc_range=("-643.58 uV", "1930.74 uV"),
    )  # fmt: skip
    plan = make(protocol, start="state").plan
    bounds = converter_bounds(plan, np.zeros(1), np.eye(1), codes=seen)
    assert all(bound >= truth for bound in bounds.values()), bounds
    # sum I_k = (1/2) ln(1 + 8/R) of eight readings of a voltage at rest
    assert abs(bounds["noise ahead of the converter"] - 0.5 * np.log1p(8e6)) < 1e-2
    least = converter_information(plan, np.zeros(1), np.eye(1))
    assert abs(least - 8 * LN2) < 1e-12

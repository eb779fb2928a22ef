"""The compiled tick against the readable path, on the same normals, path by path."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from problems import unequal_nodes

import thermohw as th
from thermohw.circuit import node_moments
from thermohw.control import Piece, Protocol
from thermohw.errors import InputError, StoreError
from thermohw.integrate import Tile
from thermohw.integrate.fused import choice
from thermohw.integrate.fused.kernel_step import step
from thermohw.integrate.fused.run import FusedRun
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.noise import Recording, Stream, TickNoise
from thermohw.run.setting import Setting
from thermohw.target import GaussianMixture, MixtureLaw, gaussian, gaussian_mixture
from thermohw.worlds.played import PlayedWorld, build_engine

OU = th.OU(duration=3.0)
RC1, RC64 = th.load_device("rc1"), th.load_device("rc64")
RNG = np.random.default_rng(20261130)

LINE = {
    "gaussian": gaussian(mean=[0.3], std=[0.5]),
    "pair": gaussian_mixture(means=[[-1.5], [1.5]], stds=[0.3, 0.4], weights=[0.35, 0.65]),
    "three": gaussian_mixture(means=[[-1.5], [0.2], [1.5]], stds=[0.3, 0.4, 0.2]),
    "alike": gaussian_mixture(means=[[-1.5], [0.2], [1.5]], stds=0.3),
}
IMPERFECT: dict[str, dict[str, Any]] = {
    "ideal": {},
    "codes": {"adc_bits": 8, "dac_bits": 7},
    "noise": {"reading_noise": "10 uV"},
    "filter": {"reading_noise": "10 uV", "filter": "kalman"},
    "late": {"latency": "25 ns"},
    "much": {"latency": "41 ns", "reading_noise": "10 uV", "adc_bits": 9, "filter": "kalman"},
    "chain": {"sense_gain": 1.02, "sense_offset": "3 uV", "control_gain": 0.97,
              "amplifier_gain": 500.0, "amplifier_offset": "2 uV", "score_noise": 0.1},
    "resistance": {"realisation": "resistance"},
    "log-snr": {"grid": "log-snr"},
}  # fmt: skip


def protocol(target: Any, wiring: str, *, device: Any = RC1, process: Any = OU, **more: Any):
    if wiring == "current" and "amplifier_offset" in more:
        more["amplifier_offset"] = "2 nA"
    settings = {"control": "clocked", "ticks": 70, "allow_ringing": True} | more
    score = target.score(process).scaled(settings.pop("scale", 1.0))
    return Protocol(device, process, score, wiring=wiring, **settings)


class Doubled:
    """Single normals for a double run."""

    def __init__(self, noise: Any) -> None:
        self.noise = noise

    def normals(self, width: int, tick: int) -> torch.Tensor:
        return self.noise.normals(width, tick).double()


def play(
    asked: Protocol, paths: int, dtype: str, *, compiled: bool, first: int = 0, every: int = 7,
    exact: bool = False,
):  # fmt: skip
    """Channels, results and frames of a tile; `exact`: of a single run in double precision."""
    setting = Setting(asked, asked.score.target)
    engine = build_engine(
        setting, seed=5, start=None, prior="schedule", dtype="float64" if exact else dtype,
        every=every,
    )  # fmt: skip
    engine.compiled = compiled
    engine.observers = tuple(o for o in engine.observers if o.name != "fluctuation")
    engine.stepper.flux = asked.wiring == "current"  # type: ignore[attr-defined]
    engine.stepper.normals = asked.device.dim * (2 if asked.wiring == "current" else 1)
    if compiled:
        assert choice.not_compiled(engine) == ""
    tile = PlayedWorld(engine, every).open(Tile(first, paths), lambda _: None)
    assert isinstance(tile.run, FusedRun) == compiled
    if exact:
        run = tile.run
        run.whole = run.whole.float().double()
        run.carries = {o.name: o.init(run.state if o.sums else run.whole) for o in engine.observers}
        run.noise, run.readings = (
            Doubled(TickNoise(5, first, len(run.whole), dtype=torch.float32, stream=stream))
            for stream in (Stream.TICKS, Stream.READINGS)
        )
    tile.advance(None)
    frames = tile.drain()
    channels, added = tile.results()
    return channels | added | {f"frame.{name}": values for name, values in frames.items()}


def compare(asked: Protocol, dtype: str, paths: int = 300) -> None:
    """Every number agrees to round-off: of its account, or of 1 kT.

    Where two modes part, a path amplifies what is rounded away. In single precision the error is
    that against the same normals in double precision, and may be four times that of the readable
    path where this is above 1e-5.
    """
    one, other = (play(asked, paths, dtype, compiled=compiled) for compiled in (True, False))
    right, allowed = other, 1e-12
    if dtype == "float32":
        right, allowed = play(asked, paths, dtype, compiled=False, exact=True), 1e-5
    assert one.keys() == other.keys() == right.keys()
    kt = asked.device.scale.energy
    for name, values in right.items():
        size = float(np.abs(values).max(initial=0.0))
        if name == "first_law.residual":  # round-off itself
            size = max(kt, float(np.abs(other["heat." + asked.device.elements[0]]).max()))
        elif name.split(".")[0] in ("heat", "work", "energy", "identity"):
            size = max(kt, size)
        assert one[name].shape == values.shape, name
        gap, usual = (float(np.abs(x[name] - values).max(initial=0.0)) for x in (one, other))
        assert gap <= max(allowed * size, 4.0 * usual), (name, gap / size, usual / size)


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("imperfect", IMPERFECT)
@pytest.mark.parametrize("law", LINE)
def test_line(law: str, imperfect: str, wiring: str) -> None:
    """One node: every law, every imperfection, both wirings, float64."""
    if law != "pair" and imperfect in ("late", "much", "resistance", "log-snr"):
        law = "gaussian" if law == "gaussian" else "three"
    compare(protocol(LINE[law], wiring, **IMPERFECT[imperfect]), "float64")


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("law", ["gaussian", "pair"])
def test_single_precision(law: str, wiring: str) -> None:
    """float32, where one code more or less would be no round-off: without converters."""
    compare(protocol(LINE[law], wiring), "float32")
    compare(protocol(LINE[law], wiring, reading_noise="10 uV"), "float32")


def array_targets() -> dict[str, GaussianMixture]:
    n = 64
    means = 0.7 * RNG.normal(size=(3, n))
    spread = RNG.uniform(0.3, 0.8, (3, n))
    joint = 0.05 * RNG.normal(size=(3, n, n))
    full = 0.4 * np.eye(n) + joint @ joint.swapaxes(1, 2)
    w, table = np.array([0.2, 0.5, 0.3]), {"kind": "gaussian_mixture"}
    return {
        "diagonal": gaussian(mean=means[0].tolist(), std=spread[0].tolist()),
        "joint": gaussian(mean=means[0].tolist(), covariance=full[0]),
        "modes": gaussian_mixture(means=means, stds=spread),
        "alike": gaussian_mixture(means=means, stds=0.5),
        "joint modes": GaussianMixture(MixtureLaw(w, means, full), table),
        "joint alike": GaussianMixture(MixtureLaw(w, means, full[[0, 0, 0]]), table),
    }


ARRAYS = array_targets()


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("law", ARRAYS)
def test_array(law: str, wiring: str) -> None:
    """64 nodes: diagonal and full covariances, products of residuals, codes of every node."""
    process = th.VP(beta_min=0.1, beta_max=20.0)
    more = {"adc_bits": 8, "dac_bits": 8} if wiring == "emf" else {}
    compare(protocol(ARRAYS[law], wiring, device=RC64, process=process, **more), "float64", 150)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_unequal_nodes(wiring: str) -> None:
    """Nodes that differ in C, R and T, under the process of the circuit itself."""
    device = unequal_nodes()
    process = th.relaxation(device, duration=4.0)
    for target in (
        gaussian(mean=[0.3, -0.2, 0.1], std=[0.5, 0.7, 0.4]),
        gaussian_mixture(means=[[-1.0, 0.5, 0.2], [1.0, -0.5, 0.1]], stds=[0.3, 0.5]),
    ):
        compare(protocol(target, wiring, device=device, process=process), "float64")
        compare(
            protocol(target, wiring, device=device, process=process, adc_bits=9, scale=0.9),
            "float64",
        )


def test_information_of_several_temperatures_is_not_compiled() -> None:
    """The compiled sums know one temperature; nodes that start apart, each with a filter of its
    own, at several are told of by the readable path.
    """
    device, target = unequal_nodes(), gaussian(mean=[0.3, -0.2, 0.1], std=[0.5, 0.7, 0.4])
    asked = protocol(target, "emf", device=device, process=th.relaxation(device, duration=4.0),
                     reading_noise="10 uV")  # fmt: skip
    engine = build_engine(
        Setting(asked, target), seed=5, start=None, prior="schedule", dtype="float32", every=0
    )
    assert "several temperatures" in choice.not_compiled(engine)
    engine.observers = tuple(o for o in engine.observers if o.name != "information")
    assert "several temperatures" not in choice.not_compiled(engine)


def test_strips_and_tiles() -> None:
    """A path's numbers do not depend on its tile, on its place in a strip, or on who follows."""
    asked = protocol(LINE["pair"], "emf", adc_bits=10, reading_noise="10 uV", latency="3 ns")
    whole = play(asked, 1100, "float32", compiled=True)
    for first, paths in ((0, 1), (513, 100), (1023, 77)):
        part = play(asked, paths, "float32", compiled=True, first=first)
        for name in ("heat.r0", "work.emf", "voltage.end", "information.pathwise"):
            if name in part:
                assert np.array_equal(part[name], whole[name][first : first + paths]), name
        rows = slice(first, first + paths)
        assert np.array_equal(part["frame.score"], whole["frame.score"][:, rows])


def test_many_lengths_of_tick() -> None:
    """More lengths of pieces in a block of ticks than are kept from block to block."""
    asked = protocol(LINE["gaussian"], "emf", grid="log-snr", ticks=700, latency="1 ns")
    compare(asked, "float64", paths=40)


@pytest.mark.parametrize("bits", [13, 24, 25, 32])
def test_wide_converters(bits: int) -> None:
    """Codes that are far apart are sorted in place of counted; beyond 24 bits ticks are readable,
    since single precision has no such whole numbers.
    """
    asked = protocol(LINE["gaussian"], "emf", ticks=6, adc_bits=bits)
    if bits <= 24:
        compare(asked, "float64")
    found = th.simulate(asked, paths=300, progress=False)
    assert np.isfinite(found.channels["heat.r0"]).all()


def test_short_ticks_relax_in_single_precision() -> None:
    """A millionth of R C: a state of 10 times e^-h in single precision is 5 % of the rate off in
    every tick alike, a loss taken from the state by itself 2 %: 1e-3 and 4e-4 after 2000 ticks.
    Against the same normals in double precision rounding is random, 3e-7 a tick.
    """
    h, ticks, paths = 1e-6, 2000, 4096
    normals = np.random.default_rng(0).standard_normal((ticks, paths))
    right = np.full(paths, 10.0)
    for row in normals:
        right = right - right * -np.expm1(-h) + row * np.sqrt(-np.expm1(-2.0 * h))
    single = normals.astype(np.float32)
    stepper = HeldNodes(RC1, "emf", dtype=torch.float32)
    state, noise = torch.full((paths, 1), 10.0), Recording(torch.from_numpy(single)[..., None])
    piece = Piece(0, 0.0, h, True, 0, True)
    for _ in range(ticks):
        state = stepper.step(piece, state, None, noise=noise, act=None).end
    room = np.zeros((7, paths), np.float32)
    room[0], out, one = 10.0, np.zeros(12, np.float32), np.float32(1.0)
    m = node_moments(RC1, h)
    numbers = (np.float32(x) for x in (m.loss, m.from_source, m.spread, 0.5, 1.0, m.loss, m.loss))
    loss, gain, spread, half, unit, lost, push = numbers
    for row in single:
        step(room[0], room[2], row, room[1], room[3], room[4], room[5], loss, gain, spread, half,
             unit, lost, push, one, paths, out)  # fmt: skip
        room[0] = room[1]
    for found in (state[:, 0].numpy(), room[0]):
        error = (found - right).mean()
        assert abs(error) < 4.0 * (found - right).std() / paths**0.5 + 1e-6, error


@pytest.mark.parametrize("imperfect", ["ideal", "codes", "filter", "much"])
def test_checkpoint(imperfect: str) -> None:
    """Stopped at any tick and continued elsewhere: the same bits."""
    asked = protocol(LINE["pair"], "emf", **IMPERFECT[imperfect])
    engine = build_engine(
        Setting(asked, asked.score.target), seed=5, start=None, prior="schedule", dtype="float32",
        every=0,
    )  # fmt: skip
    tile, ticks = Tile(4096, 200), engine.plan.schedule.ticks
    whole = engine.open(tile)
    whole.advance(ticks)
    for stop in (1, 17, 64, 69):
        begun = engine.open(tile)
        begun.advance(stop)
        saved = begun.checkpoint()
        assert not any("noise" in name for name in saved)
        begun.advance(ticks)  # what was saved must not change with it
        again = engine.open(tile)
        again.restore(saved)
        again.advance(ticks)
        for name, found in whole.results().items():
            for key, values in found.items():
                if key not in ("sums", "power", "profile"):  # of a tile; added up in other groups
                    assert torch.equal(values, again.results()[name][key]), (name, key)


@pytest.mark.parametrize("begun", [True, False])
def test_checkpoints_of_other_ticks_are_refused(begun: bool) -> None:
    """Compiled ticks keep sums that readable ones would lose, and ask for them: a `StoreError`,
    which leaves the file.
    """
    asked = protocol(LINE["pair"], "emf")
    engine = build_engine(
        Setting(asked, asked.score.target), seed=5, start=None, prior="schedule", dtype="float32",
        every=0,
    )  # fmt: skip
    engine.compiled = begun
    run = engine.open(Tile(0, 64))
    run.advance(10)
    saved = run.checkpoint()
    engine.compiled = not begun
    with pytest.raises(StoreError, match="compiled"):
        engine.open(Tile(0, 64)).restore(saved)


def test_wrong_constant_is_seen() -> None:
    """The comparison sees a spread that is off by a part in 1e9."""
    asked = protocol(LINE["gaussian"], "emf", adc_bits=12)
    right = play(asked, 50, "float64", compiled=True)
    device = replace(RC1, temperatures=RC1.temperatures * (1.0 + 1e-9))
    wrong = play(protocol(LINE["gaussian"], "emf", adc_bits=12, device=device), 50, "float64",
                 compiled=False)  # fmt: skip
    gap = np.abs(right["heat.r0"] - wrong["heat.r0"]).max()
    assert gap > 1e-12 * np.abs(right["heat.r0"]).max()


@pytest.mark.parametrize(
    "more, word",
    [
        ({"control": "continuous"}, "continuous"),
        ({"dac_bits": 8, "dac_inl": 0.5}, "curve"),
        ({"amplifier_swing": "1 mV", "amplifier_shape": "tanh"}, "smoothly"),
        ({"amplifier_pole": "10 MHz"}, "remember"),
        ({"reading_noise": "10 uV", "adc_bits": 8}, "ahead of their converter"),
    ],
)
def test_reason_is_told(more: dict[str, Any], word: str) -> None:
    """What takes the readable path says why."""
    asked = protocol(LINE["gaussian"], "emf", **more)
    engine = build_engine(
        Setting(asked, asked.score.target), seed=5, start=None, prior="schedule", dtype="float32",
        every=0,
    )  # fmt: skip
    assert word in choice.not_compiled(engine)
    assert not isinstance(engine.open(Tile(0, 16)), FusedRun)


def test_diverging_state_names_tick_and_path() -> None:
    """A state that is not finite ends the run, naming where."""
    asked = protocol(LINE["gaussian"], "emf", scale=-60.0, ticks=400)
    with pytest.raises(InputError, match=r"path \d+ is not finite at tick \d+"):
        play(asked, 40, "float32", compiled=True, every=0)

"""bath_heat: every bath's heat has a second route, so no bath can hide behind the sum."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from store.toy import unsealed

import thermohw as th
from thermohw.books import Ledger
from thermohw.books.balance import heat_balance
from thermohw.estimate import Estimate
from thermohw.integrate import Carry, make_engine, tiles

TWO = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "b"
capacitance = "0.4 pF"
[[resistor]]
name = "cold"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
source = true
[[resistor]]
name = "hot"
between = ["b", "gnd"]
resistance = "3 Mohm"
temperature = "450 K"
source = true
"""
VARIANTS = {
    "emf": {"wiring": "emf"},
    "current": {"wiring": "current"},
    "coarse": {"wiring": "emf", "dac_bits": 5, "latency": "400 ns"},
    "noisy": {"wiring": "current", "reading_noise": "20 uV"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("balance")


def run_file(folder: Path, name: str, dtype: str) -> Path:
    """8192 samples of a correlated Gaussian on two unequal nodes at two temperatures."""
    path = folder / f"{name}-{dtype}.h5"
    if not path.exists():
        (folder / "two.toml").write_text(TWO)
        device = th.load_device(folder / "two.toml")
        process = th.relaxation(device, 3.0)
        score = th.targets.gaussian([0.5, -0.5], covariance=[[0.5, 0.2], [0.2, 0.4]]).score(process)
        protocol = th.Protocol(
            device, process, score, control="clocked", ticks=48, **VARIANTS[name]
        )
        th.simulate(
            protocol, paths=8192, dtype=dtype, store=path, every=0, test=0, twins=False,
            progress=False,
        )  # fmt: skip
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", VARIANTS)
def test_right_heats_hold(folder: Path, name: str, dtype: str) -> None:
    check = th.audit(run_file(folder, name, dtype)).check("bath_heat")
    assert check.status == "holds", check.detail
    assert check.stderr is not None and 0.0 < check.stderr < 0.05  # and the test has power


def test_baths_of_the_board_that_ran(folder: Path) -> None:
    """Baths of this board are not as hot as the datasheet says, and its nodes leak into another
    one each: sum_k Q_k/T_k, and the same given the readings, are over the board's temperatures. By
    the datasheet's, or by one temperature, both are off by more than ten standard errors.
    """
    run_file(folder, "emf", "float64")
    device = th.load_device(folder / "two.toml")
    process = th.relaxation(device, 3.0)
    score = th.targets.gaussian([0.5, -0.5], std=[0.7, 0.6]).score(process)
    for leak in (None, "5 Mohm"):
        path = folder / f"board-{leak is None}.h5"
        protocol = th.Protocol(
            device, process, score, wiring="emf", control="clocked", ticks=48, node_leakage=leak,
            node_temperature=[1.4, 0.7], reading_noise="20 uV",
        )  # fmt: skip
        th.simulate(
            protocol, paths=8192, store=path, every=0, test=0, twins=False, progress=False,
        )  # fmt: skip
        result = th.audit(path)
        for name in ("bath_heat", "information", "information_identity"):
            assert result.check(name).status == "holds", (leak, result.check(name).detail)


def tampered(path: Path, change: dict[str, object]) -> str:
    copy = path.with_name("tampered.h5")
    shutil.copyfile(path, copy)
    with h5py.File(unsealed(copy), "r+") as file:
        for name, values in change.items():
            file[f"ledger/{name}"].write_direct(np.asarray(values))  # pyright: ignore[reportAttributeAccessIssue]
    return th.audit(copy).check("bath_heat").status


@pytest.mark.parametrize("name", ["emf", "current"])
def test_swapped_or_shifted_heats_are_violations(folder: Path, name: str) -> None:
    """Both keep the sum, so the first law does not notice."""
    path = run_file(folder, name, "float64")
    with h5py.File(path) as file:
        cold, hot = (np.array(file[f"ledger/heat.{bath}"]) for bath in ("cold", "hot"))
        kt = float(np.array(file["parameters/units/energy"]))
    assert tampered(path, {"heat.cold": hot, "heat.hot": cold}) == "violated"
    assert tampered(path, {"heat.cold": cold + 0.1 * kt, "heat.hot": hot - 0.1 * kt}) == "violated"


def chain_protocol(wiring: str, ticks: int) -> th.Protocol:
    """Clocked control of eight coupled nodes, one end at 600 K."""
    device = th.load_device("rc8-chain")
    process = th.relaxation(device, 3.0)
    target = th.targets.gaussian([1, 0, 0, 0, 0, 0, 0, -1], [0.5, 1, 1, 1, 1, 1, 1, 0.7])
    return th.Protocol(
        device, process, target.score(process), wiring=wiring, control="clocked", ticks=ticks,
        allow_ringing=True,  # coarse ticks bias the samples, but no bath's heat
    )  # fmt: skip


def chain_file(folder: Path, name: str, paths: int) -> Path:
    path = folder / f"chain-{name}.h5"
    th.simulate(
        chain_protocol("emf", 20), paths=paths, dtype="float32", store=path, every=0, test=0,
        twins=False, progress=False,
    )  # fmt: skip
    return path


def swapped(heat: torch.Tensor) -> torch.Tensor:
    """The heats of r0 and r1 under each other's name."""
    return heat[:, [1, 0, *range(2, heat.shape[1])]]


def misbooked(heat: torch.Tensor) -> torch.Tensor:
    """5 % of the heat of r0 in the account of r1."""
    heat = heat.clone()
    heat[:, 1] += 0.05 * heat[:, 0]
    heat[:, 0] *= 0.95
    return heat


@pytest.mark.parametrize("change", [None, swapped, misbooked])
def test_baths_of_a_coupled_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., torch.Tensor] | None
) -> None:
    """10 000 paths see 5 % of the hot end's heat under another name, and say that they would."""
    result = Ledger.result

    def changed(self: Ledger, carry: Carry, state: torch.Tensor) -> Carry:
        found = result(self, carry, state)
        return found if change is None else found | {"heat": change(found["heat"])}

    monkeypatch.setattr(Ledger, "result", changed)
    audit = th.audit(chain_file(folder, str(change), 10_000))
    check = audit.check("bath_heat")
    if change is None:
        assert check.status == "holds", check.detail
        share = float(check.detail.split("; ")[-1].split(" %")[0])
        assert 0.0 < share < 5.0 and "of the heat of r0" in check.detail
        assert check.power is not None and check.stderr is not None
        # 16 comparisons: as improbable as 4 errors of one are 4.6 of the largest
        assert 4.5 < check.power / check.stderr < 5.0
    else:
        assert check.status == "violated", check.detail
    assert audit.check("first_law").status == "holds"  # which sees the sum


def test_right_chains_scatter_as_their_errors_say() -> None:
    """30 seeds: rms z of the 15 baths is one within 4 of its own errors, which the scatter between
    seeds tells.
    """
    square = []
    for wiring in ("emf", "current"):
        engine = make_engine(chain_protocol(wiring, 20))
        device = engine.plan.protocol.board
        engine.observers = (Ledger(device, wiring), heat_balance(device, wiring, 20))
        for seed in range(15):
            engine.seed = seed
            run = engine.open(tiles(512)[0])
            run.advance(20)
            found = run.results()
            gap = (found["ledger"]["heat"] - found["balance"]["expected"]).numpy()
            square.append(np.mean([Estimate.from_paths(g).z() ** 2 for g in gap.T]))
    assert abs(np.mean(square) - 1.0) < 4.0 * np.std(square, ddof=1) / len(square) ** 0.5


def test_few_paths_earn_no_verdict(folder: Path) -> None:
    check = th.audit(chain_file(folder, "few", 29)).check("bath_heat")
    assert check.status == "not-applicable" and "29 paths" in check.detail
    assert check.power is None


def test_continuous_control_has_no_conditional_mean(folder: Path) -> None:
    target = th.targets.gaussian(0.0, 0.7)
    score = target.score(th.OU(duration=2.0))
    protocol = th.Protocol(
        th.load_device("rc1"), score.process, score, wiring="emf", control="continuous", ticks=64
    )
    path = folder / "continuous.h5"
    th.simulate(protocol, paths=64, store=path, every=0, test=0, progress=False)
    check = th.audit(path).check("bath_heat")
    assert check.status == "not-applicable" and "continuously" in check.detail

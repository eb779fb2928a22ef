"""What every test shares: one torch thread, named generators, and no silent skips in CI.

With THERMOHW_REQUIRE_ALL=1 in the environment a skip is a failure that says what was missing, so
that a machine without a program or a package cannot report success for tests it never ran. Tests
marked `spice` are skipped where ngspice is missing. Deselected, because what a machine cannot have
or a person did not ask for is not a skip: `gpu` without a CUDA device, `long` without --long.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator

import numpy as np
import pytest
import torch
from hypothesis import settings

from thermohw.integrate import engine

SEED = 20260101
REQUIRE_ALL = os.environ.get("THERMOHW_REQUIRE_ALL", "") not in ("", "0")


# The same examples every time, like every other seed here; a busy machine's pauses are no failures.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked `long` too")


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Collected items and loaded libraries live to the end: the garbage collector need not walk
    through half a million of their objects again and again, 8 % of the suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_report_header(config: pytest.Config) -> str:
    strict = "skips fail" if REQUIRE_ALL else "skips allowed"
    return f"thermohw: seed {SEED}, torch {torch.__version__}, one thread, {strict}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [] if config.getoption("--long") else ["long"]
    out += [] if torch.cuda.is_available() else ["gpu"]
    left = [item for item in items if any(item.get_closest_marker(name) for name in out)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    if shutil.which("ngspice") is None:
        for item in items:
            if item.get_closest_marker("spice"):
                item.add_marker(pytest.mark.skip(reason="ngspice is not on PATH"))


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid}: THERMOHW_REQUIRE_ALL is set, yet this was skipped: {why}"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.fixture
def seed() -> int:
    """The one seed of the suite; never changed to make a test pass."""
    return SEED


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs take the readable ticks: a test changes what the compiled one would not see."""
    monkeypatch.setattr(engine, "not_compiled", lambda setup: "a test changes it")


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh numpy generator."""
    return np.random.default_rng(SEED)


@pytest.fixture
def generator() -> torch.Generator:
    """A fresh torch generator on the CPU."""
    return torch.Generator().manual_seed(SEED)

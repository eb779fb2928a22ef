"""Runs that several tests read, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from report import report_runs as runs


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="session")
def mixture(folder: Path) -> Path:
    """One node, continuous emf, float64, with likelihood and series."""
    return runs.mixture(folder / "mixture.h5")


@pytest.fixture(scope="session")
def noisy(folder: Path) -> Path:
    """One node, clocked current with noisy readings."""
    return runs.mixture(
        folder / "noisy.h5", "protocol.wiring=current", "protocol.control=clocked",
        "protocol.stepper=auto", "protocol.reading_noise=60 uV", "simulate.dtype=float32",
    )  # fmt: skip


@pytest.fixture(scope="session")
def images(folder: Path) -> Path:
    """4 x 4 uniform pixels."""
    return runs.pixels(folder / "images.h5")


@pytest.fixture(scope="session")
def digits(folder: Path) -> Path:
    """8 x 8 handwritten digits under a Gaussian's score."""
    return runs.digit_images(folder / "digits.h5")


@pytest.fixture(scope="session")
def unrecorded(folder: Path) -> Path:
    """One node, ledger and end states only, no likelihood, current wiring, float32."""
    return runs.spec(
        folder / "unrecorded.h5", "[1, 1]", 'kind = "gaussian"\nmean = [0.3]\nstd = [0.5]',
        'kind = "ou"\nduration = 3.0', 'wiring = "current"\ncontrol = "clocked"\nticks = 64',
        every=0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def plane(folder: Path) -> Path:
    """Two nodes: a scatter plot."""
    return runs.spec(
        folder / "plane.h5", "[1, 2]", 'kind = "gaussian_mixture"\nmeans = [[-2, 0], [1, 1]]',
        'kind = "ve"\nsigma = 5.0', 'wiring = "emf"\ncontrol = "continuous"\nticks = 256',
    )  # fmt: skip


@pytest.fixture(scope="session")
def space(folder: Path) -> Path:
    """Five nodes: means and spreads."""
    return runs.spec(
        folder / "space.h5", "[1, 5]", 'kind = "gaussian"\nmean = [0, 1, 2, 3, 4]\nstd = 0.7',
        'kind = "ou"\nduration = 3.0', 'wiring = "emf"\ncontrol = "clocked"\nticks = 128',
    )  # fmt: skip


RUNS = ("mixture", "noisy", "images", "digits", "unrecorded", "plane", "space")


@pytest.fixture(params=RUNS)
def any_run(request: pytest.FixtureRequest) -> Path:
    """Every kind of run in turn."""
    return request.getfixturevalue(request.param)

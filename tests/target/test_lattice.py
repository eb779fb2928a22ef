"""Rounded data are refused with their numbers; continuous data never are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from thermohw.errors import InputError
from thermohw.target import array
from thermohw.target.lattice import refuse_levels

RNG = np.random.default_rng(11)
GAUSS = RNG.normal([3.0, -100.0, 0.02], [1.0, 5.0, 0.01], (60_000, 3))
DIGITS = np.asarray(load_digits(return_X_y=True)[0])
EIGHT_BIT = RNG.integers(0, 256, (2000, 5)) / 255.0
ZEROS = np.where(RNG.random((4000, 4)) < 0.3, 0.0, RNG.normal(size=(4000, 4)))
MOSTLY_ZERO = np.where(RNG.random((4000, 4)) < 0.9, 0.0, RNG.normal(size=(4000, 4)))
LABELLED = np.column_stack([GAUSS[:500], RNG.integers(0, 10, 500)])
SCORES = (DIGITS[:, 20:24] - DIGITS[:, 20:24].mean(0)) / DIGITS[:, 20:24].std(0)
LEVELS = [
    (DIGITS, "17 different values in 5. of 64 .*multiples of 1 apart; add dequantise = 1$"),
    (DIGITS / 16.0, "multiples of 0.0625 apart; add dequantise = 0.0625$"),
    (EIGHT_BIT, r"256 different values in 5 of 5 .*1/255 .*dequantise = 0.003921568627 \(1/255\)$"),
    (EIGHT_BIT.astype(np.float32), r"dequantise = 0.003921568627 \(1/255\)$"),
    (np.round(EIGHT_BIT, 5), r"dequantise = 0.003921568627 \(1/255\)$"),
    (2.0 * EIGHT_BIT - 1.0, "multiples of 0.007843137255 apart"),
    (np.round(GAUSS[:, :1], 2), "multiples of 0.01 apart; add dequantise = 0.01$"),
    (100.0 * RNG.choice([0.0, 2.0, 5.0], (200, 2)), "3 different .*multiples of 100 apart"),
    (SCORES, "of no common spacing; give the data in the units they were measured in"),
    (LABELLED, r"in 1 of 4 columns.*leave them out \(column 3\)$"),
    (RNG.integers(0, 2, (50, 3)).astype(bool), "2 different values in 3 of 3 .*dequantise = 1$"),
]
MASSES = [
    (
        ZEROS,
        r"a point mass: [23].* of column \d equal 0 \(4 of 4 columns like it\), so there is no",
    ),
    (MOSTLY_ZERO, r"a point mass: [89].* of column \d equal 0"),
    (np.minimum(GAUSS, [4.0, np.inf, np.inf]), r"of column 0 equal 4 \(1 of 3 columns"),
]
CONTINUOUS = [
    GAUSS,
    GAUSS.astype(np.float32),
    RNG.uniform(0.0, 1.0, (60_000, 2)).astype(np.float32),
    np.array([[float(f"{x:.7g}") for x in row] for row in GAUSS[:20_000]]),
    RNG.integers(0, 1 << 40, (500, 2)),
    np.column_stack([GAUSS[:, 0], np.full(len(GAUSS), 2.0)]),  # the constant is refused elsewhere
    RNG.standard_cauchy((20_000, 2)).astype(np.float32),
]


@pytest.mark.parametrize(("rows", "word"), LEVELS + MASSES)
def test_refused(rows: np.ndarray, word: str) -> None:
    """One line with levels, spacing, share and remedy."""
    with pytest.raises(InputError, match=word) as caught:
        refuse_levels(rows, "data.npy")
    assert caught.value.where == "data.npy" and "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", CONTINUOUS)
def test_continuous_passes(rows: np.ndarray) -> None:
    """Never a word about data that have a density, at the precision of float32 or seven digits."""
    refuse_levels(rows, "data.npy")


@pytest.mark.parametrize(
    ("rows", "step"), [(DIGITS[:, 10:14], 1.0), (EIGHT_BIT, 0.01), (ZEROS, 0.01), (SCORES, 0.01)]
)
def test_the_remedy_works(tmp_path: Path, rows: np.ndarray, step: float) -> None:
    """What the message asks for is accepted; without it the array is refused when it is built."""
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(InputError, match="no density|no common spacing"):
        array(str(tmp_path / "rows.npy"))
    assert array(str(tmp_path / "rows.npy"), dequantise=step).step == step


def test_a_step_of_other_units_is_refused(tmp_path: Path) -> None:
    """Grey levels 0..16 shaken by 1/255 would be bars with gaps between them."""
    np.save(tmp_path / "rows.npy", DIGITS)
    with pytest.raises(InputError, match="leaves gaps: the data are multiples of 1 apart"):
        array(str(tmp_path / "rows.npy"), dequantise=1.0 / 255.0)


def test_an_array_in_memory_is_no_path() -> None:
    with pytest.raises(InputError, match="expected the path of a file .* got ndarray"):
        array(np.zeros((30, 2)))  # type: ignore[arg-type]

"""Data sets from files: every format, the deterministic split, and what is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.target import array, target_from_dict
from thermohw.target.dataset import TEST, TRAIN, VALIDATION

ROWS = np.random.default_rng(4).normal([1.0, -2.0, 5.0], [0.5, 2.0, 1.0], (200, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "data.npy", ROWS)
    np.savez(tmp_path / "one.npz", ROWS)
    np.savez(tmp_path / "two.npz", first=ROWS[:50], second=ROWS)
    np.savetxt(tmp_path / "plain.csv", ROWS, delimiter=",", fmt="%.17g")
    np.savetxt(
        tmp_path / "named.csv", ROWS, delimiter=",", fmt="%.17g", header="a,b,c", comments=""
    )
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["group/rows"] = ROWS
        file["other"] = ROWS[:30]
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["data.npy", "one.npz", "two.npz:second", "plain.csv", "named.csv", "data.h5:/group/rows"],
)
def test_formats(folder: Path, name: str) -> None:
    """The same rows whatever the file, standardised by the training split."""
    target = array(str(folder / name))
    assert np.array_equal(target.rows, ROWS)
    assert target.counts == {"train": 160, "validation": 20, "test": 20}
    train = ROWS[target.split == TRAIN]
    np.testing.assert_allclose(target.shift, train.mean(0), rtol=1e-14)
    assert target.scale == pytest.approx(np.sqrt(train.var(0).mean()), rel=1e-13)


def test_split_is_deterministic_and_disjoint(folder: Path, generator: torch.Generator) -> None:
    """The same permutation every time; held-out rows are test rows, exactly, in model units."""
    target, again = (array(str(folder / "data.npy"), validation=0.2, test=0.3) for _ in range(2))
    assert np.array_equal(target.split, again.split)
    assert [int((target.split == part).sum()) for part in (TRAIN, VALIDATION, TEST)] == [
        100,
        40,
        60,
    ]
    assert (np.diff(np.flatnonzero(target.split == TEST)) > 1).any()  # shuffled
    held = target.to_data(target.held_out(None, generator)).numpy()
    np.testing.assert_allclose(held, ROWS[target.split == TEST], rtol=1e-12)
    ordered = array(str(folder / "data.npy"), shuffle=False)
    assert (ordered.split[-20:] == TEST).all() and (ordered.split[:160] == TRAIN).all()


def test_images_round_trip_without_the_file(tmp_path: Path, generator: torch.Generator) -> None:
    """Pictures are flattened, remember their shape, and rebuild from the stored arrays alone."""
    images = np.random.default_rng(0).integers(0, 4, (60, 2, 3), dtype=np.uint8)
    path = tmp_path / "images.npy"
    np.save(path, images)
    target = array(str(path), dequantise=1.0)
    path.unlink()
    again = target_from_dict(target.to_dict(), target.arrays())
    assert again.image_shape == target.image_shape == (2, 3) and again.dim == 6
    assert again.scale == target.scale and np.array_equal(again.arrays()["split"], target.split)
    levels = target.to_data(target.training(None, generator)).numpy()
    assert np.array_equal(np.floor(levels), images.reshape(60, 6)[target.split == TRAIN])


def save(path: Path, values: np.ndarray) -> str:
    np.save(path, values)
    return str(path)


def test_refusals(folder: Path) -> None:
    """Every bad file or value: one line with the file or key, the cause and what was expected."""
    broken = ROWS.copy()
    broken[7, 1] = np.nan
    far = ROWS[:40].copy()
    far[-1] = 1e60  # a test row
    flat = np.ones((40, 2))
    line = np.column_stack([ROWS[:, 0], ROWS[:, 0]])
    (folder / "foreign.h5").write_bytes(b"not hdf5 at all")
    (folder / "ragged.csv").write_text("1,2\n3\n" * 20)
    (folder / "empty.csv").write_text("")

    def open_ended(path: Path) -> str:
        np.save(path, ROWS)
        path.write_bytes(path.read_bytes().replace(b"), }", b" , }", 1))
        return str(path)

    def twice(path: Path) -> str:
        with path.open("wb") as stream:
            np.save(stream, ROWS)
            np.save(stream, ROWS)
        return str(path)

    good = str(folder / "data.npy")
    cases = [
        ((str(folder / "empty.csv"),), {}, "it is empty"),
        ((str(folder / "absent.npy"),), {}, "no such file"),
        ((str(folder / "data.xlsx"),), {}, "expected .npy"),
        ((str(folder / "two.npz"),), {}, "first, second"),
        ((str(folder / "two.npz:third"),), {}, "first, second"),
        ((str(folder / "data.h5"),), {}, "group/rows, other"),
        ((str(folder / "data.h5:/nothing"),), {}, "group/rows, other"),
        ((str(folder / "foreign.h5"),), {}, "cannot be read"),
        ((str(folder / "ragged.csv"),), {}, "may be two integers"),
        ((save(folder / "nan.npy", broken),), {}, "row 8, column 2 .counted from 1.: remove"),
        ((save(folder / "counter.npy", np.c_[ROWS, np.arange(len(ROWS))]),), {}, "counts the rows"),
        ((twice(folder / "twice.npy"),), {}, "more behind its first array"),
        ((open_ended(folder / "open.npy"),), {}, "cannot be read .a header that is none"),
        ((save(folder / "vector.npy", ROWS[:, 0]),), {}, "got shape"),
        ((save(folder / "text.npy", ROWS.astype(str)),), {}, "real numbers"),
        ((save(folder / "objects.npy", np.array([{}, 1], dtype=object)),), {}, "cannot be read"),
        ((save(folder / "complex.npy", ROWS + 1j),), {}, "real numbers"),
        ((save(folder / "few.npy", ROWS[:19]),), {}, "19 rows are too few"),
        ((save(folder / "flat.npy", flat),), {}, "equal"),
        ((save(folder / "line.npy", line),), {}, "dequantise"),
        ((save(folder / "huge.npy", ROWS * 1e200),), {}, "squares are no doubles"),
        ((save(folder / "far.npy", far),), {"shuffle": False}, "1e.50 standard deviations"),
        ((good,), {"test": 1.2}, "fractions"),
        ((good,), {"test": "10 %"}, "expected a number"),
        ((good,), {"dequantise": 0.0}, "positive"),
        ((good,), {"test": 0.98, "validation": 0.015}, "fewer than two"),
    ]
    for arguments, options, word in cases:
        with pytest.raises(InputError, match=word) as caught:
            array(*arguments, **options)
        assert caught.value.where and "\n" not in str(caught.value)

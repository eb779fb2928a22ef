"""MNIST and CIFAR-10 from files the tests write: every format, and every way of being damaged."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.target import cifar10, mnist, target_from_dict
from thermohw.target.dataset import TEST, TRAIN, VALIDATION

TRAINING, TESTING = 60, 12
IMAGES = np.random.default_rng(1).integers(0, 256, (TRAINING + TESTING, 28, 28), dtype=np.uint8)
PLANES = np.random.default_rng(2).integers(0, 256, (TRAINING + TESTING, 3072), dtype=np.uint8)
NAMES = ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"]
BATCHES = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
EDGES = [0, 12, 24, 36, 48, 60, 72]


def idx(images: np.ndarray) -> bytes:
    """An IDX file of images: magic number, dimensions, bytes."""
    return struct.pack(">4I", 2051, *images.shape) + images.tobytes()


def mnist_files() -> dict[str, bytes]:
    """Both image files, plain."""
    return {NAMES[0]: idx(IMAGES[:TRAINING]), NAMES[1]: idx(IMAGES[TRAINING:])}


def binary_files() -> dict[str, bytes]:
    """Six binary batches of twelve records."""
    labels = np.arange(len(PLANES), dtype=np.uint8)[:, None] % 10
    records = np.concatenate([labels, PLANES], axis=1)
    pairs = zip(EDGES[:-1], EDGES[1:], strict=True)
    return {
        f"{name}.bin": records[a:b].tobytes() for name, (a, b) in zip(BATCHES, pairs, strict=True)
    }


def pickled_files() -> dict[str, bytes]:
    """Six pickled batches as Python 2 wrote them: protocol 2, keys of bytes."""
    found = {}
    for name, a, b in zip(BATCHES, EDGES[:-1], EDGES[1:], strict=True):
        batch = {b"data": PLANES[a:b], b"labels": list(range(b - a)), b"batch_label": b"one"}
        found[name] = pickle.dumps(batch, protocol=2)
    return found


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def tar(path: Path, files: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return str(path)


def under(prefix: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {prefix + name: data for name, data in files.items()}


MNIST_FORMS: dict[str, Callable[[Path], str]] = {
    "plain": lambda p: write(p, mnist_files()),
    "gzip": lambda p: write(p, {f"{n}.gz": gzip.compress(d) for n, d in mnist_files().items()}),
    "dotted": lambda p: write(
        p, {n.replace("-idx3", ".idx3"): d for n, d in mnist_files().items()}
    ),
    "subfolder": lambda p: write(p, under("MNIST/raw/", mnist_files())),
    "archive": lambda p: tar(p / "mnist.tar.gz", under("mnist/", mnist_files())),
}
CIFAR_FORMS: dict[str, Callable[[Path], str]] = {
    "binary": lambda p: write(p, binary_files()),
    "pickled": lambda p: write(p, pickled_files()),
    "subfolder": lambda p: write(p, under("cifar-10-batches-py/", pickled_files())),
    "tar": lambda p: tar(p / "a.tar.gz", under("cifar-10-batches-bin/", binary_files())),
    "tar in folder": lambda p: str(
        Path(
            tar(p / "cifar-10-python.tar.gz", under("cifar-10-batches-py/", pickled_files()))
        ).parent
    ),
}


@pytest.mark.parametrize("form", MNIST_FORMS)
def test_mnist_forms(tmp_path: Path, form: str) -> None:
    """The same bytes from every form; 54 + 6 + 12 images; moments those of dequantised rows."""
    target = mnist(MNIST_FORMS[form](tmp_path))
    assert np.array_equal(target.rows, IMAGES.reshape(-1, 784)) and target.rows.dtype == np.uint8
    assert target.counts == {"train": 54, "validation": 6, "test": TESTING}
    assert (target.split[54:60] == VALIDATION).all() and (target.split[60:] == TEST).all()
    assert target.image_shape == (28, 28) and target.step == 1.0
    np.testing.assert_allclose(target.shift, IMAGES[:54].reshape(54, -1).mean(0) + 0.5, rtol=1e-13)


@pytest.mark.parametrize("form", CIFAR_FORMS)
def test_cifar_forms(tmp_path: Path, form: str) -> None:
    """Rows, columns, colours from planes, in every form (read only: moments take a second)."""
    module = importlib.import_module("thermohw.target.cifar")
    rows, training = module._read(CIFAR_FORMS[form](tmp_path))
    assert rows.dtype == np.uint8 and rows.shape == (72, 3072) and training == TRAINING
    images = rows.reshape(-1, 32, 32, 3)
    for row, column, colour in [(0, 0, 0), (5, 31, 1), (31, 7, 2)]:
        planes = PLANES[:, colour * 1024 + row * 32 + column]
        assert np.array_equal(images[:, row, column, colour], planes)


@pytest.mark.parametrize("side", [14, 7, 4, 2, 1])
def test_mnist_averaged(tmp_path: Path, generator: torch.Generator, side: int) -> None:
    """Block means are exact multiples of the step, which is 1/area; samples fill [v, v + step)."""
    target = mnist(write(tmp_path, mnist_files()), side=side)
    area = (28 // side) ** 2
    assert target.step == pytest.approx(1.0 / area, rel=1e-15) and target.dim == side**2
    levels = target.rows * area
    assert np.abs(levels - np.rint(levels)).max() < 1e-9
    block = 28 // side
    first = IMAGES[:, :block, :block].reshape(len(IMAGES), -1).mean(1)
    np.testing.assert_allclose(target.rows[:, 0], first, rtol=1e-14)
    drawn = target.to_data(target.training(None, generator)).numpy()
    fraction = (drawn - target.rows[target.split == TRAIN]) * area
    assert fraction.min() > -1e-9 and fraction.max() < 1.0 + 1e-9 and fraction.std() > 0.2


def test_limit_and_stored(tmp_path: Path, generator: torch.Generator) -> None:
    """First rows train, the last of the training set validate; a stored run needs no file."""
    target = mnist(write(tmp_path, mnist_files()), side=14, limit=20)
    assert target.counts == {"train": 20, "validation": 2, "test": TESTING}
    full = mnist(str(tmp_path), side=14)
    assert np.array_equal(target.rows[:20], full.rows[:20])
    assert np.array_equal(target.rows[20:22], full.rows[58:60])
    colour = cifar10(write(tmp_path / "c", binary_files()), limit=30)
    assert colour.counts == {"train": 30, "validation": 3, "test": TESTING}
    assert colour.image_shape == (32, 32, 3) and colour.rows.dtype == np.uint8
    for name in [*NAMES, *(f"c/{n}.bin" for n in BATCHES)]:
        (tmp_path / name).unlink()
    for one in (target, colour):
        again = target_from_dict(one.to_dict(), one.arrays())
        assert again.to_dict() == one.to_dict() and again.image_shape == one.image_shape
        same = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
        assert torch.equal(again.sample(7, same[0]), one.sample(7, same[1]))


def without(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {key: data for key, data in files.items() if key != name}


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("exit 7",)


LABELS = struct.pack(">2I", 2049, 60) + bytes(60)
ONE = BATCHES[0]
DAMAGED_MNIST = [
    (without(NAMES[1], mnist_files()), f"no test images: found {NAMES[0]}, expected {NAMES[1]}"),
    ({"readme.txt": b"-"}, "no training images: found none of its files"),
    (mnist_files() | {NAMES[0]: idx(IMAGES)[:-100]}, "found 71.87244898 images, expected 72"),
    (mnist_files() | {NAMES[0]: idx(IMAGES) + b"0" * 784}, "found 73 images, expected 72"),
    (mnist_files() | {NAMES[1]: LABELS}, r"magic number 2049 \(labels\), expected 2051"),
    (mnist_files() | {NAMES[1]: b"\x00\x00\x0d\x03" + bytes(900)}, "magic number 3331, expected"),
    (mnist_files() | {NAMES[1]: b"\x00\x00\x08"}, "found 3 bytes, expected a header of 16"),
    (mnist_files() | {NAMES[0]: idx(IMAGES[:, :20])}, "20 x 28 pixels, expected 28 x 28"),
    (mnist_files() | {NAMES[0]: gzip.compress(idx(IMAGES))[:-500]}, "cannot be read"),
    (mnist_files() | {NAMES[0]: gzip.compress(idx(IMAGES))[:200] + bytes(9000)}, "cannot be read"),
    (mnist_files() | {NAMES[0]: idx(IMAGES[:9])}, "9 training and 12 test images"),
]
DAMAGED_CIFAR = [
    (
        without("data_batch_3.bin", binary_files()),
        "data_batch_3.bin is missing: found data_batch_1",
    ),
    ({"readme.html": b"-"}, "is missing: found no batch"),
    (binary_files() | {f"{ONE}.bin": bytes(3074 * 10)}, "30740 bytes, expected a multiple of 3073"),
    (binary_files() | {f"{ONE}.bin": b""}, "0 bytes, expected a multiple"),
    (binary_files() | {f"{ONE}.bin": b"\x0c" + bytes(3072)}, "label 12 in record 0, expected 0..9"),
    (pickled_files() | {ONE: pickle.dumps(Evil())}, "asks for (posix|nt).system, expected"),
    (pickled_files() | {ONE: pickled_files()[ONE][:500]}, "cannot be read .*, expected a pickled"),
    (pickled_files() | {ONE: b"<html>not found</html>"}, "cannot be read .*, expected a pickled"),
    (pickled_files() | {ONE: pickle.dumps([1, 2], 2)}, "found a pickled list, expected a dict"),
    (
        pickled_files() | {ONE: pickle.dumps({b"fine_labels": [1]}, 2)},
        "found fine_labels, expected",
    ),
    (
        pickled_files() | {ONE: pickle.dumps({b"data": PLANES[:4, :9], b"labels": [0] * 4}, 2)},
        r"shape \(4, 9\), uint8, expected \(n, 3072\)",
    ),
    (
        pickled_files() | {ONE: pickle.dumps({b"data": PLANES[:4], b"labels": [0] * 3}, 2)},
        "found 4 images, expected 3, one a label",
    ),
]


@pytest.mark.parametrize(("files", "word"), DAMAGED_MNIST)
def test_damaged_mnist(tmp_path: Path, files: dict[str, bytes], word: str) -> None:
    """One line: which file, what was found, what was expected."""
    with pytest.raises(InputError, match=word) as caught:
        mnist(write(tmp_path, files))
    assert str(tmp_path) in str(caught.value.where) or caught.value.where == "target.path"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("files", "word"), DAMAGED_CIFAR)
def test_damaged_cifar(tmp_path: Path, files: dict[str, bytes], word: str) -> None:
    """One line; and a hostile pickle is refused before it runs."""
    with pytest.raises(InputError, match=word) as caught:
        cifar10(write(tmp_path, files))
    assert str(tmp_path) in str(caught.value.where) and "\n" not in str(caught.value)


def test_other_refusals(tmp_path: Path) -> None:
    """Paths, archives and keys that cannot be used."""
    good = write(tmp_path / "good", mnist_files())
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(Path(tar(tmp_path / "fine.tar.gz", binary_files())).read_bytes()[:2000])
    (tmp_path / "file.txt").write_text("-")
    cases = [
        (lambda: mnist(str(tmp_path / "absent")), "no such folder"),
        (lambda: cifar10(str(tmp_path / "file.txt")), "neither a folder nor a tar archive"),
        (lambda: cifar10(str(broken)), "cannot be read as an archive"),
        (lambda: mnist(good, side=5), "divisor of 28"),
        (lambda: mnist(good, limit=55), "from 2 to 54, got 55"),
        (lambda: mnist(good, limit=True), "from 2 to 54, got True"),
    ]
    for call, word in cases:
        with pytest.raises(InputError, match=word) as caught:
            call()
        assert caught.value.where and "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [mnist, cifar10])
def test_download(monkeypatch: pytest.MonkeyPatch, make: Callable) -> None:
    """Through scikit-learn: official order kept; without a network one line with the remedy."""
    import sklearn.datasets

    def offline(*_: Any, **__: Any) -> None:
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    with pytest.raises(InputError, match="cannot be downloaded .*; give path = FOLDER") as caught:
        make()
    assert "OpenML" in str(caught.value.where) and "\n" not in str(caught.value)
    monkeypatch.setattr(
        sklearn.datasets, "fetch_openml", lambda *_, **__: {"data": np.zeros((5, 784))}
    )
    with pytest.raises(InputError, match=r"found shape \(5, 784\), expected"):
        make()


def test_download_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row k of OpenML is row k here: the official test set last."""
    module = importlib.import_module("thermohw.target.mnist")
    monkeypatch.setattr(module, "_TRAINING", TRAINING)
    monkeypatch.setattr(module, "fetch_images", lambda *_: IMAGES.reshape(-1, 784))
    assert np.array_equal(mnist().rows[-TESTING:], IMAGES[TRAINING:].reshape(-1, 784))


def test_moments_of_bytes_are_exact() -> None:
    """Block sums in float32 of centred bytes make no rounding: against int64, to the last bits."""
    from thermohw.target import moments as module

    rows = np.random.default_rng(5).choice(np.array([0, 1, 254, 255], np.uint8), (3000, 6))
    module._LARGE, kept = 0, module._LARGE
    try:
        mean, covariance = module.moments(rows)
    finally:
        module._LARGE = kept
    whole = rows.astype(object)  # Python integers: no rounding anywhere
    first, second = whole.sum(0), whole.T.dot(whole)
    exact = (3000 * second - np.outer(first, first)).astype(float) / 3000.0**2
    np.testing.assert_allclose(mean, first.astype(float) / 3000, rtol=1e-15)
    np.testing.assert_allclose(covariance, exact, atol=128.0**2 * 4e-16)

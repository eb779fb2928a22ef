"""The tree of parameters comes back as it was, and says so when it does not."""

from __future__ import annotations

import hashlib

import h5py
import numpy as np
import pytest
from store.toy import hdf5, toy_parameters

from thermohw.errors import StoreError
from thermohw.store import content_hash, provenance
from thermohw.store.draft import Draft
from thermohw.store.parameters import read_tree, tree_bytes, write_tree, wrong_hashes


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


def test_tree_comes_back(tmp_path):
    tree = toy_parameters()
    with hdf5(tmp_path / "t.h5", "w") as file:
        write_tree(Draft(file), "", tree)
        assert same(read_tree(file), tree)
        assert list(wrong_hashes(file)) == []
    assert (tmp_path / "t.h5").stat().st_size <= tree_bytes(tree) + 4096


def test_hash_is_sha256_of_the_content():
    assert content_hash("ü") == hashlib.sha256("ü".encode()).hexdigest()
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()
    big = np.arange(4, dtype=">f8").reshape(2, 2)
    assert (
        content_hash(big.T) == hashlib.sha256(np.array([0.0, 2, 1, 3], "<f8").tobytes()).hexdigest()
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [("spec", "other"), ("weights", 1), ("target/means", 9.0), ("target/kind", "gaussian")],
)
def test_every_changed_leaf_is_named(tmp_path, place, value):
    with hdf5(tmp_path / "t.h5", "w") as file:
        write_tree(Draft(file), "", toy_parameters())
        data = file[place]
        assert isinstance(data, h5py.Dataset)
        data[(0,) * data.ndim] = value
        assert [where for where, _ in wrong_hashes(file)] == [f"/{place}"]


def test_a_missing_hash_is_named(tmp_path):
    with hdf5(tmp_path / "t.h5", "w") as file:
        write_tree(Draft(file), "", toy_parameters())
        del file["weights"].attrs["sha256"]
        assert list(wrong_hashes(file)) == [("/weights", "has no sha256")]


def test_what_cannot_be_kept_is_refused(tmp_path):
    with hdf5(tmp_path / "t.h5", "w") as file:
        for value in (None, ["a"], np.array(["a"])):
            with pytest.raises(AssertionError):
                write_tree(Draft(file), "", {"x": value})


def test_provenance_names_versions():
    found = provenance()
    assert found["h5py"] == h5py.__version__ and found["numpy"] == np.__version__
    assert found["created"].endswith("+00:00")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", np.zeros(3)),
        ("text", 1.0),
        ("text", b"\xff\xfe"),
        ("bytes", "x"),
        ("bool", np.zeros(2, bool)),
        ("int", "x"),
        ("int", np.zeros(3)),
        ("float", "x"),
        ("float", np.zeros((2, 2))),
        ("array", "x"),
        (None, "x"),
        ("array", h5py.Empty("f8")),
        ("text", h5py.Empty("f8")),
        ("float", h5py.Empty("f8")),
    ],
)
def test_a_leaf_of_another_kind_than_it_says_is_refused(tmp_path, kind, value):
    with hdf5(tmp_path / "t.h5", "w") as file:
        file["x"] = value
        if kind is not None:
            file["x"].attrs["kind"] = kind
        with pytest.raises(StoreError, match="/x is no"):
            read_tree(file)

"""One set of books for every kind of run: the same names, the same first law, the same page."""

from __future__ import annotations

import numpy as np
import pytest
from golden.worlds import WORLDS

from thermohw.books import Books


def books(**more):
    accounts = {"heat.a": [1.0, 2.0], "heat.b": [0.5, 0.5], "work.emf": [3.0, 3.0],
                "energy.start": [0.0, 1.0], "energy.end": [1.5, 1.5]} | more  # fmt: skip
    arrays = {name: np.array(values) for name, values in accounts.items()}
    return Books(arrays, 0.5, np.array([1.0, 2.0]))


def test_names_sums_and_the_first_law():
    found = books()
    assert found.baths == ("a", "b") and found.sources == ("emf",) and found.paths == 2
    assert np.array_equal(found["heat.total"], [1.5, 2.5])
    assert np.array_equal(found.residual, [0.0, 0.0]) and "energy.change" in found
    assert np.array_equal(found.exchanged, [6.0, 6.0])
    assert np.array_equal(found.medium, [1.0 / 0.5 + 0.5 / 1.0, 2.0 / 0.5 + 0.5 / 1.0])
    assert found.mean("heat.").value == 2.0 and found.mean("heat.a").value == 1.5
    assert list(found) == ["heat.a", "heat.b", "work.emf", "energy.start", "energy.end"]


def test_a_wrong_heat_is_seen():
    assert np.allclose(books(**{"heat.a": [1.001, 2.002]}).residual, [1e-3, 2e-3])


def test_an_account_that_is_not_there():
    with pytest.raises(KeyError, match="there are heat.a"):
        books()["heat.c"]
    with pytest.raises(KeyError, match="no account starts with"):
        books().mean("heat.c")


def test_a_given_medium_counts():
    assert np.array_equal(books(medium=[7.0, 8.0]).medium, [7.0, 8.0])


@pytest.mark.parametrize("world", ["free run", "driven", "driven, quartic", "jumps", "evolve"])
def test_every_kind_of_run_keeps_them(world):
    """First law per path, to the rounding of a few hundred steps."""
    found = WORLDS[world]().books
    assert np.abs(found.residual / np.maximum(found.exchanged, found.kt)).max() < 1e-11
    assert found.paths == len(found["heat.total"]) and found.baths
    assert "medium entropy" in str(found) and "kT" in str(found)
    if found.temperatures is not None:
        assert len(found.temperatures) == len(found.baths)

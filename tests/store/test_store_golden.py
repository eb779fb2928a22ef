"""The golden file of every released format stays readable, number by number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store import golden

from thermohw.store import RunReader, content_hash, verify

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module", params=["committed", "made now"])
def path(request, tmp_path_factory):
    if request.param == "committed":
        return DATA / "golden_v1.h5"
    path = tmp_path_factory.mktemp("golden") / "golden.h5"
    golden.make(path)
    return path


def test_golden_file_v1(path):
    with RunReader.open(path) as run:
        assert run.finished and run.committed == 9 and run.paths == 10
        assert run.layout == golden.LAYOUT
        assert run.spec_hash == content_hash(golden.PARAMETERS["spec"])
        for name in run.series_names:
            exact = golden.series(name)
            found = run.series(name)
            assert found.read().dtype == exact.dtype and np.array_equal(found.read(), exact)
            assert found.time.tolist() == [0.0, 1e-9, 2e-9, 4e-9, 8e-9]
            assert found.step.tolist() == [0, 8, 16, 24, 32]
        for name in run.ledger_names:
            assert np.array_equal(run.ledger(name), golden.ledger(name))
        assert set(run.result_names) == set(golden.RESULTS)
        for name, exact in golden.RESULTS.items():
            assert np.array_equal(run.result(name), exact, equal_nan=True)
        assert run.unit("observables/voltage/value") == "V"
        assert run.attributes("results/entropy_rate") == {"law": "second", "units": "s-1"}
        found, exact = run.parameters, golden.PARAMETERS
        assert found.keys() == exact.keys()
        for name in ("spec", "datasheet", "seed", "weights"):
            assert found[name] == exact[name] and type(found[name]) is type(exact[name])
        assert np.array_equal(found["target"]["means"], exact["target"]["means"])
        assert (found["target"]["scale"], found["target"]["exact"], found["target"]["n"]) == (
            0.25,
            True,
            -3,
        )
        assert "python" in run.provenance
    assert verify(path) == []

"""With few paths an audit says that they are few, and never that a right run is wrong."""

from __future__ import annotations

import warnings

import pytest

from thermohw.audit import audit
from thermohw.pipeline import load_spec, run_spec

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
KINDS = {
    "euler": [],
    "clocked": CLOCKED,
    "noisy": [*CLOCKED, "protocol.reading_noise=20 uV"],
    "chain": [*CLOCKED, "device.name=rc8-chain", "process={kind='relaxation', duration=3.0}",
              "target={kind='gaussian', mean=[1,0,0,0,0,0,0,-1], std=[0.5,1,1,1,1,1,1,0.7]}"],
}  # fmt: skip
BY_PATH = {"finite_values", "distinct_paths", "first_law", "protocol_limits"}


def run(path, kind, paths, seed=0):
    common = ["protocol.ticks=64", "store.every=0", "likelihood.test=0"]
    counts = [f"simulate.paths={paths}", f"simulate.seed={seed}"]
    spec = load_spec("mixture_rc", [*common, *KINDS[kind], *counts])
    run_spec(spec, path, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return audit(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("paths", [1, 2, 29])
def test_what_a_path_alone_shows(tmp_path, kind, paths):
    result = run(tmp_path / "run.h5", kind, paths)
    given = {check.name for check in result.checks if check.status != "not-applicable"}
    given -= {"filter"} if kind == "noisy" else set()  # kept numbers, no noise: a path is enough
    assert given == BY_PATH - ({"distinct_paths"} if paths == 1 else set()) and result.holds
    few = result.check("sample_law").detail
    assert few == f"{paths} paths: a verdict on a mean needs 30"
    # no number of 300 digits anywhere
    assert max(len(word) for check in result.checks for word in check.detail.split()) < 30


@pytest.mark.parametrize("kind", KINDS)
def test_thirty_paths_are_judged(tmp_path, kind):
    """One audit of each kind here; over 100 seeds of 30 and of 100 paths see CHANGELOG.md."""
    result = run(tmp_path / "run.h5", kind, 30)
    assert result.check("sample_law").status != "not-applicable" and result.holds
    assert (result.check("noise_temperature").power or 0.0) > 0.0


def test_a_path_that_breaks_the_first_law_is_seen_alone(tmp_path, monkeypatch):
    from thermohw.books import Ledger

    right = Ledger.result

    def leaky(self, carry, state):
        found = right(self, carry, state)
        return found | {"heat": found["heat"] * 1.001}

    monkeypatch.setattr(Ledger, "result", leaky)
    assert run(tmp_path / "run.h5", "clocked", 1).check("first_law").status == "violated"

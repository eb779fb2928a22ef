"""Errors put into a run until its verdicts turn: where they turn, so does the changed file."""

from __future__ import annotations

import json
import sys

import pytest

from thermohw.audit import audit
from thermohw.audit.gather import gather, gathered
from thermohw.audit.injected import FAULTS, LARGEST, Turn, injected
from thermohw.audit.table import format_audit
from thermohw.errors import InputError
from thermohw.store import RunReader

NETWORK = ["score={kind='network', steps=30, seed=0}", "simulate.dtype=float32",
           "protocol.ticks=64", "simulate.paths=1024", "likelihood.test=64",
           "protocol.allow_ringing=true", "audit.twins=false"]  # fmt: skip
STEP = 10.0 ** (1.0 / 8.0)  # of the grid of sizes


def turns(path, *checks):
    with RunReader.open(path) as run:
        return {turn.check: turn for turn in injected(run, gathered(run), checks)}


@pytest.mark.parametrize(
    ("check", "fault", "place"),
    [("first_law", "heat", "heat.r0"), ("production", "path ratio", "ratio.ticks"),
     ("start_law", "start states", "voltage.start")],
)  # fmt: skip
def test_the_file_changed_so_is_judged_so(run_file, tampered, check, fault, place):
    """Of the size found a file is violated, of two steps of the grid less it is not."""
    e = turns(run_file("clocked", NETWORK), check)[check].sizes[fault]
    assert e is not None and abs(e) < LARGEST
    for size, status in ((e, "violated"), (e / STEP**2, "holds")):
        edits = {f"ledger/{place}": lambda x, size=size: (1.0 + size) * x}
        found = audit(tampered("clocked", edits, NETWORK)).check(check)
        assert found.status == status, (size, found.detail)


@pytest.mark.parametrize(
    ("check", "fault"), [("noise_temperature", "bath temperature"), ("gain", "source")]
)
def test_a_power_is_what_turns_a_verdict(run_file, check, fault):
    """A number v beside its power p, in the unit of the error: from p - |v| on one of the two signs
    is called, from p + |v| on both are. (1 + v) e is what e adds.
    """
    path = run_file("emf")
    found = audit(path).check(check)
    e = turns(path, check)[check].sizes[fault]
    assert e is not None and found.power is not None and found.value is not None
    value = abs(found.value)
    assert (found.power - value) / (1.0 + value) / STEP < abs(e)
    assert abs(e) < (found.power + value) / (1.0 - value) * STEP


def test_a_source_of_another_score_shows_in_the_heat_on_data(run_file):
    """int b^2/D goes with the square of the source; e is at most what the detail says it sees."""
    path = run_file("clocked", NETWORK)
    found, turn = audit(path).check("energy_likelihood"), turns(path, "energy_likelihood")
    seen = 0.01 * float(found.detail.partition("seen if the drift were ")[2].partition(" %")[0])
    e = turn["energy_likelihood"].sizes["source"]
    assert e is not None and found.value and found.expected
    assert abs(e) < 1.2 * STEP * seen + abs(found.value / found.expected - 1.0)


def test_whatever_is_not_of_size_or_has_no_verdict_is_left_out(run_file):
    found = turns(run_file("clocked", NETWORK), "finite_values", "filter", "first_law")
    assert set(found) == {"first_law"} and set(found["first_law"].sizes) == set(FAULTS)
    assert found["first_law"].sizes["peaks"] is None


def test_nothing_is_written(run_file):
    path = run_file("clocked", NETWORK)
    before, told = path.read_bytes(), gather(path).moments["heat.r0"]
    turns(path, "first_law")
    assert path.read_bytes() == before and gather(path).moments["heat.r0"] == told


def test_told_and_written_as_json(run_file, monkeypatch):
    path = run_file("clocked", NETWORK)
    monkeypatch.setattr(
        sys.modules["thermohw.audit.audit"],
        "injected",
        lambda run, recorded: iter(
            [Turn("gain", "holds", {"heat": None}), Turn("first_law", "holds", {"heat": -1e-5})]
        ),
    )
    result = audit(path, inject=True)
    table = json.loads(result.to_json())["injected"]
    assert table == {"gain": {"heat": None}, "first_law": {"heat": -1e-5}}
    text = str(result)
    assert "none of up to 50%: no test of these errors" in text and "heat -0.001 %" in text
    assert "injected" not in audit(path).to_dict()
    assert "put into this run" not in format_audit(result.run, result.checks, result.quantities)


def test_runs_without_paths_or_score(run_file, tmp_path):
    moments = run_file("emf", ("store.keep=moments", "simulate.paths=64", "protocol.ticks=8",
                               "protocol.allow_ringing=true", "likelihood.test=0",
                               "audit.twins=false"))  # fmt: skip
    with pytest.raises(InputError, match="kept moments: there are no paths"):
        audit(moments, inject=True)


def test_the_smallest_of_all_errors() -> None:
    turn = Turn("x", "holds", {"heat": 0.1, "work": None, "peaks": -0.05})
    assert turn.smallest == ("peaks", -0.05)
    assert Turn("x", "holds", {"heat": None}).smallest is None

"""Twins beside a run: what is stored, what is left out, and that the run does not notice."""

from __future__ import annotations

import json

import numpy as np
import pytest

from thermohw.errors import InputError
from thermohw.pipeline import load_spec, run_spec
from thermohw.store import RunReader

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto", "protocol.ticks=32",
           "simulate.paths=2000", "store.every=0", "likelihood.test=0"]  # fmt: skip


def run(path, *overrides):
    run_spec(load_spec("mixture_rc", [*CLOCKED, *overrides]), path, progress=False)
    with RunReader.open(path) as reader:
        channels = {name: reader.ledger(name) for name in reader.ledger_names}
        return reader.parameters, channels


def names(parameters):
    return set(parameters["twins"]) - {"settings"}


def test_what_is_stored(tmp_path):
    parameters, _ = run(tmp_path / "a.h5")
    assert names(parameters) == {"as_is", "halved"}
    settings = json.loads(parameters["twins"]["settings"])
    # 0.1 x 2000 x 32 / (32 + 64) = 66 is few for a standard error; a quarter of 2000 cost nothing
    assert settings == {"paths": 500, "causes": []}
    assert parameters["twins"]["as_is"]["state"].shape == (500, 1)
    assert {"heat.r0", "work.emf", "log_prob.end"} <= set(parameters["twins"]["halved"])


def test_one_thing_ideal_at_a_time(tmp_path):
    parameters, _ = run(tmp_path / "a.h5", "protocol.adc_bits=5", "protocol.latency=2 ns",
                        "score.scale=0.9", "simulate.start=prior")  # fmt: skip
    causes = ["adc", "delay", "true_score", "marginal"]
    assert json.loads(parameters["twins"]["settings"])["causes"] == causes
    assert names(parameters) == {"as_is", "ideal", "halved", *causes}
    states = {name: parameters["twins"][name]["state"] for name in names(parameters)}
    assert len({states[name].tobytes() for name in states}) == len(states)  # each is another run


def test_the_run_does_not_notice(tmp_path):
    """Equal numbers with and without twins, and twice over."""
    parameters, with_twins = run(tmp_path / "a.h5")
    _, again = run(tmp_path / "b.h5")
    bare, without = run(tmp_path / "c.h5", "audit.twins=false")
    assert "twins" in parameters and "twins" not in bare
    for name, values in with_twins.items():
        assert np.array_equal(values, without[name]) and np.array_equal(values, again[name])


def test_too_few_paths_have_no_twins(tmp_path):
    parameters, _ = run(tmp_path / "a.h5", "simulate.paths=29")
    assert "twins" not in parameters


def test_specs_of_before_keep_their_hash():
    canonical = json.loads(load_spec("mixture_rc").canonical)
    assert "audit" not in canonical
    assert json.loads(load_spec("mixture_rc", ["audit.twins=false"]).canonical)["audit"]


def test_unknown_key_is_named():
    with pytest.raises(InputError, match="audit.twin: unknown key; did you mean twins"):
        load_spec("mixture_rc", ["audit.twin=false"])

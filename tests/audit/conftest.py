"""Small runs of every kind, made once a session, and copies of them with numbers changed."""

from __future__ import annotations

import shutil
from typing import Any

import h5py
import pytest
from store.toy import unsealed

from thermohw.pipeline import load_spec, run_spec

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
CHAIN = [
    "device.name=rc8-chain",
    "process={kind='relaxation', duration=3.0}",
    "target={kind='gaussian', mean=[1,0,0,0,0,0,0,-1], std=[0.5,1,1,1,1,1,1,0.7]}",
    "protocol.ticks=32",
    # A node is .07 too wide (variance), which is called at .045: 512 paths saw it for one seed in
    # three. With noisy readings it is .11, and more than .17 could not be excused.
    "simulate.paths=2048",
    "likelihood.test=32",
]
# What differs from mixture_rc with 256 ticks and 8192 paths: the mixture on rc1, emf, continuous,
# Euler, float64.
RUNS = {
    "emf": [],
    "current": ["protocol.wiring=current"],
    "clocked": CLOCKED,
    "clocked current": [*CLOCKED, "protocol.wiring=current"],
    "scaled": ["score.scale=0.95"],
    "float32": ["simulate.dtype=float32", "protocol.stepper=splitting"],
    "noisy": [*CLOCKED, "protocol.reading_noise=60 uV"],
    # Codes of -2 and 0 units, told apart at -1: what is read there asks for something. (Of a range
    # of +-4 deviations the kept paths of half the seeds never leave the code at which nothing is.)
    "one bit": [*CLOCKED, "protocol.adc_bits=1", "protocol.adc_range=['-130 uV', '130 uV']"],
    "coarse source": [*CLOCKED, "protocol.dac_bits=4"],
    # Little information, so that the Sagawa-Ueda average can be taken.
    "forgetful": [*CLOCKED, "protocol.ticks=8", "target.stds=1.0", "protocol.reading_noise=200 uV"],
    "ve": ["process={kind='ve', sigma=5.0, t_min=1e-3}", "protocol.grid=log-snr"],
    "chain": [*CHAIN, "protocol.stepper=splitting"],
    "chain current": [*CHAIN, "protocol.stepper=splitting", "protocol.wiring=current"],
    "chain noisy": [*CHAIN, *CLOCKED, "protocol.ticks=64", "protocol.reading_noise=30 uV"],
}


@pytest.fixture(scope="session")
def run_file(tmp_path_factory):
    """name of RUNS (or a list of overrides) -> path of a finished run."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def make(name, extra=()):
        key = (name, *extra)
        if key not in made:
            path = folder / f"{len(made)}.h5"
            common = ["protocol.ticks=256", "simulate.paths=8192", "store.every=0"]
            spec = load_spec("mixture_rc", [*common, *RUNS[name], *extra])
            run_spec(spec, path, progress=False)
            made[key] = path
        return made[key]

    return make


@pytest.fixture
def tampered(run_file, tmp_path):
    """(name, place -> function of the old values) -> path of a changed copy."""

    def change(name, edits, extra=()):
        path = tmp_path / "changed.h5"
        shutil.copy(run_file(name, extra), path)
        with h5py.File(unsealed(path), "r+") as file:
            for place, edit in edits.items():
                data: Any = file[place]
                old = data[()]
                data[...] = edit(old.decode() if isinstance(old, bytes) else old)
        return path

    return change

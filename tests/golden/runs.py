"""Makes tests/data/golden_X.Y.Z/*.h5.gz: real runs of every kind, by that release's code.

0.1.0 has one of every setting of a score-driven run (`KINDS`); later releases have those that
`AGAIN` names, and one of every other kind (`UNSCORED`). Released files are never made anew: every
later version must open them, audit them, report them. A new release makes a folder of its own,
`python tests/golden/runs.py tests/data/golden_X.Y.Z`. `verdicts.json` beside the files holds what
the audit of that release said; what a later audit says instead stands in CHANGELOG.md with the rule
that changed.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

__all__ = ["AGAIN", "KINDS", "UNSCORED", "make"]

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
CHAIN = [
    "device.name=rc8-chain",
    "process={kind='relaxation', duration=3.0}",
    "target={kind='gaussian', mean=[1,0,0,0,0,0,0,-1], std=[0.5,1,1,1,1,1,1,0.7]}",
    "likelihood.test=16",
]
NETWORK = [
    "score={kind='network', steps=40, seed=0}",
    "process={kind='vp', beta_min=0.1, beta_max=20.0, t_min=1e-3}",
    "protocol.grid=log-snr",
    "simulate.start=prior",
]
CELL = [
    "device.name=rlc1",
    "process={kind='langevin', duration=6.0}",
    "target={kind='gaussian', mean=[1.0], std=[0.5]}",
    *CLOCKED,
]
# name -> what differs from mixture_rc with 64 ticks and 256 paths
KINDS: dict[str, list[str]] = {
    "continuous-emf": [],
    "continuous-current": ["protocol.wiring=current"],
    "splitting-float32": ["protocol.stepper=splitting", "simulate.dtype=float32"],
    "heun": ["protocol.stepper=heun"],
    "clocked-emf": CLOCKED,
    "clocked-current": [*CLOCKED, "protocol.wiring=current"],
    "scaled-score": [*CLOCKED, "score.scale=0.95"],
    "reading-noise": [*CLOCKED, "protocol.reading_noise=60 uV"],
    "kalman": [*CLOCKED, "protocol.reading_noise=60 uV", "protocol.filter=kalman"],
    "converters": [*CLOCKED, "protocol.adc_bits=6", "protocol.dac_bits=6"],
    "latency": [*CLOCKED, "protocol.latency=5 ns"],
    "imperfections": [
        *CLOCKED,
        "protocol.sense_offset=2 uV",
        "protocol.control_gain=1.02",
        "protocol.node_temperature=1.03",
        "protocol.amplifier_swing=2 mV",
    ],
    "amplifier-pole": [*CLOCKED, "protocol.amplifier_pole=20 MHz"],
    "ve": ["process={kind='ve', sigma=5.0, t_min=1e-3}", "protocol.grid=log-snr", *CLOCKED],
    "resistance": ["protocol.realisation=resistance", *CLOCKED],
    "temperature": ["protocol.realisation=temperature", *CLOCKED],
    "injected": [
        "process={kind='vp', beta_min=0.1, beta_max=20.0, t_min=1e-3}",
        "protocol.realisation=injected",
        "protocol.injected_bandwidth=1 GHz",
        "protocol.injected_shape=one-pole",
        "protocol.ticks=256",
        *CLOCKED,
    ],
    "pixels": [
        "device.name=rc64",
        "target={kind='uniform_pixels', side=8}",
        "process={kind='ve', sigma=25.0, t_min=1e-2}",
        "protocol.grid=log-snr",
        *CLOCKED,
        "simulate.dtype=float32",
        "simulate.paths=64",
        "likelihood.test=8",
    ],
    "network": [*NETWORK, *CLOCKED, "protocol.ticks=128"],
    "chain": [*CHAIN, "protocol.stepper=splitting"],
    "chain-clocked": [*CHAIN, *CLOCKED],
    "langevin": CELL,
    "prior": ["simulate.start=prior", *CLOCKED],
    "unaudited": [*CLOCKED, "likelihood.test=0", "store.every=16", "simulate.paths=64"],
}

AGAIN = ("continuous-emf", "clocked-current", "kalman", "converters", "network", "chain-clocked",
         "langevin")  # fmt: skip
QUARTIC = "{duration='2 us', ticks=40, start='equilibrium'}"
# name -> SPEC and what differs from it
UNSCORED: dict[str, tuple[str, list[str]]] = {
    "program": ("capacitor_program", ["simulate.paths=256", "program.ticks=60", "store.every=30"]),
    "quartic": (
        "capacitor_program",
        ["device.name=quartic-langevin", f"program={QUARTIC}", "simulate.paths=256"],
    ),
    "free": ("trap_free", ["program.duration=5 us", "simulate.paths=256", "store.every=0"]),
    "jumps": ("bit_jumps", ["jumps.duration=5 ns", "jumps.samples=2", "simulate.paths=128"]),
    "evolve": ("resonator_evolve", ["evolve.duration=5 us", "evolve.samples=3",
                                    "simulate.paths=256"]),
    "solve": ("board_solve", ["evolve.duration=20 us", "evolve.samples=3"]),
    "invert": ("board_invert", ["evolve.duration=100 us", "evolve.samples=3"]),
}  # fmt: skip


def make(folder: Path) -> None:
    """Run every kind and write what the audit of this version says of it."""
    from thermohw.audit import audit
    from thermohw.pipeline import load_spec, run_spec

    folder.mkdir(parents=True)
    verdicts = {}
    common = ["protocol.ticks=64", "simulate.paths=256", "store.every=0", "likelihood.test=32"]
    specs = {name: ("mixture_rc", [*common, *KINDS[name]]) for name in AGAIN} | UNSCORED
    for name, (spec, overrides) in specs.items():
        path = folder / f"{name}.h5"
        run_spec(load_spec(spec, overrides), path, progress=False)
        verdicts[name] = {check.name: check.status for check in audit(path).checks}
        packed = gzip.compress(path.read_bytes(), 9, mtime=0)  # mostly room for resuming, unused
        path.unlink()
        path.with_suffix(".h5.gz").write_bytes(packed)
    (folder / "verdicts.json").write_text(json.dumps(verdicts, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))

"""thermohw: diffusion models played on noisy circuits, with the energy books kept as they run."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.2.0"

# Public name -> module that defines it. Names are looked up on first use, so that `import thermohw`
# stays cheap and a room that needs a heavy library costs nothing to those who do not enter it.
_EXPORTS: dict[str, str] = {
    "Drive": "thermohw.program",
    "InputError": "thermohw.errors",
    "Evolve": "thermohw.solver",
    "Jumps": "thermohw.jumps",
    "OU": "thermohw.process",
    "Program": "thermohw.program",
    "Protocol": "thermohw.control",
    "Run": "thermohw.pipeline",
    "RunReader": "thermohw.store",
    "VE": "thermohw.process",
    "VP": "thermohw.process",
    "audit": "thermohw.audit",
    "calibrated": "thermohw.score",
    "device_names": "thermohw.datasheet",
    "drive": "thermohw.program",
    "energy": "thermohw.pipeline",
    "evolve": "thermohw.solver",
    "fit_score": "thermohw.score.training",
    "free_run": "thermohw.integrate.free",
    "invert": "thermohw.solver",
    "langevin": "thermohw.circuit",
    "learned_production": "thermohw.books.velocity",
    "likelihood": "thermohw.likelihood",
    "linearised": "thermohw.circuit",
    "load_datasheet": "thermohw.datasheet",
    "load_device": "thermohw.circuit",
    "load_score": "thermohw.score.weights",
    "load_spec": "thermohw.pipeline",
    "master_equation": "thermohw.jumps",
    "pool": "thermohw.pipeline",
    "read_netlist": "thermohw.datasheet",
    "relaxation": "thermohw.circuit",
    "report": "thermohw.report",
    "run_spec": "thermohw.pipeline",
    "monte_carlo": "thermohw.tolerance",
    "save_score": "thermohw.score.weights",
    "sensitivity": "thermohw.tolerance",
    "simulate": "thermohw.pipeline",
    "solve": "thermohw.solver",
    "simulate_jumps": "thermohw.jumps",
    "study": "thermohw.study",
    "targets": "thermohw.target",
    "yield_": "thermohw.tolerance",
}

# Names that stand for the module itself.
_MODULES = ("likelihood", "study", "targets")

__all__ = ["__version__", *sorted(_EXPORTS)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'thermohw' has no attribute {name!r}")
    found = importlib.import_module(module)
    value = found if name in _MODULES else getattr(found, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)

"""Forward (noising) processes: how a data law is carried to noise, and the clocks that go with it.

`OU`, `VP`, `VE` act on every coordinate alike; `Relaxation` is a circuit's own, `Langevin` that of
a circuit with inductors, which noises some of its coordinates only.
`process_from_dict` rebuilds any of them from what `to_dict` wrote, or from the [process] table of
a SPEC.
"""

from __future__ import annotations

from thermohw.process.base import Process
from thermohw.process.langevin import Langevin
from thermohw.process.linear import linear_transition
from thermohw.process.normal import Normal
from thermohw.process.observed import Observed
from thermohw.process.ou import OU
from thermohw.process.registry import PROCESSES, process_from_dict
from thermohw.process.relaxation import Relaxation
from thermohw.process.ve import VE
from thermohw.process.vp import VP

__all__ = [
    "OU",
    "PROCESSES",
    "VE",
    "VP",
    "Langevin",
    "Normal",
    "Observed",
    "Process",
    "Relaxation",
    "linear_transition",
    "process_from_dict",
]

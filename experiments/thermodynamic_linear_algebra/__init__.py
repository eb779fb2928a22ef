r"""How well, how fast and at what cost does a board of integrators solve and invert?

A board of op-amp integrators relaxes as dx = -(A x - b) dt + noise: its mean is A^-1 b, and with
white noise of equal strength everywhere its covariance is A^-1/beta (Aifer et al.,
arXiv:2308.05660; Donatella et al., arXiv:2405.13817). Random symmetric positive definite systems
are solved and inverted on the board of devices/opamp-solver.toml, ideal and with the imperfections
of its parts:

    time          error of a single run against averaging time D. Ideal: variance
                  2 tr(A^-2)/(beta D) of a solution and
                  (2/D)(sum_ab 1/(l_a l_b (l_a + l_b)) + sum_a 1/(2 l_a^3)) of an inverse; real: the
                  same, down to the floor of the parts, in closed form too
    parts         that floor, one imperfection at a time, for several systems
    dimension     time in which an inverse is known to a given error, against its size
    energy        error of a solution that only the resistors' own noise limits, against the heat
                  of the resistors: V^2 D/R against k T, whatever the voltage or the time

Times are in seconds on the board, energies in joules, errors relative (Euclidean and Frobenius
norms).
"""

from thermohw.errors import InputError
from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """One cell per board and duration, imperfection and system, dimension, energy."""
    from thermohw.experiments.thermodynamic_linear_algebra.compute import PARTS

    if p["dimension"] < 2 or min(p["dimensions"]) < 2:
        raise InputError("expected at least two unknowns", where="dimension")
    common = {"n": p["dimension"], "condition": p["condition"], "paths": p["paths"]}
    return [
        *({"kind": "time", "board": board, "micro": d, **common}
          for board in ("ideal", "real") for d in p["micros"]),
        *({"kind": "parts", "part": part, "system": s, **common}
          for part in PARTS for s in range(p["systems"])),
        *({"kind": "dimension", "n": n, "condition": p["condition"], "paths": p["paths"]}
          for n in p["dimensions"]),
        *({"kind": "energy", "millivolt": v, "micro": d, **common}
          for d in p["energy_micros"] for v in p["millivolts"]),
        {"kind": "slew", **common},
    ]  # fmt: skip


STUDY = Study(
    title="Linear algebra by thermal relaxation",
    question="How well, how fast and at what cost does a board of integrators solve and invert?",
    parameters={
        "dimension": 4, "condition": 10.0, "paths": 256,
        "micros": [100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0], "systems": 24,
        "dimensions": [2, 4, 8, 16, 32], "millivolts": [0.03, 0.1, 0.3, 1.0],
        "energy_micros": [300.0, 1000.0], "seed": 0,
    },
    quick={
        "paths": 64, "micros": [100.0, 1000.0, 5000.0], "systems": 8, "dimensions": [2, 4, 8, 16],
        "millivolts": [0.03, 0.3], "energy_micros": [300.0],
    },
    cells=cells,
    compute=later("thermohw.experiments.thermodynamic_linear_algebra.compute:compute"),
    conclude=later("thermohw.experiments.thermodynamic_linear_algebra.findings:conclude"),
)  # fmt: skip

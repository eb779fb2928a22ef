r"""What does it cost to run a noisy circuit faster without touching its resistors?

A Langevin computer obeys dx = -mu dH/dx dt + sqrt(2 mu k T) dW. Multiply every coupling, that is
all of H, and the power of the noise by lambda: the same paths, lambda times as fast (S. Whitelam,
arXiv:2410.12211). The noise above the bath's own has to be injected, so lambda T is an effective
temperature. This study asks of two circuits what stays and what is paid, at several lambda:

    a quartic unit (quartic-langevin)   it relaxes from x = 0; then a program tips its well over
    four coupled linear units           whose covariance k T A^-1 inverts a 4 x 4 matrix A

Claims: statistics are those of lambda = 1 at lambda times the time; the heat of a program is lambda
times as many joules and as many nats; time falls as 1/lambda. Every lambda has random numbers of
its own (on the same numbers the paths are equal to round-off, which a test of the package checks).
The heat here is heat at the effective temperature. What a noise generator of finite bandwidth puts
into the resistor is worked out beside it; the power the generator itself draws is not included.
"""

from thermohw.errors import InputError
from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """One for every circuit and every lambda."""
    if 1.0 not in p["factors"] or min(p["factors"]) < 1.0:
        raise InputError("expected factors from 1 on, 1 among them", where="factors")
    kinds = ("relaxation", "program", "inversion")
    size = {"paths": p["paths"], "frames": p["frames"]}
    return [{"kind": k, "factor": f, **size} for k in kinds for f in p["factors"]]


STUDY = Study(
    title="A faster clock from stronger couplings and stronger noise",
    question="What stays and what is paid when couplings and noise power are multiplied by lambda?",
    parameters={
        "factors": [1.0, 2.0, 4.0, 8.0, 16.0], "paths": 40000, "frames": 30, "bandwidth": 100.0,
        "seed": 0,
    },
    quick={"factors": [1.0, 4.0], "paths": 10000, "frames": 20},
    cells=cells,
    compute=later("thermohw.experiments.clock_speed.compute:compute"),
    conclude=later("thermohw.experiments.clock_speed.findings:conclude"),
)  # fmt: skip

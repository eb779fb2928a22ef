r"""How long does a CMOS bit remember, what does it burn meanwhile, and may its noise be Gaussian?

Two cross-coupled inverters below threshold, biased by +-V: four transistors that pass electrons one
at a time, each event with its exact heat (Freitas, Delvenne and Esposito, arXiv:2008.10578; with
Proesmans, arXiv:2103.01184). Above V = ln 2 kT/q there are two states; the error time is the mean
time from one of them until the bit has gone half way into the other.

    exact      the master equation: error time by elimination without subtractions, heat per second
    jumps      Gillespie paths of the same circuit
    gaussian   the chemical Langevin equation of the same rates, as a limit of smaller charges
    langevin   its paths, Euler's method
    theorem    one junction held at x kT/q: <exp(-Sigma)> of jumps is 1; of a Gaussian with the
               same mean and variance it is exp((I+ + I-)(t/q)[x^2/2 - x tanh(x/2)])

The last line is why Gaussian noise on a nonlinear conductor is refused unless marked approximate:
shot noise is (x/2) coth(x/2) times larger than a Gaussian that obeys the fluctuation theorem may be
(Wyatt and Coram 1999; Delvenne and Van Brandt, arXiv:2404.00422).
"""

from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """Every bias exactly; low ones, where errors are frequent, by paths too; every x."""
    size, seed = {"capacitance": p["capacitance"]}, {"seed": p["seed"], "paths": p["paths"]}
    return [
        *({"kind": "exact", "bias": bias, **size} for bias in p["biases"]),
        *({"kind": "gaussian", "bias": bias, **size} for bias in p["biases"]),
        *({"kind": "jumps", "bias": bias, **size, **seed} for bias in p["played"]),
        *({"kind": "langevin", "bias": bias, **size, **seed} for bias in p["played"][:2]),
        *({"kind": "law", "bias": bias, **size} for bias in p["laws"]),
        *({"kind": "theorem", "x": x, **seed} for x in p["drives"]),
    ]


STUDY = Study(
    title="A bit of four transistors, electron by electron",
    question="How does the error time of a CMOS bit grow with its bias, at what heat, and what "
    "does Gaussian noise get wrong?",
    parameters={
        "biases": [22.0, 26.0, 30.0, 34.0, 38.0, 42.0, 46.0, 50.0, 54.0, 58.0, 62.0],
        "played": [22.0, 26.0, 30.0], "laws": [14.0, 30.0, 54.0],
        "drives": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0], "capacitance": "0.05 fF", "paths": 1024,
        "seed": 0,
    },
    quick={
        "biases": [22.0, 30.0, 38.0, 46.0, 54.0], "played": [22.0], "drives": [1.0, 2.0],
        "paths": 256,
    },
    cells=cells,
    compute=later("thermohw.experiments.cmos_bit.compute:compute"),
    conclude=later("thermohw.experiments.cmos_bit.findings:conclude"),
)  # fmt: skip

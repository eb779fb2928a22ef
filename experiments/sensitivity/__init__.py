r"""What each imperfection of a score-driven node costs: a published table, row by row.

One RC node generates a two-hump mixture, 0.3 N(-2, 0.3^2) + 0.7 N(1.5, 0.4^2), from five RC of the
OU process with its exact score. One thing at a time is imperfect: how long a control value is held,
how late it comes, how many bits a reading or a source has, where sources saturate, gain, bath
temperature, offset, bandwidth. Each row has the W1 distance of the samples to the mixture, and the
work of a source in series with the resistor ("emf") and of an injected current.

Reference values (closed forms): work 2.6975 kT for instantaneous series control, 3.481 kT for
sampled series control as the hold goes to zero, 1.914 kT for the current.

Every printed number is held against ours with both statistical errors: that of 20,000 independent
paths for the print (works: the per-path spread measured here; W1: 0.007) and that of the repeats
here; two or three printed digits add their rounding. A plain numpy simulation of every row stands
beside both, so that a row that differs can be told apart from a wrong one.
"""

from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """One cell a row, wiring and repeat; one a row of the numpy route."""
    from thermohw.experiments.sensitivity.published import chosen

    rows = chosen(p)
    base = {"paths": p["paths"], "seed": p["seed"]}
    made = [{"row": row.name, "route": route, "repeat": repeat, **base} for row in rows
            for repeat in range(p["repeats"]) for route in ("emf", "current")]  # fmt: skip
    named = [row.name for row in rows if p["numpy"]]
    return made + [{"row": name, "route": "numpy", "repeat": 0, **base} for name in named]


STUDY = Study(
    title="One imperfection at a time",
    question="What does each stage between node and source cost, in samples and in work?",
    parameters={"paths": 20000, "repeats": 2, "rows": [], "numpy": True, "seed": 0},
    quick={
        "repeats": 1, "numpy": False,
        "rows": [
            "hold 0.05 tau", "hold 0.1 tau", "hold 0.2 tau", "latency 0.1 tau",
            "ADC 3 bit over +-4 V0", "DAC 4 bit over +-40", "saturation at 4",
            "amplifier pole 10 per tau",
        ],
    },
    cells=cells,
    compute=later("thermohw.experiments.sensitivity.compute:compute"),
    conclude=later("thermohw.experiments.sensitivity.findings:conclude"),
)  # fmt: skip

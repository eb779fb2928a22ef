r"""How much bandwidth noise needs: a node shaken by a generator instead of its own resistor.

A cold resistor R with a capacitor C; a noise voltage of the density of R's Johnson noise at T
stands in series with it. White, it would give the node k T/C. With a bandwidth (in units of 1/RC;
h or T the sample interval or correlation time in RC)

    one-pole        corner B, T = 1/(2 pi B)      variance 1/(1 + T)         of k T/C
    staircase       a sample every h = 1/B        (2/h) tanh(h/2) at the samples, 1 - h/3 averaged
    interpolated    straight lines between them   1 - h/2 at the samples, 1 - 0.47 h averaged

and the generator drives 4 a B k T a RC through R (a = pi/2, 1/2, 1/3) less what stays in the node.

Then a mixture, 0.3 N(-2, 0.3^2) + 0.7 N(1.5, 0.4^2), is generated on that noise by the exact score,
the source in series with R, either following the state or held for a hundredth of RC. With white
noise the source works 2.6975 kT if it follows and 3.4810 kT if it is held: a held source misses
what the noise does during a tick. Noise slower than a tick does nothing during a tick.
"""

from thermohw.study import Cell, Parameters, Study, later

SHAPES = ("one-pole", "staircase", "interpolated")


def cells(p: Parameters) -> list[Cell]:
    """A free node, and a driven one with either kind of source, for every shape and bandwidth."""
    bands = [{"shape": s, "bandwidth": b} for s in SHAPES for b in p["bandwidths"]]
    free = [
        {"kind": "free", "paths": p["free_paths"], "span": p["span"], "seed": p["seed"], **band}
        for band in bands
    ]
    driven = [
        {"kind": "driven", "paths": p["paths"], "hold": hold, "seed": p["seed"], **band}
        for band in bands
        for hold in (0.0, p["hold"])
    ]
    return free + driven


STUDY = Study(
    title="How much bandwidth noise needs",
    question="What does a node do when its noise comes from a generator of finite bandwidth: its "
    "variance, the work of a score-driven run on it, and the power the generator takes?",
    parameters={
        "bandwidths": [1.0, 2.0, 5.0, 10.0, 25.0, 100.0], "paths": 4096, "free_paths": 256,
        "span": 40.0, "hold": 0.01, "seed": 0,
    },
    quick={"bandwidths": [1.0, 10.0], "paths": 1024, "free_paths": 64, "span": 10.0},
    cells=cells,
    compute=later("thermohw.experiments.johnson_bandwidth.compute:compute"),
    conclude=later("thermohw.experiments.johnson_bandwidth.findings:conclude"),
)  # fmt: skip

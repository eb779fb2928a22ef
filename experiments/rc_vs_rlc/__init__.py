r"""Does an array of RLC cells generate digits as well as one of RC nodes, and at what price?

Two arrays of 64 cells, the same handwritten digits. RC: a pixel is a node voltage, noise and
control act on it (VP). RLC: a pixel is an inductor current; noise and control act on the node
voltage beside it alone, and reach the current through the exchange of energy (critically-damped
Langevin diffusion, here at any quality Q). Both are noised over the same range of signal-to-noise
ratio and played with the same number of score evaluations.

Why they should agree. A state (v, i) tells of a pixel what y = x_0 + noise of variance 1/snr tells,
and the rest of it is Gaussian and independent of the data. So the joint score needs only the
denoiser of plain Gaussian noise, and the evidence bound is an integral over snr in which no circuit
is left: equal networks, equal bounds. The probability flows differ, so their likelihoods need not.

Energy. With E the stored energy and S the entropy (kT, nats) of the law at the start and the end of
generation, all momenta included, exact score, steps to zero, the sources do on average

    source in series, following       W = 2 dE - 2 dS              = twice the free energy gained
    source in series, held            W = 2 dE - 4 dS
    injected current, either          W = 2 dE                     d = end - start

on any circuit whose resistors have one temperature: the reverse process retraces p_t, so the
production of entropy is the relative entropy to equilibrium that noising destroyed; a held source
lacks int E div u = 2 dS. Neither L, nor Q, nor the time it takes is in these. With voltages
that start and end in equilibrium the RLC array pays what the RC array pays. A Gaussian of the
digits' mean and covariance, whose score is exact, measures these; the digits' networks show how
far they hold for a learned score.

Reference: T. Dockhorn, A. Vahdat and K. Kreis, ICLR 2022, https://arxiv.org/abs/2112.07068
"""

from typing import Any

from thermohw.study import Cell, Parameters, Row, Study, later

KINDS = (
    ("emf", "clocked"), ("emf", "continuous"), ("current", "clocked"), ("current", "continuous"),
)  # fmt: skip


def cells(p: Parameters) -> list[Cell]:
    """Likelihoods; runs of the digits; runs of their Gaussian."""
    made: list[Cell] = []
    pair = (0.0, p["quality"])
    digits = {"data": "digits", "steps": p["steps"]}
    asked = {"task": "likelihood", "tolerance": p["tolerance"], **digits}
    for network in range(p["networks"]):
        made += [{"quality": q, "network": network, "points": p["points"], **asked} for q in pair]
    others = [q for q in p["qualities"] if q not in pair]
    made += [
        {"quality": q, "network": 0, "points": p["points_more"], **asked}
        for q in (*pair, *others)
        if p["points_more"] != p["points"] or q not in pair
    ]

    def run(q: float, kind: tuple[str, str], ticks: int, **more: Any) -> Row:
        wiring, control = kind
        return {"task": "run", "quality": q, "wiring": wiring, "control": control, "ticks": ticks,
                "paths": p["paths"], "noise": p["seed"], **more}  # fmt: skip

    learned = {**digits, "network": 0}
    for q in pair:
        made += [run(q, KINDS[0], n, **learned) for n in p["ticks"][:-1]]
        made += [run(q, kind, p["ticks"][-1], **learned) for kind in KINDS]
    for q in others:
        made += [run(q, kind, p["ticks"][-1], **learned) for kind in KINDS[:2]]
    known = {"data": "gaussian"}
    for q in (*pair, *others):
        kinds = KINDS if q in pair else KINDS[:2]
        made += [run(q, kind, n, **known) for kind in kinds for n in p["fine"]]
    return made


STUDY = Study(
    title="RC against RLC: digits at equal score evaluations",
    question="Does an RLC array generate digits as well as an RC array, and at what price?",
    parameters={
        "seed": 0, "steps": 1000, "networks": 2, "quality": 5.0,
        "qualities": [0.5, 1.0, 2.0, 5.0, 10.0], "points": 297, "points_more": 96,
        "tolerance": 1e-4, "paths": 1024, "ticks": [128, 256, 512], "fine": [256, 512],
    },
    quick={
        "steps": 40, "networks": 1, "qualities": [5.0], "points": 6, "points_more": 6, "paths": 32,
        "ticks": [64], "fine": [64],
    },
    cells=cells,
    compute=later("thermohw.experiments.rc_vs_rlc.compute:compute"),
    conclude=later("thermohw.experiments.rc_vs_rlc.findings:conclude"),
)  # fmt: skip

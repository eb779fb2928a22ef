r"""What the entropy bound says, in closed forms and quadratures: the figures of docs/bound.md.

The bound of Kodama and Hinczewski (arXiv:2510.06174), B = (S0 + S1)/2 - Sigma/2, bounds the
marginal likelihood, not that of the probability flow. Here no network is trained and nothing is
sampled: scores are the true one s* made wrong on purpose, expectations are sums over grids.

    scaled      N(0, v0), driftless noise, v1 = r v0, score c s*, a = (1 - c) ln r:
                nll.ode - S0 = (a + e^-a - 1)/2        nll.marginal - S0 = a/2
                B - S0 = (1 - c^2) ln r / 4            U - S0 = (1 - c)^2 ln r / 2
    rotation    isotropic in two dimensions, score c (s* + w J s*), J the quarter turn, and
                c = 1/(1 + w^2): calibrated at every w;  nll.ode - S0 = a + e^-a - 1,
                B - S0 = (1 - c) ln r / 2,  nll.marginal - S0 = U - S0 = (1 - c) ln r
    mixture     two narrow Gaussians: every term of the account, schedule by schedule
    pixel       a uniform pixel on [0, 1]: S1, the prior's entropy and K1
    truncation  a uniform pixel's true score from noise of deviation e on, to all orders in e but
                exp(-1/e^2): B = S(t_min) = 1.8064 e, nll.ode = -E ln p_tmin(clean pixel) = 0.9551 e
    solver      the flow's likelihood by Euler steps of equal model time

Everything is nats per sample in model units, the prior matched to p_T unless said otherwise.
"""

import numpy as np

from thermohw.errors import InputError
from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """One cell for every point of every figure."""
    growth = {"growth": p["growth"]}
    if len(p["factors"]) != 2:
        raise InputError("expected the two ends of a range", where="factors")
    factors = np.linspace(p["factors"][0], p["factors"][1], p["points"])
    return [
        *({"kind": "scaled", "factor": round(float(c), 6), **growth} for c in factors),
        *({"kind": "rotation", "turn": w, **growth} for w in p["turns"]),
        *({"kind": "mixture", "process": kind, "score": score}
          for kind in ("ve", "vp") for score in ("exact", "0.95", "1.05", "linear")),
        *({"kind": "pixel", "process": kind, "sigma": sigma, "centred": centred}
          for kind in ("ve", "vp") for sigma in p["sigmas"] for centred in (False, True)),
        *({"kind": "truncation", "deviation": e} for e in p["deviations"]),
        *({"kind": "solver", "steps": n} for n in p["euler"]),
    ]  # fmt: skip


STUDY = Study(
    title="What the entropy bound says, in closed forms",
    question="Which likelihood does the bound hold for, and by how much can another miss it?",
    parameters={
        "growth": 4.0, "factors": [0.5, 1.5], "points": 21, "turns": [0.1, 0.25, 0.5, 0.75, 1.0],
        "sigmas": [10.0, 15.0, 20.0, 25.0, 30.0], "deviations": [0.001, 0.003, 0.01, 0.03, 0.1],
        "euler": [100, 300, 1000, 3000], "seed": 0,
    },
    quick={"points": 5, "turns": [0.5], "sigmas": [10.0, 25.0], "euler": [100, 1000]},
    cells=cells,
    compute=later("thermohw.experiments.bound_closed_forms.compute:compute"),
    conclude=later("thermohw.experiments.bound_closed_forms.findings:conclude"),
)  # fmt: skip

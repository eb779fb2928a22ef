r"""What the entropy bound says of data whose true score nobody knows.

Of real data neither S0 nor the true score s* is known, and the bound of Kodama and Hinczewski
(arXiv:2510.06174), B = (S0 + S1)/2 - Sigma/2, needs S0. What remains computable on held-out points,
with how much uncertainty - over points, over trainings, over noise and probes - and what would a
stand-in for the truth be worth?

    likelihoods   nll.ode;  nll.marginal M, with divergences or by denoising;  U = nll.sde_elbo
    entropies     Sigma;  H1 = -E ln prior(x_T);  S1 <= the Gaussian's of equal covariance
    estimates     E1 = S1 - Sigma,  E2 = 2 M - S1 + Sigma,  E3 = U;  raw and calibrated
    unknown       S0, B, the gap M - B, K1 = H1 - S1, the score error, the truncation

The estimates are no three measurements: U = 2 M - H1 + Sigma identically, so that

    E1 + U = 2 M - (H1 - S1),      E2 - U = H1 - S1,      E2 - E1 = 2 (U - M) + H1 - S1.

Proxy. A larger network, trained longer and calibrated, is put in the place of s* (the paper's
appendix G.5.3 does so for images). With its s_P, and E over held-out noised data,

    S0_P = S1 - Sigma_P,    B_P = (S0_P + S1)/2 - Sigma/2,    err_P = (1/4) int g^2 E|s - s_P|^2 dt
    M - B_P = (H1 - S1) + err_P + res_P,                  res_P = (1/2) int g^2 E[s.(s_P - s*)] dt
    B_P - B = (1/4) int g^2 (E|s*|^2 - E|s_P|^2) dt = (1/4) int g^2 E|s_P - s*|^2 dt  if calibrated

The residual res_P can be measured without the truth (s_cond stands for s*): a test a proxy can
fail. The bias B_P - B cannot, and it is never negative for a calibrated proxy. Its size is
found where the truth is known: a Gaussian mixture fitted to the data (`surrogate`), from which
networks of the same sizes learn as few samples, and of which they know as little.
"""

from thermohw.errors import InputError
from thermohw.study import Cell, Parameters, Study, later

_SETTINGS = ("dataset", "path", "side", "limit", "t_min", "points", "calibration")
_PROXY_SEED = 1000
_MOST = 256  # dimensions of a surrogate


def cells(p: Parameters) -> list[Cell]:
    """A network of each seed on the data and on the surrogate, repeated noise, then the proxies."""
    from thermohw.experiments.real_data.compute import make_data

    side = p["side"] if p["dataset"] == "mnist" else 0
    common = {key: p[key] for key in _SETTINGS} | {"side": side}
    if p["dataset"] not in ("digits", "mnist", "cifar10"):
        raise InputError(
            f"{p['dataset']!r} is not a data set; choose digits, mnist, cifar10", where="dataset"
        )
    dim = make_data(common).dim  # files that cannot be read are complained of once, not per cell
    laws = ["data"] + (["surrogate"] if p["components"] and dim <= _MOST else [])
    small = {"steps": p["steps"], "width": p["width"], "trunk": p["trunk"]}
    large = {"steps": p["proxy_steps"], "width": p["proxy_width"], "trunk": p["trunk"]}
    base = [common | {"law": law, "components": p["components"]} for law in laws]
    networks = [
        b | small | {"kind": "network", "train": s} for b in base for s in range(p["seeds"])
    ]
    repeats = [
        base[0] | small | {"kind": "repeat", "train": 0, "repeat": r, "probes": p["probes"]}
        for r in range(p["repeats"])
    ]
    proxies = [
        b | large | {"kind": "proxy", "train": _PROXY_SEED, "small": small, "seeds": p["seeds"]}
        for b in base
    ]
    return [*networks, *repeats, *proxies]


STUDY = Study(
    title="What remains of the bound on real data",
    question=(
        "Where the true score is unknown, which terms of the bound can be computed on held-out "
        "data, and how wide is their uncertainty?"
    ),
    parameters={
        "dataset": "digits", "path": "", "side": 14, "limit": 0, "seeds": 4, "repeats": 4,
        "probes": 8, "points": 297, "calibration": 150, "steps": 1000, "width": 0, "trunk": "",
        "proxy_steps": 2000, "proxy_width": 512, "components": 10, "t_min": 4e-4, "seed": 0,
    },
    quick={
        "seeds": 2, "repeats": 2, "points": 32, "calibration": 32, "steps": 60, "proxy_steps": 120,
        "proxy_width": 256,
    },
    cells=cells,
    compute=later("thermohw.experiments.real_data.compute:compute"),
    conclude=later("thermohw.experiments.real_data.findings:conclude"),
)  # fmt: skip

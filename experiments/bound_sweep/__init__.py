r"""The published figure 1 of the entropy bound, with trained networks, repeated over seeds.

Kodama and Hinczewski (arXiv:2510.06174) train score networks on 8-bit images of independent
Gaussian or uniform pixels, under variance-exploding and variance-preserving noise of strength
sigma = 10 ... 30, and plot the likelihood of each against the bound

    B = (S0 + S1)/2 - Sigma/2,        Sigma = int (E[div f] + (g^2/2) E|s|^2) dt.

Here every network is trained as they train theirs: a U-Net behind a plain head, which is told two
numbers of the data (mean and variance of a pixel) and nothing of their law. The law is known, so
that every term of the account is measured (`shared.paired`):

    nll.marginal - B = K1 + score error                                exactly
    nll.ode - B      = K1 + score error + start + path,        start + path = terminal + drift

`start` = -E ln p_tmin(x0) - S(t_min): the published likelihood asks for clean images x0, while the
model's density is that of p_tmin; the true score has it too. `path` is the rest: the flow's own law
is not p_t once the score is learned.

Settings. VE(sigma): g = sigma^t. What sigma means for VP cannot be recovered from what is public:
taken as VP(beta_min = 0.1, beta_max = sigma). Both start where the noise variance is `noise_min`,
1e-4, which for VE is the published t = 1e-4. A pixel is uniform on [0, 1], or Gaussian with the
same mean 1/2 and variance 1/12, so that every network is told the same two numbers.

All numbers are nats a pixel, pixels on [0, 1]; add ln 256 for grey levels.
"""

from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """A network each."""
    same = ("side", "noise_min", "prior", "head", "trunk", "width", "steps", "states")
    more = ("learning_rate", "points", "probes", "moments", "tolerance")
    shared = {name: p[name] for name in same + more}
    return [
        {"data": data, "process": process, "sigma": sigma, "repeat": repeat, **shared}
        for repeat in range(p["seeds"])
        for data in p["data"]
        for process in p["processes"]
        for sigma in p["sigmas"]
    ]


STUDY = Study(
    title="Likelihood against the entropy bound over twenty noise schedules",
    question="Does the bound hold for trained networks, and does its gap tell good from bad?",
    parameters={
        "data": ["gaussian", "uniform"], "processes": ["ve", "vp"],
        "sigmas": [10.0, 15.0, 20.0, 25.0, 30.0], "seeds": 3, "side": 8, "noise_min": 1e-4,
        "prior": "schedule", "head": "plain", "trunk": "unet", "width": 16, "steps": 1000,
        "states": 4, "learning_rate": 1e-2, "points": 256, "probes": 2, "moments": 55,
        "tolerance": 3e-5, "resamples": 2000, "seed": 0,
    },
    quick={"sigmas": [25.0], "seeds": 1, "steps": 300, "points": 64, "resamples": 200},
    cells=cells,
    compute=later("thermohw.experiments.bound_sweep.compute:compute"),
    conclude=later("thermohw.experiments.bound_sweep.findings:conclude"),
)  # fmt: skip

r"""Score matching plus lambda times the entropy-rate integral: what is bought, and with what.

An open question of Kodama and Hinczewski (arXiv:2510.06174): what if a network is trained not only
to match the score but also to dissipate little,

    loss = (1/2) int g^2 E|s - s_cond|^2 dt + (lambda/2) int g^2 E|s|^2 dt ?

At every x and t this is least at s*/(1 + lambda), s* the true score. So a network that could follow
freely would only shrink, c = 1/(1 + lambda), and without drift (VE), with A = S1 - S0, on the
noised law p_t

    evidence bound on the NLL   U - S0 - K1        = (1 - c)^2 A          second order in lambda
    marginal NLL                nll.marginal - S0  = K1 + (1 - c) A       first order
    heat, emf continuous        Q/kT               = (4 c^2 - 2 c) A      first: -6 lambda A of 2 A
    heat, emf clocked           Q/kT               = 4 c^2 A - d/2        first: -8 lambda A

(d/2: the leak that control cancels during half an RC). No training is needed for that: any score s
has N = (1/2) int g^2 E|s|^2 dt and T = (1/2) int g^2 E div s dt, and c s has

    U = H1 + c^2 N + 2 c T,     Q/kT = 4 c^2 N + 2 c T,     H1 = -E ln prior(x_T).

That is the baseline: the network of lambda = 0, *shrunk* afterwards.

The circuit does not stay on p_t. Pulled less, its own law is wider, and s is larger there. Gaussian
data, r the ratio of the noised variances at the two ends, for each coordinate

    circuit, emf continuous   Q/kT = c/(2c - 1) ln r + 4 c^2 (c - 1)/(2c - 1)^2 (1 - r^(1 - 2c))
                                   = ln r + lambda (ln r - 4 (1 - 1/r)) + O(lambda^2)
    circuit, emf clocked      c ln r - 1/2 more: 2 ln r - 1/2 - 4 lambda (1 - 1/r) + ...

so that on all but the shortest runs (ln r > 4) a penalty on dissipation makes it dissipate more.

1. Do networks follow the shrinkage, in likelihood, in heat on the circuit's own law, and in the
   number of ticks that sampling needs?
2. Does the penalty buy anything that shrinking does not, say less over-fitting where data are few?
   Calibration undoes any rescaling in time (`thermohw.score.calibrated`, on data that are not those
   of the judgement), so calibrated networks of all lambda are compared: same seed, same first
   weights, same order of data and noise, differences over seeds.

Data: three Gaussians in the plane, whose law is known; handwritten digits, with the default head;
200 of the digits, with all defaults, and *bare*: without dropout and weight decay, and with a head
that knows mean and covariance alone. The default head answers with a posterior over grey levels and
builds the score from it, so that no penalty can simply scale it. Of data sets the weights that did
best on validation are returned. Sampling: a held loop, n ticks equally spaced in log SNR; its
quality is the energy distance to fresh data, unbiased (`energy_distance`); enough ticks are those
from which on it stays within a margin of the finest grid's.
"""

from typing import Any

from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """Networks of every weight, those of weight zero shrunk, and shrunk exact scores."""
    made: list[Cell] = []
    for data in p["data"]:
        prefix = "" if data == "mixture" else "few_" if data in ("few", "bare") else "digits_"
        architecture: dict[str, Any] = {"width": p[f"{prefix}width"]}
        if data == "mixture":
            architecture["head"] = p["head"]
        if data == "bare":
            architecture |= {"head": "gaussian", "dropout": 0.0}
        samples = data in ("mixture", "digits")
        few = p["few"] if prefix == "few_" else 0
        points = p["points"] if data == "mixture" else p["digits_points"]
        shared = {"data": data, "few": few, "sigma": p["sigma"], "points": points}
        shared |= {"pairs": p["pairs"], "ticks": p["ticks"] if samples else []}
        if samples:
            shared |= {name: p[f"{prefix}{name}"] for name in ("paths", "continuous")}
        network = {"steps": p[f"{prefix}steps"], "architecture": architecture}
        for repeat in range(p[f"{prefix}seeds"]):
            for weight in p["weights"]:
                common = {"weight": weight, "repeat": repeat, **network, **shared}
                made.append({"kind": "trained", **common})
                if samples and weight:
                    made.append({"kind": "shrunk", **common})
        if data == "mixture":
            made += [{"kind": "exact", "weight": w, "repeat": 0, **shared} for w in p["weights"]]
    return made


STUDY = Study(
    title="Training for less dissipation",
    question="What does score matching with an entropy-rate penalty buy, beyond a shrunken score?",
    parameters={
        "seed": 0, "data": ["mixture", "digits", "few", "bare"],
        "weights": [0.0, 0.003, 0.01, 0.03, 0.1, 0.3], "sigma": 25.0, "head": "plain",
        "points": 2048, "pairs": 8, "ticks": [16, 24, 32, 48, 64, 96, 192], "margin": 0.001,
        "seeds": 4, "steps": 1000, "width": 32, "paths": 4096, "continuous": 96, "digits_seeds": 3,
        "digits_steps": 500, "digits_width": 128, "digits_margin": 0.005, "digits_points": 297,
        "digits_paths": 256, "digits_continuous": 64, "few": 200, "few_seeds": 3, "few_steps": 250,
        "few_width": 128,
    },
    quick={
        "data": ["mixture", "digits", "bare"], "weights": [0.0, 0.03, 0.3], "points": 512,
        "pairs": 2, "ticks": [16, 32, 64], "seeds": 2, "steps": 200, "paths": 1024,
        "continuous": 48, "digits_seeds": 1, "digits_steps": 60, "digits_width": 64,
        "digits_points": 80, "digits_paths": 128, "digits_continuous": 24, "few_seeds": 2,
        "few_steps": 60, "few_width": 64,
    },
    cells=cells,
    compute=later("thermohw.experiments.entropy_regularised.compute:compute"),
    conclude=later("thermohw.experiments.entropy_regularised.findings:conclude"),
    units={"heat.continuous": "kT", "heat.clocked": "kT", "kT": "J"},
)  # fmt: skip

r"""Does the 2:1 law of entropy rates survive a drift? The same data through VE, VP and OU.

Kodama and Hinczewski (arXiv:2510.06174) find that generation without drift exchanges twice the
entropy it produces and leave processes with a drift open. Per unit of diffusion time (D = 1), with
f = F x, the model's score s, generation drift b = -f + 2 s and true score s*,

    plug-in (model)      Si = E|s - f|^2                  Se = E[div b] - E|b|^2 + 2 E[b.s]
    physical (emf node)  Pi = E|b - s*|^2                 Q/kT = E|b|^2 + E[div b]

    Se + 2 Si - phi = 2 (E|s|^2 + E[div s]) - 2 F (d + E[x.s]),      phi = F^2 E|x|^2 + F d
                    = 2 E[s.(s - s*)]        - 2 F E[x.(s - s*)]                         (Stein)

For VP phi is (beta/2)(E|x|^2 - d) per model time. The exact score makes the right side vanish: the
law holds with phi, and -2 survives exactly where E|x|^2 = d. A network has to earn it, twice:

    scale     E[s.(s - s*)] = 0, what the calibration s -> c_t s brings about; enough without drift
    position  E[x.(s - s*)] = 0, needed besides where there is a drift

Both hold for s -> a_t s + b_t x, the projection of s* on the span of s and x, whose coefficients
follow from noised data alone, E[s*.x] = -d and E[s*.s] = E[s_cond.s]. Calibrations are fitted to
points that the test of the law does not see.

Coordinates. xbar = x/m_t (m_t the decay; DDIM) has no drift: the ratio is 2 E[div s]/E|s|^2 =
-2 c_t for every process, and every entropy is shifted by d ln m_t. An independent route to that:
the whole network is played as the score of the driftless process of equal signal-to-noise ratio.

In one dimension every expectation over p_t is a quadrature; on digits it is an average over
held-out images, each noised afresh, with standard errors over images.
"""

from thermohw.study import Cell, Parameters, Study, later

DATA = {"whitened": 1.0, "1.04": 1.04, "4": 4.0}
"""Name of a pair of Gaussians -> E x^2."""


def cells(p: Parameters) -> list[Cell]:
    """Exact scores on three clocks, and networks on two."""
    rules = {"sigma": p["sigma"], "times": p["exact_times"], "moments": p["moments"]}
    made: list[Cell] = [
        {"score": "exact", "data": data, "process": process, **rules}
        for data in p["data"]
        for process in ("ve", "vp", "ou")
    ]
    small = {"steps": p["steps"], "width": p["width"]}
    large = {"steps": p["digits_steps"], "width": p["digits_width"]}
    jobs = [(data, small, p["seeds"]) for data in p["data"]]
    jobs += [("digits", large, p["digits_seeds"])]
    shared = {k: p[k] for k in ("sigma", "head", "times", "points", "pairs", "moments")}
    made += [
        {"score": "learned", "data": data, "process": k, "seed": seed, **size, **shared}
        for data, size, seeds in jobs
        for k in ("ve", "vp")
        for seed in range(seeds)
    ]
    return made


STUDY = Study(
    title="VE against VP: the 2:1 law with a drift",
    question="Does the 2:1 law of entropy rates survive a drift, for learned scores too?",
    parameters={
        "seed": 0, "data": list(DATA), "sigma": 25.0, "head": "plain", "width": 32, "steps": 1500,
        "seeds": 4, "digits_width": 128, "digits_steps": 1500, "digits_seeds": 3, "points": 8192,
        "pairs": 4, "times": 33, "exact_times": 121, "moments": 447,
    },
    quick={
        "data": ["whitened", "1.04"], "steps": 300, "seeds": 1, "digits_steps": 200,
        "digits_seeds": 1, "points": 2048, "pairs": 1, "exact_times": 61, "moments": 223,
    },
    cells=cells,
    compute=later("thermohw.experiments.ve_vs_vp.compute:compute"),
    conclude=later("thermohw.experiments.ve_vs_vp.findings:conclude"),
    units={"rate.heat": "kT"},
)  # fmt: skip

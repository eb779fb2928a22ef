r"""Does a better network dissipate more? Accuracy, entropy production and heat of many networks.

The later version of Kodama and Hinczewski (arXiv:2510.06174) reports that better accuracy comes
with larger entropy production. Here networks of growing width, depth and training time are played
on RC nodes, without drift (VE), the source in series with the noisy resistor, on a law known
exactly (three Gaussians in the plane) and on handwritten digits.

Laws, for every score s_th, with all expectations on the noised law p_t:

    production, plug-in     Sigma = int (g^2/2) E|s_th|^2 dt
    heat, emf continuous    Q/kT  = 2 Sigma + surplus
                            surplus = int g^2 (E|s_th|^2 - E[s.s_th]) dt
    energy and likelihood   Sigma >= S0 + S1 - 2 NLL_marg         (slack: 2 K1 + 2 score errors)
    evidence and heat       U = H1 - Sigma + surplus

U is the evidence bound on the NLL, H1 = -E ln prior(x_T). A calibrated score, c_t s_th with
c_t = E[s.s_th]/E|s_th|^2, has surplus 0: then U = H1 - Q/2kT, an exact exchange of one nat of
evidence for two kT. Uncalibrated, there is none: for the exact score times c

    Sigma = c^2 (S1 - S0)     Q/kT = (2 c^2 - c) 2 (S1 - S0)     U - S0 - K1 = (1 - c)^2 (S1 - S0)

so that c > 1 costs more and is worse. Whether accuracy goes with dissipation among networks is
therefore a trend, which the study measures: rank correlation over networks, interval over seeds.

On the circuit: a device starts in the prior and follows its own law, in ticks; its heat differs
from that on p_t, is measured by simulation and given with the change when ticks are halved. All
networks meet the same noise. Second law: Q/kT >= S(start) - S(end), and -E ln p_tmin(x_end), known
for the Gaussians, is at least S(end).
"""

from thermohw.study import Cell, Parameters, Study, later


def shapes(
    base: dict[str, int], widths: list[int], depths: list[int], steps: list[int]
) -> list[dict[str, int]]:
    """The base network, and those that differ from it in one respect."""
    made = [dict(base)]
    for name, values in (("width", widths), ("depth", depths), ("steps", steps)):
        made += [{**base, name: value} for value in values if value != base[name]]
    return made


def cells(p: Parameters) -> list[Cell]:
    """The exact score times several factors, and networks."""
    made: list[Cell] = []
    common = {"sigma": p["sigma"], "points": p["points"], "noise": p["seed"]}
    run = {"mixture": (p["paths"], p["ticks"]), "digits": (p["digits_paths"], p["digits_ticks"])}
    for data in ("mixture", "digits"):
        paths, ticks = run[data]
        shared = {"data": data, **common, "paths": paths, "ticks": ticks}
        if data == "mixture":
            made += [{"kind": "exact", "factor": c, **shared} for c in p["factors"]]
        prefix = "" if data == "mixture" else "digits_"
        base = {k: p[f"{prefix}{k}"] for k in ("width", "depth", "steps")}
        lists = [p[f"{prefix}{k}"] for k in ("widths", "depths", "trainings")]
        made += [
            {"kind": "network", "network_seed": seed, "head": p["head"], **shape, **shared}
            for shape in shapes(base, *lists)
            for seed in range(p[f"{prefix}seeds"])
        ]
    return made


STUDY = Study(
    title="Accuracy against dissipation",
    question="Does a more accurate network dissipate more, and by which law?",
    parameters={
        "seed": 0, "sigma": 25.0, "head": "plain", "factors": [0.5, 0.8, 0.95, 1.0, 1.05, 1.2],
        "width": 32, "depth": 2, "steps": 1000, "widths": [4, 8, 16, 64], "depths": [1, 3, 4],
        "trainings": [30, 100, 300, 3000], "seeds": 3, "points": 2048, "paths": 4096, "ticks": 96,
        "digits_width": 128, "digits_depth": 2, "digits_steps": 600,
        "digits_widths": [16, 32, 64, 256], "digits_depths": [1, 3],
        "digits_trainings": [50, 150, 300, 1500], "digits_seeds": 3, "digits_paths": 256,
        "digits_ticks": 128,
    },
    quick={
        "factors": [0.95, 1.0, 1.05], "widths": [8], "depths": [], "trainings": [30, 100],
        "steps": 300, "seeds": 2, "points": 512, "paths": 1024, "ticks": 64, "digits_width": 64,
        "digits_steps": 200, "digits_widths": [], "digits_depths": [],
        "digits_trainings": [50, 100], "digits_seeds": 1, "digits_paths": 128, "digits_ticks": 96,
    },
    cells=cells,
    compute=later("thermohw.experiments.accuracy_dissipation.compute:compute"),
    conclude=later("thermohw.experiments.accuracy_dissipation.findings:conclude"),
    units={"heat": "kT", "continuous.fine": "kT", "clocked.fine": "kT", "kT": "J"},
)  # fmt: skip

r"""Estimators of the data's entropy from a score, where it is known, from 2 to 784 dimensions.

A score, noised data and the end law's entropy S1 (H1 = S1 + K1 the prior's cross entropy) give

    E1 = S1 - Sigma                  plug-in        bias  (1/2) int g^2 (E|s*|^2 - E|s|^2) dt
    E2 = 2 nll.marginal - S1 + Sigma    inversion   bias  2 K1 + (1/2) int g^2 E|s - s*|^2 dt
    E3 = U                           evidence bound bias    K1 + (1/2) int g^2 E|s - s*|^2 dt

with Sigma = int (E[div f] + (g^2/2) E|s|^2) dt, after the bound of Kodama and Hinczewski
(arXiv:2510.06174). Where the true score is known the biases are sampled as differences from it, at
the same noised points, which frees them of the scatter that an estimate of S0 itself has, and held
against what the score's error alone makes them (`biases`).

    scaled     N(0, v0) in d dimensions, driftless noise that makes its variance r-fold, score c s*:
               E1 - S0 = d (1 - c^2) ln r / 2,    E2 - S0 = E3 - S0 = d (1 - c)^2 ln r / 2
    gaussian   to 64 dimensions correlated coordinates in a rotated frame, a dense network; beyond,
               pictures of independent pixels, a U-Net; both are told one mean and one variance
    mixture    eight narrow modes, a dense network behind the Gaussian of their moments
    uniform    dequantised 8-bit pixels, side x side of them, a U-Net (four pixels: dense)
    digits     8 x 8 handwritten digits, a network; S0 unknown, so only the spread shows

Every network is taken raw and rescaled by its own c_t = E[s_cond . s]/E|s|^2 (`calibrated`), which
makes the three agree but for K1 and the noise of c_t. Beside them, in two dimensions, the estimate
from distances to neighbours, which needs no score. Nats per coordinate of the model units; the
prior is matched to p_T. Above 64 dimensions networks train the shorter, so that a step costs alike.
"""

from thermohw.study import Cell, Parameters, Study, later


def cells(p: Parameters) -> list[Cell]:
    """A cell for every family, dimension and training; the fewer dimensions the more points."""

    def points(dim: int) -> dict[str, int]:
        return {"points": max(p["points"], p["coordinates"] // dim), "times": p["times"]}

    def steps(dim: int) -> dict[str, int]:
        return {"steps": min(p["steps"], p["effort"] // dim), "calibration": p["calibration"]}

    return [
        *({"family": "scaled", "dim": d, "factor": p["factor"], **points(d)} for d in p["dims"]),
        *({"family": family, "dim": d, "seed": seed, **steps(d), **points(d)}
          for family in p["families"] for d in p["dims"] for seed in range(p["seeds"])),
        *({"family": "digits", "dim": 64, "seed": seed, **steps(64), **points(64)}
          | {"points": p["images"]} for seed in range(p["digits"])),
    ]  # fmt: skip


STUDY = Study(
    title="The entropy of data from its score",
    question="How well do a score's entropy rates give the entropy of the data, and which way off?",
    parameters={
        "families": ["gaussian", "mixture", "uniform"], "dims": [2, 16, 64, 256, 784], "seeds": 1,
        "digits": 3, "steps": 2000, "effort": 400_000, "calibration": 1_048_576, "times": 55,
        "points": 256, "coordinates": 32768, "images": 297, "factor": 0.95, "seed": 0,
    },
    quick={"dims": [2, 16], "digits": 1, "steps": 120, "coordinates": 4096, "images": 96}
    | {"calibration": 65_536},
    cells=cells,
    compute=later("thermohw.experiments.data_entropy.compute:compute"),
    conclude=later("thermohw.experiments.data_entropy.findings:conclude"),
)  # fmt: skip

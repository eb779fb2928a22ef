r"""How well does a board of coupled oscillators sample a Gaussian, and what stops it?

Eight LC cells, every two joined by a capacitor, are shaken by a noise current into each cell: the
stochastic processing unit of Melanson et al. (arXiv:2312.04836; Nature Communications 16, 3757,
2025). With the Maxwell capacitance matrix C, cell by cell R, L, and noise of strength kT,

    C dv = -(v/R) dt - i dt + sqrt(2 kT/R) dW,     L di = v dt,

the voltages settle in N(0, kT C^-1): samples of a Gaussian, and by their covariance the inverse of
a matrix. A converter reads them every `interval`; S_N = (1/N) sum_n v_n v_n^T estimates the
covariance. With R_k = <v_0 v_k^T> = (e^{-A k interval} P)_vv, Gaussian at all times,

    E|S_N - S|^2 = (1/N) sum_k (1 - |k|/N) [(tr R_k)^2 + tr R_k^2],     S the board's own covariance
    E|S_N - kT C^-1|^2 = that + |S - kT C^-1|^2                         (Frobenius norms)

so the error falls as sqrt(K/N) down to a floor that no number of samples lowers. One imperfection
at a time, then all: parts off by their tolerance, stray capacitance, noise of one pole's bandwidth,
a coarse converter, capacitors chosen from a bank. The noise of the board is injected, of one
strength for all cells; where it is the resistors' own Johnson noise instead ("johnson"), a wrong R
or L changes nothing, since kT C^-1 knows neither.

Values come from the datasheet `spu8`, whose numbers are placeholders: the paper's text gives none.
Units 1 kohm, 1 nF, kT = 1; a run is one exact linear chain, so nothing depends on a time step.
"""

from thermohw.study import Cell, Parameters, Study, later

CASES = ("ideal", "johnson", "tolerance", "stray", "bandwidth", "converter", "bank", "all")


def cells(p: Parameters) -> list[Cell]:
    """One chain for every imperfection, one for a matrix, and the closed forms."""
    keys = ("samples", "interval", "boards", "stray", "bandwidth", "bits", "span", "bank", "seed")
    common = {key: p[key] for key in keys}
    return [
        *({"kind": "error", "case": case, **common} for case in CASES),
        {"kind": "error", "case": "matrix", **common},
        {"kind": "intervals", "points": p["points"]},
        *({"kind": "bank", "bank": b, "matrices": p["matrices"], "seed": p["seed"]}
          for b in p["banks"]),
    ]  # fmt: skip


STUDY = Study(
    title="A Gaussian from eight coupled oscillators",
    question="How does the error of a sampled covariance fall with the number of samples, and "
    "where does it stop on a board with real parts?",
    parameters={
        "samples": 200_000, "interval": 1.0 / 12.0, "boards": 32, "stray": 0.02, "bandwidth": 10.0,
        "bits": 5, "span": 4.0, "bank": 4, "banks": [2, 3, 4, 5, 6, 7, 8, 10], "matrices": 200,
        "points": 81, "seed": 0,
    },
    quick={"samples": 10_000, "boards": 12, "matrices": 50, "points": 41},
    cells=cells,
    compute=later("thermohw.experiments.spu_gaussian.compute:compute"),
    conclude=later("thermohw.experiments.spu_gaussian.findings:conclude"),
)  # fmt: skip

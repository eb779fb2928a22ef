"""How far do averages of n normals lie from zero? A study that costs nothing."""

import os
import time
from pathlib import Path

import numpy as np
import torch

from thermohw.study import Study
from thermohw.study.figures import panels


def cells(p):
    return [{"n": n, "repeat": r} for n in p["sizes"] for r in range(p["repeats"])]


def compute(cell, tools):
    if trouble := os.environ.get("TOY_TROUBLE"):
        Path(trouble).open("a").write(f"{cell['n']} {cell['repeat']}\n")  # who computed what
    if slow := os.environ.get("TOY_SLEEP"):
        time.sleep(float(slow))
    if os.environ.get("TOY_FAIL") == str(cell["n"]):
        raise ZeroDivisionError("a bad day")
    x = torch.randn(cell["n"], generator=tools.generator("x"), dtype=torch.float64)
    return {"mean": x.mean(), "first": x[:3], "name": f"n{cell['n']}", "whole": cell["n"]}


def conclude(p, results, sheet):
    rms = [np.sqrt((results.where(n=n).column("mean") ** 2).mean()) for n in p["sizes"]]
    figure, axes = panels()
    axes.loglog(p["sizes"], rms, "o", label="measured")
    axes.set(xlabel="n", ylabel="rms of the mean")
    sheet.figure("rms", figure, "The mean of n normals falls as one over root n.")
    figure, _ = panels(2)
    sheet.figure("pair", figure, "Two empty plots & a caption <with signs>.")
    for n, value in zip(p["sizes"], rms, strict=True):
        sheet.number(
            f"rms.{n}", value, value / np.sqrt(2 * p["repeats"]), unit="1", published=n**-0.5
        )
    sheet.number("unknown", float("nan"), note="nobody knows")
    sheet.table(
        "all",
        ["n", "rms", "words"],
        [(n, (v, 0.1 * v), "x") for n, v in zip(p["sizes"], rms, strict=True)],
    )
    sheet.check(
        "falls", "holds" if rms[-1] < rms[0] * p["factor"] else "violated", f"{rms[-1]:.3g}"
    )
    sheet.finding(f"From {p['sizes'][0]} to {p['sizes'][-1]} it falls {rms[0] / rms[-1]:.3g}-fold.")


STUDY = Study(
    title="Averages of normals",
    question="How far do averages of n normals lie from zero?",
    parameters={"sizes": [4, 64, 1024], "repeats": 4, "factor": 1.0, "seed": 0, "label": "toy"},
    quick={"sizes": [4, 64]},
    units={"mean": "V"},
    cells=cells,
    compute=compute,
    conclude=conclude,
)

"""How far do averages of n normals lie from zero? A study that costs nothing."""

import os
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from thermohw.study import Study
from thermohw.study.figures import panels


def cells(p):
    return [{"n": n, "repeat": r} for n in p["sizes"] for r in range(p["repeats"])]


def compute(cell, tools):
    if diary := os.environ.get("TOY_DIARY"):  # who computed what
        with Path(diary).open("a") as file:
            file.write(f"{cell['n']} {cell['repeat']} {os.getpid()}\n")
    if cell["n"] > 4:
        time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
    if os.environ.get("TOY_FAIL") == str(cell["n"]):
        raise ZeroDivisionError("a bad\nday")
    if os.environ.get("TOY_DIE") == str(cell["n"]):
        os.kill(os.getpid(), 9)
    x = torch.randn(cell["n"], generator=tools.generator("x"), dtype=torch.float64)
    matrix = x[:4].outer(x[:4]).numpy() + np.eye(4)
    return {"mean": x.mean(), "spectrum": np.linalg.eigvalsh(matrix), "name": f"n{cell['n']}"}


def conclude(p, results, sheet):
    if os.environ.get("TOY_CONCLUDE") == "fail":
        raise RuntimeError("no conclusion")
    means = [results.where(n=n).column("mean") for n in p["sizes"]]
    rms = [float(np.sqrt((mean**2).mean())) for mean in means]
    figure, axes = panels()
    axes.loglog(p["sizes"], rms, "o", label="measured")
    axes.set(xlabel="n", ylabel="rms of the mean")
    sheet.figure("rms", figure, "The mean of n normals falls as one over root n.")
    figure = Figure(figsize=(7.6, 2.5))
    figure.subplots(1, 2)
    sheet.figure("pair", figure, 'Two "empty" plots & a caption <with signs>.')
    for n, value in zip(p["sizes"], rms, strict=True):
        error = value / np.sqrt(2 * p["repeats"])
        sheet.number(f"rms.{n}", value, error, unit="V", published=n**-0.5)
    sheet.number("unknown", float("nan"), note="nobody knows")
    rows = [(n, (value, 0.1 * value), p["label"]) for n, value in zip(p["sizes"], rms, strict=True)]
    sheet.table("all", ["n", "rms", "words"], rows, caption="All of it")
    status = "holds" if rms[-1] < rms[0] * p["factor"] else "violated"
    sheet.check("falls_with_n", status, f"from {rms[0]:.3g} to {rms[-1]:.3g}")
    sheet.finding(f"From {p['sizes'][0]} to {p['sizes'][-1]} it falls {rms[0] / rms[-1]:.3g}-fold.")


STUDY = Study(
    title="Averages of normals",
    question="How far do averages of n normals lie from zero?",
    parameters={"sizes": [4, 1024], "repeats": 4, "factor": 1.0, "seed": 0, "label": "toy"},
    quick={"repeats": 2},
    units={"mean": "V"},
    cells=cells,
    compute=compute,
    conclude=conclude,
)

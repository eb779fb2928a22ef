"""Small runs of every kind a page has to cope with, and a strict reader of pages.

A page is read the way a browser would: tags must balance, identifiers be unique, references
resolve. `numbers` are the machine-readable values (<data>), which is how a test can hold a page
against its file without parsing prose.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thermohw.circuit import load_device
from thermohw.control import Protocol
from thermohw.pipeline.run import run_spec
from thermohw.pipeline.simulate import simulate
from thermohw.pipeline.spec import load_spec, read_spec
from thermohw.process import VP
from thermohw.store import RunReader
from thermohw.target import digits, gaussian

VOID = {"meta", "link", "img", "br", "hr", "input"}

_SPEC = """
format = "thermohw-run/1"
[device]
name = "rc64"
array.shape = {shape}
[target]
{target}
[process]
{process}
[protocol]
{protocol}
[simulate]
paths = {paths}
dtype = "{dtype}"
[likelihood]
test = 0
[store]
every = {every}
"""


def mixture(path: Path, *changes: str) -> Path:
    """The shipped mixture, small: one node, float64, likelihood and series."""
    small = ["simulate.paths=4096", "protocol.ticks=128", "store.every=4"]
    run_spec(load_spec("mixture_rc", [*small, *changes]), path, progress=False)
    return path


def spec(path: Path, shape: str, target: str, process: str, protocol: str, **rest: Any) -> Path:
    """A run on an array of RC nodes, without likelihood."""
    settings = {"paths": 96, "dtype": "float32", "every": 16, **rest}
    text = _SPEC.format(shape=shape, target=target, process=process, protocol=protocol, **settings)
    run_spec(read_spec(text), path, progress=False)
    return path


def pixels(path: Path) -> Path:
    """Images: 4 x 4 uniform pixels, clocked, log-SNR grid, float32."""
    return spec(
        path, "[4, 4]", 'kind = "uniform_pixels"\nside = 4\ncentred = true',
        'kind = "vp"\nt_min = 1e-2',
        'wiring = "emf"\ncontrol = "clocked"\nticks = 256\ngrid = "log-snr"',
    )  # fmt: skip


def digit_images(path: Path) -> Path:
    """Real digits under a Gaussian's score: a data set, whose law no audit can rebuild."""
    data, process = digits(), VP(t_min=1e-4)
    score = gaussian([0.0] * 64, covariance=data.covariance.tolist()).score(process)
    protocol = Protocol(
        load_device("rc64"),
        process,
        score,
        wiring="emf",
        control="clocked",
        ticks=192,
        grid="log-snr",
    )
    rows = data.held_out(8, torch.Generator().manual_seed(0)).numpy()
    likelihood = {
        "terms": {"nll.ode": [130.0, 2.0], "nll.ode.bits_per_dim": [2.93, 0.05],
                  "bound.lower": [float("nan"), float("nan")]},
        "notes": json.dumps({"bound.lower": "the law of the data is not known"}),
        "settings": "{}",
        "points": {"nll.ode": np.linspace(100.0, 160.0, 8)},
        "profile": {},
        "test": rows,
    }  # fmt: skip
    simulate(
        protocol, paths=96, store=path, target=data, start="prior", every=16, test=0,
        parameters={"likelihood": likelihood}, progress=False,
    )  # fmt: skip
    return path


def kept_audit(path: Path, status: str = "holds") -> dict[str, Any]:
    """An audit made by hand from the ledger, by the JSON contract."""
    with RunReader.open(path) as run:
        kt = float(run.parameters["units"]["energy"])
        columns = {n: run.ledger(n) for n in run.ledger_names if n.startswith(("heat.", "work."))}
        columns["energy.change"] = run.ledger("energy.end") - run.ledger("energy.start")
    columns["heat.total"] = np.sum([v for n, v in columns.items() if n[:5] == "heat."], axis=0)
    quantities: dict[str, Any] = {}
    for name, values in columns.items():
        mean, error = float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)
        quantities[f"{name}.J"] = {"value": mean, "stderr": error, "unit": "J"}
        quantities[f"{name}.kT"] = {"value": mean / kt, "stderr": error / kt, "unit": "kT"}
    quantities["cost.adc"] = {"value": 3e-10, "stderr": 0.0, "unit": "J", "note": "1024 readings"}
    quantities["cost.score"] = {"value": None, "stderr": None, "unit": "J", "note": "unpriced: 7"}
    check = {"name": "first_law", "status": status, "value": 2e-14, "expected": 1e-10,
             "stderr": None, "detail": "largest residual <= 1e-10, +- nothing"}  # fmt: skip
    return {"checks": [check], "quantities": quantities, "run": {}}


class Page(HTMLParser):
    """A page, parsed strictly.

    Attributes:
        tags: (tag, attributes) in order.
        text: all text outside <style>.
        numbers: data-name -> values of the <data> elements that carry it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.numbers: dict[str, list[float]] = {}
        self.source = path.read_text(encoding="utf-8")
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag == "data":
            self.numbers.setdefault(attributes["data-name"], []).append(float(attributes["value"]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._words.append(data)

    def all(self, name: str) -> list[str]:
        """Values of an attribute, of whatever element."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    def elements(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of one kind."""
        return [attributes for found, attributes in self.tags if found == tag]

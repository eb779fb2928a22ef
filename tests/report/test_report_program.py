"""Pages of programs and free runs: what they show, and that they are functions of the file."""

from __future__ import annotations

import re

import pytest

import thermohw as th

RAMP = {"n0.capacitance": [("0 s", "1 pF"), ("5 us", "250 fF")],
        "r0.temperature": [("0 s", "300 K"), ("5 us", "450 K")]}  # fmt: skip


def made(path, device="rc1", schedule=RAMP, every=10, **settings):
    program = None if schedule is None else th.Program(schedule)
    drive = th.Drive(th.load_device(device), program, **{"ticks": 40, **settings})
    return th.simulate(drive, paths=200, seed=1, store=path, every=every)


def test_a_program_has_its_page(tmp_path):
    run = made(tmp_path / "run.h5")
    page = run.report().read_text(encoding="utf-8")
    assert page == th.report(run.path, tmp_path / "again.html").read_text(encoding="utf-8")
    kt = run.audit().quantities["work.parameters.kT"].value
    assert f'data-name="work.parameters.kT" value="{kt}"' in page
    for words in ("led by its program", "Integral fluctuation theorem", "work of n0.capacitance",
                  "heat into r0", "250 fF at 5 us", "1 bath<", "The program",
                  "How states spread"):  # fmt: skip
        assert words in page, words
    assert "work of r0.temperature" not in page  # a temperature does none
    assert len(re.findall(r'id="check-', page)) == 10
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    ("device", "settings"),
    [("rc8-chain", {"duration": "1 us", "start": "zero"}),
     ("quartic-langevin", {"duration": "1 us"}),
     ("rlc1", {"duration": "1 us", "every": 0})],
)  # fmt: skip
def test_a_circuit_left_alone(tmp_path, device, settings):
    run = made(tmp_path / "run.h5", device, None, **settings)
    page = run.report().read_text(encoding="utf-8")
    assert "left alone" in page and "No score and no controller" in page
    assert ("no traces to show" in page) == (settings.get("every") == 0)


def test_an_index_shows_both_kinds(tmp_path):
    made(tmp_path / "a.h5")
    made(tmp_path / "b.h5", schedule=None, duration="1 us", every=0)
    spec = th.load_spec("mixture_rc", ["simulate.paths=100", "protocol.ticks=90",
                                       "likelihood.test=0"])  # fmt: skip
    th.run_spec(spec, tmp_path / "c.h5", progress=False)
    page = th.report(tmp_path).read_text(encoding="utf-8")
    assert page.count("led by its program") == 1 and page.count("left alone") == 1
    assert "Mixture" in page or "mixture" in page
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))

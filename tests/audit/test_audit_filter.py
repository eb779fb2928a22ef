"""A filter is the Kalman filter of the file's own circuit, or the audit says that it is not."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from golden.runs import CHAIN, CLOCKED
from store.toy import unsealed

from thermohw.audit import audit
from thermohw.audit.entropy import system_change
from thermohw.audit.filtering import _Circuit, _told, reading_filter
from thermohw.audit.gain import gain
from thermohw.audit.gather import gather
from thermohw.audit.information import information_quantities
from thermohw.books import Information
from thermohw.control import Controller, KalmanFilter
from thermohw.pipeline import load_spec, run_spec

pytestmark = pytest.mark.usefixtures("readable")  # what tests break, runs must play

NOISY = [*CLOCKED, "protocol.reading_noise=60 uV"]
FILTERED = [*NOISY, "protocol.filter=kalman"]
LATE = "protocol.latency=5 ns"
BOARD = [*CHAIN, *FILTERED]
SLOW = ["process={kind='ve', sigma=5.0, t_min=1e-3}", "protocol.grid=log-snr"]


def run(path, *overrides, paths=16):
    common = ["protocol.ticks=40", f"simulate.paths={paths}", "store.every=0"]
    spec = load_spec("mixture_rc", [*common, "audit.twins=false", *overrides, "likelihood.test=0"])
    run_spec(spec, path, progress=False)
    return gather(path)


def strong_update(right, self, predicted, reading, tick):
    return predicted + 1.05 * (right(self, predicted, reading, tick) - predicted)


def forgetful(right, self, mean, source, piece):
    return right(self, mean, 0.0 * source, piece)


def stale(right, self, mean, source, piece):
    return mean


@pytest.mark.parametrize(
    ("name", "change", "value", "kind"),
    [
        ("update", strong_update, 0.05, BOARD),
        ("update", strong_update, 0.05, [*BOARD, "simulate.dtype=float32"]),
        ("update", strong_update, 0.05, [*FILTERED, LATE]),
        ("predict", forgetful, -1.0, BOARD),
        ("predict", forgetful, -1.0, [*BOARD, LATE]),
        ("predict", forgetful, -1.0, NOISY),
        ("predict", stale, None, [*BOARD, "protocol.wiring=current"]),
    ],
)
def test_a_wrong_filter(tmp_path, monkeypatch, name, change, value, kind):
    """No noise enters, so that 16 paths are enough, and what is off is found as it was made."""
    right = getattr(KalmanFilter, name)
    with monkeypatch.context() as wrong:
        wrong.setattr(KalmanFilter, name, lambda *args: change(right, *args))
        check = reading_filter(run(tmp_path / "run.h5", *kind))
    assert check.status == "violated" and check.value is not None
    assert value is None or check.value == pytest.approx(value, rel=1e-4)
    assert check.power is not None and check.power < 1e-4


@pytest.mark.parametrize(
    "kind",
    [
        BOARD,
        [*BOARD, LATE, "simulate.dtype=float32"],
        [*FILTERED, *SLOW, LATE],
        [
            *NOISY,
            "protocol.sense_gain=1.1",
            "protocol.adc_bits=8",
            "protocol.amplifier_pole=20 MHz",
        ],
        [*FILTERED, "protocol.realisation=resistance"],
    ],
    ids=["board", "late, float32", "log-snr, late", "imperfect", "resistance"],
)
def test_right_filters_hold(tmp_path, kind):
    check = reading_filter(run(tmp_path / "run.h5", *kind))
    assert check.status == "holds" and check.power is not None and check.power < 1e-4
    assert check.value is not None and abs(check.value) < 0.1 * check.power


@pytest.mark.parametrize(
    "kind",
    [
        [*CLOCKED, "protocol.reading_noise=40 uV"],
        [*FILTERED, LATE],
        BOARD,
        [*BOARD, LATE, "simulate.dtype=float32"],
    ],
    ids=["raw", "late", "board", "board, late, float32"],
)
def test_information_halved_in_the_run(tmp_path, monkeypatch, kind):
    """Acquired and path by path alike, so that they agree with each other; only the recursion does
    not.
    """
    right, update = KalmanFilter.__init__, Information.update

    def half(self, *args, **options):
        right(self, *args, **options)
        self.readings = [r._replace(information=0.5 * r.information) for r in self.readings]

    def half_path(self, carry, step):
        before = carry["pathwise"].clone()
        update(self, carry, step)
        carry["pathwise"] = 0.5 * (before + carry["pathwise"]) if LATE not in kind else before

    with monkeypatch.context() as wrong:
        wrong.setattr(KalmanFilter, "__init__", half)
        if LATE not in kind:
            wrong.setattr(Information, "update", half_path)
        check = reading_filter(run(tmp_path / "run.h5", *kind))
    assert check.status == "violated" and check.value == pytest.approx(-0.5, abs=1e-6)
    assert "information acquired" in check.detail and "estimates" not in check.detail
    assert check.power is not None and check.power < 1e-6


@pytest.mark.parametrize(
    ("name", "edit", "value"),
    [
        ("acquired", lambda nats: 0.5 * nats, -0.5),
        ("acquired", lambda nats: (1.0 + 1e-7) * nats, 1e-7),
        ("acquired", lambda nats: float("nan"), None),
        # 0.515 nats of one node, in the half nats that its variance counts
        ("log_det_change", lambda nats: 0.5 * nats, 0.5),
        ("log_det_change", lambda nats: nats + 0.5, 0.97),
    ],
)
def test_information_changed_in_the_file(tmp_path, name, edit, value):
    path = tmp_path / "run.h5"
    run(path, *NOISY, paths=64)
    assert audit(path).check("filter").status == "holds"
    with h5py.File(unsealed(path), "r+") as file:
        place: Any = file[f"parameters/information/{name}"]
        place[...] = edit(float(place[()]))
    check = audit(path).check("filter")
    assert check.status == "violated"
    assert value is None or check.value == pytest.approx(value, rel=0.01)


def test_information_moved_between_ticks(tmp_path):
    """The sum is right, and the page's curve would not be."""
    path = tmp_path / "run.h5"
    run(path, *NOISY, paths=64)
    with h5py.File(unsealed(path), "r+") as file:
        place: Any = file["parameters/information/per_reading"]
        place[...] = place[()][::-1]
    check = audit(path).check("filter")
    assert check.status == "violated" and "information of reading" in check.detail


def test_a_singular_start_has_no_determinant(tmp_path):
    """What is judged then is what the readings told."""
    found = run(tmp_path / "run.h5", *BOARD)
    circuit = _Circuit(found)
    assert len(_told(found, circuit, circuit.law(set()))) == 3
    for least in (0.0, 1e-14):
        circuit.covariance = np.diag([1.0] * 7 + [least])
        gap, each = _told(found, circuit, circuit.law(set()))
        assert "information acquired" in gap.wrong and "information of reading" in each.wrong


@pytest.mark.parametrize("kind", [NOISY, FILTERED])
def test_a_law_that_sees_noisy_readings_late(tmp_path, monkeypatch, kind):
    """What it saw is kept until it acts: 5 % of gain show, and none holds."""
    right = Controller.act

    def strong(self, *args, **options):
        control = right(self, *args, **options)
        return control._replace(source=1.05 * control.source)

    # Humps at +-3, so that 200 paths know the response of the circuit to 10 %.
    plan = [*kind, LATE, "target.means=[[-3.0], [3.0]]", "target.stds=0.6", "protocol.ticks=64"]
    assert gain(run(tmp_path / "right.h5", *plan, paths=200)).status == "holds"
    monkeypatch.setattr(Controller, "act", strong)
    check = gain(run(tmp_path / "wrong.h5", *plan, paths=40))
    assert check.status == "violated" and check.value == pytest.approx(0.05, rel=1e-9)


def test_codes_of_late_readings_are_counted(tmp_path):
    """Six bits of a node much wider than a code: about log of 30 codes each, less than 6 ln 2."""
    told = {}
    for name, extra in (("prompt", []), ("late", [LATE])):
        found = run(tmp_path / f"{name}.h5", *CLOCKED, "protocol.adc_bits=6", *extra, paths=1024)
        acquired = information_quantities(found, system_change(found))["information.acquired"]
        assert acquired.note is not None and "entropy of its codes" in acquired.note
        told[name] = acquired.value
    assert told["late"] == pytest.approx(told["prompt"], rel=0.05)


def test_reasons(tmp_path):
    check = reading_filter(run(tmp_path / "exact.h5", *CLOCKED))
    assert check.status == "not-applicable" and "no noisy readings" in check.detail


def test_readings_noisier_than_the_file_says(tmp_path, monkeypatch):
    """The filter of noisier readings is the same filter, and what it leads to explains itself by
    twins; with latency or a gain nothing else looks at the noise. 5 % more of it are 10 % of R, a
    half of P + R or so, against an error of sqrt(2/(2048 x 40 independent readings)) = .5 %.
    """
    cases = {
        "late": [*NOISY, LATE],
        "gain": [*NOISY, "protocol.sense_gain=1.5", "simulate.dtype=float32"],
        "board": [*BOARD, "simulate.dtype=float32"],
    }
    for name, kind in cases.items():
        check = reading_filter(run(tmp_path / f"{name}.h5", *kind, paths=2048))
        assert check.status == "holds" and "as the largest of" in check.detail, check.detail
    right = Controller.act

    def act(self, voltage, tick, *, noise=None, **options):
        return right(self, voltage, tick, noise=None if noise is None else 1.05 * noise, **options)

    monkeypatch.setattr(Controller, "act", act)
    for name, kind in cases.items():
        check = reading_filter(run(tmp_path / f"{name} wrong.h5", *kind, paths=2048))
        assert check.status == "violated" and check.value is not None, check.detail
        assert check.power is not None and 0.02 < check.value < 0.11


@pytest.mark.parametrize(
    ("more", "words"),
    [("protocol.adc_bits=8", "behind a converter"), ("protocol.hold_droop=3 us", "that remember")],
)
def test_where_the_noise_of_readings_does_not_show(tmp_path, more, words):
    check = reading_filter(run(tmp_path / "run.h5", *NOISY, more))
    assert check.status == "holds" and words in check.detail

"""Runs begun by a version that kept less: continued as what they are, or refused in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from thermohw.audit.correlation import noise_correlation
from thermohw.audit.filtering import reading_filter
from thermohw.audit.gain import gain
from thermohw.audit.gather import gather
from thermohw.audit.residuals import noise_temperature
from thermohw.errors import StoreError
from thermohw.integrate.fused.run import FusedRun
from thermohw.pipeline import load_spec, run_spec
from thermohw.worlds.played import world as stored

LATE = [
    "device.name=rc64",
    "device.array.shape=[1, 2]",
    "target={kind='gaussian', mean=[1.0, 0.0], std=[0.7, 1.0]}",
    "protocol.control=clocked",
    "protocol.stepper=auto",
    "protocol.reading_noise=60 uV",
    "protocol.adc_bits=6",
    "protocol.latency=200 ns",
    "protocol.ticks=16",
    "protocol.allow_ringing=true",
    "simulate.paths=16500",
    "store.every=0",
    "likelihood.test=0",
    "audit.twins=false",
]


def begin(path, monkeypatch, older):
    """A run killed in its second tile, its file laid out by `older`."""
    right, layout = FusedRun.advance, stored._layout

    def stop(self, until):
        if self.tile.first >= 16384:
            raise KeyboardInterrupt
        right(self, until)

    with monkeypatch.context() as before:
        before.setattr(FusedRun, "advance", stop)
        before.setattr(stored, "_layout", lambda *args: older(layout(*args)))
        with pytest.raises(KeyboardInterrupt):
            run_spec(load_spec("mixture_rc", LATE), path, progress=False)


def without_additions(layout):
    """No products of residuals, nothing of the filter, no codes of late readings."""
    names = ("residual.products", "codes")
    kept = (r for r in layout.results if r.name not in names and not r.name.startswith("filter."))
    return replace(layout, results=tuple(kept))


def test_a_file_without_the_additions_is_continued(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    begin(path, monkeypatch, without_additions)
    run_spec(load_spec("mixture_rc", LATE), path, resume=True, progress=False)
    found = gather(path)
    assert noise_temperature(found).status == "holds"
    for judge, reason in (
        (noise_correlation, "recorded no products"),
        (reading_filter, "kept no readings"),
        (gain, "what the law saw is not kept"),
    ):
        check = judge(found)
        assert check.status == "not-applicable" and reason in check.detail


def test_checkpoints_without_the_room_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    begin(path, monkeypatch, lambda layout: replace(layout, state_size=layout.state_size - 4096))
    with pytest.raises(StoreError, match="run it anew") as refused:
        run_spec(load_spec("mixture_rc", LATE), path, resume=True, progress=False)
    assert "\n" not in str(refused.value)

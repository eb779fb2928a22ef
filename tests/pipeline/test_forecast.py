"""What a run is going to take is said once, early, and only where it is much."""

import io

import pytest
from tqdm import tqdm

import thermohw as th
from thermohw.run.forecast import Forecast, demands
from thermohw.store import Channel, Layout


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def played(capsys, times, *, least=0.0, done=0, total=1000):
    """Reports of 10 steps at these times."""
    clock = Clock()
    with tqdm(total=total, file=io.StringIO()) as bar:
        bar.update(done)
        forecast = Forecast(bar, "so much", least, clock)
        for clock.now in times:
            forecast(10)
        assert bar.n == done + 10 * len(times)
    return capsys.readouterr().err


def test_seconds_are_those_of_the_rate_after_the_first_report(capsys):
    """Compiled up to 5 s, then 20 steps in 0.6 s: 980 more take 29.4 s after these 5.6."""
    said = played(capsys, [5.0, 5.2, 5.6, 5.8, 6.5], total=1010)
    assert "about 35 s, so much" in said and said.count("simulating takes") == 1
    assert "about 12 s" in played(capsys, [0.1, 0.3, 0.5, 0.7], done=400)


def test_little_is_not_spoken_of(capsys):
    assert played(capsys, [0.05, 0.1, 0.6], total=100) == ""
    assert played(capsys, [5.0, 5.1, 5.2]) == ""  # not half a second seen
    assert "so much" in played(capsys, [0.05, 0.1, 0.6], total=100, least=3e8)


def layout(paths, frames=0):
    series = (Channel("voltage", "V", dtype="float32"),) if frames else ()
    ledger = (Channel("heat", "J"), Channel("voltage.end", "V"))
    return Layout(paths, range(frames), range(frames), {}, series, ledger)


@pytest.mark.parametrize("stored", [False, True])
def test_bytes_and_what_helps(stored):
    """16 bytes a path and channel that is held; what passes 2 GB names a setting."""
    small, _ = demands(layout(100_000), lambda name: name == "heat", stored=stored)
    assert "1.6 MB in memory" in small and "keep" not in small
    large, most = demands(layout(100_000_000), lambda _: True, stored=stored)
    assert "3.2 GB in memory" in large and "store.keep = 'moments'" in large
    assert "every" not in large and most == pytest.approx(3.2e9, rel=1e-3)
    if stored:
        kept = layout(1_000_000, frames=1000)
        words, most = demands(kept, lambda _: False, stored=True)
        assert most == kept.nbytes and "4 GB of it are frames: a larger store.every" in words


def test_a_run_says_nothing_where_it_is_silenced(capsys, monkeypatch):
    monkeypatch.setattr("thermohw.run.forecast._TIMED", 0.0)
    monkeypatch.setattr("thermohw.run.forecast._LONG", 0.0)
    monkeypatch.setattr("thermohw.run.play._SMALL", 0)
    drive = th.Drive(th.load_device("rc1"), None, ticks=4, duration="1 us")
    th.simulate(drive, paths=40_000, progress=False)
    assert "simulating takes" not in capsys.readouterr().err
    th.simulate(drive, paths=40_000, keep="moments")
    assert "simulating takes" in capsys.readouterr().err

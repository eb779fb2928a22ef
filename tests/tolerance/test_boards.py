"""Boards: drawn from the datasheet's tolerances, the same ones every time."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problems import mixture_protocol, unequal_nodes

import thermohw as th
from thermohw.circuit import load_device
from thermohw.errors import InputError
from thermohw.tolerance import Spread, board_generator, monte_carlo, yield_
from thermohw.tolerance.measure import Metric
from thermohw.tolerance.montecarlo import SampledBoard, _Kept


def test_a_board_does_not_depend_on_how_many_there_are() -> None:
    device, spread = load_device("rc64"), Spread(area=100.0)
    one, again = (spread.draw(device, board_generator(3, 17)) for _ in range(2))
    assert one == again
    assert one != spread.draw(device, board_generator(3, 18))


def test_tolerances_are_three_standard_deviations() -> None:
    """rc1 states 1 % for C and 3 % for R."""
    device = load_device("rc1")
    draws = [Spread().draw(device, board_generator(0, i)) for i in range(2000)]
    for key, sigma in (("node_resistance", 0.01), ("node_capacitance", 0.01 / 3.0)):
        values = np.array([d[key][0] for d in draws])
        assert abs(values.std() / sigma - 1.0) < 4.0 / (2 * len(values)) ** 0.5
        assert abs(values.mean() - 1.0) < 4.0 * sigma / len(values) ** 0.5


def test_pelgrom_falls_with_the_area() -> None:
    """Local mismatch alone: shared variance is one number a board, the rest A/sqrt(area)."""
    device = load_device("rc64")
    for area in (25.0, 400.0):
        rows = []
        for board in range(30):
            spread = Spread(area=area)
            both = spread.draw(device, board_generator(1, board))["node_resistance"]
            common = replace(spread, area=None).draw(device, board_generator(1, board))
            rows.append(np.array(both) - common["node_resistance"])
        local = np.concatenate(rows)
        want = 0.02 / area**0.5
        assert abs(local.std() / want - 1.0) < 4.0 / (2 * len(local)) ** 0.5


def test_shared_and_own() -> None:
    device = load_device("rc64")
    together = Spread(shared=1.0).draw(device, board_generator(2, 0))["node_resistance"]
    apart = Spread(shared=0.0).draw(device, board_generator(2, 0))["node_resistance"]
    assert np.ptp(together) == 0.0 and np.ptp(apart) > 0.0


def test_corners() -> None:
    device, spread = load_device("rc1"), Spread(corners=(-40.0, 125.0), tcr=1e-3, tcc=30e-6)
    keys = {"node_resistance": [1.1], "node_capacitance": [0.9]}
    hot = spread.at(125.0, keys, device)
    assert hot["node_temperature"] == [pytest.approx(398.15 / 300.0)]
    assert hot["node_resistance"] == [pytest.approx(1.1 * (1 + 1e-3 * 98.15))]
    assert hot["node_capacitance"] == [pytest.approx(0.9 * (1 + 30e-6 * 98.15))]


def test_deviations_come_on_top_of_what_is_there() -> None:
    protocol = mixture_protocol("emf", "clocked", 32, node_resistance=1.1, sense_offset="1 uV")
    keys = {"node_resistance": [1.02], "sense_offset": [2e-6], "node_capacitance": [0.99]}
    found = Spread().onto(protocol, keys)
    assert found["node_resistance"] == [pytest.approx(1.122)]
    assert found["sense_offset"] == [pytest.approx(3e-6)]
    assert found["node_capacitance"] == [0.99]


def test_yield_is_reproducible_and_goes_on(tmp_path: Path) -> None:
    """The same boards twice, and in two sittings; a file of other boards is refused."""
    protocol = mixture_protocol("emf", "clocked", 24)
    spread = Spread(corners=(27.0, 125.0), offset=10e-6)
    options: dict[str, Any] = {"spread": spread, "paths": 256, "seed": 5, "progress": False}
    whole = monte_carlo(protocol, boards=3, **options)
    file = tmp_path / "boards.jsonl"
    monte_carlo(protocol, boards=2, out=file, **options)
    with file.open("a") as lines:
        lines.write('{"index": 2, "corn')  # interrupted while writing
    resumed = monte_carlo(protocol, boards=3, out=file, **options)
    assert [b.metrics for b in whole] == [b.metrics for b in resumed]
    assert [(b.index, b.corner) for b in whole] == [(i, c) for i in range(3) for c in (27.0, 125.0)]
    with pytest.raises(InputError, match="other settings"):
        monte_carlo(protocol, boards=3, out=file, **{**options, "seed": 6})
    found = yield_(whole, ["quality.w1 < 100", "work.emf < -100 kT"])
    assert found.passed.value == 0.0 and found.each["quality.w1 < 100"].passed == 3
    assert found.worst(1)[0][1].name == "work.emf.kT"
    assert "yield 0 of 3" in str(found) and '"thermohw-yield/1"' in found.to_json()


def test_boards_do_not_share_an_error_of_measurement() -> None:
    """rc1's tolerances move W1 by less than its standard error at 512 paths, and work likewise;
    what 24 measured boards differ by must show that error (a sample deviation is 1 +- 1/sqrt(46)
    of it), or the interval of the share would be about something else.
    """
    protocol = mixture_protocol("emf", "clocked", 48)
    found = th.yield_(protocol, "work.emf < 0 kT", boards=24, paths=512, progress=False)
    work = [b.metrics["work.emf.kT"] for b in found.boards]
    spread = np.std([m.value for m in work], ddof=1)
    assert spread > (1.0 - 4.0 / 46**0.5) * np.mean([m.stderr for m in work])
    near = [abs(m.value) < 2.0 * m.stderr for m in work]
    assert found.undecided == sum(near)
    middle = th.yield_(found.boards, f"work.emf < {np.mean([m.value for m in work])} kT")
    assert middle.undecided > 12 and "more paths decide" in str(middle)


def test_a_hot_board_is_the_worst() -> None:
    """Corners at 27 and 200 degC: the board fails where it is hot."""
    protocol = mixture_protocol("emf", "clocked", 64)
    found = th.yield_(protocol, "quality.w1 < 0.1", boards=1, paths=8192, progress=False,
                      spread=Spread(corners=(27.0, 200.0)))  # fmt: skip
    assert found.passed.passed == 0
    assert found.worst(1)[0][0].corner == 200.0
    assert found.boards[0].metrics["quality.w1"].value < 0.1


def test_nothing_to_vary_is_refused() -> None:
    protocol = mixture_protocol("emf", "clocked", 24)
    with pytest.raises(InputError, match="whole number >= 1"):
        monte_carlo(protocol, boards=0)
    bare = replace(protocol, device=replace(protocol.device, datasheet=None))
    with pytest.raises(InputError, match="states no tolerance"):
        monte_carlo(bare, boards=2)
    with pytest.raises(InputError, match="0 to 1"):
        Spread(shared=2.0)
    assert not Spread().varies(unequal_nodes())


@pytest.fixture
def kept(tmp_path):
    """A file of two boards, made without measuring any."""
    file = tmp_path / "boards.jsonl"
    keep = _Kept(file, "these")
    for index in range(2):
        keep.add(
            SampledBoard(
                index, None, {"resistances": [1.0, 0.99]}, {"quality.w1": Metric(0.1, 0.2)}
            )
        )
    return file


def test_kept_boards_come_back(kept):
    found = _Kept(kept, "these").found
    assert found[1, None].metrics["quality.w1"].value == 0.1 and len(found) == 2
    assert found[0, None].keys == {"resistances": [1.0, 0.99]}


def test_a_torn_line_is_taken_off_and_the_next_board_is_whole(kept):
    whole = kept.read_text()
    kept.write_text(whole[:-40])
    keep = _Kept(kept, "these")
    assert list(keep.found) == [(0, None)]
    keep.add(SampledBoard(1, None, {"resistances": [1.0, 0.99]}, {"quality.w1": Metric(0.1, 0.2)}))
    assert kept.read_text() == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("0.99", "0.98", 1), "line 2 is damaged .*sha256"),
        (lambda text: text.replace('{"index"', '["index"', 1), "line 2 is damaged"),
        (lambda text: text.replace("\n", "\n[]\n", 1), "line 2 is damaged"),
        (lambda text: text.replace("these", "those", 1), "other settings"),
        (lambda text: "", "holds no boards"),
        (lambda text: "[" * 99999 + "\n", "holds no boards"),
        (lambda text: "\udcff" * 3, "holds no boards"),
    ],
)
def test_foreign_boards_are_refused_on_one_line_and_kept(kept, change, words):
    foreign = change(kept.read_text()).encode(errors="surrogateescape")
    kept.write_bytes(foreign)
    with pytest.raises(InputError, match=words) as caught:
        _Kept(kept, "these")
    assert "\n" not in str(caught.value) and kept.read_bytes() == foreign


def test_a_full_disk_keeps_the_boards_that_were_there(kept):
    before, size = kept.read_text(), kept.stat().st_size
    keep = _Kept(kept, "these")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        with pytest.raises(InputError, match="boards.jsonl: cannot be written"):
            keep.add(SampledBoard(2, None, {"resistances": [1.0]}, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept.read_text() == before
    (kept.parent / "link").symlink_to(kept)
    with pytest.raises(InputError, match="link"):
        _Kept(kept.parent / "link", "these")

"""What a thread writes while the next is simulated: in order, whole, and never silently wrong."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from store.toy import SPEC, hdf5, produce, toy_layout, toy_parameters

from thermohw.store import RunReader, RunWriter, content_hash, verify, writer
from thermohw.store.behind import Behind
from thermohw.store.checksums import digest
from thermohw.store.container import expected


def contents(path):
    with hdf5(path) as file:
        places = [place for place, *_ in expected(toy_layout())]
        return {p: file[p][()].tobytes() for p in (*places, "checksums/series", "checksums/ledger")}


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "whole.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return contents(path)


def test_things_are_done_in_order_and_trouble_is_told():
    behind, done = Behind(), []
    for number in range(20):
        behind.do(lambda number=number: done.append(number))
    behind.wait()
    assert done == list(range(20))
    behind.do(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        behind.wait()
    with pytest.raises(ZeroDivisionError):
        behind.do(lambda: done.append("after trouble"))
    behind.close()
    assert done[-1] == 19


def test_what_was_not_begun_when_it_closes_is_left_undone():
    behind, done, begun = Behind(), [], threading.Event()
    behind.do(lambda: (begun.set(), time.sleep(0.2), done.append("begun")))
    behind.do(lambda: done.append("waiting"))
    begun.wait()
    behind.close()
    assert done == ["begun"]
    with pytest.raises(RuntimeError, match="closed"):
        behind.do(lambda: done.append("too late"))


def test_a_thread_leaves_the_same_file(tmp_path, reference):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        run._worth = True
        produce(run, later=True)
    assert contents(path) == reference and verify(path) == []


def test_parts_in_order_are_not_read_back(tmp_path, monkeypatch, reference):
    """Their sums add up to the unit's: what is hashed besides are the results."""
    read = []
    monkeypatch.setattr(writer, "digest", lambda values: read.append(1) or digest(values))
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run, later=True)
    assert len(read) == len(toy_layout().results) and contents(path) == reference


@pytest.mark.parametrize("order", ["backwards", "twice", "corrected", "columns"])
def test_parts_in_any_order_have_the_right_checksums(tmp_path, order):
    layout = toy_layout(8, frames=4)
    values = np.random.default_rng(0).normal(size=(4, 8, 3)).astype("f4")
    parts = {
        "backwards": [(2, 4, values), (0, 2, values)],
        "twice": [(0, 2, 0 * values), (0, 2, values), (2, 4, values)],
        "corrected": [(0, 2, values), (2, 4, 0 * values), (3, 4, values), (2, 3, values)],
        "columns": [(0, 4, values)],
    }[order]
    path = tmp_path / "run.h5"
    with RunWriter.create(path, layout, toy_parameters()) as run:
        run._worth = True
        paths = [slice(0, 8)] if order != "columns" else [slice(0, 3), slice(3, 8)]
        for start, stop, source in parts:
            for some in paths:
                run.write_series("voltage", slice(start, stop), some, source[start:stop, some],
                                 later=True)  # fmt: skip
        run.write_series("power", slice(0, 4), slice(0, 8), np.ones((4, 8)))
        run.write_ledger("heat", slice(0, 8), np.ones(8))
        run.write_ledger("end", slice(0, 8), np.ones((8, 3)))
        run.commit({})
    with RunReader.open(path, partial=True) as run:
        assert np.array_equal(run.series("voltage").read(), values)


def test_a_failed_write_in_the_thread_ends_the_run_with_one_line(tmp_path, monkeypatch):
    """The same end as anywhere: one line, and out (here an exception in place of leaving)."""
    path = tmp_path / "run.h5"

    class Left(BaseException):
        pass

    def leave(message):
        raise Left(message)

    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        run._worth = True
        monkeypatch.setattr(writer, "leave", leave)
        lay, calls = writer._lay, []

        def full(*given):
            calls.append(threading.current_thread().name)
            if len(calls) == 4:
                raise OSError("No space left on device")
            lay(*given)

        monkeypatch.setattr(writer, "_lay", full)
        with pytest.raises(Left, match="No space left on device.*0 of 9 units are safe"):
            produce(run, later=True)
        assert calls == ["writer"] * 4, "nothing is written after it"
        monkeypatch.undo()
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        assert run.committed == 0
        produce(run)
    assert verify(path) == []


def test_what_cannot_be_written_is_told_before_the_commit(tmp_path):
    with RunWriter.create(tmp_path / "run.h5", toy_layout(), toy_parameters()) as run:
        run._worth = True
        run.write_series("power", slice(0, 4), slice(0, 8), np.ones((3, 8)), later=True)
        with pytest.raises(AssertionError, match="values have shape"):
            run.commit({})
        assert run.committed == 0


def test_leaving_in_the_middle_loses_the_unit_under_way_only(tmp_path, reference):
    path = tmp_path / "run.h5"

    class Stop(Exception):
        pass

    def after(what):
        commits.append(what)
        if commits.count("commit") == 3 and what == "power":
            raise Stop

    commits: list[str] = []
    with pytest.raises(Stop), RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        run._worth = True
        produce(run, after=after, later=True)
    assert not [t for t in threading.enumerate() if t.name == "writer"], "the thread has ended"
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        assert run.committed == 3
        run._worth = True
        produce(run, later=True)
    assert contents(path) == reference and verify(path) == []

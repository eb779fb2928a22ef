"""Where pages go, and one clear line where they cannot."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import h5py
import pytest
from report.report_runs import Page, kept_audit
from store.toy import produce, toy_layout, toy_parameters

from thermohw.errors import InputError, StoreError
from thermohw.report import hero, report
from thermohw.store import RunWriter


def test_default_place_is_beside_the_run(unrecorded: Path, tmp_path: Path) -> None:
    run = shutil.copy(unrecorded, tmp_path / "run.h5")
    assert report(run) == tmp_path / "run.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "run.html"]


def test_unfinished_run_names_resume(unrecorded: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.h5"
    shutil.copy(unrecorded, run)
    with h5py.File(run, "r+") as file:
        file["/run/finished"][()] = 0  # type: ignore[index]
    with pytest.raises(StoreError, match="--resume"):
        report(run)
    with pytest.raises(StoreError, match="--resume"):
        report(run, audit=kept_audit(unrecorded))
    assert not (tmp_path / "run.html").exists()


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    words, other, toy = tmp_path / "words.h5", tmp_path / "other.h5", tmp_path / "toy.h5"
    words.write_text("no HDF5 at all")
    with h5py.File(other, "w") as file:
        file["x"] = [1.0]
    with RunWriter.create(toy, toy_layout(), toy_parameters()) as writer:
        produce(writer)  # a well-formed file of the same format that holds no thermohw run
    audit = {"checks": [], "quantities": {}}
    for path, reason in ((words, "not an HDF5"), (other, "not a thermohw run"), (toy, "lacks")):
        with pytest.raises(StoreError, match=reason):
            report(path, audit=audit)
    with pytest.raises(StoreError, match="no such file"):
        report(tmp_path / "missing.h5", audit=audit)


def test_bad_output_is_refused_before_any_work(unrecorded: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for out, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "page.html", "does not exist"),
        (file / "page.html", "is not a folder"),
        (unrecorded, "is the run itself"),
    ):
        with pytest.raises(InputError, match=reason):
            report(unrecorded, out)
        with pytest.raises(InputError, match=reason):
            hero(unrecorded, out)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_full_disk_leaves_nothing_behind(
    unrecorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "page.html"
    kept.write_text("an older page")
    write = os.write

    def half(handle: int, content: bytes) -> int:
        if len(content) < 10_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(InputError, match="No space left"):
        report(unrecorded, kept, audit=kept_audit(unrecorded))
    assert kept.read_text() == "an older page"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_folder_gets_an_index(mixture: Path, images: Path, tmp_path: Path) -> None:
    shutil.copy(mixture, tmp_path / "a.h5")
    shutil.copy(images, tmp_path / "b.h5")
    (tmp_path / "a.html").write_text("the page of a")
    with h5py.File(shutil.copy(mixture, tmp_path / "c.h5"), "r+") as file:
        file["/run/finished"][()] = 0  # type: ignore[index]
    page = Page(report(tmp_path))
    assert (tmp_path / "index.html").is_file()
    assert len(page.elements("article")) == 3
    assert [h for h in page.all("href") if not h.startswith(("data:", "#"))] == ["a.html"]
    assert "complete it with --resume" in page.text and "3 runs" in page.text
    assert len(page.numbers["heat.total.kT"]) == 2
    assert len(page.all("id")) == len(set(page.all("id")))


def test_folder_without_runs_is_refused(unrecorded: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run files"):
        report(tmp_path)
    with pytest.raises(InputError, match="belongs to one run"):
        report(tmp_path, audit=kept_audit(unrecorded))


@pytest.mark.parametrize("name", ["mixture", "digits", "unrecorded"])
def test_hero_is_1600_pixels_wide(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = request.getfixturevalue(name)
    pictures = [hero(run, tmp_path / f"{i}.png", audit=kept_audit(run)) for i in range(2)]
    content = [path.read_bytes() for path in pictures]
    assert content[0] == content[1]
    assert content[0][:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(content[0][16:20], "big") == 1600

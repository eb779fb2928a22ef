"""Pages of strangers' files: nothing runs, nothing is fetched, nothing else is shown."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from report.report_runs import Page, kept_audit
from store.toy import unsealed

from thermohw.errors import InputError
from thermohw.report import report
from thermohw.report import study as study_pages
from thermohw.report.figures import allowed as drawings
from thermohw.report.figures.allowed import allowed
from thermohw.report.figures.canvas import inline

HEAD = (
    '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10"'
)
SHAPE = '<path id="p" d="M 0 0 L 1 1" style="fill: none; stroke: #0a7872"/>'
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def drawing(inside: str, root: str = "") -> str:
    return f"{HEAD} {root}>{SHAPE}{inside}</svg>"


HARMS = {
    "script": "<script>alert(1)</script>",
    "script of another namespace": '<s:script xmlns:s="http://www.w3.org/1999/xhtml">a</s:script>',
    "foreign object": "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>a</body>"
    "</foreignObject>",
    "event": '<rect onclick="alert(1)" x="0" y="0" width="1" height="1"/>',
    "link": '<a href="javascript:alert(1)"><rect width="1" height="1"/></a>',
    "xlink": '<a xlink:href="javascript:alert(1)"><rect width="1" height="1"/></a>',
    "remote picture": '<image href="https://example.com/spy.png" width="1" height="1"/>',
    "file": '<image xlink:href="file:///etc/passwd" width="1" height="1"/>',
    "svg in an image": '<image href="data:image/svg+xml;base64,AAAA" width="1" height="1"/>',
    "html": '<image href="data:text/html,alert(1)" width="1" height="1"/>',
    "style sheet": "<style>* { background: url(https://example.com) }</style>",
    "import": "<style>@import 'https://example.com/a.css';</style>",
    "style": '<rect width="1" height="1" style="fill: url(https://example.com/a)"/>',
    "escaped style": '<rect width="1" height="1" style="fill: u\\72l(https://example.com/a)"/>',
    "entity": '<rect width="1" height="1" fill="url(&#104;ttps://example.com)"/>',
    "image-set": '<rect width="1" height="1" style="fill: image-set(example)"/>',
    "overlay": '<rect width="1" height="1" style="position: fixed; inset: 0"/>',
    "animation": '<set attributeName="href" to="javascript:alert(1)"/>',
    "remote copy": '<use href="https://example.com/a.svg#x"/>',
    "copy of a group": '<g id="many"><use href="#p"/></g><use href="#many"/>',
    "nested drawing": '<svg onload="alert(1)"><rect width="1" height="1"/></svg>',
    "identifier": '<path id="x&quot; onload=&quot;alert(1)" d="M 0 0"/>',
    "comment": "<!-- <script>alert(1)</script> -->",
    "character data": "<desc><![CDATA[<script>alert(1)</script>]]></desc>",
    "text": "<text>&lt;script&gt;alert(1)&lt;/script&gt;</text>",
}
WRONG = re.compile(
    r"<(script|style|foreignObject|body|a|set|animate|iframe|img|image|object)\b|"
    r"<[^>]*\son\w+=|javascript:|https?:|file:|data:|position|url\((?!#)|image-set|#many|\\72",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", HARMS)
def test_of_a_figure_only_shapes_and_text_come_into_a_page(name: str) -> None:
    body = inline(drawing(HARMS[name], 'onload="alert(1)"'), "x", 'alt " onload="alert(1)')
    assert "M 0 0 L 1 1" in body and "var(--generated)" in body and body.endswith("</svg>")
    tags = re.sub(r'aria-label="[^"]*"', "", body)
    assert not WRONG.search(tags), tags


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<html></html>",
        "<svg",
        "<svg></svg>",
        f"{HEAD}>",
        drawing("&undeclared;"),
        drawing("<g>" * 100 + "</g>" * 100),
        HEAD.replace("0 0 10 10", "0 0 &quot; onload=") + "/>",
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + drawing("<text>&b;</text>"),
    ],
)
def test_what_is_no_drawing_is_refused(document: str) -> None:
    with pytest.raises(ValueError):
        allowed(document)


def test_a_drawing_has_a_number_of_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "_ELEMENTS_AT_MOST", 1000)
    allowed(drawing("<g/>" * 998))
    with pytest.raises(ValueError, match="too many elements"):
        allowed(drawing("<g/>" * 999))


def study(folder: Path, **changes: object) -> Path:
    """A folder as a stranger may send it."""
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "f.svg").write_text(drawing("<script>alert(1)</script>"))
    seconds = {"wall": 1.0, "cells_cpu": 1.0}
    table = {
        "format": "thermohw-study/1", "study": EVIL, "title": EVIL, "question": EVIL,
        "quick": False, "cells": 1, "findings": [EVIL], "parameters": {EVIL: EVIL},
        "figures": [{"name": "f", "caption": EVIL, "width": 380}],
        "numbers": {EVIL: {"value": 1.0, "stderr": 0.1, "unit": EVIL, "published": EVIL,
                           "note": EVIL}},
        "tables": [{"name": EVIL, "caption": EVIL, "columns": [EVIL], "rows": [[EVIL]]}],
        "checks": [{"name": EVIL, "status": "holds", "detail": EVIL}],
        "provenance": {"thermohw": EVIL, "seconds": seconds, EVIL: EVIL},
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(table | changes))
    return folder


def only_own(page: Page) -> None:
    """A policy that forbids all but styles and pictures inside, and nothing beyond it."""
    assert re.search(
        r"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        r"img-src data:; style-src 'unsafe-inline';", page.source
    )  # fmt: skip
    assert page.source.index("Content-Security-Policy") < page.source.index("<style>")
    assert not re.search(r"<script|<img src=x|<iframe|<object", page.source)
    assert not re.search(r"<[^>\"]*(\"[^\"]*\"[^>\"]*)*\son\w+=", page.source)
    for place in page.all("href"):
        assert re.match(r"#|data:,$|[\w%.-]+\.html$", place), place
    for place in page.all("src"):
        assert place.startswith("data:image/png;base64,")


def test_every_text_of_a_study_is_escaped(tmp_path: Path) -> None:
    page = Page(report(study(tmp_path / "s")))
    only_own(page)
    assert "M 0 0 L 1 1" in page.source and page.source.count("&lt;script&gt;") >= 12


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "..", ".hidden", "a/b", "", 7, None, "x\n", "a\x00b"]
)
def test_a_figure_stays_in_its_folder(tmp_path: Path, name: object) -> None:
    (tmp_path / "secret.svg").write_text(drawing("<text>secret</text>"))
    folder = study(tmp_path / "s", figures=[{"name": name, "caption": "", "width": 380}])
    with pytest.raises(InputError) as caught:
        report(folder)
    assert "\n" not in str(caught.value) and not (folder / "index.html").exists()


@pytest.mark.parametrize("link", ["figures/f.svg", "figures", "results.json"])
def test_no_link_leads_out_of_the_folder(tmp_path: Path, link: str) -> None:
    folder, away = study(tmp_path / "s"), tmp_path / "away"
    os.rename(folder / link, away)
    (folder / link).symlink_to(away)
    with pytest.raises(InputError, match="leads out"):
        report(folder)


def test_neither_a_pipe_nor_a_giant_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study(tmp_path / "s")
    (folder / "figures" / "f.svg").unlink()
    os.mkfifo(folder / "figures" / "f.svg")
    with pytest.raises(InputError, match="not a regular file"):
        report(folder)
    monkeypatch.setattr(study_pages, "MOST_TABLE", 100)
    with pytest.raises(InputError, match="at most 100 bytes"):
        report(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"figures": [{"name": "f", "caption": "", "width": float("inf")}]},
        {"figures": [{"name": "f", "caption": "", "width": "wide"}]},
        {"figures": 3}, {"numbers": []}, {"tables": [{}]}, {"provenance": None},
        {"checks": [{"name": 1}]}, {"findings": [None]},
    ],
)  # fmt: skip
def test_results_of_any_shape_end_in_one_line(tmp_path: Path, changes: dict) -> None:
    folder = study(tmp_path / "s", **changes)
    with pytest.raises(InputError, match="results.json") as caught:
        report(folder)
    assert "\n" not in str(caught.value)


def test_one_bad_file_hides_no_other(
    unrecorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a foreign file raises, it has a card; names of files become no addresses."""
    import thermohw.audit as room

    good = "javascript:alert(1).h5"
    shutil.copy(unrecorded, tmp_path / good)
    (tmp_path / "javascript:alert(1).html").write_text("its page")
    audit = room.audit

    def fails(path: Path):
        if path.name == good:
            return audit(path)
        raise {"a": RecursionError, "b": KeyError, "c": RuntimeError, "d": AssertionError}[
            path.stem
        ]("<script>a\nbad day</script>")

    monkeypatch.setattr(room, "audit", fails)
    for name in "abcd":
        (tmp_path / f"{name}.h5").write_bytes(b"x")
    page = Page(report(tmp_path))
    only_own(page)
    assert len(page.elements("article")) == 5 and page.source.count("cannot be read") == 4
    assert "KeyError" in page.text and "&lt;script&gt;a" in page.source
    assert "javascript%3Aalert%281%29.html" in page.all("href")
    assert len(page.numbers["heat.total.kT"]) == 1


def contradict(path: Path, place: str, value: object) -> Path:
    """A run file of which one thing is missing (None) or another, its checksums left out."""
    with h5py.File(unsealed(path), "r+") as file:
        attributes = dict(file[place].attrs) if isinstance(value, str | float) else {}
        del file[place]
        if value is not None:
            item = file.create_dataset(place, data=value)
            item.attrs["kind"] = {str: "text", float: "float"}.get(type(value), "array")
            if "units" in attributes:
                item.attrs["units"] = attributes["units"]
    return path


CONTRADICTIONS = {
    "no size of the units": ("parameters/units/energy", None),
    "a size of nothing": ("parameters/units/theta", 0.0),
    "a size that is a text": ("parameters/units/theta", "[]"),
    "settings without keys": ("parameters/simulate", "{}"),
    "settings that are a list": ("parameters/protocol", "[]"),
    "settings that are no JSON": ("parameters/process", "{"),
    "brackets without end": ("parameters/process", "[" * 3000),
    "a number for a group": ("parameters/start", 0.0),
    "a schedule of one tick": ("parameters/schedule/model_time", np.zeros(1)),
    "a schedule of another shape": ("parameters/schedule/physical_time", np.zeros((3, 3))),
    "a schedule that stands still": ("parameters/schedule/physical_time", np.zeros(65)),
    "a ledger of other paths": ("ledger/energy.end", np.zeros(7)),
    "a profile of nothing": ("results/profile", np.full((64, 3), np.nan)),
    "peaks of another shape": ("results/peaks", np.zeros((2, 2))),
    "a datasheet that is none": ("parameters/datasheet/text", "not = [a datasheet"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_run_that_contradicts_itself_ends_in_one_line(
    unrecorded: Path, tmp_path: Path, name: str
) -> None:
    """With an audit made now as with one kept from another day."""
    kept = kept_audit(unrecorded)
    path = contradict(Path(shutil.copy(unrecorded, tmp_path / "run.h5")), *CONTRADICTIONS[name])
    refusals = []
    for n, audit in enumerate((kept, None)):
        out = tmp_path / f"{n}.html"
        try:
            report(path, out, audit=audit)
        except InputError as error:
            assert "\n" not in str(error) and str(path) in str(error) and not out.exists()
            refusals.append(error)
    assert refusals


def test_a_folder_shows_what_can_be_shown(unrecorded: Path, tmp_path: Path) -> None:
    for name in ("no size of the units", "brackets without end", "a schedule of one tick"):
        copy = Path(shutil.copy(unrecorded, tmp_path / f"{name}.h5"))
        contradict(copy, *CONTRADICTIONS[name])
    shutil.copy(unrecorded, tmp_path / "sound.h5")
    page = Page(report(tmp_path))
    assert len(page.elements("article")) == 4 and page.source.count("cannot be read") == 3
    assert len(page.numbers["heat.total.kT"]) == 1


def test_pages_of_runs_have_the_policy(unrecorded: Path, tmp_path: Path) -> None:
    page = Page(report(unrecorded, tmp_path / "x.html", audit=kept_audit(unrecorded)))
    only_own(page)


@pytest.mark.parametrize("kind", ["external link", "soft link"])
def test_a_run_shows_no_content_of_other_files(unrecorded: Path, tmp_path: Path, kind: str) -> None:
    """A channel that points into another file is no channel of this one."""
    other = shutil.copy(unrecorded, tmp_path / "other.h5")
    path = shutil.copy(unrecorded, tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        name = next(name for name in file["ledger"] if name.startswith("heat"))  # type: ignore
        del file[f"ledger/{name}"]
        place = f"/ledger/{name}"
        file[place] = (
            h5py.ExternalLink(str(other), place)
            if kind == "external link"
            else h5py.SoftLink("/ledger/energy.end")
        )
    with pytest.raises(InputError):
        report(path)

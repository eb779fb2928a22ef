"""The page of a study: whole, self-contained, in agreement with results.json."""

import json
import re
import shutil
from pathlib import Path

import h5py
import pytest
from report.report_runs import Page

from thermohw.errors import InputError
from thermohw.report import report
from thermohw.study import run_study
from thermohw.study.figures import COLOURS, flat, panels, shades

TOY = Path(__file__).with_name("toy_averages.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "toy"
    run_study(TOY, ["label=a <b> & c"], quick=True, out=path, workers=1, progress=False)
    return path


@pytest.fixture(scope="module")
def page(folder):
    return Page(folder / "index.html")


def test_the_page_needs_nothing_else(page):
    identifiers = page.all("id")
    assert len(identifiers) == len(set(identifiers)) and len(page.elements("h1")) == 1
    for place in page.all("href") + page.all("src"):
        assert place == "data:," or place[1:] in identifiers, place
    assert not re.search(r"https?:|url\((?!#)|@import|<script", page.source)


def test_the_page_holds_every_number_figure_and_check(folder, page):
    table = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    shown = {e["data-name"]: float(e["value"]) for e in page.elements("data")}
    known = {n: e["value"] for n, e in table["numbers"].items() if e["value"] is not None}
    assert shown == known and len(known) == 2
    labels = {e["id"]: e["aria-label"] for e in page.elements("svg")}
    assert labels == {f"figure-{f['name']}": f["caption"] for f in table["figures"]}
    for words in (table["title"], table["question"], *table["findings"], "nobody knows"):
        assert words in page.source
    assert "Falls with n" in page.source and table["checks"][0]["detail"] in page.source
    assert "a &lt;b&gt; &amp; c" in page.source and "<b> &" not in page.source
    assert "quick version" in page.source and "published" in page.source


def test_figures_follow_the_palette(folder, page):
    drawing = (folder / "figures" / "rms.svg").read_text(encoding="utf-8")
    assert drawing.startswith("<?xml") and COLOURS[0] in drawing and "var(--" not in drawing
    inside = re.search(r'<svg class="figure" id="figure-rms".*?</svg>', page.source, re.S)
    assert inside and "var(--generated)" in inside[0] and COLOURS[0] not in inside[0]
    # the paper under it goes dark with the page, and nothing white is left on it
    assert "var(--paper)" in inside[0] and not re.search(r"#fff\b|#ffffff|white", inside[0])
    assert ">rms of the mean</text>" in drawing  # text stays text


def test_report_draws_the_page_again(folder, tmp_path):
    first = (folder / "index.html").read_bytes()
    assert report(folder) == folder / "index.html"
    assert (folder / "index.html").read_bytes() == first
    assert report(folder, tmp_path / "page.html").read_bytes() == first


def test_the_page_says_what_the_checksums_of_the_cells_say(folder, tmp_path):
    made = shutil.copytree(folder, tmp_path / "copy")
    said = {"sound": Page(folder / "index.html").text}
    with h5py.File(made / "results.h5", "r+") as file:
        file["seconds/cpu"][0] = 1e9  # type: ignore[index]
    said["damaged"] = Page(report(made)).text
    with h5py.File(made / "results.h5", "r+") as file:
        del file["checksums"], file.attrs["minor"]
    said["older"] = Page(report(made)).text
    (made / "results.h5").unlink()
    said["gone"] = Page(report(made)).text
    words = {
        "sound": "results.h5 equals its checksums",
        "older": "results.h5 has no checksums",
        "damaged": "results.h5 /seconds/cpu differs from",
        "gone": "results.h5 is not here",
    }
    for name, text in said.items():
        assert [word for word in words.values() if word in text] == [words[name]]


FIRST = '"value": '


def digit(old):
    """The first digit of the first number that the study concludes is another one."""
    at = old.index(FIRST) + len(FIRST)
    at += old[at] == "-"
    return old[:at] + ("7" if old[at] != "7" else "8") + old[at + 1 :]


@pytest.mark.parametrize(
    ("place", "edit", "words"),
    [
        ("results.json", digit, "differs from its checksum"),
        ("results.json", lambda old: old.replace("it falls", "it rises"), "differs from its"),
        ("results.json", lambda old: old.replace('"minor"', '"minos"'), "carries checksums"),
        ("results.json", lambda old: old.replace('"sha256"', '"sha25v"'), "lacks checksums"),
        ("results.json", lambda old: old.replace('"wall": ', '"wall": 1'), "differs from its"),
        ("results.json", lambda old: old.replace('"results.json"', '"results.jsoo"'), "differs"),
        ("figures/rms.svg", lambda old: old.replace(">rms of", ">ams of"), "differs from its"),
    ],
)
def test_a_digit_that_changed_comes_into_no_page(folder, tmp_path, place, edit, words):
    made = shutil.copytree(folder, tmp_path / "copy")
    (made / "index.html").unlink()
    old = (made / place).read_text(encoding="utf-8")
    (made / place).write_text(edit(old), encoding="utf-8")
    assert edit(old) != old
    with pytest.raises(InputError, match=f"{place}: {words}"):
        report(made)
    assert not (made / "index.html").exists()


def test_results_laid_out_anew_are_sound_and_older_ones_are_read(folder, tmp_path):
    made = shutil.copytree(folder, tmp_path / "copy")
    table = json.loads((made / "results.json").read_text(encoding="utf-8"))
    assert {*table["provenance"]["sha256"]} == {
        "results.json",
        "figures/rms.svg",
        "figures/pair.svg",
    }
    (made / "results.json").write_text(json.dumps(table, sort_keys=True, ensure_ascii=True))
    assert "results.json, figures equal their checksums" in Page(report(made)).text
    del table["minor"], table["provenance"]["sha256"]
    table["numbers"]["rms.4"]["value"] = 7.0
    (made / "results.json").write_text(json.dumps(table))
    assert "results.json, figures have no checksums" in Page(report(made)).text


def test_damaged_results_are_one_line(folder, tmp_path):
    for text in ("{", "{}", '{"format": "thermohw-study/1"}'):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(InputError, match=r"results.json: "):
            report(tmp_path)
    (tmp_path / "results.json").write_bytes((folder / "results.json").read_bytes())
    with pytest.raises(InputError, match="run the study again"):
        report(tmp_path)


def test_panels_come_as_they_are_wanted():
    figure, one = panels()
    assert one.figure is figure and tuple(figure.get_size_inches()) == (3.8, 2.5)
    figure, (left, right) = panels(2, sharey=True)
    assert left.figure is right.figure and not left.spines["top"].get_visible()
    assert [len(row) for row in panels(2, 3)[1]] == [2, 2, 2] and len(panels(1, 3)[1]) == 3
    assert flat(one) == [one] and flat([left, right]) == [left, right]
    grid = panels(2, 3)[1]
    assert flat(grid) == [axes for row in grid for axes in row]


def test_shades_grow_darker():
    light = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in shades(5)]
    assert light == sorted(light, reverse=True) and len(set(light)) == 5 and len(shades(1)) == 1

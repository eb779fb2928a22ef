"""The page of a study: a pure function of its folder, results.json and the figures beside it.

Figures are put into the page as drawings whose colours follow light and dark; their files stay for
papers. results.json and the figures must equal their checksums, where the study's version made any;
of results.h5 the page says whether it does. The page is self-contained, and the same folder gives
the same bytes. The folder may be a stranger's: only files in it are read, and of figures only
shapes and text come into the page.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermohw import outputs
from thermohw.errors import InputError, StoreError
from thermohw.intake import MOST_TABLE, read_text
from thermohw.report.figures.canvas import Picture, inline
from thermohw.report.numerals import measured, plain
from thermohw.report.page import render
from thermohw.report.verdicts import Verdicts, typeset
from thermohw.store.results import check_results
from thermohw.store.summary import Sums, read_summary, require_sum

__all__ = ["is_study", "study_page", "write_study_page"]

_FORMAT = "thermohw-study/1"
_NAME = re.compile(r"[\w+-][\w .+-]*")  # of a figure: no folder, nothing hidden
_WIDE = 480  # CSS pixels: a wider figure takes the whole row
_ENLARGED = 1.25  # a figure is shown at most so many times its own size


@dataclass(frozen=True)
class _Drawn:
    """A figure of the page; `most`: CSS pixels it may be wide."""

    picture: Picture
    name: str
    wide: bool
    most: int


def is_study(folder: Path) -> bool:
    """Whether a folder holds a finished study."""
    return (folder / "results.json").is_file()


def write_study_page(folder: str | Path, target: str | Path | None = None) -> Path:
    """Write the page of a study, by default index.html in its folder.

    Raises:
        InputError: no results of a study there, or the page cannot be written.
    """
    place = Path(folder) / "index.html" if target is None else Path(target)
    outputs.write(place, study_page(Path(folder)).encode(errors="replace"))
    return place


def study_page(folder: Path) -> str:
    """The HTML page of a study.

    Raises:
        InputError: results.json or a figure is missing, damaged or of another program.
    """
    file = folder / "results.json"
    try:
        table, sums = read_summary(_text(folder, "results.json"), str(file))
        if table.get("format") != _FORMAT:
            raise InputError(f"is not of format {_FORMAT}", where=str(file))
        figures = [_figure(folder, entry, sums) for entry in table["figures"]]
        verdicts = Verdicts.of(table)
        words = "have no" if sums is None else "equal their"
        content: dict[str, Any] = {
            "study": table["study"],
            "title": table["title"],
            "question": table["question"],
            "quick": table["quick"],
            "findings": [typeset(text) for text in table["findings"]],
            "figures": figures,
            "numbers": [_number(name, entry) for name, entry in table["numbers"].items()],
            "tables": [_table(entry) for entry in table["tables"]],
            "verdicts": verdicts,
            "names": {check.name: _title(check.name) for check in verdicts.checks},
            "verdict": _sentence(verdicts),
            "stats": _stats(table),
            "parameters": [(key, _words(value)) for key, value in table["parameters"].items()],
            "provenance": [
                *_origin(table["provenance"]),
                ("results.json, figures", f"{words} checksums"),
                ("results.h5", _cells(folder)),
            ],
            "version": table["provenance"]["thermohw"],
        }
        return render("study.html.j2", **content)
    except InputError:
        raise
    except Exception as error:  # a stranger's file may break any expectation
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"cannot be read ({words}): run the study again", where=str(file)
        ) from error


def _text(folder: Path, *names: str) -> str:
    """Text of a file of the folder, and of no other.

    Raises:
        InputError: it is none, leads out of the folder, or is too large to be what it should.
    """
    path = folder.joinpath(*names)
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError("leads out of the study's folder", where=str(path))
    if not path.exists():
        raise InputError("is missing: run the study again", where=str(path))
    return read_text(path, MOST_TABLE)


def _figure(folder: Path, entry: dict[str, Any], sums: Sums | None) -> _Drawn:
    name, caption = entry["name"], typeset(entry["caption"])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a figure", where=str(folder / "results.json"))
    where = str(folder / "figures" / f"{name}.svg")
    document = _text(folder, "figures", f"{name}.svg")
    require_sum(document, f"figures/{name}.svg", sums, where)
    try:
        drawing = inline(document, f"figure-{name}", caption)
    except ValueError as error:
        raise InputError(str(error), where=where) from error
    wide = entry["width"] > _WIDE
    return _Drawn(Picture(drawing, caption, caption), name, wide, round(_ENLARGED * entry["width"]))


def _number(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    published = entry["published"]
    return {
        "name": name,
        "value": entry["value"],
        "text": measured(entry["value"], entry["stderr"]),
        "unit": "" if entry["unit"] == "1" else entry["unit"],
        "published": plain(published) if isinstance(published, int | float) else published,
        "note": typeset(entry["note"]),
    }


def _table(entry: dict[str, Any]) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in entry["rows"]]
    numeric = [
        all(not isinstance(row[i], str) for row in entry["rows"])
        for i in range(len(entry["columns"]))
    ]
    columns = list(zip(entry["columns"], numeric, strict=True))
    caption = typeset(entry["caption"] or entry["name"])
    return {"caption": caption, "columns": columns, "rows": rows}


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return "–" if value["value"] is None else measured(value["value"], value["stderr"])
    return plain(value) if isinstance(value, int | float) else typeset(value)


def _title(name: str) -> str:
    """A check's name as words; a symbol it opens with keeps its letters."""
    words = typeset(name if " " in name else name.replace("_", " "))
    first = words.split(" ")[0]
    return words[:1].upper() + words[1:] if first.isalpha() and len(first) > 1 else words


def _sentence(verdicts: Verdicts) -> str:
    if not verdicts.checks:
        return ""
    broken = [_title(check.name) for check in verdicts.checks if check.status == "violated"]
    if broken:
        return f"Violated: {', '.join(broken)}."
    if any(check.status == "explained" for check in verdicts.checks):
        return "Every applicable check holds or is explained."
    if any(check.status == "holds" for check in verdicts.checks):
        return "Every applicable check holds."
    return "No check applies."


def _stats(table: dict[str, Any]) -> list[tuple[str, str, str]]:
    seconds = table["provenance"]["seconds"]
    return [
        ("cells", str(table["cells"]), "independent pieces of work"),
        ("computing time", _duration(seconds["cells_cpu"]), "of one core, all cells together"),
    ]


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{plain(seconds, 3)} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h"


def _cells(folder: Path) -> str:
    """What can be said of the cells' own file, in words."""
    path = folder / "results.h5"
    if path.is_symlink() or not path.is_file():
        return "is not here"
    try:
        return "equals its checksums" if check_results(path) else "has no checksums"
    except StoreError as error:
        return error.problem


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return plain(value, 8)
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)


def _origin(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    seconds = provenance["seconds"]
    names = {"created": "concluded", "sources": "digest of the sources"}
    rows = [
        (names.get(key, key), str(value))
        for key, value in provenance.items()
        if value != "" and key not in ("seconds", "sha256")
    ]
    return [*rows, ("last run took", _duration(seconds["wall"]))]

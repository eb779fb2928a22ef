"""results.json of a study: a text that counts itself and the drawings beside it.

    minor               1; files of before there were checksums have none
    provenance.sha256   {"results.json": of the table without this entry,
                         "figures/NAME.svg": of the drawing's text, each}

What counts is what the table says: its sha256 is that of one line of JSON with sorted keys, no
spaces and escapes beyond ASCII, so that a file that was only laid out anew is still sound. It
stands in `provenance`, since all else is the same for the same parameters. Either mark without the
other is damage, as in results.h5: one flipped bit in a key's name cannot make a file an older one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from thermohw.errors import StoreError
from thermohw.intake import parse_json
from thermohw.store.manifest import DAMAGED

__all__ = ["Sums", "read_summary", "require_sum", "summary_text"]

_OWN = "results.json"
Sums = Mapping[str, str]
"""Place in the study's folder -> sha256 of its text."""


def summary_text(table: Mapping[str, Any], drawings: Mapping[str, str | bytes]) -> str:
    """The text of results.json.

    Args:
        table: all of it, `format` first, with `provenance`.
        drawings: place in the folder -> text of a drawing that the page will show.
    """
    first = {"format": table["format"], "minor": 1}
    sums = {place: _digest(text) for place, text in drawings.items()}
    made = {**first, **table, "provenance": {**table["provenance"], "sha256": sums}}
    sums[_OWN] = _digest(_line(made))
    return json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_summary(text: str, where: str) -> tuple[dict[str, Any], Sums | None]:
    """The table of a results.json, and the checksums of what lies beside it; None without any.

    Args:
        text: of the file.
        where: its name in an error.

    Raises:
        InputError: no JSON.
        StoreError: no table, or one that was changed or damaged.
    """
    table = parse_json(text, where)
    if not isinstance(table, dict):
        raise StoreError("is no table: run the study again", where=where)
    origin = table.get("provenance")
    sums = origin.get("sha256") if isinstance(origin, dict) else None
    if "minor" not in table and sums is None:
        return table, None
    if "minor" not in table or not isinstance(sums, dict):
        word = "lacks" if "minor" in table else "carries"
        raise StoreError(f"{word} checksums against its version: {DAMAGED}", where=where)
    rest = {place: digest for place, digest in sums.items() if place != _OWN}
    counted = {**table, "provenance": {**table["provenance"], "sha256": rest}}
    if _digest(_line(counted)) != sums.get(_OWN):
        raise StoreError(f"differs from its checksum: {DAMAGED}", where=where)
    return table, rest


def require_sum(text: str, place: str, sums: Sums | None, where: str) -> None:
    """Refuses a text beside results.json that is not what the study wrote.

    Args:
        text: as it is.
        place: in the folder, such as "figures/rms.svg".
        sums: of `read_summary`; None lets everything through.
        where: the name of the text in an error.

    Raises:
        StoreError: it differs, or nothing is known of it.
    """
    if sums is not None and _digest(text) != sums.get(place):
        raise StoreError(f"differs from its checksum: {DAMAGED}", where=where)


def _line(table: Mapping[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, separators=(",", ":"))


def _digest(text: str | bytes) -> str:
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()

"""Which noise the paths of a file were drawn with: /parameters/noise, 1 where a file has none.

A path is continued, or joined by more paths of its seed, only with the noise that it was begun
with: the seed says which numbers only together with how they are made. A finished run is read,
audited and reported whatever its noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thermohw.errors import StoreError
from thermohw.noise import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["noise_of", "require_noise"]


def noise_of(parameters: Mapping[str, Any], where: str) -> int:
    """Version of a file's noise, by its /parameters.

    Raises:
        StoreError: not a whole number above 0.
    """
    found = parameters.get("noise", 1)
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        problem = f"/parameters/noise is {found!r}, not the version of its noise, 1 or more"
        raise StoreError(problem, where=where)
    return found


def require_noise(parameters: Mapping[str, Any], where: str) -> None:
    """Refuse to go on with paths that this version does not draw.

    Args:
        parameters: of an unfinished run, or of a finished one that is asked for more paths.
        where: its file.

    Raises:
        StoreError: its noise is of another version.
    """
    found = noise_of(parameters, where)
    if found == VERSION:
        return
    older = found < VERSION
    raise StoreError(
        f"has paths of noise {found}, from generators that this version "
        f"{'no longer has' if older else 'does not have yet'} (it draws noise {VERSION}), and "
        f"cannot be continued: {'run it anew' if older else 'use the version that made it'}",
        where=where,
    )

"""Where a run file comes from: versions, platform, time of creation.

Bit-identity holds on one machine, one torch version, one dtype and one thread count; a file that
says which ones makes a difference found years later explainable. Versions come from the installed
distributions' metadata, so asking for them imports nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata

from thermohw.errors import shown

__all__ = ["PACKAGES", "changed", "provenance", "version_of"]

PACKAGES = ("thermohw", "torch", "numpy", "scipy", "h5py")


@cache  # of what this process imported, whatever is installed meanwhile
def version_of(package: str) -> str:
    """Installed version of a distribution, "not installed" where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def provenance() -> dict[str, str]:
    """Versions, platform and the present time in ISO 8601 (UTC), all as text."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version_of(name) for name in PACKAGES},
    }


def changed(then: Mapping[str, object]) -> str:
    """What differs from an earlier `provenance` that numbers depend on, in words."""
    now = provenance()
    names = [name for name in ("python", "platform", *PACKAGES) if then.get(name) != now[name]]
    words = {name: shown(str(then.get(name)))[:80] for name in names}
    return ", ".join(f"{name} {words[name]} -> {now[name]}" for name in names)

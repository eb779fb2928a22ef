"""How kernels are compiled, and where their machine code is kept.

numba compiles a kernel for the types that it is first called with, which takes seconds, and keeps
the machine code in a folder that only its owner can write: what lies there is run. The folder's
name carries a digest of every module with kernels, since numba alone would not notice that a kernel
was inlined which has changed. Where no such folder can be had, kernels are compiled anew in every
process, and one line says so.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from llvmlite.binding import get_host_cpu_features as host_features
from numba.core import config as _config
from numba.core import event
from numba.core.caching import FunctionCache

__all__ = ["cache_folder", "inlined", "kernel", "stage", "summing"]

config: Any = _config

_WIDE = ("+avx512f", "+avx512vl", "+avx512vbmi2")


def _prefer_wide_vectors() -> None:
    """Let kernels use vectors of 512 bits on processors that do not slow down for them (those with
    VBMI2), where nobody has chosen features before; numba keeps to 256, which costs a fifth.
    """
    if config.CPU_FEATURES is not None or config.CPU_NAME is not None:
        return
    features = host_features().flatten()
    if all(feature in features.split(",") for feature in _WIDE):
        config.CPU_FEATURES = features + ",-prefer-256-bit"


_prefer_wide_vectors()

_MODULES = ("noise/compiled.py", "noise/jit.py", "integrate/fused")
_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}

# Said, not left out: what says nothing takes over what its first caller is compiled with, and a sum
# that may be reordered would reorder the path's own numbers within it.
_IN_ORDER: dict[str, Any] = {"fastmath": False, **_OPTIONS}

inlined = numba.njit(inline="never", forceinline=True, **_IN_ORDER)
"""Decorator of what other kernels take in: operations on single numbers, in their order."""

stage = numba.njit(inline="never", **_IN_ORDER)
"""Decorator of loops over the paths of a strip, compiled on their own: within a long kernel the
compiler would lose sight of which arrays overlap, and would not vectorise them."""

summing = numba.njit(inline="never", fastmath={"reassoc", "contract", "nnan", "nsz"}, **_OPTIONS)
"""Decorator of stages that return sums over paths, whose order may be the vectors'. No operation
of theirs may go into a path's own numbers: these come from `inlined` functions."""


def _digest() -> str:
    """Of every source file with kernels, and of who compiles them."""
    package = Path(__file__).parents[1]
    found = hashlib.sha256(f"{numba.__version__} {sys.version_info[:2]}".encode())
    for name in _MODULES:
        place = package / name
        for source in sorted(place.glob("*.py")) if place.is_dir() else [place]:
            if source.exists():
                found.update(source.read_bytes())
    return found.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Where machine code is kept; None where there is no folder that only its owner can write."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):  # the variable's own standard says to ignore it
        home = os.path.join(os.path.expanduser("~"), ".cache")
    ours = Path(home) / "thermohw"
    place = ours / "kernels" / _digest()
    try:
        Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
        # One by one: of parents made on the way the mode would be the umask's, which may let the
        # group write.
        for folder in (ours, ours / "kernels", place):
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.stat()
            shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if hasattr(os, "getuid") and (found.st_uid != os.getuid() or shared):
                return None
        if not os.access(place, os.W_OK | os.X_OK):
            return None
    except OSError:
        return None
    return place


_FOLDER = cache_folder()
if _FOLDER is None:
    print("kernels are compiled anew in every process, which takes seconds: the cache has no "
          "folder 'thermohw/kernels' that only its owner can write", file=sys.stderr)  # fmt: skip


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Machine code on disk, without which a run goes on: damaged files (a power cut leaves empty
    ones) are made anew, and a full disk keeps none.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept; None where there is nothing, or nothing whole."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling garbage raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it where that is possible."""
        with suppress(OSError):
            super().save_overload(sig, data)


def kernel(function: Callable[..., Any]) -> Any:
    """Decorator: compiled when first called, kept on disk."""
    if _FOLDER is None:
        return numba.njit(**_OPTIONS)(function)
    theirs = config.CACHE_DIR
    config.CACHE_DIR = str(_FOLDER)
    try:  # the place is chosen here and now
        found: Any = numba.njit(**_OPTIONS)(function)
        if hasattr(found, "enable_caching"):  # not where NUMBA_DISABLE_JIT is set
            found._cache = _KernelCache(function)
        return found
    finally:
        config.CACHE_DIR = theirs


class _Announce(event.Listener):
    """Says once that kernels are being compiled, since somebody may be waiting."""

    _said = False

    def on_start(self, event: Any) -> None:
        """A compilation begins."""
        function = event.data["dispatcher"].py_func
        if not self._said and function.__module__.startswith("thermohw."):
            self._said = True
            kept = "" if _FOLDER is None else "; kept for the next time"
            print(f"compiling kernels for this machine, up to half a minute{kept}",
                  file=sys.stderr)  # fmt: skip

    def on_end(self, event: Any) -> None:
        """And ends."""


event.register("numba:compile", _Announce())

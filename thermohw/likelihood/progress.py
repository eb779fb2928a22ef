"""How long iterations show that they go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["Progress", "silent", "terminal_bar"]

Progress = Callable[[Iterable, str], Iterable]


def terminal_bar(items: Iterable, label: str) -> Iterable:
    """Progress bar on a terminal, from the third second on; nothing elsewhere."""
    from tqdm import tqdm

    return tqdm(items, desc=label, delay=2.0, disable=None, leave=False)


def silent(items: Iterable, label: str) -> Iterable:
    """No bar, for whoever evaluates many accounts."""
    return items

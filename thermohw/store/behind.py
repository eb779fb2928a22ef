"""One thread behind the one that simulates: what is handed to it is done in order, a few at a time.

Hashing and writing let go of the interpreter's lock for most of their time, so a unit's frames are
on their way into the file while the next are simulated. What goes wrong is raised in whoever hands
the next thing over or waits, and nothing that was handed over after it is done. (A write that fails
ends the process at once, as everywhere: `thermohw.store.reserve.leave`.)
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["Behind"]

_MOST = 6  # waiting at a time: some 4 MB each


class Behind:
    """A thread that starts with the first thing to do and ends with `close`."""

    def __init__(self) -> None:
        self._tasks: queue.Queue[Callable[[], object] | None] = queue.Queue(_MOST)
        self._thread: threading.Thread | None = None
        self._trouble: BaseException | None = None

    def do(self, task: Callable[[], object]) -> None:
        """Have something done; waits where too much is under way."""
        self._tell()
        if self._thread is None:
            # A daemon: should nobody close it, the process ends all the same.
            self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
            self._thread.start()
        self._tasks.put(task)

    def wait(self) -> None:
        """Until all is done."""
        if self._thread is not None:
            self._tasks.join()
        self._tell()

    def close(self) -> None:
        """End the thread; what it has not begun is left undone."""
        if self._thread is not None:
            self._trouble = self._trouble or RuntimeError("the writer is closed")
            self._tasks.put(None)
            self._thread.join()
            self._thread = None

    def _tell(self) -> None:
        if self._trouble is not None:
            raise self._trouble

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                if task is None:
                    return
                if self._trouble is None:
                    task()
            except BaseException as trouble:
                self._trouble = trouble
            finally:
                self._tasks.task_done()

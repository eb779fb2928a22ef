"""Figures and pages, as pure functions of stored runs.

    report("run.h5")              run.html, one self-contained page; of a folder: index.html
    hero("run.h5", "run.png")     one picture, 1600 pixels wide

The package itself can be called, `thermohw.report("run.h5")`, as the function `report` it holds.
"""

from thermohw.report.hero import hero
from thermohw.report.write import report
from thermohw.rooms import make_callable

__all__ = ["hero", "report"]

make_callable(__name__, report)

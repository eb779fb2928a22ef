"""Studies: one question each, answered with figures and numbers, resumable and reproducible.

    run = run_study("bound_sweep", ["sigmas=10,20"], quick=True)

A study's module defines STUDY = Study(...); docs/studies.md shows one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.study.catalogue import find_study, study_names
    from thermohw.study.definition import Cell, Parameters, Study
    from thermohw.study.later import later
    from thermohw.study.results import Results, Row
    from thermohw.study.run import StudyRun, run_study
    from thermohw.study.sheet import Sheet
    from thermohw.study.tools import Tools

__all__ = [
    "Cell",
    "Parameters",
    "Results",
    "Row",
    "Sheet",
    "Study",
    "StudyRun",
    "Tools",
    "find_study",
    "later",
    "run_study",
    "study_names",
]

on_demand(
    __name__,
    {
        "Cell": "definition",
        "Parameters": "definition",
        "Results": "results",
        "Row": "results",
        "Sheet": "sheet",
        "Study": "definition",
        "StudyRun": "run",
        "Tools": "tools",
        "find_study": "catalogue",
        "later": "later",
        "run_study": "run",
        "study_names": "catalogue",
    },
)

"""Studies: one question each, answered with figures and numbers, resumable and reproducible.

    run = run_study("bound_sweep", ["sigmas=10,20"], quick=True)

A study's module defines STUDY = Study(...); docs/studies.md shows one.
"""

from thermohw.study.catalogue import find_study, study_names
from thermohw.study.definition import Cell, Parameters, Study
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
    "run_study",
    "study_names",
]

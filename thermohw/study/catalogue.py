"""Where studies come from: shipped modules in thermohw.experiments, and files of a user's own.

A study's name is that of its file. Its code has a digest, the sha256 of the file and of every
module beside it that it imports: results of one code are never passed off as results of another.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from thermohw.errors import InputError
from thermohw.study.definition import Study

__all__ = ["Found", "find_study", "study_names"]

_ROOM = "thermohw.experiments"


@dataclass(frozen=True)
class Found:
    """A study and where it was found.

    Attributes:
        name: of its file, without the ending.
        source: what finds it again in another process: a shipped name, or an absolute path.
        study: the study.
        digest: sha256 of its code, hexadecimal.
    """

    name: str
    source: str
    study: Study
    digest: str


def study_names() -> list[str]:
    """Names of the shipped studies; a module whose name starts with "_" is none."""
    folder = resources.files(_ROOM)
    files = [item.name for item in folder.iterdir()]
    return sorted(f[:-3] for f in files if f.endswith(".py") and not f.startswith("_"))


def find_study(source: str | Path) -> Found:
    """A shipped study by name, or a study file by path.

    Raises:
        InputError: there is none, or its file does not define one.
    """
    text = str(source)
    path = Path(text)
    try:
        if text in study_names():
            module = importlib.import_module(f"{_ROOM}.{text}")
            file = Path(str(module.__file__))
        elif path.suffix == ".py" and path.is_file():
            file = path.resolve()
            text, module = str(file), _load(file)
        else:
            raise InputError(_unknown(text), where=text)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # anything can be wrong with a file of the user's
        raise InputError(
            f"cannot be imported: {type(error).__name__}: {error}{_line(error, path)}", where=text
        ) from error
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise InputError("defines no STUDY = Study(...)", where=text)
    strange = sorted(set(study.quick) - set(study.parameters))
    if strange:
        raise InputError(f"quick changes unknown parameters: {', '.join(strange)}", where=text)
    return Found(file.stem, text, study, _digest(file))


def _load(file: Path) -> object:
    """A module from a file; modules beside it can be imported, as from a script."""
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"thermohw_study_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and type hints look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _digest(file: Path) -> str:
    """sha256 over a module and the modules of its folder that it imports, whichever way."""
    todo, done = [file], dict[str, bytes]()
    while todo:
        path = todo.pop()
        if path.name in done or not path.is_file():
            continue
        done[path.name] = path.read_bytes()
        todo += [path.with_name(f"{name}.py") for name in _imports(done[path.name])]
    parts = [name.encode() + b"\0" + done[name] for name in sorted(done)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _imports(code: bytes) -> set[str]:
    """Last names of all modules that might lie beside a module with this code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name.removeprefix(f"{_ROOM}.") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").removeprefix(_ROOM).removeprefix(".")
            names |= {base} if base else {alias.name for alias in node.names}
    return {name for name in names if name and "." not in name and name != "__init__"}


def _unknown(text: str) -> str:
    if (resources.files(_ROOM) / f"{text}.toml").is_file():
        return f"is the SPEC of one run, not a study: thermohw run {text}"
    shipped = ", ".join(study_names()) or "none"
    if text.endswith(".py"):
        return f"no such study file; shipped studies: {shipped}"
    return f"no study of that name, and no .py file; shipped: {shipped}"


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it happened."""
    trace, found = error.__traceback__, 0
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == path.with_suffix(".py").name:
            found = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {found})" if found else ""

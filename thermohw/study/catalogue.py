"""Where studies come from: folders in thermohw.experiments, and files of a user's own.

A study's name is that of its folder or file. Its code has a digest, the sha256 of the module and of
all that it imports of the same house - its folder and `shared`, or modules beside the file: cells
of one code are never passed off as cells of another.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from thermohw.errors import InputError
from thermohw.study.definition import Study

__all__ = ["Found", "find_study", "study_names"]

_ROOM = "thermohw.experiments"
SHARED = "shared"
"""The folder that is no study: what several of them use."""
CONCLUSIONS = ("figures", "findings")
"""Modules of a shipped study that `conclude` alone uses."""


@dataclass(frozen=True)
class Found:
    """A study and where it was found.

    Attributes:
        name: of its folder, or of its file without the ending.
        source: what finds it again in another process: a shipped name, or an absolute path.
        study: the study.
        file: its module.
    """

    name: str
    source: str
    study: Study
    file: Path

    @cached_property
    def digest(self) -> str:
        """sha256 of the code that its cells come from, hexadecimal."""
        parts = [path.name.encode() + b"\0" + path.read_bytes() for path in sources(self.file)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


def study_names() -> list[str]:
    """Names of the shipped studies, one a folder."""
    folders = resources.files(_ROOM).iterdir()
    return sorted(f.name for f in folders if (f / "__init__.py").is_file() and f.name != SHARED)


def find_study(source: str | Path) -> Found:
    """A shipped study by name, or a study file by path.

    Raises:
        InputError: there is none, or its file does not define one.
    """
    text = str(source)
    path = Path(text)
    try:
        name = path.stem if path.stem != "__init__" else path.resolve().parent.name
        if text in study_names():
            name, module = text, importlib.import_module(f"{_ROOM}.{text}")
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
    return Found(name, text, study, file)


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


def sources(file: Path, *, conclusions: bool = False) -> list[Path]:
    """A study's module and all that it imports, of the shipped room or from beside it, sorted.

    Args:
        file: the module; of a shipped study the __init__.py of its folder.
        conclusions: whether a shipped study's `findings` and `figures` count too. They see stored
            cells only: a page that is drawn another way makes no cell stale.
    """
    room = Path(str(resources.files(_ROOM))).resolve()
    todo, done = [file.resolve()], set[Path]()
    while todo:
        path = todo.pop()
        shipped = path.is_relative_to(room)
        if shipped and path.stem in CONCLUSIONS and not conclusions:
            continue
        done.add(path)
        for name in _imports(path, room if shipped else None):
            parts = name.removeprefix(f"{_ROOM}.").split(".")
            folder = room if name.startswith(f"{_ROOM}.") else path.parent
            for n in range(len(parts)):  # a package's __init__ runs before its modules
                base = folder.joinpath(*parts[: n + 1])
                found = (base.with_suffix(".py"), base / "__init__.py")
                todo += [p for p in found if p.is_file() and p not in done]
    return sorted(done)


def _imports(path: Path, room: Path | None) -> set[str]:
    """Dotted names of all modules that this one might import; of a shipped one, those shipped."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = f"{node.module}." if node.module else ""
            names |= {node.module} if node.module else set()
            names |= {f"{base}{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call):
            names |= {name.partition(":")[0] for name in _named_later(node)}
    return {name for name in names if room is None or name.startswith(f"{_ROOM}.")}


def _named_later(call: ast.Call) -> list[str]:
    """The function that later("module:function") names."""
    if not isinstance(call.func, ast.Name) or call.func.id != "later":
        return []
    return [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]


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

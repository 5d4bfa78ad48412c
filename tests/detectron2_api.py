"""Modules, names and signatures of a detectron2 distribution as data, and comparisons of them.

An API is a dict. Its keys are "module" and "module:name"; its values are "module", "val" for an
object that is neither function nor class, {"fn": signature} or {"init": signature, "members":
{name: signature, or "attr"}}. A signature is a list of [name, kind, default] with the names of
`inspect.Parameter.kind` and the `repr` of the default, None without one; it is None if unknown.
"""

import ast
import gzip
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

UPSTREAM_FILE = Path(__file__).parent / "portable" / "upstream_api.json.gz"
MAX_DEFAULT_LENGTH = 60  # the file cuts longer ones

# Methods with double underscores that callers use by their syntax.
_SYNTAX = ("__getitem__", "__len__", "__iter__", "__contains__")


def read_upstream_api() -> dict:
    """Return the recorded API of Facebook's detectron2, its main branch."""
    return json.loads(gzip.decompress(UPSTREAM_FILE.read_bytes()))


def public_modules(package: str) -> Iterator[str]:
    """Yield the names of a package and of its modules, without those that begin with "_"."""
    root = importlib.import_module(package)
    yield package
    for found in pkgutil.walk_packages(root.__path__, package + "."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield found.name


def exported_names(module: str) -> list[str]:
    """Return the public names that a module defines, or that a package offers.

    What a module imports for itself is no export, what the `__init__` of a package imports is.
    """
    loaded = importlib.import_module(module)
    is_package = hasattr(loaded, "__path__")
    names: set[str] = set()
    for node in ast.parse(Path(loaded.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and is_package:
            names.update(alias.asname or alias.name for alias in node.names)
    return sorted(name for name in names if not name.startswith("_"))


def imported_names(files: Iterable[Path], package: str = "detectron2") -> dict[str, list[str]]:
    """Return "module:name" or "module" -> the files that import it, by reading the files.

    Attributes of imported modules count too: after `from detectron2.utils import comm`,
    `comm.get_rank` is "detectron2.utils.comm:get_rank".
    """
    users: dict[str, list[str]] = {}
    for file in files:
        for key in _imports_of(ast.parse(file.read_text(encoding="utf-8")), package):
            users.setdefault(key, []).append(str(file))
    return users


def _imports_of(tree: ast.Module, package: str) -> set[str]:
    keys: set[str] = set()
    modules: dict[str, str] = {}  # local name: module
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_in(node.module, package):
            for alias in node.names:
                keys.add(f"{node.module}:{alias.name}")
                if _is_module(f"{node.module}.{alias.name}"):
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_in(alias.name, package):
                    keys.add(alias.name)
                    modules.update({alias.asname: alias.name} if alias.asname else {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None:
                keys.add(f"{module}:{node.attr}")
    return keys


def _is_in(module: str | None, package: str) -> bool:
    return module is not None and (module == package or module.startswith(package + "."))


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def describe(value: object) -> dict | str:
    """Return the entry of an object in an API."""
    if inspect.isclass(value):
        return {"init": _signature(value.__init__), "members": _members(value)}
    return {"fn": _signature(value)} if inspect.isfunction(value) else "val"


def _members(cls: type) -> dict[str, list | str | None]:
    """Return the members that a class has from detectron2 and not from elsewhere."""
    theirs = [base for base in cls.__mro__ if base.__module__.split(".")[0] != "detectron2"]
    members = {}
    for name in dir(cls):
        hidden = name.startswith("_") and name not in _SYNTAX
        if not hidden and not any(name in vars(base) for base in theirs):
            value = getattr(cls, name)
            members[name] = _signature(value) if callable(value) else "attr"
    return members


def _signature(function) -> list[list] | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, p.kind.name, _default(p)] for p in parameters]


def _default(parameter: inspect.Parameter) -> str | None:
    value = parameter.default
    if value is parameter.empty:
        return None
    value = value.value if isinstance(value, Enum) else value
    return repr(value)[:MAX_DEFAULT_LENGTH]


def left_out(ours: dict | str, theirs: dict | str) -> tuple[list[str], list[str]]:
    """Return the options and the members that theirs has and ours has not.

    Options of members are given as "member(option=)".
    """
    if "fn" in theirs:
        return _missing_options(ours["fn"], theirs["fn"]), []
    if "init" not in theirs:
        return [], []
    options = _missing_options(ours["init"], theirs["init"])
    members = []
    for name, signature in theirs["members"].items():
        if name not in ours["members"]:
            members.append(name)
        elif isinstance(signature, list) and isinstance(ours["members"][name], list):
            missing = _missing_options(ours["members"][name], signature)
            options += [f"{name}({option})" for option in missing]
    return options, members


def _missing_options(ours: list | None, theirs: list | None) -> list[str]:
    if ours is None or theirs is None or _takes_anything(theirs):
        return []
    names = {name for name, _, _ in ours}
    if any(kind == "VAR_KEYWORD" for _, kind, _ in ours):
        return []
    return [
        {"VAR_KEYWORD": f"**{name}", "VAR_POSITIONAL": f"*{name}"}.get(kind, f"{name}=")
        for name, kind, _ in theirs
        if name not in names
    ]


def _takes_anything(signature: list) -> bool:
    """Return whether nothing is known: (*args, **kwargs), as of enums and namespaces."""
    kinds = {kind for name, kind, _ in signature if name != "self"}
    return kinds == {"VAR_POSITIONAL", "VAR_KEYWORD"}


def contradictions(ours: dict | str, theirs: dict | str) -> list[str]:
    """Return where code that calls ours would fail with theirs or mean something else, in words."""
    if (ours == "val") != (theirs == "val"):
        return ["is an object on one side and not on the other"]
    if "fn" in ours and "fn" in theirs:
        return _clashes(ours["fn"], theirs["fn"])
    if "init" not in ours or "init" not in theirs:
        return [] if ours == theirs else ["is a class on one side and not on the other"]
    found = _clashes(ours["init"], theirs["init"])
    for name, signature in ours["members"].items():
        if name not in theirs["members"]:
            found.append(f"has the member {name}, which theirs lacks")
        elif isinstance(signature, list) and isinstance(theirs["members"][name], list):
            clashes = _clashes(signature, theirs["members"][name])
            found += [f"{name}: {clash}" for clash in clashes]
    return found


def _clashes(ours: list | None, theirs: list | None) -> list[str]:
    """Return the parameters of ours that theirs has not, or has in another way."""
    if ours is None or theirs is None or _takes_anything(ours) or _takes_anything(theirs):
        return []
    known = {name: (kind, default) for name, kind, default in theirs}
    takes_any_name = any(kind == "VAR_KEYWORD" for _, kind, _ in theirs)
    found = []
    for name, kind, default in ours:
        if name in known:
            if (kind, default) != known[name]:
                found.append(f"{name} is {kind} {default}, theirs {' '.join(map(str, known[name]))}")
        elif not (takes_any_name and kind in ("KEYWORD_ONLY", "VAR_KEYWORD")):
            found.append(f"theirs has no parameter {name}")
    shared = [name for name, kind, _ in ours if name in known and kind == "POSITIONAL_OR_KEYWORD"]
    positions = [name for name, kind, _ in theirs if kind == "POSITIONAL_OR_KEYWORD"]
    if positions[: len(shared)] != shared:
        found.append(f"positions are {shared}, theirs {positions}")
    return found

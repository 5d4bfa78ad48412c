"""Modules, names and signatures of a detectron2 distribution as data, and comparisons of them.

An API is a dict. Its keys are "module" and "module:name"; its values are "module", "val" for an
object that is neither function nor class, "imported" for what another package defines, {"fn": signature} or {"init": signature, "members":
{name: signature, or "attr"}}. A signature is a list of [name, kind, default] with the names of
`inspect.Parameter.kind` and the `repr` of the default, None without one; it is None if unknown.
"""

import ast
import gzip
import importlib.util
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
    """Return the recorded API of Facebook's detectron2.

    Signatures are those of its main branch in 2025. Constants, and modules that the main branch was
    not asked for, are those of version 0.6.
    """
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


def record(modules: Iterable[str]) -> dict:
    """Return the API of modules of the installed distribution."""
    api: dict = {}
    for module in modules:
        api[module] = "module"
        loaded = importlib.import_module(module)
        for name, value in vars(loaded).items():
            if not name.startswith("_") and not inspect.ismodule(value):
                foreign = not _is_in(getattr(value, "__module__", "detectron2"), "detectron2")
                api[f"{module}:{name}"] = "imported" if foreign else describe(value)
    return api


def describe(value: object) -> dict | str:
    """Return the entry of an object in an API."""
    if inspect.isclass(value):
        return {"init": _signature(value.__init__), "members": _members(value)}
    if callable(value) and inspect.isfunction(inspect.unwrap(value)):  # also behind a cache
        return {"fn": _signature(value)}
    return "val"


def _members(cls: type) -> dict[str, list | str | None]:
    """Return the public members that classes of detectron2 define, overridden ones included."""
    ours = [vars(base) for base in cls.__mro__ if _is_in(base.__module__, "detectron2")]
    names = sorted({name for members in ours for name in members if _is_public(name)})
    return {name: _member(getattr(cls, name)) for name in names}


def _member(value) -> list | str | None:
    return _signature(value) if callable(value) else "attr"


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name in _SYNTAX


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


def left_out(ours: object, theirs: dict | str) -> tuple[list[str], list[str]]:
    """Return the options and the members that an object lacks, given the entry of theirs.

    An option is "name=", "name=default" where only the default differs, or "member(name=)".
    """
    described = describe(ours)
    if isinstance(theirs, str) or isinstance(described, str):
        return [], []
    if "fn" in theirs and "fn" in described:
        return _missing_options(described["fn"], theirs["fn"]), []
    if "fn" in theirs or "fn" in described:
        return [], []
    options = _missing_options(described["init"], theirs["init"])
    members = []
    for name, signature in theirs["members"].items():
        if not hasattr(ours, name):
            members.append(name)
        elif isinstance(signature, list) and callable(getattr(ours, name)):
            missing = _missing_options(_signature(getattr(ours, name)), signature)
            options += [f"{name}({option})" for option in missing]
    return options, members


def _missing_options(ours: list | None, theirs: list | None) -> list[str]:
    if ours is None or theirs is None or _takes_anything(ours) or _takes_anything(theirs):
        return []
    defaults = {name: default for name, _, default in ours}
    takes_any_name = any(kind == "VAR_KEYWORD" for _, kind, _ in ours)
    missing = []
    for name, kind, default in theirs:
        if name in defaults:
            missing += [f"{name}={default}"] if defaults[name] != default else []
        elif kind not in ("VAR_KEYWORD", "VAR_POSITIONAL") and not takes_any_name:
            missing.append(f"{name}=")
    return missing


def _takes_anything(signature: list) -> bool:
    """Return whether nothing is known: (*args, **kwargs), as of enums and namespaces."""
    return {kind for name, kind, _ in signature if name != "self"} >= {
        *("VAR_POSITIONAL", "VAR_KEYWORD"),
    }


def contradictions(ours: object, theirs: dict | str) -> list[str]:
    """Return where code that calls our object would fail with theirs, in words."""
    described = describe(ours)
    if theirs == "imported":
        return []
    if described == "val" or theirs == "val" or described.keys() != theirs.keys():
        return [] if described == theirs else ["is of another kind"]
    if "fn" in described:
        return _clashes(described["fn"], theirs["fn"])
    found = _clashes(described["init"], theirs["init"])
    foreign = [vars(base) for base in ours.__mro__ if not _is_in(base.__module__, "detectron2")]
    for name, signature in described["members"].items():
        if name in theirs["members"]:
            theirs_signature = theirs["members"][name]
            if isinstance(signature, list) and isinstance(theirs_signature, list):
                found += [f"{name}: {clash}" for clash in _clashes(signature, theirs_signature)]
        elif not any(name in members for members in foreign):
            found.append(f"theirs has no member {name}")
    return found


def _clashes(ours: list | None, theirs: list | None) -> list[str]:
    """Return the parameters of ours that theirs has not, or takes in another way."""
    if ours is None or theirs is None or _takes_anything(ours) or _takes_anything(theirs):
        return []
    kinds = {name: kind for name, kind, _ in theirs}
    takes_any_name = any(kind == "VAR_KEYWORD" for _, kind, _ in theirs)
    found = []
    for name, kind, default in ours:
        if name in kinds and kind != kinds[name]:
            found.append(f"{name} is {kind}, theirs {kinds[name]}")
        elif name not in kinds and not kind.startswith("VAR_") and not takes_any_name:
            found.append(f"theirs has no parameter {name}={default}")
    positions = [name for name, kind, _ in ours if kind == "POSITIONAL_OR_KEYWORD"]
    theirs_positions = [name for name, kind, _ in theirs if kind == "POSITIONAL_OR_KEYWORD"]
    if theirs_positions[: len(positions)] != positions:
        found.append(f"positions are {positions}, theirs {theirs_positions}")
    return found

"""Names to classes: one table a kind, and `package.module:Class` for a user's own.

A table maps a short name to `"package.module:Class"`, so that nothing heavy is imported before it is wanted.
"""

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from .errors import KitError, unknown_name


def resolve(kind: str, table: Mapping[str, str], name: str) -> Any:
    """The class or function that `name` stands for; a name with a colon is imported as the user's own.

    Raises `KitError` for a name the table does not know, a module that is missing, or a class it has not.
    """
    if not isinstance(name, str) or (":" not in name and name not in table):
        raise unknown_name(kind, name, sorted(table), _hint(name, table))
    target = table.get(name, name)
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not _is_part_of(error.name, module_name):
            raise
        raise KitError(f"{kind} {name!r}: no module {error.name!r} on Python's path; install it or add its "
                       f"folder to PYTHONPATH, or use one of: {_names(table)}") from error
    if not attribute or not hasattr(module, attribute):
        public = [item for item in vars(module) if not item.startswith("_")]
        raise KitError(f"{kind} {name!r}: {module_name!r} has no {attribute!r}; it has: {', '.join(public)}")
    return getattr(module, attribute)


def check(kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]) -> Any:
    """What `name` stands for, once its `options` are known to fit it; nothing is called yet."""
    target = resolve(kind, table, name)
    parameters = inspect.signature(target).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        _check_options(f"{kind} {name!r}", parameters, options)
    return target


def build(kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]) -> Any:
    """Call what `name` stands for with `options` as keywords; unknown or missing options raise `KitError`."""
    return check(kind, table, name, options)(**options)


def takes(kind: str, table: Mapping[str, str], name: str, option: str) -> bool:
    """Whether what `name` stands for has an option of that name."""
    return option in inspect.signature(resolve(kind, table, name)).parameters


def _check_options(what: str, parameters: Any, options: Mapping[str, Any]) -> None:
    allowed = [parameter.name for parameter in parameters]
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    unknown = [option for option in options if option not in allowed]
    missing = [option for option in required if option not in options]
    if unknown or missing:
        problem = f"unknown option {unknown[0]!r}" if unknown else f"option {missing[0]!r} is missing"
        raise KitError(f"{what}: {problem}; it takes: {', '.join(allowed) or 'no options'}"
                       + (f" (needs {', '.join(required)})" if required else ""))


def _is_part_of(missing: str, module_name: str) -> bool:
    return module_name == missing or module_name.startswith(f"{missing}.")


def _names(table: Mapping[str, str]) -> str:
    return ", ".join(sorted(table)) or "(none)"


def _hint(name: object, table: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(str(name), table, n=1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return f"{meant}Your own class is named \"package.module:Class\""

"""Names to classes: one table a kind, and `package.module:Class` for a user's own.

A table maps a short name to `"package.module:Class"`, so that nothing heavy is imported before it is wanted.
"""

import difflib
import importlib
import inspect
import os
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

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
    _check_kinds(f"{kind} {name!r}", target, options)
    return target


def build(kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]) -> Any:
    """Call what `name` stands for with `options` as keywords; unknown or missing options, and values of
    another kind than an option's, raise `KitError`.
    """
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


# What settings can give for an option, by its type: the Python types that fit, and their name.
_FITS: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"), float: ((int, float), "a number"), bool: ((bool,), "true or false"),
    str: ((str, os.PathLike), "a text"), Path: ((str, os.PathLike), "a path"),
    type(None): ((type(None),), "null"), Mapping: ((Mapping,), "a table"), dict: ((Mapping,), "a table"),
    Sequence: ((list, tuple), "a list"), list: ((list, tuple), "a list"), tuple: ((list, tuple), "a list"),
}


def _check_kinds(what: str, target: Any, options: Mapping[str, Any]) -> None:
    """Options with types of `_FITS` take values of them; those with other types are not looked at."""
    try:
        parameters = inspect.signature(target, eval_str=True).parameters
    except (NameError, AttributeError, TypeError):  # a user's own types, there for a type checker only
        return
    for option, value in options.items():
        kinds = _kinds(parameters[option].annotation) if option in parameters else [Any]
        if not all(kind in _FITS for kind in kinds):
            continue
        if not any(isinstance(value, _FITS[kind][0]) for kind in kinds):
            fit = " or ".join(dict.fromkeys(_FITS[kind][1] for kind in kinds))
            raise KitError(f"{what}: option {option!r} is {value!r:.60}; expected {fit}")


def _kinds(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without what they hold: of `list[str] | None` list and None's."""
    several = get_origin(annotation) in (types.UnionType, Union)
    return [get_origin(one) or one for one in (get_args(annotation) if several else (annotation,))]


def _is_part_of(missing: str, module_name: str) -> bool:
    return module_name == missing or module_name.startswith(f"{missing}.")


def _names(table: Mapping[str, str]) -> str:
    return ", ".join(sorted(table)) or "(none)"


def _hint(name: object, table: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(str(name), table, n=1)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    return f"{meant}Your own class is named \"package.module:Class\""

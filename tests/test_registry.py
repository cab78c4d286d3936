"""Names to classes: known, unknown, a user's own, and options that do not fit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dataengine_utils import benchmarks, images, models, registry, teachers
from dataengine_utils.errors import KitError

TABLE = {
    "fraction": "fractions:Fraction", "gone": "dataengine_utils.nowhere:Thing", "typo": "fractions:Fracton",
}


def test_a_name_and_a_users_own_class_resolve():
    assert registry.resolve("number", TABLE, "fraction") is Fraction
    assert registry.resolve("number", {}, "fractions:Fraction") is Fraction
    assert registry.build("number", TABLE, "fraction", {"numerator": 1, "denominator": 2}) == Fraction(1, 2)


@pytest.mark.parametrize("name, told", [
    ("fractoin", "unknown number 'fractoin'; known: fraction, gone, typo. Did you mean 'fraction'?"),
    ("gone", "no module 'dataengine_utils.nowhere'"),
    ("typo", "'fractions' has no 'Fracton'; it has: "),
    ("no_such_package.module:Thing", "no module 'no_such_package'"),
    ("fractions:", "has no ''"),
    (3, "unknown number 3"),
])
def test_what_cannot_be_found_says_what_can(name, told):
    with pytest.raises(KitError) as error:
        registry.resolve("number", TABLE, name)
    assert told in str(error.value)


def test_a_module_that_fails_to_import_something_else_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("import a_package_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_there"):
        registry.resolve("number", {}, "mine:Thing")


def test_options_are_checked_before_the_call():
    def make(path: str, share: float = 0.5) -> str:
        return f"{path} {share}"

    make.__module__ = __name__
    globals()["make"] = make
    name = f"{__name__}:make"
    assert registry.build("thing", {}, name, {"path": "a"}) == "a 0.5"
    with pytest.raises(KitError, match=r"unknown option 'shere'; it takes: path, share \(needs path\)"):
        registry.build("thing", {}, name, {"path": "a", "shere": 1})
    with pytest.raises(KitError, match="option 'path' is missing"):
        registry.check("thing", {}, name, {})


@pytest.mark.parametrize("options, told", [
    ({"n": "64"}, "option 'n' is '64'; expected a whole number"),
    ({"n": 2.5}, "option 'n' is 2.5; expected a whole number"),
    ({"n": None}, "option 'n' is None; expected a whole number"),
    ({"usd": "10"}, "option 'usd' is '10'; expected a number or null"),
    ({"path": 5}, "option 'path' is 5; expected a text or a path"),
    ({"reuse": "a.sqlite"}, "option 'reuse' is 'a.sqlite'; expected a list"),
    ({"params": [1]}, "option 'params' is [1]; expected a table or null"),
    ({"look": "no"}, "option 'look' is 'no'; expected true or false"),
])
def test_a_value_of_another_kind_is_told_before_the_call(options, told):
    name = f"{__name__}:typed"
    with pytest.raises(KitError) as error:
        registry.check("thing", {}, name, options)
    assert str(error.value) == f"thing {name!r}: {told}"
    right = {"n": 3, "usd": 2, "path": Path("a"), "reuse": ("a",), "params": {"a": 1}, "look": False}
    assert registry.build("thing", {}, name, right) == 3 and registry.build("thing", {}, name, {}) == 1
    assert registry.build("thing", {}, name, {"usd": None, "reuse": [], "any": "x", "path": "b"}) == 1


def typed(n: int = 1, usd: float | None = None, path: str | Path = "", reuse: Sequence[str] = (),
          params: Mapping[str, int] | None = None, look: bool = True, any: Any = None) -> int:
    return n


def test_types_for_a_type_checker_only_are_not_looked_at():
    def make(n: "nowhere.Thing", m: "int" = 1):  # noqa: F821
        return n, m

    globals()["late"] = make
    assert registry.build("thing", {}, f"{__name__}:late", {"n": 1, "m": "x"}) == (1, "x")


def test_a_teachers_options_of_another_kind_are_told(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    for option, value in (("concurrency", "64"), ("budget_usd", "x"), ("requests_per_minute", "a"),
                          ("params", [1]), ("reuse", "x.sqlite"), ("base_url", 5)):
        with pytest.raises(KitError, match=f"teacher 'openai': option '{option}' is .*; expected"):
            teachers.load("openai", **{"model": "gpt-4o", option: value})


@pytest.mark.parametrize("kind, table", [
    ("benchmark", benchmarks.BENCHMARKS), ("image source", images.SOURCES), ("teacher", teachers.TEACHERS),
    ("student", models.STUDENTS)])
def test_every_name_in_the_kits_tables_leads_somewhere(kind, table):
    for name in table:
        assert callable(registry.resolve(kind, table, name))

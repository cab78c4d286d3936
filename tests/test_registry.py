"""Names to classes: known, unknown, a user's own, and options that do not fit."""

from fractions import Fraction

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


@pytest.mark.parametrize("kind, table", [
    ("benchmark", benchmarks.BENCHMARKS), ("image source", images.SOURCES), ("teacher", teachers.TEACHERS),
    ("student", models.STUDENTS)])
def test_every_name_in_the_kits_tables_leads_somewhere(kind, table):
    for name in table:
        assert callable(registry.resolve(kind, table, name))

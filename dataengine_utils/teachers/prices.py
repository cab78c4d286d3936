"""What a request costs: at worst before it is sent, exactly once the reply tells what it used."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from ..errors import KitError
from ..inputs import read_text
from ..prompts import count_tokens

TABLE = Path(__file__).with_name("prices.yaml")
EXPECTED = "a table of prices like dataengine_utils/teachers/prices.yaml"
_MILLION = 1e6
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")  # gpt-4o-2024-08-06 costs what gpt-4o does, unless listed itself
_PER_MESSAGE = 8  # tokens around each message


@dataclass(frozen=True)
class Price:
    """A model's price: USD per million tokens; `batch` is the share of it that the Batch API takes.

    `image_tokens` is the most that an attached picture counts.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    batch: float = 0.5
    image_tokens: int = 2500

    def cost(self, prompt: int, completion: int, *, cached: int = 0, written: int = 0,
             way: str = "live") -> float:
        """The price (USD) of a reply that used so many tokens; `cached` and `written` are part of `prompt`.
        """
        plain = max(prompt - cached - written, 0)
        asked = (plain * self.input + cached * self._or_input(self.cached)
                 + written * self._or_input(self.cache_write))
        return (asked + completion * self.output) * self._share(way) / _MILLION

    def worst(self, prompt: int, completion: int, *, way: str = "live") -> float:
        """The most (USD) that a request of `prompt` tokens with up to `completion` in reply can cost."""
        dearest = max(self.input, self._or_input(self.cache_write))
        return (prompt * dearest + completion * self.output) * self._share(way) / _MILLION

    def _or_input(self, price: float | None) -> float:
        return self.input if price is None else price

    def _share(self, way: str) -> float:
        return self.batch if way == "batch" else 1.0


def price_of(model: str, prices: Path | None = None, price: Mapping[str, float] | None = None) -> Price:
    """The price of a model: `price` itself where given, else from the table `prices` (None: the kit's own).

    `KitError` for a model without a price, a table that cannot be read and a price that is no number >= 0.
    """
    if price is not None:
        return _read(price, "teacher_options.price")
    table = Path(prices) if prices else TABLE
    models = _models(table)
    for name in (model, _DATED.sub("", model)):
        if name in models:
            return _read(models[name], f"{table}: {name}")
    raise KitError(
        f"no price for model {model!r} in {str(table)!r}, which has: {', '.join(sorted(models))}; add a line "
        "there, name your own table in teacher_options.prices, or give USD per million tokens in "
        'teacher_options.price, such as {"input": 2.5, "output": 10} ({"input": 0, "output": 0} for a server '
        "of your own)"
    )


def count_prompt(messages: Sequence[Mapping[str, Any]], price: Price, count: Callable[[str], int]) -> int:
    """The tokens of a request's messages and pictures, rather too many than too few."""
    total = 3
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = sum(count(part["text"]) for part in parts if part["type"] == "text")
        total += _PER_MESSAGE + texts
        total += price.image_tokens * sum(part["type"] == "image_url" for part in parts)
    return total


def token_counter(model: str) -> Callable[[str], int]:
    """How tokens of a text are counted: with tiktoken where it is installed with its vocabulary, else by
    `prompts.count_tokens`, which lies above it on prompts.
    """
    encoding = _encoding(model)
    count = count_tokens if encoding is None else lambda text: len(encoding.encode_ordinary(text))
    return lru_cache(maxsize=128)(count)  # the rules are in every request


@lru_cache(maxsize=8)
def _encoding(model: str) -> Any:
    try:
        import tiktoken
    except ImportError:
        return None
    try:
        return tiktoken.encoding_for_model(model)
    except KeyError:
        return _encoding("gpt-4o") if model != "gpt-4o" else None
    except OSError:  # it fetches its vocabulary from the network
        return None


def _models(table: Path) -> dict[str, dict[str, Any]]:
    try:
        value = yaml.safe_load(read_text(table, EXPECTED))
    except yaml.YAMLError as error:
        raise KitError(f"{table}: not YAML ({error}); expected {EXPECTED}") from error
    models = value.get("models") if isinstance(value, dict) else None
    defaults = value.get("defaults", {}) if isinstance(value, dict) else None
    if not isinstance(models, dict) or not isinstance(defaults, dict):
        raise KitError(f"{table}: has no 'models' (or its 'defaults' are no options); expected {EXPECTED}")
    for name, given in models.items():
        if not isinstance(given, dict):
            raise KitError(f"{table}: {name} is {given!r}; expected input and output, as in {EXPECTED}")
    return {str(name): {**defaults, **given} for name, given in models.items()}


def _read(given: Mapping[str, Any], where: str) -> Price:
    names = [field.name for field in fields(Price)]
    if not isinstance(given, Mapping):
        raise KitError(f"{where} is {given!r}; expected a table with {', '.join(names)}, such as "
                       '{"input": 2.5, "output": 10}')
    for name, value in given.items():
        if name not in names:
            raise KitError(f"{where}: unknown price {name!r}; known: {', '.join(names)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise KitError(f"{where}: {name} is {value!r}; expected a number of at least 0 (USD per million "
                           "tokens; batch: a share; image_tokens: tokens)")
    if missing := [name for name in ("input", "output") if name not in given]:
        raise KitError(f"{where}: {missing[0]} is missing; expected input and output, USD per million tokens")
    return Price(**given)

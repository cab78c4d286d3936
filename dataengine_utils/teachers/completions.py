"""Chat completions: the body of a request in the form that its server takes, and what a reply says."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..prompts import SCHEMA, first_object, parse
from .failures import Failure
from .prices import Price

FORMATS = ("schema", "object", "none")
REFUSED = "refusal: "  # how the ledger keeps that the model refused, where others have why it stopped
_REASONS = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d))")  # OpenAI's models that think before they write
_ABOUT_FORMAT = re.compile(r"response.?format|json.?schema|json.?object|structured|guided|grammar", re.I)
_UNSPECIFIC = ("", "400", "422", "bad_request", "invalid_request_error", "invalid_request")


@dataclass(frozen=True)
class Form:
    """What a server takes of a request: the format of replies, and how most tokens and temperature go.

    `format` is one of `FORMATS`: replies by JSON schema, as any JSON object, or without a promise.
    """

    format: str = "schema"
    most_tokens: str = "max_tokens"
    temperature: bool = True

    @classmethod
    def of(cls, model: str, format: str = "schema") -> "Form":
        """The form to begin with: reasoning models have another word for the most tokens, and their own
        temperature.
        """
        thinks = bool(_REASONS.search(model))
        return cls(format, "max_completion_tokens" if thinks else "max_tokens", not thinks)

    def to_text(self) -> str:
        """For the ledger's notes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Form | None":
        """The form that was noted; None for none."""
        return cls(**json.loads(text)) if text else None


def narrower(form: Form, failure: Failure, proven: bool) -> Form | None:
    """The form to try after a refusal; None where the refusal is not about the form.

    Once a form is `proven` by a reply, only a refusal that names the form is about it.
    """
    about = f"{failure.param} {failure.told}"
    if failure.kind != "refused":
        return None
    if re.search(rf"\b{form.most_tokens}\b", about) and form.format not in failure.param:
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        return replace(form, most_tokens=other[form.most_tokens]) if "unsupported" in _said(failure) else None
    if form.temperature and "temperature" in about:
        return replace(form, temperature=False)
    named = bool(_ABOUT_FORMAT.search(about))
    unspecific = not failure.param and failure.code in _UNSPECIFIC
    if form.format != "none" and (named or (unspecific and not proven)):
        return replace(form, format=FORMATS[FORMATS.index(form.format) + 1])
    return None


def _said(failure: Failure) -> str:
    return f"{failure.code} {failure.told}".casefold().replace("not supported", "unsupported")


@dataclass(frozen=True)
class Asking:
    """What every request of a teacher has: model, sampling, parameters passed as they are (None: left out).
    """

    model: str
    temperature: float | None
    max_tokens: int
    params: Mapping[str, Any]

    @property
    def most(self) -> int:
        """The most tokens of a reply."""
        given = self.params.get("max_completion_tokens", self.params.get("max_tokens"))
        return int(given) if given is not None else self.max_tokens

    def body(self, messages: Sequence[Mapping[str, Any]], form: Form, *,
             schema: Mapping[str, Any] | None = SCHEMA) -> dict[str, Any]:
        """The request's body; without `schema` any JSON object is a reply."""
        sampling: dict[str, Any] = {form.most_tokens: self.max_tokens}
        if form.temperature and self.temperature is not None:
            sampling["temperature"] = self.temperature
        if form.format == "schema" and schema:
            name = "sample" if schema is SCHEMA else "reply"
            schema_form = {"name": name, "strict": True, "schema": schema}
            sampling["response_format"] = {"type": "json_schema", "json_schema": schema_form}
        elif form.format != "none":
            sampling["response_format"] = {"type": "json_object"}
        if "max_tokens" in self.params or "max_completion_tokens" in self.params:
            sampling.pop(form.most_tokens)
        body = {"model": self.model, "messages": list(messages), **sampling, **self.params}
        return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True)
class Completion:
    """What a reply says and what it used (tokens; `cached` and `written` are part of `prompt`)."""

    text: str
    finish: str
    refusal: str = ""
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0

    @property
    def used(self) -> int | None:
        """All tokens; None where the server does not tell."""
        return self.prompt + self.completion or None

    def cost(self, price: Price, way: str, worst: float) -> float:
        """What it cost (USD); the worst price where the server does not tell what was used."""
        if not self.used:
            return worst
        return price.cost(self.prompt, self.completion, cached=self.cached, written=self.written, way=way)

    @property
    def is_final(self) -> bool:
        """Whether it is the model's last word: a text, a refusal or a filtered reply."""
        return bool(self.text.strip() or self.refusal) or self.finish == "content_filter"

    def error(self, most: int) -> str:
        """Why it has no text; "" where it has one."""
        if self.text.strip():
            return ""
        if self.refusal or self.finish.startswith(REFUSED):
            return f"the model refuses: {self.refusal or self.finish.removeprefix(REFUSED)}"
        if self.finish == "content_filter":
            return "the provider's filter took the text away"
        if self.finish == "length":
            return f"the reply ended at {most} tokens without text; raise teacher_options.max_tokens"
        return "the reply has no text"


def read(body: str | bytes) -> Completion | None:
    """A reply's body; None where it is no JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return completion_of(value) if isinstance(value, dict) else None


def completion_of(value: Mapping[str, Any]) -> Completion:
    """A chat completion's text and usage; whatever is missing or of another kind is empty."""
    choices = value.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    message, usage = _object(choice.get("message")), _object(value.get("usage"))
    details = _object(usage.get("prompt_tokens_details"))
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    refusal = message.get("refusal")
    return Completion(
        content if isinstance(content, str) else "",
        str(choice.get("finish_reason") or ("" if choice else "no choice")),
        refusal if isinstance(refusal, str) else "",
        _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")),
        _count(details.get("cached_tokens")), _count(details.get("cache_write_tokens")),
    )


def is_broken(text: str, schema: Mapping[str, Any] | None) -> bool:
    """Whether a text has none of the JSON that was asked for; a skip in plain words is an answer."""
    return parse(text) == "not readable" if schema is SCHEMA else first_object(text) is None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0

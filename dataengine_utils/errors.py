"""The one error users of the kit should meet: what is wrong, the value, what is allowed, the next command."""


class KitError(ValueError):
    """Something the user can mend. The message says what, the value, what was allowed, what to run next."""


def unknown_name(kind: str, name: object, known: "list[str] | tuple[str, ...]", hint: str = "") -> KitError:
    """The error for a name that no table knows, with the names it does know."""
    text = f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}"
    return KitError(f"{text}. {hint}" if hint else text)

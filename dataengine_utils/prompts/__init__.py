"""The generation prompt as versions: templates, their rendering for a query, and the reading of replies."""

from .data import as_data, count_tokens
from .rendering import Prompt, render
from .replies import PARSE_REASONS, SCHEMA, first_object, parse
from .selection import select_facts
from .templates import BASE_RULES, ROLE, RULES, base_template, candidate_templates, make_template

__all__ = [
    "BASE_RULES", "PARSE_REASONS", "Prompt", "ROLE", "RULES", "SCHEMA", "as_data", "base_template",
    "candidate_templates", "count_tokens", "first_object", "make_template", "parse", "render", "select_facts",
]

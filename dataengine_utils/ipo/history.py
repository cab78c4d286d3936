"""The templates of a run as a tree: what each was made from, how often accepted, how any two differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..artifacts import Iteration, Run
from ..errors import KitError, unknown_name
from ..prompts.templates import texts_of
from ..question_types import type_id
from ..records import Template
from .changes import differences
from .journal import read_acts
from .measures import Share, Tried
from .outcome import history_of
from .state import replay


@dataclass(frozen=True)
class Node:
    """A template of a run: the iterations that tried it with its acceptance in each, and those it was chosen
    in.
    """

    template: Template
    tried: dict[int, Tried]
    chosen: tuple[int, ...]


def gather_templates(earlier: Iterable[Template], tried: Iterable[Tried]) -> list[Template]:
    """The history that an iteration hands on: the earlier templates, then those it tried, each once."""
    found = {template.id: template for template in earlier}
    for one in tried:
        found.setdefault(one.template.id, one.template)
    return list(found.values())


def run_history(run: Run) -> dict[str, Node]:
    """All templates that the sessions of a run tried, by id, in order; also those of a session under way."""
    templates: dict[str, Template] = {}
    tried: dict[str, dict[int, Tried]] = {}
    chosen: dict[str, list[int]] = {}
    for iteration in run.iterations():
        for template in iteration.load("templates") if iteration.has("templates") else ():
            templates.setdefault(template.id, template)
        for one in _session_of(iteration):
            templates.setdefault(one.template.id, one.template)
            tried.setdefault(one.template.id, {})[iteration.number] = one
        if iteration.has("template"):
            template = iteration.load("template")
            templates.setdefault(template.id, template)
            chosen.setdefault(template.id, []).append(iteration.number)
    if not templates:
        raise KitError(f"run {str(run.path)!r} has tried no template yet; run notebook "
                       "04_prompt_optimization")
    return {name: Node(template, tried.get(name, {}), tuple(chosen.get(name, ())))
            for name, template in templates.items()}


def find(nodes: Mapping[str, Node], name: str) -> Template:
    """The template whose id begins so; `KitError` where none or more than one does."""
    found = [node.template for key, node in nodes.items() if key.startswith(name)]
    if len(found) != 1:
        kind = "template (more than one begins so)" if found else "template"
        raise unknown_name(kind, name, list(nodes))
    return found[0]


def tree_text(nodes: Mapping[str, Node], by_type: bool = False) -> str:
    """The tree as text: a line a template, children below their parent, acceptance with 95 % intervals."""
    return "\n".join(line for node, depth in walk(nodes) for line in _node_lines(node, depth, by_type))


def walk(nodes: Mapping[str, Node]) -> Iterator[tuple[Node, int]]:
    """The nodes with their depth, every parent before its children.

    A template that was there before its parent (a candidate that is word for word what the start had been
    made from) is a root: the tree has no circles.
    """
    children: dict[str, list[Node]] = {}
    earlier: set[str] = set()
    for name, node in nodes.items():
        parent = node.template.parent
        children.setdefault(parent if parent in earlier else "", []).append(node)
        earlier.add(name)

    def below(name: str, depth: int) -> Iterator[tuple[Node, int]]:
        for node in children.get(name, ()):
            yield node, depth
            yield from below(node.template.id, depth + 1)

    return below("", 0)


def difference_text(one: Template, other: Template) -> str:
    """What changes from one template to the other, a line each: "-" goes, "+" comes."""
    lines = [f"- {one.id}  {one.note}".rstrip(), f"+ {other.id}  {other.note}".rstrip(), ""]
    return "\n".join(lines + [f"{line.sign} {'' if line.part == 'rule' else line.part + ': '}{line.text}"
                              for line in differences(one, other)])


def template_text(template: Template) -> str:
    """A template as plain text, with all its words."""
    texts = texts_of(template)
    rules = [f"{number}. {rule}" for number, rule in enumerate(template.rules, start=1)]
    definitions = [f"{name}: {template.definitions[name]}" for name in
                   sorted(template.definitions, key=lambda name: (type_id(name) or 99, name))]
    parts: Sequence[tuple[str, list[str]]] = (
        ("Role", [template.role]), ("Rules", rules), ("Question types", definitions),
        ("Facts", [texts["data"]]), ("Examples", [texts["examples"]]), ("Task", [texts["task"]]),
        ("Reply", [texts["output"]]),
    )
    head = f"Template {template.id}" + (f", made from {template.parent}" if template.parent else "")
    body = [f"{title}\n" + "\n".join(lines) for title, lines in parts]
    return "\n\n".join([head + (f"\n{template.note}" if template.note else ""), *body]) + "\n"


def export_text(nodes: Mapping[str, Node]) -> str:
    """The whole history as plain text: the tree, then every template with what it changes in its parent."""
    parts = [tree_text(nodes, by_type=True)]
    for node, _ in walk(nodes):
        parent = nodes.get(node.template.parent)
        text = template_text(node.template)
        if parent is not None and parent.template.id != node.template.id:
            text += f"\nChanged\n{difference_text(parent.template, node.template)}\n"
        parts.append(text)
    return ("\n" + "=" * 80 + "\n\n").join(part.rstrip("\n") + "\n" for part in parts)


def _session_of(iteration: Iteration) -> tuple[Tried, ...]:
    acts = read_acts(iteration.path_of("session"))
    return history_of(replay(acts)) if acts else ()


def _node_lines(node: Node, depth: int, by_type: bool) -> Iterator[str]:
    template, indent = node.template, "  " * depth
    marks = [f"chosen in iteration {number}" for number in node.chosen]
    yield f"{indent}{template.id}  {template.note or '–'}" + (f"  [{', '.join(marks)}]" if marks else "")
    for number, one in node.tried.items():
        yield f"{indent}    iteration {number}: accepted {one.accepted}, {one.fate}"
        if by_type:
            yield from (f"{indent}        {name}: {share}" for name, share in _in_order(one.by_type))


def _in_order(by_type: Mapping[str, Share]) -> list[tuple[str, Share]]:
    return sorted(by_type.items(), key=lambda entry: (type_id(entry[0]) or 99, entry[0]))

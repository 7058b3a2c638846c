"""Resolves style sheets of drawings into attributes, as far as their selectors are simple. Pure.

Selectors may use names, classes, ids and attributes, one inside or directly inside another. Others (`:hover`, `+`) match
nothing: they seldom affect a drawing at rest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from msgspec import Struct

MOST_RULES = 10_000
MOST_DECLARATIONS = 200_000
"""Most rules. A block counts once for each of its selectors."""
MOST_STEPS = 3_000_000
"""Most steps for one drawing: comparisons of an element with a rule and its surroundings, and declarations."""
_BOUND = re.compile("[{};]")
_SHOWN_BLOCK = re.compile(r"@(?:media\s+(?:all|screen)|layer)\b")
_FONT = re.compile(r"((?:[a-z0-9-]++\s++)*?)([\d.]++(?:px|pt|em|mm|%)?)(?:\s*+/\s*+[\d.]++\w*+)?+\s++([^\d\s].*)")
_STEP = re.compile(r"(\*|[\w-]+)?((?:[.#][\w-]+|\[[^\]]*\])*)")
_PIECE = re.compile(r"([.#])([\w-]+)|\[\s*([\w:-]+)\s*(?:=\s*[\"']?([^\"'\]]*)[\"']?\s*)?\]")


class _Step(Struct, frozen=True):
    tag: str
    id: str
    classes: frozenset[str]
    attributes: tuple[tuple[str, str | None], ...]
    is_right_inside: bool
    """Its relation to the step before."""

    def matches(self, element: Element) -> bool:
        return (
            self.tag in ("", "*", element.tag)
            and (not self.id or element.get("id") == self.id)
            and (not self.classes or self.classes <= set((element.get("class") or "").split()))
            and all(element.get(key) == value if value is not None else key in element.attrib for key, value in self.attributes)
        )

    @property
    def weight(self) -> tuple[int, int, int]:
        return bool(self.id), len(self.classes) + len(self.attributes), self.tag not in ("", "*")


class _Rule(Struct, frozen=True):
    steps: tuple[_Step, ...]
    """Steps of the selector, the outermost first."""
    weight: tuple[int, int, int]
    declared: tuple[tuple[str, str], ...]


def inline(root: Element, known: frozenset[str]) -> bool:
    """Turn style sheets and `style` attributes into attributes of the elements, in the order of CSS.

    known: properties that are attributes too; others are left out. Style sheets are removed, and elements are changed. Returns
    False if it would take more than MOST_STEPS: the rest is then left out.
    """
    sheets = list(root.iter("style"))
    rules = _rules("\n".join("".join(sheet.itertext()) for sheet in sheets))
    by_key: dict[str, list[tuple[int, _Rule]]] = defaultdict(list)
    for place, rule in enumerate(rules):
        by_key[_key(rule.steps[-1])].append((place, rule))
    waiting: list[tuple[Element, tuple[Element, ...]]] = [(root, ())]
    left = MOST_STEPS
    while waiting:
        element, above = waiting.pop()
        left -= _style(element, above, by_key if left > 0 else {}, known)
        inside = (*above, element)
        waiting += [(child, inside) for child in reversed(element)]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "style":
                parent.remove(child)
    return left > 0


def _style(
    element: Element, above: tuple[Element, ...], by_key: dict[str, list[tuple[int, _Rule]]], known: frozenset[str]
) -> int:
    """Apply the rules to an element. Returns the number of steps it took."""
    keys = ["", f"#{element.get('id')}", element.tag, *(f".{name}" for name in (element.get("class") or "").split())]
    asked = [one for key in dict.fromkeys(keys) for one in by_key.get(key, ())]
    found = [(rule.weight, place, rule) for place, rule in asked if _matches(rule.steps, element, above)]
    found.sort(key=lambda one: one[:2])
    own = _declarations(element.attrib.pop("style", ""))
    declared = [*(pair for _, _, rule in found for pair in rule.declared), *own]
    important = {}
    for name, value in declared:
        if name not in known:
            continue
        plain = value.removesuffix("!important").rstrip()
        if plain != value:
            important[name] = plain
        element.set(name, plain)
    element.attrib.update(important)
    return len(asked) * (1 + len(above)) + len(declared)


def _key(step: _Step) -> str:
    if step.id:
        return f"#{step.id}"
    if step.classes:
        return f".{min(step.classes)}"
    return "" if step.tag == "*" else step.tag


def _matches(steps: tuple[_Step, ...], element: Element, above: tuple[Element, ...]) -> bool:
    """Whether a selector matches. From each step outwards only the nearest ancestor that fits is tried, so that none takes
    long.
    """
    if not steps[-1].matches(element):
        return False
    place = len(above)
    for inner, outer in zip(reversed(steps), list(reversed(steps))[1:], strict=False):
        place -= 1
        while place >= 0 and not outer.matches(above[place]):
            if inner.is_right_inside:
                return False
            place -= 1
        if place < 0:
            return False
    return True


def _rules(sheet: str) -> list[_Rule]:
    """The rules of a style sheet, up to MOST_RULES."""
    rules: list[_Rule] = []
    left = MOST_DECLARATIONS
    for selectors, body in _blocks(_without_comments(sheet)):
        declared = tuple(_declarations(body))
        for selector in selectors.split(",", MOST_RULES)[:MOST_RULES] if declared else ():
            if len(rules) == MOST_RULES or left < len(declared):
                return rules
            steps = _steps(selector.strip())
            if steps:
                left -= len(declared)
                weights = [step.weight for step in steps]
                rules.append(_Rule(steps, tuple(map(sum, zip(*weights, strict=True))), declared))  # type: ignore[arg-type]
    return rules


def _without_comments(sheet: str) -> str:
    before, *comments = sheet.replace("<!--", "").replace("-->", "").split("/*")
    return " ".join((before, *(comment.partition("*/")[2] for comment in comments)))


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations of each block. Of nested blocks the inner ones; of blocks with an @ those for screens."""
    start = 0
    selectors: str | None = None
    hidden = 0
    """depth inside blocks that do not count"""
    for bound in _BOUND.finditer(sheet):
        if hidden:
            hidden += (bound[0] == "{") - (bound[0] == "}")
        elif bound[0] == "{":
            selectors = sheet[start : bound.start()].strip()
            if selectors.startswith("@"):
                hidden = not _SHOWN_BLOCK.match(selectors)
                selectors = None
        elif bound[0] == "}":
            if selectors is not None:
                yield selectors, sheet[start : bound.start()]
            selectors = None
        elif selectors is not None:
            continue  # between declarations
        start = bound.end()


def _declarations(body: str) -> Iterable[tuple[str, str]]:
    for declaration in body.split(";"):
        name, colon, value = declaration.partition(":")
        if not colon or not value.strip():
            continue
        yield name.strip().lower(), value.strip()
        if name.strip().lower() == "font":
            yield from _font(value.strip())


def _font(shorthand: str) -> Iterable[tuple[str, str]]:
    """The properties that `bold 20px/1.2 sans-serif` stands for."""
    found = _FONT.fullmatch(shorthand)
    if found is None:
        return
    words = found[1].split()
    yield "font-style", next((word for word in words if word in ("italic", "oblique")), "normal")
    yield "font-weight", next((word for word in words if word in ("bold", "bolder") or word.isdigit()), "normal")
    yield "font-size", found[2]
    yield "font-family", found[3]


def _steps(selector: str) -> tuple[_Step, ...] | None:
    """A selector; None if it is not supported."""
    steps = []
    is_right_inside = False
    for word in selector.replace(">", " > ").split():
        if word == ">":
            is_right_inside = True
            continue
        found = _STEP.fullmatch(word.removeprefix(":root") or "svg")
        if found is None:
            return None
        pieces = _PIECE.findall(found[2])
        steps.append(
            _Step(
                found[1] or "",
                next((name for sign, name, _, _ in pieces if sign == "#"), ""),
                frozenset(name for sign, name, _, _ in pieces if sign == "."),
                tuple((key.rpartition(":")[2], value or None) for _, _, key, value in pieces if key),
                is_right_inside,
            )
        )
        is_right_inside = False
    return tuple(steps)

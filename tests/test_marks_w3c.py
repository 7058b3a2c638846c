"""Marks as Web Annotations and as annotation pages of IIIF: what others read of them, and what stays out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from marked_pages import AT_MS, BODIES, STRUCK, marks
from msgspec.structs import replace

from sidebooks_core.marks import Anchor, Highlight, Ink, Mark, Note, PlacedMark
from sidebooks_core.marks.w3c import (
    AROUND,
    IIIF_CONTEXT,
    OWN_CONTEXT,
    W3C_CONTEXT,
    Canvas,
    annotation,
    annotation_page,
    page_reference,
    text_quote,
)

BASE = "https://example.org/presentation/3/doc"
CANVAS = Canvas(f"{BASE}/canvas/1", 600, 800, 2.0)
ADDRESS = f"{BASE}/canvas/1/mark/1"
SVG = "{http://www.w3.org/2000/svg}"


def told(body: object, canvas: Canvas = CANVAS, **changes: object) -> dict[str, Any]:
    mark = replace(marks(bodies=(body,))[0], **changes)  # type: ignore[arg-type]
    return annotation(PlacedMark(mark, "exact", 0), canvas, ADDRESS, "山田 花子")


def selectors(body: object, canvas: Canvas = CANVAS, **changes: object) -> list[dict[str, str]]:
    found: list[dict[str, str]] = told(body, canvas, **changes)["target"]["selector"]
    return found


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (BODIES[1], "xywh=40,80,240,40"),
        (BODIES[2], "xywh=40,140,240,40"),
        (BODIES[3], "xywh=320,80,40,200"),
        (STRUCK[0], "xywh=40,140,240,40"),
        (BODIES[4], "xywh=88,208,64,64"),
        (BODIES[5], "xywh=198,218,44,44"),
        (Highlight(((-5, -5, 2, -5, -5, 900, 2, 900),), "#ffff00"), "xywh=0,0,4,800"),
        (Highlight(((900, 900, 950, 900, 900, 950, 950, 950),), "#ffff00"), "xywh=599,799,1,1"),
    ],
)
def test_what_is_a_rectangle_is_told_as_one(body: object, value: str) -> None:
    (selector,) = selectors(body)
    assert selector == {"type": "FragmentSelector", "conformsTo": "http://www.w3.org/TR/media-frags/", "value": value}


def paths(selector: dict[str, str]) -> list[dict[str, str]]:
    assert selector["type"] == "SvgSelector"
    drawing = ElementTree.fromstring(selector["value"])
    assert (drawing.tag, drawing.get("width"), drawing.get("height")) == (f"{SVG}svg", "600", "800")
    return [one.attrib for one in drawing.iter(f"{SVG}path")]


def test_ink_is_a_line_in_units_of_the_canvas() -> None:
    (path,) = paths(selectors(BODIES[0])[0])
    assert (path["d"], path["stroke"], path["stroke-width"], path["fill"]) == (
        "M 40 40 L 120 40 L 200 40",
        "#ff8000",
        "8",
        "none",
    )
    (dot,) = paths(selectors(Ink(((10.25, 20, 0.5),), 3, "#000000"))[0])
    assert dot["d"] == "M 20.5 40 L 20.5 40"


@pytest.mark.parametrize(
    "quads",
    [
        ((20, 40, 140, 40, 20, 60, 140, 60), (20, 60, 90, 60, 20, 80, 90, 80)),
        ((20, 40, 140, 50, 18, 60, 138, 70),),
    ],
    ids=["two lines", "slanting"],
)
def test_what_is_no_rectangle_is_a_drawing(quads: tuple[Any, ...]) -> None:
    (path,) = paths(selectors(Highlight(quads, "#ffff00"))[0])
    assert path["d"].count("M") == path["d"].count("Z") == len(quads)
    assert path["d"].startswith("M 40 80 L 280")


def test_a_bookmark_is_of_the_whole_canvas() -> None:
    found = told(BODIES[6])
    assert found["target"] == CANVAS.id
    assert found["motivation"] == ["bookmarking", "commenting"]


def test_a_quote_is_told_with_what_is_around_it() -> None:
    text = "あ" * 40 + "令和8年度予算" + "い" * 40
    anchor = Anchor(1, 0, "0" * 32, "令和8年度予算")
    rectangle, quote = selectors(BODIES[1], replace(CANVAS, text=text), anchor=anchor)
    assert rectangle["type"] == "FragmentSelector", "clients take the first one that they know"
    assert quote == {"type": "TextQuoteSelector", "exact": anchor.quote, "prefix": "あ" * AROUND, "suffix": "い" * AROUND}


@pytest.mark.parametrize("text", ["", "別の文", "予算と予算"], ids=["unknown", "not there", "twice"])
def test_a_quote_whose_place_is_not_known_stands_alone(text: str) -> None:
    assert text_quote("予算", text) == {"type": "TextQuoteSelector", "exact": "予算"}


def test_a_quote_over_two_lines_is_found() -> None:
    found = text_quote("令和8年度 予算", "前文\n令和8\n年度予算 案")
    assert (found["prefix"], found["suffix"]) == ("前文\n", " 案")


def test_the_words_the_author_and_the_times_are_told() -> None:
    found = told(BODIES[5])
    assert found["body"] == [{"type": "TextualBody", "value": BODIES[5].text, "format": "text/plain", "purpose": "commenting"}]  # type: ignore[union-attr]
    assert found["creator"] == {"type": "Person", "name": "山田 花子"}
    assert found["modified"] == "2025-11-24T16:00:00Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["created"])
    assert AT_MS // 1000 == 1_764_000_000


def test_a_page_of_the_pdf_is_a_second_target() -> None:
    found = told(BODIES[1], replace(CANVAS, file="https://example.org/papers/p/original"))
    assert [one["source"] for one in found["target"]] == [CANVAS.id, "https://example.org/papers/p/original"]
    assert found["target"][1]["selector"][0]["value"] == "page=1"


def test_who_sees_it_and_the_device_and_the_owners_id_stay_out() -> None:
    anchor = Anchor(1, 0, "f" * 32)
    changes = {"visibility": "collected", "meeting": "the-meeting", "owner": "owner-7", "anchor": anchor}
    for body in (*BODIES, *STRUCK):
        written = json.dumps(told(body, **changes))
        assert not [one for one in ("collected", "the-meeting", "owner-7", '"pad"', "visibility") if one in written]
        assert "f" * 32 in written


def placed(given: list[Mark]) -> list[PlacedMark]:
    return [PlacedMark(one, "exact", number % 2) for number, one in enumerate(given)]


def test_an_annotation_page_holds_the_marks_of_its_canvas() -> None:
    deleted = replace(marks("anna")[0], body=None)
    removed = PlacedMark(marks("anna")[1], "removed", None)
    given = [*placed(marks("anna")), PlacedMark(deleted, "exact", 0), removed]
    found = annotation_page(f"{CANVAS.id}/marks", given, {0: CANVAS}, {"anna": "山田"}, for_iiif=True)
    assert [one["id"].rpartition("/")[2] for one in found["items"]] == [one.id for one in marks()[::2]]  # type: ignore[attr-defined]
    assert found["@context"] == [W3C_CONTEXT, IIIF_CONTEXT]


def test_a_document_of_annotations_explains_its_own_word() -> None:
    canvases = {0: CANVAS, 1: replace(CANVAS, id=f"{BASE}/canvas/2")}
    found = annotation_page(f"{BASE}/marks.json", placed(marks()), canvases, {}, for_iiif=False)
    assert found["@context"] == [W3C_CONTEXT, OWN_CONTEXT]
    items: Any = found["items"]
    assert len(items) == len(BODIES)
    assert not [one for one in items if "creator" in one]


W3C_SHAPE = {
    "type": "object",
    "required": ["id", "type", "target"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "format": "uri", "pattern": "^https?:"},
        "type": {"const": "Annotation"},
        "motivation": {
            "type": "array",
            "minItems": 1,
            "items": {"enum": ["bookmarking", "editing", "commenting", "highlighting", "tagging"]},
        },
        "created": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "modified": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "creator": {
            "type": "object",
            "required": ["type", "name"],
            "properties": {"type": {"const": "Person"}, "name": {"type": "string", "minLength": 1}},
        },
        "body": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "value"],
                "properties": {
                    "type": {"const": "TextualBody"},
                    "value": {"type": "string"},
                    "format": {"const": "text/plain"},
                    "purpose": {"enum": ["commenting", "tagging"]},
                },
            },
        },
        "contentId": {"type": "string"},
        "target": {"anyOf": [{"$ref": "#/$defs/one"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/one"}}]},
    },
    "$defs": {
        "one": {
            "anyOf": [
                {"type": "string", "pattern": "^https?:"},
                {
                    "type": "object",
                    "required": ["type", "source", "selector"],
                    "properties": {
                        "type": {"const": "SpecificResource"},
                        "source": {"type": "string", "pattern": "^https?:"},
                        "selector": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/selector"}},
                    },
                },
            ]
        },
        "selector": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": ["FragmentSelector", "SvgSelector", "TextQuoteSelector"]}},
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": "TextQuoteSelector"}}},
                    "then": {"required": ["exact"]},
                    "else": {"required": ["value"]},
                }
            ],
        },
    },
}
"""The parts of the Web Annotation Data Model that marks use (https://www.w3.org/TR/annotation-model/, sections 3 and 4)."""


def test_every_annotation_fits_the_data_model_of_the_w3c() -> None:
    anchor = Anchor(1, 0, "f" * 32, "予算")
    canvas = replace(CANVAS, file="https://example.org/papers/p/original", text="補正予算案")
    validator = jsonschema.validators.validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema"})(W3C_SHAPE)
    for body in (*BODIES, *STRUCK):
        found = told(body, canvas, anchor=anchor)
        assert [str(one.message) for one in validator.iter_errors(found)] == []
        assert list(validator.iter_errors({**found, "target": []})), "the shape sees a fault"


def test_a_manifest_with_annotation_pages_fits_the_schema_of_iiif(corpus: Path) -> None:
    schema = json.loads((corpus.parent / "conformance" / "iiif_presentation_3.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    page = annotation_page(f"{CANVAS.id}/marks", placed(marks()), {0: CANVAS, 1: CANVAS}, {}, for_iiif=True)
    canvas: dict[str, object] = {
        "id": CANVAS.id,
        "type": "Canvas",
        "width": CANVAS.width,
        "height": CANVAS.height,
        "items": [{"id": f"{CANVAS.id}/page", "type": "AnnotationPage", "items": []}],
        "annotations": [page_reference(f"{CANVAS.id}/marks")],
    }
    manifest: dict[str, object] = {
        "@context": IIIF_CONTEXT,
        "id": f"{BASE}/manifest.json",
        "type": "Manifest",
        "label": {"none": ["x"]},
        "items": [canvas],
    }
    assert [one.message for one in validator.iter_errors(manifest)] == []
    canvas["annotations"] = [page]
    assert [one.message for one in validator.iter_errors(manifest)] == []
    page["items"] = [{"type": "Annotation"}]
    assert list(validator.iter_errors(manifest)), "the schema sees a fault"


def test_a_deleted_mark_is_no_annotation() -> None:
    deleted = replace(marks(bodies=(Note(1, 1, "x", "#000000"),))[0], body=None)
    with pytest.raises(ValueError, match="deleted"):
        annotation(PlacedMark(deleted, "exact", 0), CANVAS, ADDRESS)

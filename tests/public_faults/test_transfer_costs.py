"""What transfer functions cost: nothing is read again for being named again, and what is too much is told."""

from __future__ import annotations

import pytest
from identity_documents import stream
from test_draw import one_page
from transfer_files import (
    FORM_RESOURCES,
    INVERTS,
    RAMP,
    SETS,
    SHOWS,
    TYPE_3,
    drawn,
    form,
    is_transfer_told,
)

from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.engine.transfer import applying as transfer


@pytest.mark.parametrize(("depth", "is_told"), [(transfer.DEEPEST, False), (transfer.DEEPEST + 1, True)])
def test_forms_too_deep_for_a_transfer_function_are_told(depth: int, *, is_told: bool) -> None:
    def within(number: int) -> bytes:
        return form(b"/Y Do", f"/Resources<</XObject<</Y {number + 1} 0 R>>>>")

    forms = {number: within(number) for number in range(20, 19 + depth)} | {19 + depth: SETS}
    assert is_transfer_told(b"/Fm Do", {11: forms[20], **forms}) == is_told


def test_more_forms_than_are_rewritten_for_a_transfer_function_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST_FORMS", 3)
    colours = [b"0 %d 0 rg /Fm Do" % number for number in range(5)]
    assert is_transfer_told(b" ".join(colours), {11: SETS}), "each colour is a rewriting"
    assert not is_transfer_told(b" ".join(colours[:3]), {11: SETS})
    assert not is_transfer_told(b"/G gs " + b" ".join(colours)), "this form asks for no colour, and is rewritten once"


def test_a_large_form_is_read_for_a_transfer_function_in_few_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST_TOKENS", 100)
    large = form(b"/G gs 0 0 5 5 re f " + b"q Q " * 5, FORM_RESOURCES)
    states = [b"0 0 %d rg /Fm Do" % number for number in range(4)]
    assert not is_transfer_told(b" ".join(states[:2]), {11: large})
    assert is_transfer_told(b" ".join(states), {11: large})


def counted(monkeypatch: pytest.MonkeyPatch, function: str) -> list[object]:
    """Grows by one with each call of a function of the engine from now on."""
    calls: list[object] = []
    ours = getattr(mupdf, function)
    monkeypatch.setattr(mupdf, function, lambda *given: calls.append(given) or ours(*given))
    return calls


def test_work_for_a_transfer_function_does_not_grow_with_its_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated, read = counted(monkeypatch, "ll_pdf_load_function"), counted(monkeypatch, "pdf_load_stream")
    is_transfer_told(b"q /G gs Q " * 50 + b"0 0 1 rg /Fm Do 0 1 0 rg /Fm Do /G gs /Fm Do 1 0 0 rg /Fm Do")
    assert len(evaluated) == 2, "for whether the page is to be rewritten, and for rewriting it"
    assert len(read) == 3, "the page; the form, for whether it names anything, and with the function; else it stays as it is"
    tried = []
    monkeypatch.setattr(transfer, "transferred", lambda *_: tried.append(1))
    assert is_transfer_told(b"/G gs " + b"/Fm Do " * 50, {11: RAMP})
    assert len(tried) == 1, "an image that cannot be read"


def test_a_dictionary_that_forms_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms by the hundred, each with resources of its own, may name the same thousands."""
    forms = {number: form(b"/X0 Do", "/Resources<</XObject 11 0 R>>") for number in range(20, 50)}
    shared = "".join(f"/X{number} 10 0 R" for number in range(100))
    more = {10: form(b"", "/Resources<</Font<</F 5 0 R>>>>"), 11: f"<<{shared}>>".encode(), **forms}
    read = counted(monkeypatch, "ll_pdf_dict_get_val")
    drawn(one_page(b"", "/XObject<<" + "".join(f"/F{number} {number} 0 R" for number in forms) + ">>", more=more))
    # Three walks at most: the last one is for fonts, if one was replaced in this process before.
    assert len(read) < 3 * (len(forms) + 100), "and not as often as there are forms"


def test_forms_that_share_the_names_of_the_page_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many programs write them."""
    forms = {number: form(b"0 0 5 5 re f", "/Resources 12 0 R") for number in range(20, 70)}
    shared = "<</ExtGState<</G<</TR 10 0 R>>>>/XObject<<" + "".join(f"/F{number} {number} 0 R" for number in forms) + ">>>>"
    page = b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources 12 0 R>>"
    content = b"/G gs " + b" ".join(b"/F%d Do" % number for number in forms)
    read = counted(monkeypatch, "ll_pdf_dict_get_val")
    _, told = drawn(one_page(content, more={3: page, 10: INVERTS, 12: shared.encode(), **forms}))
    assert not told
    assert len(read) < 3 * len(forms), "and not as often as there are forms"


def test_resources_that_lead_to_themselves_through_what_lies_in_them_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fonts = "".join(f"/T{number}<</Subtype/Type3/Resources 11 0 R>>" for number in range(3))
    read = counted(monkeypatch, "ll_pdf_dict_get_val")
    more = {11: f"<</Font<<{fonts}>>>>".encode(), 12: form(b"", "/Resources 11 0 R")}
    _, told = drawn(one_page(b"", "/XObject<</A 12 0 R>>", more=more))
    assert not told
    assert len(read) < 20


def test_glyphs_and_functions_that_are_named_often_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, evaluated = counted(monkeypatch, "pdf_open_stream"), counted(monkeypatch, "ll_pdf_load_function")
    glyphs = "".join(f"/g{number} 21 0 R" for number in range(50))
    font = TYPE_3.replace(b"/CharProcs<<", b"/CharProcs<<" + glyphs.encode())
    states = "".join(f"/S{number}<</TR[10 0 R 10 0 R 10 0 R 10 0 R]>>" for number in range(9))
    resources = f"/Font<</T 13 0 R>>/ExtGState<</G<</TR 10 0 R>>{states}>>"
    glyph = stream("", b"1 0 0 0 1 1 d1 0 0 1 1 re f" + b" " * 5_000)
    _, told = drawn(one_page(b"/G gs " + SHOWS, resources, more={10: INVERTS, 13: font, 21: glyph}))
    assert not told
    assert len(begun) == 1
    assert len(evaluated) == 2, "for whether the page is to be rewritten, and for rewriting it"

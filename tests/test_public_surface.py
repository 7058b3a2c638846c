"""What applications may rely on, exactly: a name that goes, or comes unnoticed, fails here, and so does a parameter.

A change of these tables is a change of the contract. Names that begin with an underscore are nobody's business.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from types import ModuleType

import msgspec
import pytest

import sidebooks_core as sb
from sidebooks_core import access, marks, server, shelf, testing

ERROR = "document_id message page"
SURFACE: dict[str, str] = {
    # By public class: methods, properties, fields, and what an instance has besides.
    "Attachment": "media_type name size_bytes",
    "DamagedDocument": ERROR,
    "Document": "attachments content_id content_ids data direction id info inspect is_likely_stored kind known_content_id "
    "metadata name outline page_count pages problems pyramid ref require_page search title trust_domain withdrawn",
    "DocumentError": ERROR,
    "DocumentInspection": "attachments fonts_not_embedded heaviest kind largest_image page_count pages repaired report to_wire",
    "DocumentTooLarge": ERROR,
    "FontUse": "collection is_embedded kind name replaced_by",
    "ImageUse": "codec coverage height_px width_px",
    "Latency": "count max_s median_s p95_s p99_s total_count total_s",
    "Lease": "release",
    "Leases": "advance mark try_acquire wait",
    "Level": "area_px columns height_px index raster rect_px require_tile rows scale size_px tile_px tile_rect tiles_in "
    "width_px",
    "Link": "page uri x0_pt x1_pt y0_pt y1_pt",
    "Opening": "direction name trust_domain",
    "MatchOptions": "match_case old_forms whole_words",
    "Metadata": "author created creator keywords modified producer subject title",
    "OutlineItem": "level page title uri",
    "NotOnShelf": ERROR,
    "PageBox": "height_pt page width_pt",
    "PageError": ERROR,
    "PageImages": "close next_future",
    "PageInfo": "content_id document height_pt image index label links native_px text width_pt words",
    "PageInspection": "draw_s error fonts images is_scan page problems warnings",
    "PageNotFound": ERROR,
    "PagePoint": "page x_pt y_pt",
    "PageSize": "fit_px height_px image_format width_px",
    "PageView": "errors images is_sharp page pages placements problems resolution to_page to_view zoom",
    "PasswordRequired": ERROR,
    "PlacedImage": "box_view data height_view is_coarse media_type page tile width_view x0_view y0_view",
    "Placement": "box page rung scale to_pt to_view x0_view y0_view",
    "PrerenderProgress": "documents documents_done pages pages_done",
    "PrerenderedDocument": "document error is_whole report source",
    "PrerenderReport": "failed pages problems rendered stored_already",
    "Prerendering": "executor fit_px progress sizes",
    "Priority": "BULK IDLE NEXT PAGE PREVIEW VISIBLE",
    "Pyramid": "finest height_pt level level_for_scale levels of_page screen_level width_pt",
    "QueueFull": ERROR,
    "Raster": "area_px columns height_px rect_px require_tile rows scale size_px tile_px tile_rect tiles_in width_px",
    "Reader": "close deadline_s document jump on_refined page pan resize turn turn_to view wait_previews wait_sharp zoom",
    "ReaderLoop": "add close",
    "Record": "cost_s data is_preview tag",
    "RectPt": "height_pt to_px width_pt x0_pt x1_pt y0_pt y1_pt",
    "RectPx": "area_px height_px intersection to_pt width_px x0_px x1_px y0_px y1_px",
    "RenderFailed": ERROR,
    "RenderTimeout": ERROR,
    "RequestDropped": ERROR,
    "RequestError": ERROR,
    "SearchHit": "boxes page text",
    "ServiceClosed": ERROR,
    "Settings": "cache_dir disk_bytes display_list_bytes document_bytes document_pages encryption_key facts_bytes font_dirs "
    "image_format image_pixels isolation member_bytes memory_bytes open_timeout_s outline_depth outline_items page_words "
    "preview_bytes quality queue_jobs raster_pixels render_timeout_s worker_bytes workers",
    "SidebooksError": ERROR,
    "SizePx": "area_px height_px long_px width_px",
    "Sizes": "heights_px levels spread widths_px",
    "SpreadRule": "cover_alone landscape_alone pairs unequal_alone",
    "Statistics": "disk_bytes disk_damaged disk_hits disk_write_failures dropped_writes drops failures in_flight joins latency "
    "memory_bytes memory_hits misses prefetch_wasted_bytes prefetched_bytes queued renders worker_deaths",
    "StoreStatistics": "bytes damaged records write_failures",
    "Submitting": "image_format priority",
    "Tile": "data etag extension height_px image media_type pixels problems save width_px",
    "TileService": "close images inspect is_closed iter_search links open page_image parts prerender prerender_all purge "
    "reader region_image require_open search settings statistics submit submit_links submit_open submit_page_image "
    "submit_region_image submit_search submit_text text tile worker_process_ids",
    "TileStore": "close contains delete get leases purge put reopener scrub statistics",
    "UnsupportedDocument": ERROR,
    "Word": "block line text x0_pt x1_pt y0_pt y1_pt",
}
ALIASES = "Direction Fit Given ImageFormat ProgressCallback"
"""Names of types that stand in public signatures."""
PARAMETERS: dict[str, str] = {
    # By class, for whose methods an application writes most: method(parameters), with `*` before those that are named.
    "TileService": """
        close() images(document pages * width_px height_px fit_px image_format) inspect(document progress)
        iter_search(document query * progress matching) links(document page)
        page_image(document page * width_px height_px fit_px image_format)
        open(source password * name direction trust_domain)
        prerender(document pages progress * fit_px sizes executor)
        prerender_all(sources progress * password fit_px sizes executor) purge(document * positions)
        reader(document view_px spread * fit deadline_s resume) region_image(document page region_pt width_px * image_format)
        require_open() search(document query * limit matching) statistics()
        submit(document page level column row asked) submit_links(document page) submit_open(source password options)
        submit_page_image(document page * width_px height_px fit_px asked)
        submit_region_image(document page region_pt width_px asked) submit_search(document query * limit matching)
        submit_text(document page) text(document page) tile(document page level column row * image_format)
        worker_process_ids()
    """,
    "Reader": """
        close() jump(target) pan(right_view down_view) resize(view_px fit) turn(by) turn_to(page) view()
        wait_previews(timeout_s) wait_sharp(timeout_s) zoom(zoom centre_pt page)
    """,
}
SERVER = "Allowed Application Operation Problem Registered ServerLimits ServerOptions Shelf"
SHELF = (
    "Actor BroughtIn Change Exported Folder FolderChanges Found Noticed PageChange PageHit Paper PaperChanges PendingPurges "
    "Progress Revision Shelf Shown Watch Where"
)
SHELF_METHODS = """
    back_up(target * more) bring_in(source folder * who)
    change(paper_id * who changes) change_folder(folder * who changes) changes(since limit) close()
    diff(paper_id old new) document(paper_id revision) epoch() export(target folder * all_revisions passwords)
    folder(folder_id) folders(parent) keep_position(paper_id page reader * revision age_s)
    make_folder(name parent * kind note who) marks(paper * owner) paper(paper_id) papers(folder * withdrawn) pending_purges()
    placed_marks(paper_id marks revision) progress(paper_id)
    position(paper_id reader) purge(paper_id * who) rebuild_index() register(source folder * password who revision_note shown)
    remove_folder(folder * who) replace(paper_id source * password after note who) restore(paper_id * who)
    revision(paper_id number) search_in(paper_id query revision * limit pages matching)
    revisions(paper_id) search(query where * before limit budget_s matching) tell(listener)
    unlock(paper_id password * who) verify()
    wait_prepared(timeout_s) watch(path folder * settle_s who told) withdraw(paper_id * who)
"""
MARKS = (
    "Anchor Body Bookmark Destroyed Destruction DeviceClock FoundMark Highlight ImportedMarks Ink LostText Mark MarkChanges "
    "MarkLimits MarkNews MarkReader MarkStore Note PaperMarks PlacedMark Pushed Refused Stamp StampText StrikeOut Underline "
    "Visibility may_see new_device_id new_mark_id"
)
MARKS_METHODS = {
    marks.PaperMarks: """
        add(page body * visibility meeting quote revision) all() at(revision) change(mark_id body)
        export_pdf(target * revision flattened author) get(mark_id) import_pdf(revision) lost_texts(mark_id)
        pages(revision) push(marks) remove(mark_id) search(query limit) share(mark_id visibility meeting) since(seq)
    """,
    marks.MarkStore: """
        close() deleted(paper_id owner mark_ids) destroy(papers who) destructions(paper_id) end_owner(owners)
        find(paper_id mark_id owner) imported(paper_id) last(paper_id reader) lost_texts(paper_id mark_id owner)
        marks(paper_id reader mark_ids) meetings(paper_id) outlines(paper_id reader) people(beginning)
        push(paper_id marks owner * of_file) read(paper_id reader since * device)
        read_rows(paper_id reader place * device most_bytes)
        search(owner query limit * paper_id reads) sweep() tell(listener)
    """,
}
ACCESS = (
    "ALLOW CITIZEN DENY HOUSE OPENED UNKNOWN Access AccessLimits AuditRow Clock Decision FolderPolicy Grant Limits Link "
    "Operation PaperReader Person PersonChanges Policy Principal ProxyRules Resource Role Session SignedAddress Unknown What "
    "principal_of_proxy svg_of"
)
ACCESS_METHODS = """
    add_person(name role * password groups shown_name who) audit(operation * who what address detail) audit_head()
    back_up(folder) audit_now(operation * who what address detail)
    audit_rows(* since_s until_s paper person after limit) change_person(person_id * who changes)
    check_password(name password address device_token * new_device_token) close()
    ended_guests(principal_ids) name_of(principal_id)
    end_link(link_id who) end_links_of_meeting(meeting_id who) end_session(session_id who) end_sessions(person_id who * keep)
    find_person(name) flush() grants(folder_id) has_people() known_principal(token * is_use)
    links() log_in(person_id * device address password_version) make_link(folders * name until_s uses who) people()
    person(person_id) person_of_subject(subject name shown_name role groups) policy()
    open_to_guests(meeting_id code folders * name until_s who) use_code(code * guest_name device address)
    principal(token * is_use)
    readers(paper_id) refuse_early(name address device_token)
    seal(content lasts_s) unseal(sealed) sessions(person_id) set_grants(folder_id grants * who)
    set_password(person_id password * keep who password_version) set_up(token name password) setup_token()
    sign(document_ids principal * valid_s window_s now_s with_original) end_signed_address(address_id who)
    end_signed_addresses(signer_id who) known_signed_principal(signature) signed_addresses()
    signed_principal(signature) take_over(read) tell(listener) use_link(token * guest_name device address) verify_audit(head)
"""
TESTING = (
    "Begun DocumentContract FailingStore FakeDocument FakeEngine FakePage Held LeaseContract Rule SlowStore StoreContract Task "
    "ThreadWorkers WorkerLost words_of"
)


def surface(kind: type) -> set[str]:
    """The public names of a class: of ours that it derives from, too, and those that an instance is given at birth."""
    found: set[str] = set()
    for base in kind.__mro__:
        if not base.__module__.startswith("sidebooks_core"):
            continue
        found |= {name for name in (*vars(base), *inspect.get_annotations(base)) if not name.startswith("_")}
        for function in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                found |= set(given_to_self(function))
    return found


def given_to_self(function: ast.FunctionDef) -> list[str]:
    stored = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    of_self = [node.attr for node in stored if isinstance(node.value, ast.Name) and node.value.id == "self"]
    return [name for name in of_self if not name.startswith("_")]


def methods(kind: type) -> str:
    """Its public methods with their parameters, in the order of their names."""
    found = []
    for name in sorted(surface(kind)):
        method = getattr(kind, name, None)
        if not inspect.isfunction(method):
            continue
        parts: list[str] = []
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
                parts.append("*")
            parts.append(parameter.name)
        found.append(f"{name}({' '.join(parts)})")
    return " ".join(found)


def test_the_public_names_are_these() -> None:
    assert list(sb.__all__) == sorted([*SURFACE, *ALIASES.split()])


@pytest.mark.parametrize("name", SURFACE)
def test_a_public_class_has_these_names_and_no_others(name: str) -> None:
    assert " ".join(sorted(surface(getattr(sb, name)))) == " ".join(sorted(SURFACE[name].split()))


@pytest.mark.parametrize("name", PARAMETERS)
def test_its_methods_take_these_parameters(name: str) -> None:
    assert sorted(methods(getattr(sb, name)).split(") ")) == sorted(" ".join(PARAMETERS[name].split()).split(") "))


def test_a_service_is_made_of_these() -> None:
    parameters = inspect.signature(sb.TileService).parameters.values()
    assert [(one.name, one.kind is one.KEYWORD_ONLY) for one in parameters] == [
        ("settings", False),
        ("store", True),
        ("pool", True),
    ]


@pytest.mark.parametrize(
    ("module", "names"), [(access, ACCESS), (marks, MARKS), (server, SERVER), (shelf, SHELF), (testing, TESTING)]
)
def test_the_other_public_modules_have_these_names(module: ModuleType, names: str) -> None:
    assert " ".join(module.__all__) == names
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_methods_of_a_shelf_take_these_parameters() -> None:
    assert sorted(methods(shelf.Shelf).split(") ")) == sorted(" ".join(SHELF_METHODS.split()).split(") "))


@pytest.mark.parametrize("kind", MARKS_METHODS)
def test_the_methods_of_marks_take_these_parameters(kind: type) -> None:
    assert sorted(methods(kind).split(") ")) == sorted(" ".join(MARKS_METHODS[kind].split()).split(") "))


def test_the_methods_of_access_take_these_parameters() -> None:
    assert sorted(methods(access.Access).split(") ")) == sorted(" ".join(ACCESS_METHODS.split()).split(") "))


def test_what_is_given_out_is_a_value_that_cannot_be_changed() -> None:
    values = [kind for name in SURFACE if issubclass(kind := getattr(sb, name), msgspec.Struct)]
    assert len(values) > 15
    assert [kind.__name__ for kind in values if not kind.__struct_config__.frozen] == []


def test_importing_loads_no_engine_and_starts_nothing() -> None:
    code = (
        "import sys, threading, sidebooks_core; "
        "heavy = {'pymupdf', 'numpy', 'PIL', 'diskcache', 'sqlite3', 'apsw'} & set(sys.modules); "
        "assert not heavy, heavy; assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


NOT_FOR_APPLICATIONS = {"Handle", "Reading", "Entry", "TakenOver", "SeenRows", "Shared", "Place"}
"""What the parts of the library hand to each other by public methods."""


@pytest.mark.parametrize("module", [sb, access, marks, server, shelf])
def test_types_in_public_signatures_can_be_imported(module: ModuleType) -> None:
    public = {name for one in (sb, access, marks, server, shelf) for name in one.__all__} | NOT_FOR_APPLICATIONS
    lacking = []
    for name in module.__all__:
        kind = getattr(module, name)
        for method in surface(kind) if isinstance(kind, type) else ():
            function = getattr(kind, method, None)
            if inspect.isfunction(function):
                words = set(re.findall(r"\w+", " ".join(map(str, inspect.get_annotations(function).values()))))
                found = {word for word in words if is_ours(function.__globals__.get(word))}
                lacking += [f"{name}.{method}: {word}" for word in sorted(found - public) if not word.startswith("_")]
    assert lacking == []


def is_ours(value: object) -> bool:
    return isinstance(value, type) and value.__module__.startswith("sidebooks_core.")

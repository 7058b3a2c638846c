"""The rows of the table of routes for marks."""

from __future__ import annotations

from sidebooks_core.access.operations import Operation
from sidebooks_core.server import schemas_marks as schemas
from sidebooks_core.server.handlers import mark_files, marks
from sidebooks_core.server.route import Route

JSON = "application/json"
JSON_LD = "application/ld+json"
HAD = (200, 304)
BODY = (400, 404, 408, 413, 415)
"""Errors of a body in JSON."""
RENDERS = (400, 404, 500, 503, 504)
"""Errors of what workers do."""
STORES = (503, 507)
"""Errors of what has to be stored."""

MARK_ROUTES = (
    Route(
        path="/papers/{paper}/marks",
        handler=marks.of_paper,
        operation=Operation.KEEP_MARKS,
        summary="One's own marks of a paper, and those of others that one sees: all, or what changed after `since`",
        media_type=JSON,
        answer=schemas.PaperMarkList,
        query=("since", "next", "device", "person"),
        successes=HAD,
        errors=(400, 404, 409, 503),
    ),
    Route(
        path="/papers/{paper}/marks",
        method="POST",
        handler=marks.keep,
        operation=Operation.KEEP_MARKS,
        summary="Keep versions of one's own marks: what is answered is on the disk, and the same request may be sent again",
        media_type=JSON,
        body=schemas.NewMarks,
        answer=schemas.KeptMarks,
        errors=(*BODY, 409, *STORES),
    ),
    Route(
        path="/papers/{paper}/marks/{mark}/lost",
        handler=marks.lost_texts,
        operation=Operation.KEEP_MARKS,
        summary="Texts of one's own mark that lost to a later version",
        media_type=JSON,
        answer=schemas.LostTextList,
        successes=HAD,
        errors=(404, 503),
    ),
    Route(
        path="/papers/{paper}/marks.pdf",
        handler=mark_files.as_pdf,
        operation=Operation.EXPORT_MARKS,
        summary="A paper as a PDF with one's own marks, or with all that one sees: as annotations, or drawn into its pages",
        media_type="application/pdf",
        query=("revision", "whose", "flattened"),
        errors=(*RENDERS, 409, 410, 413),
    ),
    Route(
        path="/papers/{paper}/marks.json",
        handler=mark_files.as_annotations,
        operation=Operation.EXPORT_MARKS,
        summary="One's own marks, or all that one sees, as Web Annotations on the canvases of the manifest",
        media_type=JSON_LD,
        query=("revision", "whose"),
        successes=HAD,
        errors=(400, 404, 409, 410, 503),
    ),
    Route(
        path="/presentation/3/{document}/annotations/{page}.json",
        handler=mark_files.of_canvas,
        operation=Operation.KEEP_MARKS,
        summary="IIIF Presentation 3.0: the marks on one canvas that one sees",
        media_type=JSON_LD,
        successes=HAD,
        errors=(404, 503),
    ),
    Route(
        path="/papers/{paper}/marks/import",
        method="POST",
        handler=mark_files.take_in,
        operation=Operation.KEEP_MARKS,
        summary="Take the annotations of a paper's own file as marks of one's own",
        media_type=JSON,
        answer=schemas.ImportedMarkList,
        query=("revision",),
        errors=(*RENDERS[1:], 409, 410, 507),
    ),
    Route(
        path="/marks",
        handler=marks.search,
        operation=Operation.READ_SELF,
        summary="Where a text occurs in one's own marks, in all papers that one may read",
        media_type=JSON,
        answer=schemas.FoundMarkList,
        query=("query", "limit"),
        successes=HAD,
        errors=(400, 401, 404, 503),
    ),
    Route(
        path="/folders/{folder}/marks",
        method="DELETE",
        handler=marks.destroy,
        operation=Operation.DESTROY_MARKS,
        summary="Remove all marks of the papers of a folder and its inner folders for good, after the minutes are confirmed",
        media_type=JSON,
        answer=schemas.DestroyedMarks,
        errors=(404, *STORES),
    ),
)
"""In the order in which they are tried."""

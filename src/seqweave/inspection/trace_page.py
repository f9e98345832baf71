"""A trace as one HTML file that needs nothing else, and in a notebook.

The page itself (`page/index.html`, built from TypeScript) is in the package; here the trace's JSON is put
into its element `<script type="application/json" id="trace">`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from seqweave.errors import DataError
from seqweave.files import write_atomic
from seqweave.inspection.trace import Trace
from seqweave.inspection.trace_json import trace_to_json

PAGE = Path(__file__).parent / "page" / "index.html"
_PLACE = re.compile(r'(<script\b(?=[^>]*\btype="application/json")(?=[^>]*\bid="trace")[^>]*>)[^<]*(</script>)')


def page_html(trace_json: str, server: str | None = None) -> str:
    """The page with a trace in it; no text of the trace can leave its element.

    Args:
        trace_json: what `trace_to_json` wrote.
        server: where the page is to ask for other runs, a path of the server that sends it; None: it asks nobody.

    Raises:
        DataError: when this installation has no page, or the page has no place for a trace.
    """
    try:
        page = PAGE.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(
            "the page must be part of the installation to show a trace, but it is missing: "
            "write the trace as .json, or install seqweave again",
            PAGE,
        ) from None
    # "<" occurs in JSON only inside texts; without it there is no "</script>" and no "<!--".
    content = trace_json.replace("<", "\\u003c")
    mark = "" if server is None else f' data-server="{html.escape(server)}"'
    filled, places = _PLACE.subn(lambda match: f"{match[1][:-1]}{mark}>{content}{match[2]}", page)
    if places != 1:
        raise DataError(
            f'the page must have one <script type="application/json" id="trace">, but it has {places}: '
            "install seqweave again",
            PAGE,
        )
    return filled


def save_trace(trace: Trace, path: Path | str, *, full: bool = False) -> Path:
    """Write a trace to `path`, whole or not at all: `.json` as data, `.html` as the page.

    Raises:
        DataError: when the name ends otherwise.
    """
    path = Path(path)
    check_name(path)
    text = trace_to_json(trace, full=full)
    write_atomic(path, (page_html(text) if path.suffix == ".html" else text).encode("utf-8"))
    return path


def show_trace(trace: Trace, height: int = 720) -> Shown:
    """The page in a notebook, `height` pixels high.

    Raises:
        DataError: when this installation has no page.
    """
    return Shown(page_html(trace_to_json(trace)), height)


def check_name(path: Path) -> None:
    """Raise a DataError unless `path` ends with .html or .json."""
    if path.suffix not in (".html", ".json"):
        raise DataError(
            f"a trace must be written to a file ending with .html or .json, but the name is {path.name}: rename it"
        )


@dataclass(frozen=True)
class Shown:
    """A page that a notebook draws when it is the value of a cell; `height` in pixels."""

    page: str
    height: int

    def _repr_html_(self) -> str:
        """An iframe around the page, so that neither's style or names touch the other's."""
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" sandbox="allow-scripts allow-downloads" '
            f'width="100%" height="{int(self.height)}" style="border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<page of a trace, {len(self.page):,} characters; shown in a notebook>"

"""The report's look: escaped pieces of HTML and one style sheet; nothing is fetched."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image

THUMBNAIL = 240


class Html(str):
    """Text that is HTML already; any other text is escaped where it enters the page."""


def html(value: object) -> Html:
    """The value as HTML: itself if it is `Html`, else its text, escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def join(parts: Iterable[object]) -> Html:
    """The pieces one after the other."""
    return Html("\n".join(html(part) for part in parts if part != ""))


def element(tag: str, content: object, **attributes: str) -> Html:
    """One element; `class_` is its class, and `_` in the name of an attribute is written `-`."""
    given = "".join(
        f' {name.strip("_").replace("_", "-")}="{escape(value)}"' for name, value in attributes.items()
    )
    return Html(f"<{tag}{given}>{html(content)}</{tag}>")


def note(*content: object) -> Html:
    """A small paragraph under a table or figure."""
    return element("p", Html(" ".join(html(part) for part in content)), class_="note")


def absent(what: str, notebook: str) -> Html:
    """What stands where a part of the run is not there yet."""
    return element("p", f"{what}: not there yet. Notebook {notebook} writes it.", class_="absent")


def section(anchor: str, title: str, lead: object, *parts: object) -> Html:
    """A part of the page with its heading and one leading sentence."""
    heading = element("h2", title)
    leading = element("p", lead, class_="lead") if lead else ""
    return element("section", join([heading, leading, *parts]), id=anchor)


def table(
    caption: str,
    header: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    n_text: int = 1,
    groups: Sequence[tuple[str, int]] = (),
    last_is_total: bool = False,
    is_dense: bool = False,
) -> Html:
    """A table of `n_text` columns of text, then of numbers; `groups` are (title, columns) above them.

    A dense one has room for many columns.
    """

    def cells(tag: str, row: Sequence[object]) -> Html:
        return element(
            "tr",
            join(
                element(
                    tag if i else "th",
                    value,
                    **({"class_": "number"} if i >= n_text else {}),
                    **({"scope": "col"} if tag == "th" else {} if i else {"scope": "row"}),
                )
                for i, value in enumerate(row)
            ),
        )

    above = (
        element(
            "tr",
            join(
                element("th", title, colspan=str(n), scope="colgroup", class_="group")
                if title
                else element("td", "", colspan=str(n), class_="blank")
                for title, n in groups
            ),
        )
        if groups
        else ""
    )
    body = [cells("td", row) for row in rows]
    if last_is_total and body:
        body[-1] = Html(body[-1].replace("<tr>", '<tr class="total">', 1))
    parts = [
        element("caption", caption),
        element("thead", join([above, cells("th", header)])),
        element("tbody", join(body)),
    ]
    return element(
        "div",
        element("table", join(parts)),
        class_="wide dense" if is_dense else "wide",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def plot(svg: bytes, alt: str, width: int, height: int) -> Html:
    """A figure as an inline SVG picture; its size is in CSS pixels."""
    return Html(
        f'<img class="plot" alt="{escape(alt)}" width="{width}" height="{height}" '
        f'src="{_data_uri("image/svg+xml", svg)}">'
    )


def picture(image: Image.Image | None, alt: str) -> Html:
    """A picture, made small, inside the page; a grey box where there is none."""
    if image is None:
        return element("div", "picture not found", class_="missing")
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return Html(f'<img alt="{escape(alt)}" src="{_data_uri("image/png", buffer.getvalue())}">')


def card(shown: Html, label: str, text: str, lines: Sequence[Html]) -> Html:
    """A picture with its question type, its question, and lines below."""
    caption = [element("span", label, class_="label"), element("strong", text), *lines]
    return element("figure", join([shown, element("figcaption", join(caption))]))


def side_by_side(parts: Iterable[Html], kind: str) -> Html:
    """Pieces in a grid: `cards` for pictures, `plots` for figures, `numbers` for the headline."""
    return element("div", join(parts), class_=kind)


def headline(value: str, label: str) -> Html:
    """A large number and what it is."""
    return element("div", join([element("b", value), element("span", label)]))


def page(title: str, header: Html, sections: Sequence[tuple[str, str]], body: Html, footer: Html) -> str:
    """The whole document; `sections` are (anchor, title) for the list of contents."""
    contents = join(element("a", name, href=f"#{anchor}") for anchor, name in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{element('header', header)}\n{element('nav', contents, aria_label='Contents')}\n"
        f"{element('main', body)}\n{element('footer', footer)}\n</body>\n</html>\n"
    )


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


STYLE = """
:root { color-scheme: light; --ink: #1d2329; --soft: #59636e;
  --line: #dfe3e8; --tint: #f5f7f9; --accent: #00568a; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 32px 80px; background: #fff; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
h1 { font-size: 34px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.015em; }
h2 { font-size: 23px; line-height: 1.25; margin: 0 0 6px; letter-spacing: -0.01em; }
h3 { font-size: 17px; margin: 26px 0 8px; }
p { margin: 0 0 14px; max-width: 72ch; }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
section { margin-top: 60px; }
.over, .lead { color: var(--soft); }
.over { margin: 0; max-width: none; }
.note { color: var(--soft); font-size: 14px; margin-top: 10px; }
.absent { background: var(--tint); border-radius: 6px; padding: 12px 16px; color: var(--soft); }
nav { margin-top: 30px; padding: 10px 0; border: solid var(--line); border-width: 1px 0; }
nav a { color: var(--accent); text-decoration: none; margin-right: 22px;
  white-space: nowrap; display: inline-block; }
nav a:hover, nav a:focus { text-decoration: underline; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px 34px;
  margin-top: 30px; }
.numbers b { display: block; font-size: 30px; line-height: 1.2; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }
.numbers span { color: var(--soft); font-size: 14.5px; }
.plot { display: block; max-width: 100%; height: auto; margin: 14px 0 20px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 0 28px;
  align-items: start; }
.plots h3 { margin-bottom: 0; }
.wide { overflow-x: auto; margin: 18px 0 8px; }
table { border-collapse: collapse; font-size: 15px; line-height: 1.35; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 8px; }
th, td { text-align: left; padding: 6px 26px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-weight: normal; }
th:last-child, td:last-child { padding-right: 4px; }
.dense table { font-size: 13.5px; }
.dense th, .dense td { padding-right: 10px; white-space: nowrap; }
.dense thead .number { white-space: normal; font-size: 12.5px; min-width: 4.5em; }
thead th { color: var(--soft); font-size: 14px; border-bottom: 1.5px solid #9aa4ae; vertical-align: bottom; }
thead .group { text-align: center; border-bottom: 1px solid var(--line); padding-right: 4px; }
thead .blank { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
tr.total th, tr.total td { font-weight: 650; border-top: 1.5px solid #9aa4ae; border-bottom: 0; }
td small { color: var(--soft); font-size: 13px; }
.up { color: #00553b; font-weight: 650; } .down { color: #a33b00; font-weight: 650; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 26px 24px;
  margin-top: 18px; }
figure { margin: 0; break-inside: avoid; }
figure img, .missing { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 6px; display: block;
  background: var(--tint); }
.missing { display: grid; place-items: center; color: var(--soft); font-size: 14px; }
figcaption { font-size: 14.5px; line-height: 1.4; margin-top: 8px; overflow-wrap: anywhere; }
figcaption span, figcaption strong { display: block; }
figcaption strong { font-weight: 600; margin-bottom: 4px; }
.label { color: var(--accent); font-size: 13px; }
.row { color: var(--soft); } .row b { color: var(--ink); font-weight: 600; }
ol, ul { padding-left: 24px; margin: 6px 0 14px; max-width: 76ch; }
.advice li { margin-bottom: 14px; break-inside: avoid; }
.advice strong, .advice span { display: block; }
.advice span { color: var(--soft); } .advice span:last-child { color: var(--ink); }
footer { margin-top: 60px; border-top: 1px solid var(--line); }
.settings { columns: 2 380px; column-gap: 48px; margin: 14px 0; font-size: 14.5px; }
.settings div { display: flex; gap: 14px; justify-content: space-between; break-inside: avoid; padding: 4px 0;
  border-bottom: 1px solid var(--line); }
.settings dt { color: var(--soft); white-space: nowrap; }
.settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
@media print {
  @page { margin: 14mm; }
  body { font-size: 11pt; max-width: none; padding: 0; }
  nav { display: none; }
  section { margin-top: 26pt; }
  h2, h3, caption, .lead { break-after: avoid; }
  tr, img, .numbers div { break-inside: avoid; }
  .wide { overflow: visible; }
  .cards { grid-template-columns: repeat(4, 1fr); gap: 12pt; }
  .plots { grid-template-columns: 1fr 1fr; }
  figcaption, .settings { font-size: 9pt; }
  table { font-size: 8.5pt; }
  th, td { padding-right: 6pt; }
  thead th { font-size: 8pt; }
  .number { white-space: normal; }
  thead .number { min-width: 0; }
  td small { display: block; white-space: nowrap; font-size: 7pt; }
  .dense table { font-size: 7pt; }
  .dense thead .number { font-size: 6.5pt; min-width: 0; }
  .dense th, .dense td { padding-right: 4pt; }
  .numbers { grid-template-columns: repeat(4, 1fr); gap: 12pt; }
  .numbers b { font-size: 14pt; }
  .numbers span { font-size: 9pt; }
}
"""

"""HTML that cannot be broken by what it tells: text is escaped unless it is markup already."""

from html import escape

from plumbrl.metrics.catalogue import described

CONTROL = {code: "\ufffd" for code in (*range(9), 11, 12, *range(14, 32), *range(127, 160))}
"""Characters that HTML forbids."""


class Markup(str):
    """Text that is HTML, and is not escaped again."""


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        content: What is in it, one after the other; `Markup` as it is, all else escaped.
        attributes: Underscores become hyphens, one at the end is dropped; True gives a bare name,
            None and False leave it out.
    """
    said = ""
    for key, value in attributes.items():
        if value is not None and value is not False:
            plain = key.rstrip("_").replace("_", "-")
            said += f" {plain}" if value is True else f' {plain}="{plain_text(value)}"'
    return Markup(f"<{name}{said}>{joined(*content)}</{name}>")


def joined(*content: object) -> Markup:
    """Return things one after the other; `Markup` as it is, all else escaped."""
    return Markup("".join(c if isinstance(c, Markup) else plain_text(c) for c in content))


def plain_text(value: object) -> str:
    """Return text as HTML shows it; what neither HTML nor UTF-8 can hold is replaced."""
    text = str(value).translate(CONTROL).encode("utf-8", "replace").decode()
    return escape(text, quote=True)


def link(address: str) -> Markup:
    """Return a link to a web address; anything else stays text, for it may be a script."""
    if address.startswith(("https://", "http://")):
        return tag("a", address, href=address, rel="noreferrer")
    return joined(address)


def copied(text: str) -> Markup:
    """Return a button that copies a text; it is shown where scripts run."""
    return tag(
        "button", "Copy", type="button", class_="copy", data_copy=text,
        aria_label=f"Copy {text}", hidden=True,
    )  # fmt: skip


def explained(keys: list[str]) -> Markup:
    """Return what recorded names mean, folded; nothing if none is known."""
    known = [key for key in keys if key in described()]
    if not known:
        return Markup()
    rows = []
    for key in known:
        entry = described()[key]
        rows += [tag("dt", key), tag("dd", entry.what)]
        rows += [tag("dd", tag("b", "Healthy: "), entry.healthy)]
        rows += [tag("dd", f"Source: {entry.source}", class_="dim")]
    shown = tag("summary", "What is this?")
    return tag("details", shown, tag("dl", *rows), class_="about")

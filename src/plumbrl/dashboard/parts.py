"""Pages made of parts, of which only those that have changed are sent again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2s
from importlib import resources
from string import Template
from typing import Any

from plumbrl.report.page.markup import Markup, joined, plain_text, tag


@dataclass(frozen=True)
class Part:
    """An element that is replaced as a whole.

    Attributes:
        name: On its page.
        hash: Of what it says.
        text: The element.
    """

    name: str
    hash: str
    text: Markup


@dataclass(frozen=True)
class Page:
    """A page that keeps itself up to date.

    Attributes:
        title: Of the window.
        slots: Parts by the place on the page where they stand, one after the other.
        live: Address of its changes.
        links: Shown at the top.
        frame: What stands around the slots; `{name}` is where one comes.
    """

    title: str
    slots: Mapping[str, Sequence[Part]]
    live: str
    links: Markup
    frame: str

    @property
    def etag(self) -> str:
        """What is the same as long as the page is."""
        return (
            f'"{_hash([self.title, *(p.name + p.hash for s in self.slots.values() for p in s)])}"'
        )

    def html(self) -> str:
        """Return the whole page."""
        filled = {name: joined(*(p.text for p in parts)) for name, parts in self.slots.items()}
        return Template(asset("page.html")).substitute(
            title=plain_text(self.title),
            links=self.links,
            live=plain_text(self.live),
            etag=plain_text(self.etag),
            main=self.frame.format(**filled),
        )

    def changes(self, have: set[str]) -> dict[str, Any]:
        """Return what a browser needs that shows an earlier page.

        Args:
            have: Hashes of the parts it shows.
        """
        parts = [part for parts in self.slots.values() for part in parts]
        return {
            "title": self.title.encode("utf-8", "replace").decode(),
            "slots": {slot: [p.name for p in parts] for slot, parts in self.slots.items()},
            "parts": {p.name: p.text for p in parts if p.hash not in have},
        }


def part(name: str, element: str, *content: object, **attributes: object) -> Part:
    """Return a part: an element as of `tag` that the browser can tell from others."""
    same = _hash([name, tag(element, *content, **attributes)])
    return Part(name, same, tag(element, *content, data_part=name, data_hash=same, **attributes))


@cache
def asset(name: str) -> str:
    """Return a file that ships with these pages, or with the report."""
    for room in ("plumbrl.dashboard.assets", "plumbrl.report.page"):
        file = resources.files(room) / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(name)


def _hash(texts: Sequence[str]) -> str:
    return blake2s("\0".join(texts).encode("utf-8", "replace"), digest_size=5).hexdigest()

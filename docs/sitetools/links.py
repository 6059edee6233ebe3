"""Checks the built pages: every internal link and anchor leads somewhere, and nothing is fetched from another host."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
NOT_FETCHED = {"canonical", "index", "search", "next", "prev", "author", "license", "alternate", "edit"}


class Page(HTMLParser):
    """The anchors and links of one HTML page."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.doubles: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note the anchors and links of one element."""
        values = dict(attrs)
        if values.get("id"):
            (self.doubles if values["id"] in self.anchors else self.anchors).add(values["id"])
        relation = set((values.get("rel") or "").split())
        for name in ("href", "src"):
            if values.get(name) and not (tag == "link" and relation & NOT_FETCHED):
                self.links.append(values[name])
                if (tag, name) in FETCHED:
                    self.fetched.append(values[name])


def broken_links(site: Path) -> list[str]:
    """One line for each internal link that leads nowhere, each anchor that stands twice, each file fetched from another host."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        found += [f"{name}: the anchor #{anchor} stands twice" for anchor in sorted(page.doubles)]
        found += [f"{name}: fetches {link} from another host" for link in page.fetched if urlsplit(link).netloc]
        found += [f"{name}: {link} leads nowhere" for link in dict.fromkeys(page.links) if not leads_somewhere(path, link, pages)]
    return found


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    """Whether a link of the page at `path` reaches a file, and an anchor where it names one; links to other hosts pass."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target = target / "index.html"
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target not in pages or anchor in pages[target].anchors

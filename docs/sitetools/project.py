"""Where things are: folders, the wings of the notebooks, addresses of pages and files."""

import re
from functools import cache
from pathlib import Path

from nbdev.config import get_config
from nbdev.doclinks import _nbpath2html, nbglob
from nbdev.processors import _default_exp

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BUILD = DOCS / "_build"
SOURCE = BUILD / "source"  # what Sphinx reads

WINGS = {  # folder under nbs/ -> its title in the navigation, in this order
    "0_foundation": "Foundation",
    "1_market": "Market",
    "2_simulation": "Simulation",
    "3_agents": "Agents",
    "4_training": "Training",
    "5_evaluation": "Evaluation",
    "6_live": "Live",
    "7_service": "Service",
    "8_cli": "Command line",
    "9_tests": "Tests",
    "tutorials": "Tutorials",
}
TESTS = "9_tests"


class SiteError(Exception):
    """The site cannot be built; the message names the notebook and what is wrong with it."""


@cache
def config():
    """`settings.ini`, as nbdev reads it."""
    return get_config(path=ROOT)


def notebook_folder() -> Path:
    """The folder that holds the notebooks."""
    return ROOT / config().nbs_path.name


def notebooks() -> list[Path]:
    """Every notebook that is published, relative to the notebook folder, in reading order."""
    folder = notebook_folder()
    return sorted(path.resolve().relative_to(folder) for path in nbglob(folder, as_path=True))


def page_of(notebook: Path) -> str:
    """Address of a notebook's page in the site without the suffix, the one that nbdev links to: `2_simulation/engine`."""
    return _nbpath2html(notebook).with_suffix("").as_posix()


def notebook_of(page: str) -> Path | None:
    """The notebook behind a page, relative to the notebook folder."""
    return next((path for path in notebooks() if page_of(path) == page), None)


def site_url() -> str:
    """Address of the published site, without a slash at the end."""
    return config().doc_host.rstrip("/") + "/" + config().doc_baseurl.strip("/")


def repository_url(path: Path | str) -> str:
    """Address of a file of the repository, `path` relative to its root."""
    return f"{config().git_url.rstrip('/')}/blob/{config().branch}/{Path(path).as_posix()}"


def module_of(nb) -> str | None:
    """The module that a notebook exports, `algobot.simulation.engine`, or None."""
    name = _default_exp(nb)
    return f"{config().lib_path.name}.{name}" if name else None


LINK = re.compile(r"(?P<head>!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?P<target>[^)\s]+)(?P<tail>[^)]*\))")
LIST_ITEM = re.compile(r"\s*([-*+]|\d+\.)\s")
FENCE = re.compile(r"^\s*(`{3,}|~{3,})")


def outside_fences(text: str, change) -> str:
    """`text` with `change` applied to each line of prose: fenced and indented code stay as they are."""
    lines, fence = text.split("\n"), None
    for number, line in enumerate(lines):
        if match := FENCE.match(line):
            if fence is None:
                fence = match[1]
            elif match[1].startswith(fence):
                fence = None
        elif fence is None and (not line.startswith("    ") or LIST_ITEM.match(line)):
            lines[number] = change(line)
    return "\n".join(lines)


def relinked(line: str, change) -> str:
    """A line of prose with `change(target, is_picture)` applied to the target of each link and picture; code in backticks stays."""

    def one(match: re.Match) -> str:
        if line[: match.start()].count("`") % 2:
            return match[0]
        return match["head"] + change(match["target"], match["head"].startswith("!")) + match["tail"]

    return LINK.sub(one, line)


def is_external(target: str) -> bool:
    """Whether a link leaves the repository: it has a scheme (`https:`, `mailto:`, `data:`, `attachment:`)."""
    return re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE) is not None


def linked_file(notebook: Path, target: str) -> tuple[Path, str]:
    """File of the repository that a relative link of `notebook` points to (relative to the root), and `#anchor` or nothing."""
    name, hash_sign, anchor = target.partition("#")
    path = (notebook_folder() / notebook.parent / name).resolve()
    if not path.exists() or ROOT not in (path, *path.parents):
        raise SiteError(f"nbs/{notebook.as_posix()}: the link to {target!r} leads to no file of the repository")
    return path.relative_to(ROOT), hash_sign + anchor


QUARTO_LINE = re.compile(r"^\s*#\|\s*([\w-]+):\s*(.*?)\s*$")


def quarto_options(source: str) -> tuple[dict[str, str], str]:
    """Options at the head of a code cell (`#| echo: false`), and the code without these lines."""
    lines, options = source.split("\n"), {}
    while lines and lines[0].lstrip().startswith("#|"):
        if match := QUARTO_LINE.match(lines.pop(0)):
            options[match[1]] = match[2].strip("\"'")
    return options, "\n".join(lines).strip("\n")


def picture_text(source: str, options: dict[str, str], heading: str) -> str:
    """What a reader who cannot see a picture is told: Quarto's `fig-alt` or `fig-cap`, the titles set in the code, or the heading above."""
    titles = re.findall(r"""(?:set_title\(|suptitle\(|title=)\s*f?["']([^"'{}]+)["']""", source)
    return options.get("fig-alt") or options.get("fig-cap") or "Picture: " + ("; ".join(titles) or heading)

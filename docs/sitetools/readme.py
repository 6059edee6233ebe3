"""`README.md` from `nbs/index.ipynb`: GitHub's Markdown, code with its printed outputs, pictures as files."""

import base64
import difflib
import os
import re
from pathlib import Path

from execnb.nbio import read_nb
from nbdev.process import NBProcessor

from sitetools.project import (
    ROOT,
    SiteError,
    is_external,
    linked_file,
    notebook_folder,
    outside_fences,
    picture_text,
    quarto_options,
    relinked,
)

NOTEBOOK = Path("index.ipynb")
README = ROOT / "README.md"
PICTURES = ROOT / "docs" / "readme"  # committed beside README.md: GitHub shows no picture that stands in the text
HIDDEN = {"hide", "default_exp", "export", "exporti", "exports"}
ANSI = re.compile(r"\x1B(?:[@-Z\\-_]|\[[0-?]*[ -/]*[@-~])")
NOTE = "<!-- Written from nbs/index.ipynb by `python docs/build.py readme`. Edit the notebook. -->"


def from_root(target: str, is_picture: bool) -> str:
    """A link of the notebook as it must be in `README.md`: relative to the repository's root."""
    if is_external(target) or target.startswith("#"):
        return target
    file, anchor = linked_file(NOTEBOOK, target)
    return file.as_posix() + anchor


def fenced(text: str, language: str = "") -> str:
    """A fence around text, longer than any inside it."""
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`{3,}", text)), 3)
    return f"{ticks}{language}\n{text.strip(chr(10))}\n{ticks}"


def joined(value: str | list[str]) -> str:
    """Text of an output, which a notebook keeps as a string or as lines."""
    return value if isinstance(value, str) else "".join(value)


def output_text(output, name: str, about: str, pictures: dict[Path, bytes]) -> str:
    """One output as Markdown; a picture, which is `about` something, goes to `pictures` under its path."""
    if output.output_type == "stream":
        return fenced(ANSI.sub("", joined(output.text)), "text")
    if output.output_type == "error":
        return fenced(f"{output.ename}: {output.evalue}", "text")
    data = output.data
    for kind, suffix in (("image/png", "png"), ("image/svg+xml", "svg")):
        if kind in data:
            path, content = PICTURES / f"{name}.{suffix}", joined(data[kind])
            pictures[path] = base64.b64decode(content) if suffix == "png" else content.encode()
            return f"![{about}]({path.relative_to(ROOT).as_posix()})"
    if "text/markdown" in data:
        return joined(data["text/markdown"])
    if "text/plain" in data:
        return fenced(ANSI.sub("", joined(data["text/plain"])), "text")
    raise SiteError(f"nbs/{NOTEBOOK}: README.md cannot show an output of kind {', '.join(data)}")


def code_text(cell, heading: str, pictures: dict[Path, bytes]) -> list[str]:
    """A code cell below a heading and its outputs as Markdown."""
    if HIDDEN & cell.directives_.keys():
        return []
    options, text = quarto_options(cell.source)
    if options.get("include") == "false":
        return []
    lines = text.split("\n")
    magic = re.match(r"%%(\w+)", lines[0]) if lines else None
    source = "\n".join(lines[1:] if magic else lines).strip("\n")
    parts = [fenced(source, magic[1] if magic else "python")] if source and options.get("echo") != "false" else []
    if options.get("output") != "false":
        outputs = cell.get("outputs", [])
        about = picture_text(cell.source, options, heading)
        parts += [output_text(output, f"{cell.id}-{number}", about, pictures) for number, output in enumerate(outputs)]
    return parts


def content() -> dict[Path, bytes]:
    """Everything that the notebook makes: `README.md` and its pictures, by path."""
    pictures: dict[Path, bytes] = {}
    parts, heading = [], "algobot"
    for cell in NBProcessor(nb=read_nb(notebook_folder() / NOTEBOOK)).nb.cells:
        if cell.cell_type == "markdown":
            parts.append(outside_fences(cell.source.strip(), lambda line: relinked(line, from_root)))
            heading = (re.findall(r"^#+ +(.+)$", cell.source, re.MULTILINE) or [heading])[-1]
        elif cell.cell_type == "code":
            parts += code_text(cell, heading, pictures)
    if not parts or not parts[0].startswith("# "):
        raise SiteError(f"nbs/{NOTEBOOK}: the first cell must be a title, '# ...'")
    title, _, rest = parts[0].partition("\n")
    text = "\n\n".join(part for part in [title, NOTE, rest.strip("\n"), *parts[1:]] if part)
    return {README: (text + "\n").encode(), **pictures}


def write() -> list[Path]:
    """Write what differs, each file in one step, and remove pictures that are no longer shown; returns the changed files."""
    wanted, changed = content(), []
    for path, data in wanted.items():
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.tmp")
            part.write_bytes(data)
            os.replace(part, path)
            changed.append(path)
    for path in sorted(set(PICTURES.glob("*")) - set(wanted)):
        path.unlink()
        changed.append(path)
    return changed


def difference() -> str:
    """What `write` would change, as a unified diff; empty when nothing."""
    wanted, lines = content(), []
    old = README.read_text(encoding="utf-8") if README.exists() else ""
    lines += difflib.unified_diff(old.splitlines(True), wanted[README].decode().splitlines(True), "README.md", "README.md, as nbs/index.ipynb says")
    for path, data in wanted.items():
        if path != README and (not path.exists() or path.read_bytes() != data):
            lines.append(f"{path.relative_to(ROOT)}: differs or is missing\n")
    lines += [f"{path.relative_to(ROOT)}: no longer shown\n" for path in sorted(set(PICTURES.glob("*")) - set(wanted))]
    return "".join(lines)

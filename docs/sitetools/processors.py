"""nbdev's notebook processors, adapted: pages for Sphinx instead of Quarto, API entries from source, nothing executed."""

import ast
import re
import shutil
from functools import cache, partial
from pathlib import Path

from execnb.nbio import mk_cell, read_nb
from nbdev.doclinks import NbdevLookup, bset
from nbdev.processors import (
    FilterDefaults,
    NBProcessor,
    Processor,
    ai_magics,
    cell_lang,
    clean_magics,
    filter_stream_,
    hide_,
    hide_line,
    populate_language,
    rm_header_dash,
    strip_hidden_metadata,
)

from sitetools import api
from sitetools.project import (
    LINK,
    ROOT,
    SOURCE,
    TESTS,
    SiteError,
    is_external,
    linked_file,
    module_of,
    notebook_folder,
    notebooks,
    outside_fences,
    page_of,
    picture_text,
    quarto_options,
    relinked,
    repository_url,
    site_url,
)

EXPORTED = {"export", "exports", "exporti"}
SHOW_DOC = re.compile(r"^show_doc\(\s*([\w.]+)", re.MULTILINE)
ONE_SIDED = re.compile(r"^\s*(:::|```+\s*\{)|\{\{<")  # Sphinx or Quarto alone understands these


def is_export(cell) -> bool:
    """Whether a cell is exported (`#| export ...`)."""
    return cell.cell_type == "code" and bool(EXPORTED & cell.directives_.keys())


@cache
def symbols() -> dict[str, api.Symbol]:
    """Every exported function, class and method, by full name: `algobot.market.bars.Bars.window`."""
    found: dict[str, api.Symbol] = {}
    for path in notebooks():
        nb = NBProcessor(notebook_folder() / path).nb
        module = module_of(read_nb(notebook_folder() / path))
        for cell in nb.cells if module else []:
            if is_export(cell):
                for symbol in exported_symbols(cell, module, path):
                    found.update({f"{item.module}.{item.name}": item for item in [symbol, *symbol.members]})
    return found


def exported_symbols(cell, module: str, notebook: Path) -> list[api.Symbol]:
    """The functions and classes of one exported cell."""
    try:
        return api.symbols_in(cell.source, module, page_of(notebook))
    except SyntaxError as error:
        raise SiteError(f"nbs/{notebook.as_posix()}: the exported cell {cell.id} is not Python: {error.msg}, line {error.lineno}") from error


class Lookup(NbdevLookup):
    """nbdev's lookup, filled from the notebooks themselves: what stands in backticks becomes a link to its entry."""

    def __init__(self):
        self.aliases, self.syms = {}, {}
        for path in notebooks():
            module = module_of(read_nb(notebook_folder() / path))
            address = f"{site_url()}/{page_of(path)}.html"
            self.syms |= {path.stem: address} | ({module: address} if module else {})
        self.files = set(self.syms)
        quiet = (".tests.", ".cli.")  # their names are common words: only the full name is a link
        for full, symbol in symbols().items():
            address = f"{site_url()}/{symbol.page}.html#{symbol.anchor}"
            self.syms[full] = address
            if symbol.name not in bset and not any(part in full for part in quiet):
                self.syms.setdefault(symbol.name, address)

    def link_line(self, line: str) -> str:
        """`line` with links; not in headings, nor inside a link."""
        if line.startswith("#"):
            return line
        taken = [match.span() for match in LINK.finditer(line)]

        def one(span: re.Match) -> str:
            name = re.fullmatch(r"`([^`\s]+?)(?:\(\))?`", span[0])
            linked = any(first <= span.start() < last for first, last in taken)
            return span[0] if name is None or linked else self._link_sym(name)

        return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", one, line)


@cache
def lookup() -> Lookup:
    """The one lookup of this build."""
    return Lookup()


def site_link(notebook: Path, target: str, is_picture: bool) -> str:
    """A link of a notebook as it must be in the site: other notebooks become pages, other files their address on the web."""
    if is_external(target) or target.startswith("#"):
        return target
    file, anchor = linked_file(notebook, target)
    inside = notebook_folder() in (ROOT / file).parents
    if is_picture:
        return target if inside else picture_copy(file)
    if inside and file.suffix == ".ipynb":
        return f"{site_url()}/{page_of((ROOT / file).relative_to(notebook_folder()))}.html{anchor}"
    return repository_url(file) + anchor


def picture_copy(file: Path) -> str:
    """Copy a picture from elsewhere in the repository to the pages; returns its path there."""
    copy = SOURCE / "_pictures" / file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(ROOT / file, copy)
    return f"/_pictures/{file.as_posix()}"


class Base(Processor):
    """A processor that knows its notebook."""

    def __init__(self, nb):
        super().__init__(nb)
        self.path = Path(nb.path_).resolve().relative_to(notebook_folder())


class CheckCells(Base):
    """Stops at syntax that only Sphinx or only Quarto understands, and at an output that is a traceback."""

    def check(self, line: str) -> str:
        """The line, unchanged."""
        if ONE_SIDED.search(line):
            raise SiteError(f"nbs/{self.path.as_posix()}: {line.strip()!r} is understood by Sphinx or Quarto only; write plain Markdown")
        return line

    def cell(self, cell):
        """Check a Markdown cell; drop front matter."""
        if cell.cell_type == "markdown":
            outside_fences(cell.source, self.check)
            if re.search(r"^```+\s*\{", cell.source, re.MULTILINE):
                raise SiteError(f"nbs/{self.path.as_posix()}: a fence with {{...}} is understood by Sphinx or Quarto only")
        elif cell.cell_type == "raw":
            cell.source = None
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise SiteError(f"nbs/{self.path.as_posix()}: a cell ended in {output.ename}: {output.evalue[:200]}; run the notebook again")


class ApiEntries(Base):
    """Turns exported definitions and `show_doc` cells into API entries; the source stays below its entry, folded."""

    def begin(self):
        """Rebuild the list of cells."""
        self.module, self.tests = module_of(read_nb(self.nb.path_)), self.path.parts[0] == TESTS
        self.shown = {self.resolve(name).name for cell in self.nb.cells for name in self.shown_in(cell)}
        cells = []
        for cell in self.nb.cells:
            if names := self.shown_in(cell):
                cells += [self.entry(self.resolve(name)) for name in names]
            elif is_export(cell) and self.module:
                cells += self.exported(cell)
            elif "default_exp" not in cell.directives_:
                cells.append(cell)
        self.nb.cells = cells

    def shown_in(self, cell) -> list[str]:
        """Names of what a cell documents with `show_doc`."""
        return SHOW_DOC.findall(cell.source) if cell.cell_type == "code" else []

    def find(self, name: str) -> api.Symbol | None:
        """The symbol that a notebook calls `name`: its own first."""
        own = symbols().get(f"{self.module}.{name}")
        return own or next((symbol for full, symbol in symbols().items() if name in (full, symbol.name)), None)

    def resolve(self, name: str) -> api.Symbol:
        """As `find`; a name that no notebook exports is an error."""
        symbol = self.find(name)
        if symbol is None:
            raise SiteError(f"nbs/{self.path.as_posix()}: show_doc({name}) names nothing that a notebook exports")
        return symbol

    def entry(self, symbol: api.Symbol):
        """A Markdown cell with the API entry of a symbol; only its own notebook puts it into the index."""
        return new_cell(api.entry(symbol, self.shown, self.find, index=symbol.module == self.module))

    def exported(self, cell) -> list:
        """What becomes of an exported cell: nothing of imports, the code of constants and tests, entries with folded source of the rest."""
        found = [symbols()[f"{self.module}.{item.name}"] for item in api.symbols_in(cell.source, self.module, "")]
        silent = self.tests or "hide" in cell.directives_ or "exporti" in cell.directives_
        entries = [] if silent else [symbol for symbol in found if not symbol.private and symbol.name not in self.shown]
        bare = [item for symbol in found for item in [symbol, *symbol.members] if not self.has_anchor(symbol, item, entries)]
        anchors = "".join(f'<span id="{item.anchor}"></span>' for item in bare)
        result = [new_cell(anchors)] if anchors else []
        result += [self.entry(symbol) for symbol in entries]
        imports_only = all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(cell.source).body)
        if "hide" in cell.directives_ or imports_only:
            return result
        if found and not self.tests:
            add_tag(cell, "hide-input")
            cell.metadata["mystnb"] = {"code_prompt_show": "Source of " + ", ".join(symbol.name for symbol in found)}
        return [*result, cell]

    def has_anchor(self, top: api.Symbol, symbol: api.Symbol, entries: list[api.Symbol]) -> bool:
        """Whether an entry of this page brings the anchor of `symbol`, which belongs to `top`."""
        return symbol.name in self.shown or (top in entries and (symbol is top or api.documented(symbol)))


def new_cell(source: str):
    """A Markdown cell made here."""
    cell = mk_cell(source, "markdown")
    cell.directives_ = {}
    return cell


def add_tag(cell, tag: str):
    """Give a cell a tag that MyST-NB acts on."""
    cell.metadata.setdefault("tags", []).append(tag)


class QuartoOptions(Base):
    """Turns `#| echo: false` and its kind into what MyST-NB understands, and drops the lines."""

    def begin(self):
        """Colour code as IPython's, which knows `!command`."""
        self.nb.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}

    def cell(self, cell):
        """Read the options at the head of one code cell."""
        if cell.cell_type != "code":
            return
        options, cell.source = quarto_options(cell.source)
        self.apply(cell, options)

    def apply(self, cell, options: dict[str, str]):
        """Act on the options of one cell."""
        off = {name for name, value in options.items() if value.lower() == "false"}
        for name, tag in (("echo", "remove-input"), ("output", "remove-output"), ("include", "remove-cell")):
            if name in off:
                add_tag(cell, tag)
        if options.get("code-fold") in ("true", "hide"):
            add_tag(cell, "hide-input")
        settings = cell.metadata.setdefault("mystnb", {})
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            settings["image"] = {"alt": picture_text(cell.source, options, self.heading(cell))}
        if "fig-cap" in options:
            settings["figure"] = {"caption": options["fig-cap"]}

    def heading(self, cell) -> str:
        """The heading above a cell."""
        above = "\n".join(c.source for c in self.nb.cells[: cell.idx_] if c.cell_type == "markdown")
        return (re.findall(r"^#+ +(.+)$", above, re.MULTILINE) or [self.path.stem])[-1]


class Links(Base):
    """Makes links: to pages, to files of the repository, from backticks to API entries."""

    def cell(self, cell):
        """Link one Markdown cell; code and its outputs stay."""
        if cell.cell_type == "markdown":
            cell.source = outside_fences(cell.source, self.line)

    def line(self, line: str) -> str:
        """Link one line of prose."""
        return lookup().link_line(relinked(line, partial(site_link, self.path)))


class Pictures(Base):
    """Plotly figures become HTML that draws them with a script of the site's own."""

    def cell(self, cell):
        """Convert the outputs of one cell."""
        for number, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            if figure := data.pop("application/vnd.plotly.v1+json", None):
                output["data"] = {"text/html": self.plotly(figure, f"{cell.get('id', cell.idx_)}-{number}")}

    def plotly(self, figure: dict, name: str) -> str:
        """One figure as HTML."""
        import plotly.graph_objects as go
        from plotly.io import to_html

        script = "../" * (len(self.path.parts) - 1) + "_static/plotly.min.js"
        drawn = go.Figure(data=figure["data"], layout=figure["layout"])
        return to_html(drawn, include_plotlyjs=script, full_html=False, div_id=f"plotly-{name}", config={"responsive": True})


class SiteProcessors(FilterDefaults):
    """Which processors make a notebook into a page of the site."""

    def base_procs(self):
        """nbdev's list, with show_doc, links and options done for Sphinx, and the H1 kept."""
        show = [populate_language, CheckCells, ApiEntries]
        clean = [hide_line, filter_stream_, rm_header_dash, ai_magics, BashCells, clean_magics, hide_]
        return [*show, *clean, QuartoOptions, Links, Pictures, strip_hidden_metadata]


class BashCells(Base):
    """A `%%bash` cell that was not run becomes a fence of shell commands."""

    def cell(self, cell):
        """Convert one cell."""
        if cell.cell_type == "code" and cell_lang(cell) == "bash" and not cell.get("outputs"):
            cell.cell_type, cell.source = "markdown", "```bash\n" + cell.source.partition("\n")[2].strip() + "\n```"
            cell.pop("outputs", None), cell.pop("execution_count", None)

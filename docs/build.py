"""Builds the documentation site and `README.md` from the notebooks.

python docs/build.py                  the site, in docs/_site
python docs/build.py readme           README.md, from nbs/index.ipynb
python docs/build.py readme --check   says whether README.md is up to date
python docs/build.py check-nbdev      says whether nbdev_docs would work for whoever has Quarto
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.chdir(Path(__file__).resolve().parents[1])  # nbdev looks for settings.ini from here

import nbdev.serve
from sphinx.cmd.build import build_main

from sitetools import quarto
from sitetools import readme as readme_tools
from sitetools.links import broken_links
from sitetools.processors import SiteProcessors
from sitetools.project import BUILD, DOCS, ROOT, SOURCE, WINGS, SiteError, config, notebooks, page_of

HELP = "Builds the documentation site and README.md from the notebooks. Without a command: the site, in docs/_site."
app = typer.Typer(help=HELP, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
console = Console(stderr=True, highlight=False)


def process_notebooks() -> None:
    """Run nbdev's processing with our processors into `docs/_build/source`, each notebook under its page's name."""
    work = ROOT / "_proc"  # where nbdev writes; removed again, for the pages that nbdev_docs keeps there are not like ours
    nbdev.serve.FilterDefaults = SiteProcessors
    try:
        nbdev.serve.proc_nbs(n_workers=0, force=True)
        shutil.copytree(work, SOURCE, ignore=shutil.ignore_patterns("*.ipynb"), dirs_exist_ok=True)
        for notebook in notebooks():
            target = SOURCE / f"{page_of(notebook)}.ipynb"
            if target.exists():
                raise SiteError(f"nbs/{notebook.as_posix()}: another notebook has the page {page_of(notebook)} already")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(work / notebook, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def contents() -> str:
    """The navigation as Markdown: one table of contents per wing that has notebooks."""
    pages = notebooks()
    unknown = sorted({path.parts[0] for path in pages if len(path.parts) > 1} - set(WINGS))
    if unknown:
        raise SiteError(f"nbs/{unknown[0]}: not a wing of the navigation; add it to WINGS in docs/sitetools/project.py")
    text = ""
    for folder, title in WINGS.items():
        names = [page_of(path) for path in pages if path.parts[0] == folder]
        if names:
            text += "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *names, "```", "", ""])
    return text


def add_contents() -> None:
    """Put the navigation into the home page."""
    from execnb.nbio import mk_cell, read_nb, write_nb

    home = SOURCE / "index.ipynb"
    if not home.exists():
        raise SiteError("nbs/index.ipynb: missing; it is the home page")
    nb = read_nb(home)
    nb.cells.append(mk_cell(contents(), "markdown"))
    write_nb(nb, home)


def run_sphinx(output: Path) -> None:
    """Build the HTML; a warning is an error, after all of them have been shown."""
    arguments = ["-q", "-W", "--keep-going", "-b", "html", "-j", "auto", "-c", str(DOCS), "-d", str(BUILD / "doctrees"), str(SOURCE), str(output)]
    if build_main(arguments):
        raise SiteError("Sphinx warned, see above, and a warning is an error here; the number behind a page's name is 10000 x cell + line")


def replace_folder(new: Path, old: Path) -> None:
    """Put a finished folder where an older one stands."""
    if old.exists():
        old.rename(BUILD / "previous")
    old.parent.mkdir(parents=True, exist_ok=True)
    new.rename(old)


def build_site() -> Path:
    """Build everything anew, check it, and only then replace the site that was there."""
    shutil.rmtree(BUILD, ignore_errors=True)
    site, output = Path(config().doc_path), BUILD / "html"
    with console.status("notebooks"):
        process_notebooks()
        add_contents()
    console.print(f"{len(notebooks())} notebooks processed; Sphinx renders them")
    run_sphinx(output)
    if problems := broken_links(output):
        raise SiteError("\n".join(problems))
    replace_folder(output, site)
    return site


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Build the site when no other command is given."""
    if context.invoked_subcommand:
        return
    start = time.perf_counter()
    site = build_site()
    console.print(f"{site.relative_to(ROOT) / 'index.html'} built in {time.perf_counter() - start:.0f} s")


@app.command()
def readme(check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when README.md is not what the notebook says.")] = False) -> None:
    """Write README.md from nbs/index.ipynb."""
    if not check:
        for path in readme_tools.write():
            console.print(f"{path.relative_to(ROOT)} written")
        return
    if difference := readme_tools.difference():
        sys.stdout.write(difference)
        raise SiteError("README.md is not what nbs/index.ipynb says; run: python docs/build.py readme")


@app.command("check-nbdev")
def check_nbdev() -> None:
    """Check that nbdev_docs, which needs Quarto, would work: run what it does before it calls Quarto."""
    failed = 0
    for notebook, problem in quarto.problems():
        if problem:
            failed += 1
            console.print(f"nbs/{notebook.as_posix()}: {problem}", markup=False, soft_wrap=True)
    if failed:
        raise SiteError(f"nbdev_docs would stop at {failed} notebook{'s' if failed > 1 else ''}")
    console.print(f"nbdev_docs would process {len(notebooks())} notebooks")


if __name__ == "__main__":
    try:
        app(standalone_mode=True)
    except SiteError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)

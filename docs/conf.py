"""Sphinx's settings. The pages are the processed notebooks in docs/_build/source; run docs/build.py, not Sphinx itself."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sitetools.processors import lookup, symbols
from sitetools.project import ROOT, config, module_of, notebook_folder, notebook_of, repository_url, site_url

# The project

settings = config()
project = settings.title
author = settings.author
project_copyright = settings.copyright
version = release = settings.version
language = "en"
smartquotes = False
exclude_patterns: list[str] = []
templates_path = ["_templates"]

# What reads the pages

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.linkcode", "sphinx.ext.mathjax"]
nb_execution_mode = "off"
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_heading_slug_func = "sitetools.slugs.pandoc_slug"
myst_links_external_new_tab = False

# API entries

add_module_names = False
python_use_unqualified_type_names = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 88
python_trailing_comma_in_multi_line_signatures = False
suppress_warnings = ["ref.python"]  # a type's name that two modules have: the first is linked
toc_object_entries_show_parents = "hide"
modindex_common_prefix = [f"{settings.lib_path.name}."]

# Looks

html_theme = "pydata_sphinx_theme"
html_title = project
html_baseurl = site_url() + "/"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"**": ["sidebar-wings"]}
html_theme_options = {
    "logo": {"text": project, "image_light": "_static/favicon.svg", "image_dark": "_static/favicon.svg", "alt_text": ""},
    "navbar_center": [],
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "icon_links": [{"name": "Source code", "url": settings.git_url, "icon": "fa-brands fa-github"}],
    "article_header_start": [],
    "secondary_sidebar_items": ["page-toc", "notebook-link"],
    "show_toc_level": 2,
    "primary_sidebar_end": [],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div.cell_input div.highlight pre, div.highlight-bash pre, div.highlight-console pre, div.highlight-python pre"

# Formulas: MathJax from the package sphinx-mathjax-offline, so that a page fetches nothing from elsewhere

MATHJAX = "mathjax/tex-chtml-full.js"
mathjax_path = MATHJAX
_mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
if _mathjax is None:
    raise ConfigError("the package sphinx-mathjax-offline is missing; install what the site needs: pip install -e '.[dev]' -c constraints.txt")


def copy_scripts(app, error):
    """Copy what the pages load: MathJax and its fonts; Plotly where a page draws with it."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    bundle = Path(_mathjax.origin).parent / "static"
    (static / MATHJAX).parent.mkdir(exist_ok=True)
    shutil.copy2(bundle / MATHJAX, static / MATHJAX)
    shutil.copytree(bundle / "mathjax/output/chtml/fonts", static / "mathjax/output/chtml/fonts", dirs_exist_ok=True)
    if any("_static/plotly.min.js" in path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")):
        from plotly.offline import get_plotlyjs

        (static / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


class Anchors(SphinxTransform):
    """Gives API entries nbdev's anchors (`bars.window`) and headings those that Quarto gives, so that links work in both sites."""

    default_priority = 850

    def apply(self):
        """Change the ids of one page; an API entry comes before a heading of the same name."""
        taken = set()
        for node in self.document.findall(addnodes.desc_signature):
            if node.get("ids") and node.get("fullname"):
                anchor = node["fullname"].lower()
                if anchor not in taken:
                    node["ids"] = [anchor, *(name for name in node["ids"] if name != anchor)]
                    taken |= set(node["ids"])
        taken |= {match for raw in self.document.findall(nodes.raw) for match in re.findall(r'<span id="([^"]+)">', raw.astext())}
        for node in self.document.findall(nodes.section):
            if slug := next((title["slug"] for title in [node, *node.findall(nodes.title)] if title.get("slug")), None):
                ids = [name for name in dict.fromkeys([slug, *node["ids"]]) if name not in taken]
                node["ids"] = ids or [f"section-{slug}"]
                taken |= set(node["ids"])


def relative_links(app, doctree, docname):
    """Make links to the published site relative, so that they work wherever the site is."""
    prefix = site_url() + "/"
    for node in doctree.findall(nodes.reference):
        address = node.get("refuri", "")
        if address.startswith(prefix):
            page, _, anchor = address.removeprefix(prefix).partition("#")
            name = page.removesuffix(".html")
            if name in app.env.found_docs:
                node["refuri"] = app.builder.get_relative_uri(docname, name) + (f"#{anchor}" if anchor else "")
                node["internal"] = True
                node["classes"] = [value for value in node["classes"] if value != "external"]


def type_link(app, env, node, content):
    """Link a type in a signature to its entry, whatever module it is from."""
    target = lookup().doc(node["reftarget"].rpartition(".")[2]) if node.get("refdomain") == "py" else None
    return nodes.reference("", "", content, refuri=target, internal=True) if target else None


def linkcode_resolve(domain, info):
    """Address of a symbol's exported source, with its line."""
    symbol = symbols().get(f"{info['module']}.{info['fullname']}")
    path = Path(*info["module"].split(".")).with_suffix(".py")
    if symbol is None or not (ROOT / path).exists():
        return None
    text = (ROOT / path).read_text(encoding="utf-8")
    line = text[:found].count("\n") + 1 if (found := text.find(symbol.source.rstrip())) >= 0 else 0
    return repository_url(path) + (f"#L{line + symbol.node.lineno - 1}" if line else "")


def notebook_context(app, pagename, templatename, context, doctree):
    """Tell the templates which notebook and module a page comes from."""
    notebook = notebook_of(pagename)
    if notebook is not None:
        from execnb.nbio import read_nb

        path = Path(notebook_folder().name) / notebook
        context["notebook_url"], context["notebook_path"] = repository_url(path), path.as_posix()
        context["module_name"] = module_of(read_nb(notebook_folder() / notebook))


def setup(app):
    """Connect the above."""
    app.add_transform(Anchors)
    app.connect("missing-reference", type_link)
    app.connect("doctree-resolved", relative_links)
    app.connect("html-page-context", notebook_context)
    app.connect("build-finished", copy_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

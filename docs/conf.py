"""The documentation site: `make docs` builds it into docs/_build."""

import re
import sys
from pathlib import Path

from docutils.nodes import Element, SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

DOCS = Path(__file__).parent
MADE = DOCS / "_made"
sys.path[:0] = [str(DOCS.parent / "scripts"), str(DOCS.parent / "src")]

from reference_pages import made_pages  # noqa: E402  # of the path above

project = "rnnlab"
author = "the authors of rnnlab"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
napoleon_use_ivar = True  # an attribute is described once: where its class does
default_role = "code"  # docstrings quote with single backticks, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_theme = "furo"
html_title = "rnnlab"
html_show_sourcelink = False
html_show_copyright = False
html_math_renderer = "mathml"  # browsers draw it themselves, without a script from a network


def write_made_pages(app: Sphinx) -> None:
    """Write the pages that are made from code and configs, where they changed."""
    MADE.mkdir(exist_ok=True)
    pages = {MADE / f"{name}.md": text for name, text in made_pages()}
    for path in set(MADE.glob("*.md")) - set(pages):
        path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def lead_inside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links to the README, which is no page of the site, lead to the site's first page."""
    source[0] = re.sub(r"\]\(\.\./README\.md[^)]*\)", "](index.md)", source[0])


def quote_indented(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Take an indented block of a docstring for an equation or an example, as Markdown does.

    And what is before a colon in the first line of a property, where napoleon has a type, for text.
    """
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " -- ", 1)
    marked = []
    for before, line in zip(["", *lines], lines, strict=False):
        ends = [text for text in marked if text.strip()]
        if line.startswith("    ") and not before.strip() and ends and not ends[-1].startswith(" "):
            marked += ["::", ""]
        marked.append(line)
    lines[:] = marked


def visit_math(translator: HTML5Translator, node: Element) -> None:
    """Write an equation as MathML."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def visit_math_block(translator: HTML5Translator, node: Element) -> None:
    """Write an equation on lines of its own as MathML."""
    equation = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math">{equation}</div>\n')
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("builder-inited", write_made_pages)
    app.connect("source-read", lead_inside)
    app.connect("autodoc-process-docstring", quote_indented, priority=1)

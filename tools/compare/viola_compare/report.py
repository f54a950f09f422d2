# SPDX-License-Identifier: GPL-2.0
"""report.html: verdict, tables and plots in one file that loads nothing from anywhere."""
import os

import jinja2

from viola_compare import against, blocks, notes, plots, verdict, words
from viola_compare.modes import mode_of


def environment():
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(os.path.abspath(__file__))),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=lambda v: words.printable(v) if isinstance(v, str) and
        not hasattr(v, "__html__") else v)


def sections(doc):
    """A section per workload and size."""
    found = []
    for workload, size in blocks.keys(doc):
        block = blocks.block(doc, workload, size)
        if block.rows:
            found.append({"block": block, "plots": plots.of_block(doc, workload, size, block)})
    return found


def render(doc):
    a = doc.get("against")
    return environment().get_template("report.html").render(
        doc=doc, mode=mode_of(doc["host"].get("mode")), verdict=doc["verdict"],
        basis=verdict.basis(doc), against=a, against_lines=against.lines(a) if a else [],
        columns=blocks.PATH_COLUMNS, path_rows=blocks.path_rows(doc), sections=sections(doc),
        notes=notes.notes(doc), middle=lambda r, e: words.plain(
            e["median"] / r.figure.divisor) if e else "-",
        bounds=lambda r, e: words.bounds(e, r.figure.divisor))

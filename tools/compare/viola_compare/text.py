# SPDX-License-Identifier: GPL-2.0
"""result.txt: verdict, tables and notes as text."""
import textwrap

from viola_compare import against, blocks, notes, verdict, words

WIDTH = 100


def wrap(text, first="", rest=""):
    # A number and its % stay together.
    return textwrap.fill(words.printable(text).replace(" %", "\0%"), WIDTH, initial_indent=first,
                         subsequent_indent=rest, break_long_words=False,
                         break_on_hyphens=False).replace("\0", " ")


def table(head, rows, left=1):
    """Lines of a table; the first @left columns are aligned left."""
    widths = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    return ["  " + "  ".join(c.ljust(w) if i < left else c.rjust(w)
                             for i, (c, w) in enumerate(zip(row, widths))).rstrip()
            for row in [head] + rows]


def heading(doc):
    host, viola = doc["host"], doc["viola"]
    return ["viola compare %s (%s), %s" % tuple(words.printable(t) for t in (
                viola.get("version"), viola.get("commit"), doc.get("started"))),
            "host: %s, kernel %s, mode %s" % tuple(words.printable(t) for t in (
                host.get("cpu"), host.get("kernel"), host.get("mode")))]


def verdict_lines(doc):
    lines = [""] + [wrap(s, "", "  ") for s in doc["verdict"]]
    basis = verdict.basis(doc)
    return lines + ([wrap("(%s)" % basis, "  ", "  ")] if basis else [])


def against_lines(doc):
    a = doc.get("against")
    if not a:
        return []
    limit = 100 * a["threshold"]
    if a["worse"]:
        found = "%d figure%s got worse, by %g %% or more as far as can be told." % (
            a["worse"], "" if a["worse"] == 1 else "s", limit)
    else:
        found = "nothing got worse by %g %%, as far as can be told." % limit
    lines = ["", wrap("Against %s (%s, %s): %s" % (
        a["file"], (a["viola"] or {}).get("commit"), a["started"], found), "", "  ")]
    return lines + [wrap(t, "  ", "    ") for t in against.lines(a)]


def block_lines(block):
    rows = [[r.title] + r.cells() for r in block.rows]
    if block.ratios:
        rows.append([block.ratios.title] + block.ratios.cells())
    return ["", "%s (%s)" % (block.title, block.base)] + table([""] + block.paths, rows)


def render(doc):
    lines = heading(doc) + verdict_lines(doc) + against_lines(doc)
    lines += ["", "Paths"] + table(list(blocks.PATH_COLUMNS), blocks.path_rows(doc), left=6)
    for block in blocks.blocks(doc):
        lines += block_lines(block)
    lines += [""] + [wrap(n, "* ", "  ") for n in notes.notes(doc)]
    return "\n".join(lines) + "\n"

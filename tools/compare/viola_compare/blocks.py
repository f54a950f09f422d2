# SPDX-License-Identifier: GPL-2.0
"""The tables, as text and HTML show them: a block per workload and size, a column per path."""
import dataclasses

from viola_compare import figures, verdict, words
from viola_compare.modes import mode_of

TITLES = {"rtt": "Round trips of %s bytes", "tx": "Guest sends frames of %s bytes",
          "rx": "Guest receives frames of %s bytes"}

# Rows of a block. Minimum, maximum and mean are in the document only.
GROUPS = {"rtt": ("rtt", "cost"), "tx": ("throughput", "cost"), "rx": ("throughput", "cost")}
LEFT_OUT = ("min_ns", "max_ns", "mean_ns", "bps")


@dataclasses.dataclass
class Row:
    title: str
    figure: figures.Figure
    estimates: list     # one per path, or None
    marked: bool        # shown, but not to be compared

    def cells(self):
        return [words.interval(e, self.figure.divisor) for e in self.estimates]


@dataclasses.dataclass
class Block:
    title: str
    paths: list         # names
    rows: list
    base: str           # how much it rests on
    ratios: Row         # of the headline figure to the reference, or None


def title_of(figure, marked):
    per_packet = " a packet" if figure.group == "cost" else ""
    unit = ", " + figure.unit if figure.unit else ""
    return figure.title + per_packet + unit + (" *" if marked else "")


def base_of(doc, group, rows):
    """"6 rounds, 1800 round trips a path, none lost"."""
    rounds = sorted({len(p["rounds"]) for p in doc["paths"] if p["rounds"]})
    text = "%s round%s" % (" to ".join(str(r) for r in rounds), "" if rounds == [1] else "s")
    if group == "rtt":
        counts = sorted({r["count"] for r in rows if r and r["count"] is not None})
        lost = sum(r["lost"] or 0 for r in rows if r)
        if counts:
            text += ", %s round trips a path, %s lost" % (
                " to ".join(str(c) for c in (counts[:1] + counts[1:][-1:])), lost or "none")
    else:
        counts = sorted({r["received"] for r in rows if r and r["received"] is not None})
        if counts:
            text += ", %s frames arrived a path" % (
                " to ".join(str(c) for c in (counts[:1] + counts[1:][-1:])))
    return text


def block(doc, workload, size):
    mode = mode_of(doc["host"].get("mode"))
    paths = [p for p in doc["paths"] if p["rounds"]]
    rows, first, base = [], GROUPS[workload][0], None
    for group in GROUPS[workload]:
        of_paths = [figures.row_of(p, group, workload, size) for p in paths]
        base = base or base_of(doc, first, of_paths)
        for figure in figures.of_group(group):
            if figure.key in LEFT_OUT:
                continue
            estimates = [r and r[figure.key] for r in of_paths]
            marked = not mode.times and figure.kind not in (figures.COUNT, figures.WORK)
            if any(estimates):
                rows.append(Row(title_of(figure, marked), figure, estimates, marked))
    return Block(TITLES[workload] % size, [p["path"] for p in paths], rows, base,
                 ratio_row(doc, workload, rows))


def ratio_row(doc, workload, rows):
    chosen = verdict.headline(doc, workload)
    for row in rows:
        if chosen and row.figure.key == chosen[1]:
            ratios = [e and e.get("ratio") for e in row.estimates]
            if any(ratios):
                return Row("%s, %s = 1" % (row.figure.title, doc["reference"]),
                           figures.Figure("ratio", "ratio", "", "", 1, figures.RATE), ratios,
                           False)
    return None


def keys(doc):
    """All (workload, size), in the order of the report."""
    found = {(row["workload"], row["size"]) for p in doc["paths"] for g in figures.TOTALS
             for row in p[g] if row["workload"] in figures.WORKLOADS}
    return sorted(found, key=figures.row_order)


def blocks(doc):
    found = [block(doc, workload, size) for workload, size in keys(doc)]
    return [b for b in found if b.rows]


PATH_COLUMNS = ("path", "rung", "driver", "mode", "ring", "status", "rounds")


def path_rows(doc):
    return [[words.printable(v) if v is not None else "-" for v in (
        p["path"], p.get("rung"), p["guest"].get("driver"), p.get("mode"), p.get("ring"),
        p["status"], len(p["rounds"]))] for p in doc["paths"]]

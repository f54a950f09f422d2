# SPDX-License-Identifier: GPL-2.0
"""Where the lines and bars of the report go; report.html draws them."""
import math

from viola_compare import figures, words
from viola_compare.modes import mode_of

COLOURS = 6

# Bars, in pixels of the drawing.
BAR_WIDTH, BAR_LEFT, BAR_LENGTH, BAR_STEP = 440, 76, 230, 26

# Percentile curves.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 250, 52, 62, 8, 34


def colour_of(doc, name):
    return [p["path"] for p in doc["paths"]].index(name) % COLOURS


# --- bars with whiskers ----------------------------------------------------------

def bars(doc, title, figure, row_of):
    """A bar per path from 0 to its median, a whisker over its interval; None without values."""
    unit = ", " + figure.unit if figure.unit else ""
    rows = [(p["path"], (row_of(p) or {}).get(figure.key)) for p in doc["paths"] if p["rounds"]]
    known = [e for _, e in rows if e]
    if not known or not any(e["median"] for e in known):
        return None
    top = max(max(e["median"], e["high"] or 0) for e in known)

    def at(value):
        return BAR_LEFT + value / top * BAR_LENGTH
    return {"title": title + unit,
            "better": {figures.MORE: "less is better", figures.LESS: "more is better"}.get(
                figure.worse, ""),
            "width": BAR_WIDTH, "left": BAR_LEFT, "height": BAR_STEP * len(rows) + 4,
            "bars": [bar(doc, i, name, e, figure, at) for i, (name, e) in enumerate(rows)]}


def bar(doc, i, name, e, figure, at):
    end = at(e["median"]) if e else BAR_LEFT
    whisker = (at(e["low"]), at(e["high"])) if e and e["low"] is not None else None
    return {"name": name, "colour": colour_of(doc, name), "y": BAR_STEP * i + 5,
            "length": end - BAR_LEFT, "whisker": whisker,
            "text_x": max(end, whisker[1] if whisker else 0) + 6,
            "text": words.interval(e, figure.divisor)}


# --- ratios to the reference -----------------------------------------------------

def ratios(doc, row, allowance):
    """Dots with whiskers on a logarithmic axis, the reference at 1. None without ratios."""
    if not row:
        return None
    shown = [(p, e) for p, e in zip([p["path"] for p in doc["paths"] if p["rounds"]],
                                    row.estimates) if e and p != doc["reference"]]
    shown = [(p, e) for p, e in shown if e["median"] > 0]
    if not shown:
        return None
    reach = max(abs(math.log(v)) for _, e in shown
                for v in (e["median"], e["low"] or e["median"], e["high"] or e["median"])
                if v > 0)
    reach = max(reach * 1.1, math.log(1.05))

    def at(value):
        return BAR_LEFT + (math.log(max(value, math.exp(-reach))) / reach + 1) / 2 * BAR_LENGTH
    return {"width": BAR_WIDTH, "height": BAR_STEP * len(shown) + 22, "zero": at(1),
            "band": (at(1 - allowance), at(1 + allowance)), "left": BAR_LEFT,
            "end": BAR_LEFT + BAR_LENGTH,
            "marks": [(at(v), text) for v, text in marks(reach)],
            "dots": [{"name": p, "colour": colour_of(doc, p), "y": BAR_STEP * i + 13,
                      "x": at(e["median"]), "text": words.interval(e),
                      "whisker": (at(e["low"]), at(e["high"])) if e["low"] else None}
                     for i, (p, e) in enumerate(shown)]}


def marks(reach):
    """Up to four marks either side of 1."""
    steps = [1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100]
    step = next((s for s in steps if 2.2 * math.log(s) >= reach), steps[-1])
    result = [(1, "1")]
    k = 1
    while k * math.log(step) <= reach and k < 5:
        for value in (step ** k, step ** -k):
            result.append((value, "%.3g" % value))
        k += 1
    return result


# --- percentile curves -----------------------------------------------------------

def nines(q):
    """0.9 is 1, 0.99 is 2."""
    return -math.log10(1 - q) if q < 1 else 99


def y_marks(low, high):
    """1, 2, 5 times the powers of ten within, or finer where that leaves fewer than three."""
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(1 + i / 10 for i in range(90)),
                  tuple(1 + i / 100 for i in range(900))):
        found = [s * 10 ** d for d in range(math.floor(low), math.ceil(high) + 1) for s in steps
                 if low <= math.log10(s * 10 ** d) <= high]
        if len(found) >= 3:
            return found[::max(1, len(found) // 6)]
    return found


def curves(doc, size):
    """Percentiles of round trips of @size bytes, one line per path with its band."""
    lines = [(p["path"], (figures.row_of(p, "rtt", "rtt", size) or {}).get("curve") or [])
             for p in doc["paths"]]
    lines = [(name, [(nines(q), *(None if v is None else v / 1e3 for v in rest))
                     for q, *rest in c if c and rest[0] > 0]) for name, c in lines]
    lines = [(name, c) for name, c in lines if len(c) > 1]
    if not lines:
        return None
    values = [v for _, c in lines for _, *rest in c for v in rest if v]
    low, high = math.log10(min(values)), math.log10(max(values))
    middle = (low + high) / 2
    # At least an eighth of a decade, so that noise does not fill the plot.
    low, high = min(low, middle - 0.06) - 0.02, max(high, middle + 0.06) + 0.02
    last = max(c[-1][0] for _, c in lines)

    def x(n):
        return LEFT + n / last * (WIDTH - LEFT - RIGHT)

    def y(us):
        return HEIGHT - BOTTOM - (math.log10(us) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    return {"size": size, "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT,
            "top": TOP, "bottom": HEIGHT - BOTTOM, "middle": (LEFT + WIDTH - RIGHT) / 2,
            "x_marks": [(x(nines(q)), "%g" % (100 * q)) for q in (0, .5, .9, .99, .999, .9999)
                        if nines(q) <= last + .01],
            "y_marks": [(y(v), words.plain(v)) for v in y_marks(low, high)],
            "lines": labelled([line(doc, name, c, x, y) for name, c in lines])}


def line(doc, name, points, x, y):
    band = [p for p in points if p[2] is not None]
    return {"name": name, "colour": colour_of(doc, name),
            "d": "M" + "L".join("%.1f %.1f" % (x(n), y(us)) for n, us, *_ in points),
            "band": " ".join("%.1f,%.1f" % (x(n), y(v)) for n, v in
                             [(p[0], p[2]) for p in band] +
                             [(p[0], p[3]) for p in reversed(band)]),
            "x": x(points[-1][0]) + 5, "y": y(points[-1][1])}


def labelled(lines):
    """Names stand at the lines' ends, moved apart where the ends are close."""
    place = None
    for one in sorted(lines, key=lambda line: -line["y"]):
        place = one["label_y"] = one["y"] if place is None else min(one["y"], place - 12.5)
    return lines


# --- all of a report -------------------------------------------------------------

def of_block(doc, workload, size, block):
    """What belongs beside one table: the ratios, the curve, and bars of what tells most."""
    mode = mode_of(doc["host"].get("mode"))
    keys = (("rtt", "p50_ns"),) if workload == "rtt" else (("throughput", "pps"),)
    keys += (("cost", "instructions_per_packet"), ("cost", "exits_per_packet"),
             ("cost", "syscalls_per_packet"), ("cost", "host_cpu_ns_per_packet"))
    found = []
    for group, key in keys:
        figure = figures.BY_KEY[key]
        title = figure.title + (" a packet" if group == "cost" else "")
        title = "round trip, median" if key == "p50_ns" else title
        found.append(bars(doc, title[0].upper() + title[1:], figure,
                          lambda p, g=group: figures.row_of(p, g, workload, size)))
    return {"ratios": ratios(doc, block.ratios, mode.repeats),
            "ratio_title": "Ratio of " + block.ratios.title.split(",")[0] if block.ratios else "",
            "curve": curves(doc, size) if workload == "rtt" else None,
            "bars": [b for b in found if b]}

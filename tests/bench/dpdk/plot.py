# SPDX-License-Identifier: GPL-2.0
"""The picture of a run, as SVG: frames per second, cycles per frame, latency."""
import math
from xml.sax.saxutils import escape

COLOURS = {"viola": "#1f6fb4", "viola-switch": "#6bb0e0", "before": "#9d7bc1",
           "testpmd": "#e08a1e", "ovs": "#8a8f98"}
WIDTH, LEFT, RIGHT = 980, 64, 20
INK, FAINT, GRID = "#222", "#667", "#dde1e6"


def colour(name):
    return COLOURS.get(name) or COLOURS[name.split("-")[0]]


def nice_step(top, steps=5):
    """A step of 1, 2 or 5 times a power of ten, about @steps of which reach @top."""
    raw, unit = top / steps, 1.0
    while unit * 10 <= raw:
        unit *= 10
    while unit > raw:
        unit /= 10
    return next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)


def number(x):
    return "%g" % round(x, 6)


class Linear:
    """From 0 to a round number above all values."""

    def __init__(self, values):
        step = nice_step(max(values) or 1)
        count = int(max(values) / step) + 1
        self.marks = [step * i for i in range(count + 1)]

    def at(self, value):
        return value / self.marks[-1]


class Logarithmic:
    """From one power of ten to another, around all values."""

    def __init__(self, values):
        low = math.floor(math.log10(max(min(values), 1e-3)))
        high = max(low + 1, math.ceil(math.log10(max(max(values), 1e-3))))
        self.low, self.high = low, high
        self.marks = [10.0 ** e for e in range(low, high + 1)]

    def at(self, value):
        exponent = math.log10(max(value, 10.0 ** self.low))
        return (exponent - self.low) / (self.high - self.low)


class Picture:
    def __init__(self):
        self.parts = []
        self.y = 0

    def add(self, text, *args):
        self.parts.append(text % args if args else text)

    def text(self, x, y, text, size=12, anchor="start", fill=INK, more=""):
        self.add('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s" %s>%s</text>',
                 x, y, size, anchor, fill, more, escape(text))

    def axis(self, top, bottom, scale, unit):
        """Grid lines and numbers, and what they are."""
        for value in scale.marks:
            y = bottom - (bottom - top) * scale.at(value)
            self.add('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="%s"/>', LEFT,
                     WIDTH - RIGHT, y, y, INK if value == scale.marks[0] else GRID)
            self.text(LEFT - 8, y + 4, number(value), 11, "end", FAINT)
        self.text(16, (top + bottom) / 2, unit, 12, "middle", FAINT,
                  'transform="rotate(-90 16 %.1f)"' % ((top + bottom) / 2))

    def legend(self, y, names):
        x = LEFT
        for name in names:
            self.add('<rect x="%.1f" y="%.1f" width="12" height="12" fill="%s"/>', x, y - 10,
                     colour(name))
            self.text(x + 17, y, name, 12)
            x += 34 + 7.2 * len(name)

    def bars(self, title, unit, groups, height=230, scale_of=Linear):
        """@groups: [(label, [(name, median, p25, p75, hollow)])]; a whisker from p25 to p75."""
        groups = [g for g in groups if g[1]]
        if not groups:
            return
        scale = scale_of([v for _, bars in groups for b in bars for v in b[1:4]])
        names = list(dict.fromkeys(b[0] for _, bars in groups for b in bars))
        self.y += 34
        self.text(LEFT, self.y, title, 15, more='font-weight="600"')
        self.y += 22
        self.legend(self.y, names)
        top, bottom = self.y + 16, self.y + 16 + height
        self.axis(top, bottom, scale, unit)
        slot = (WIDTH - LEFT - RIGHT) / len(groups)
        for g, (label, bars) in enumerate(groups):
            width = min(30.0, slot * 0.8 / len(bars))
            x = LEFT + slot * (g + 0.5) - width * len(bars) / 2
            for name, mid, p25, p75, hollow in bars:
                y = bottom - (bottom - top) * scale.at(mid)
                self.add('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"%s>'
                         '<title>%s: %s (%s to %s)</title></rect>', x + 1, y, width - 2,
                         bottom - y, colour(name), ' fill-opacity="0.55"' if hollow else "",
                         escape(name), number(mid), number(p25), number(p75))
                y1, y2 = (bottom - (bottom - top) * scale.at(v) for v in (p25, p75))
                mid_x = x + width / 2
                self.add('<path d="M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8" stroke="%s" '
                         'fill="none"/>', mid_x, y1, y2, mid_x - 4, y1, mid_x - 4, y2, INK)
                x += width
            self.label(LEFT + slot * (g + 0.5), bottom + 16, label, slot)
        self.y = bottom + 56

    def label(self, x, y, text, room):
        """In as many lines as there are words between dashes, if it does not fit in one."""
        words = text.split(" ")
        lines = [text] if 6.2 * len(text) <= room else words
        for i, line in enumerate(lines):
            self.text(x, y + 13 * i, line, 11, "middle", INK)

    def save(self, path, heading, foot):
        height = self.y + 60
        with open(path, "w") as f:
            f.write('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
                    'viewBox="0 0 %d %d" font-family="system-ui, sans-serif">\n'
                    '<rect width="100%%" height="100%%" fill="#fff"/>\n' % (
                        WIDTH, height, WIDTH, height))
            f.write('<text x="%d" y="34" font-size="19" font-weight="600" fill="%s">%s</text>\n'
                    % (LEFT, INK, escape(heading)))
            f.write("\n".join(self.parts))
            for i, line in enumerate(foot):
                f.write('\n<text x="%d" y="%d" font-size="11" fill="%s">%s</text>' % (
                    LEFT, self.y + 24 + 15 * i, FAINT, escape(line)))
            f.write("\n</svg>\n")


def short(case):
    return "%d B %s%s" % (case["size"], case["ring"],
                          " %d queues" % case["queues"] if case["queues"] > 1 else "")


def scaled(name, s, factor, hollow=False):
    return (name, s["median"] * factor, s["p25"] * factor, s["p75"] * factor, hollow)


def latency_groups(case):
    groups = []
    for share in (0.1, 0.5, 0.9):
        bars = []
        for name, s in case["summary"].items():
            for entry in s["latency"]:
                if entry["share"] == share and not entry["common"]:
                    bars.append(scaled(name, entry["p99_ns"], 1e-3))
        groups.append(("%.0f %% of NDR" % (100 * share), bars))
    return groups


def write(results, path):
    p = Picture()
    p.y = 40
    for kind in dict.fromkeys(c["kind"] for c in results["cases"]):
        members = [c for c in results["cases"] if c["kind"] == kind]
        p.bars(members[0]["title"][:1].upper() + members[0]["title"][1:], "million frames/s", [
            (short(c), [scaled(n, s["fps"], 1e-6, s["generator_bound"])
                        for n, s in c["summary"].items() if s["fps"]]) for c in members])
        p.bars("Cost in the back end, %s" % members[0]["title"], "TSC cycles per frame", [
            (short(c), [scaled(n, s["cycles_per_frame"], 1) for n, s in c["summary"].items()
                        if s["cycles_per_frame"]]) for c in members], 170)
    for case in results["cases"]:
        groups = latency_groups(case)
        if any(bars for _, bars in groups):
            p.bars("99th percentile of the round trip, open loop, %s" % case["name"],
                   "microseconds, logarithmic", groups, 170, Logarithmic)
    m = results["machine"]
    p.save(path, "viola-dpdk beside testpmd and OVS-DPDK", [
        "%s, DPDK %s, %s pages, one CPU for the back end, one for the load; commit %s" % (
            m["cpu"], m["dpdk"], m["pages"], m["commit"]),
        "Bars: medians; whiskers: quartiles. Pale bars: the load generator was the bound."])

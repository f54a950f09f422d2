# SPDX-License-Identifier: GPL-2.0
"""What a run says, in sentences that claim no more than its intervals carry.

A sentence rests on the interval of the ratio to the reference path, widened by what one run
may differ from the next (modes.py), because the rounds of a run share their boots. Where the
widened interval holds 1, no difference can be told.
"""
import dataclasses

from viola import stats
from viola_compare import figures, words
from viola_compare.modes import mode_of


@dataclasses.dataclass(frozen=True)
class Wording:
    begin: str          # "%s" is the size or sizes
    less: str           # behind "6 to 8 % "
    more: str
    times: str          # behind "2.1 to 2.3 "

    def claim(self, low, high):
        """("6 to 8 % fewer instructions", the word that joins the other path)."""
        amount, way = words.difference(low, high)
        if way == "times":
            return "%s %s" % (amount, self.times), "as"
        return "%s %s" % (amount, self.less if way == "less" else self.more), "than"


def counted(begin, noun):
    return Wording(begin, "fewer " + noun, "more " + noun, "times as many " + noun)


RTT, TX, RX = ("A round trip of %s bytes costs", "Sending a frame of %s bytes costs",
               "Receiving a frame of %s bytes costs")

# The figures that speak for a workload, the first that has values: by workload.
HEADLINES = {
    "rtt": (("cost", "instructions_per_packet", counted(RTT, "instructions")),
            ("rtt", "p50_ns", Wording("A round trip of %s bytes takes", "less time", "more time",
                                      "times as long")),
            ("cost", "exits_per_packet", counted(RTT, "exits"))),
    "tx": (("throughput", "pps", counted("Sending frames of %s bytes reaches", "packets a second")),
           ("cost", "exits_per_packet", counted(TX, "exits"))),
    "rx": (("throughput", "pps",
            counted("Receiving frames of %s bytes reaches", "packets a second")),
           ("cost", "exits_per_packet", counted(RX, "exits"))),
}


def headline(doc, workload):
    """(group, key, wording) of the figure that speaks for a workload here, or None."""
    for group, key, wording in HEADLINES[workload]:
        for path in doc["paths"]:
            for row in path[group]:
                if row["workload"] == workload and row[key] and row[key].get("ratio"):
                    return group, key, wording
    return None


def sizes_of(doc, group, workload):
    return sorted({row["size"] for path in doc["paths"] for row in path[group]
                   if row["workload"] == workload and figures.number(row["size"]) is not None})


def ratios_of(doc, group, key, workload, size, allowance):
    """Of each path but the reference: the widened interval of its ratio, by name."""
    result = {}
    for path in doc["paths"]:
        if path["path"] == doc["reference"] or path["status"] != "ok":
            continue
        row = figures.row_of(path, group, workload, size)
        ratio = row and row[key] and row[key]["ratio"]
        between = words.widened(ratio, allowance) if ratio else None
        if between:
            result[path["path"]] = between
    return result


def agree(a, b):
    """Whether two sizes can share a sentence: same paths, same way, intervals that overlap."""
    return a.keys() == b.keys() and all(
        words.direction(a[p]) == words.direction(b[p]) and
        a[p][0] <= b[p][1] and b[p][0] <= a[p][1] for p in a)


def union(a, b):
    return {p: (min(a[p][0], b[p][0]), max(a[p][1], b[p][1])) for p in a}


def listing(items):
    items = list(items)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def sentence(wording, sizes, ratios, reference):
    """One line of the verdict. @ratios: {path: interval}."""
    different = {p: r for p, r in ratios.items() if words.direction(r)}
    same = {p: r for p, r in ratios.items() if not words.direction(r)}
    begin = wording.begin % listing(str(s) for s in sizes)
    parts = []
    for path, between in different.items():
        claim, joint = wording.claim(*between)
        parts.append("%s by %s" % (claim, path) +
                     (" %s by %s" % (joint, reference) if not parts else ""))
    text = "%s %s" % (begin, "; ".join(parts)) if parts else ""
    if same:
        untold = "no difference can be told between %s and %s" % (
            reference, listing("%s (%s)" % (p, words.signed(*r)) for p, r in same.items()))
        begin = begin.rsplit(" ", 1)[0]     # without its verb
        text = "%s; %s" % (text, untold) if text else "%s: %s" % (begin, untold)
    return text + "."


def lines_of(doc, workload, allowance):
    chosen = headline(doc, workload)
    if not chosen:
        return []
    group, key, wording = chosen
    groups = []
    for size in sizes_of(doc, group, workload):
        ratios = ratios_of(doc, group, key, workload, size, allowance)
        if not ratios:
            continue
        if groups and agree(groups[-1][1], ratios):
            groups[-1] = (groups[-1][0] + [size], union(groups[-1][1], ratios))
        else:
            groups.append(([size], ratios))
    return [sentence(wording, sizes, ratios, doc["reference"]) for sizes, ratios in groups]


def nothing(doc):
    """Why there is no verdict, in a sentence; None if there is nothing in its way."""
    measured = [p["path"] for p in doc["paths"] if p["status"] == "ok"]
    others = [p for p in measured if p != doc["reference"]]
    rounds = max((len(p["rounds"]) for p in doc["paths"]), default=0)
    if not measured:
        return "No path was measured."
    if doc["reference"] not in measured:
        if len(measured) == 1:
            return "Only %s was measured: there is nothing to compare it with." % measured[0]
        return "No verdict: %s, which the others are compared with, was not measured." % \
            doc["reference"]
    if not others:
        return "Only %s was measured: there is nothing to compare it with." % doc["reference"]
    if not stats.median_ranks(rounds):
        return ("No verdict: %d round%s carr%s no interval of 95 %%; at least 6 are needed "
                "(--rounds)." % ((rounds, "", "ies") if rounds == 1 else (rounds, "s", "y")))
    return None


def verdict(doc):
    """The sentences at the top, one for each workload, or more where sizes differ."""
    why = nothing(doc)
    if why:
        return [why]
    allowance = mode_of(doc["host"].get("mode")).repeats
    lines = [line for w in figures.WORKLOADS for line in lines_of(doc, w, allowance)]
    return lines or ["No verdict: no figure was measured by two paths that are ok."]


def basis(doc):
    """What the sentences rest on, in one."""
    mode = mode_of(doc["host"].get("mode"))
    rounds = sorted({len(p["rounds"]) for p in doc["paths"] if p["status"] == "ok"})
    if not rounds or not stats.median_ranks(rounds[0]):
        return None
    coverage = 100 * stats.median_ranks(rounds[0])[1]
    return ("Against %s, round by round: medians over %s rounds with intervals of %.1f %%, "
            "widened by %g %% for what another run may differ by%s." %
            (doc["reference"], " to ".join(str(r) for r in rounds), coverage,
             100 * mode.repeats,
             "; packets a second and times are of the lab's virtual time"
             if mode.name == "lab-icount" else ""))

# SPDX-License-Identifier: GPL-2.0
"""viola compare --against FILE: did a figure get worse since an earlier run?

Each judged figure of each path gets
  change   by which factor it got worse, with a distribution-free interval of 95 % over the
           rounds of both runs, widened by what equal runs may differ by (modes.py), because
           the rounds of one run share their boots. For a rate the factor is old/new: the
           time of a packet.
  p        of a permutation test over whole rounds, corrected for the number of figures.
It changed if p is at most 5 % and the widened interval lies on one side of 1. It is flagged
if it changed to the worse and the interval does not rule out a factor of 1 + threshold.
"""
from viola import stats
from viola_compare import document, figures, words
from viola_compare.modes import mode_of

ALPHA = 0.05
WORKLOAD_NAMES = {"rtt": "round trips of %s bytes", "tx": "sending frames of %s bytes",
                  "rx": "receiving frames of %s bytes"}

# Settings that decide what a figure is. The number of rounds only decides how well it is known.
SAME_SETTINGS = (("sched", "--sched"), ("rtt_count", "--rtt-count"), ("warmup", "--warmup"),
                 ("rate_ms", "--rate-ms"), ("kernel", "--kernel"),
                 ("guest_kernel", "--guest-kernel"))


class Refused(Exception):
    """Two runs that cannot be compared; the text says why."""


def earlier(file):
    """The earlier document, checked as far as this module reads it."""
    doc = document.load(file)
    if doc is None:
        raise Refused("%s is not a readable JSON document" % file)
    schema = doc.get("schema")
    if schema != document.SCHEMA:
        raise Refused("%s has schema %s; only %s can be compared with (make a new base run)" %
                      (file, words.printable(schema), document.SCHEMA))
    try:
        doc["settings"].setdefault("times", False)
        doc["host"].setdefault("mode", None)
        for path in doc["paths"]:
            path["rounds"] = [dict(r) for r in path["rounds"]]
            path.setdefault("null_reasons", {})
            str(path["path"]), str(path["status"])
        return document.summarize(doc)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise Refused("%s is damaged (%s: %s)" % (file, type(error).__name__, error)) from None


def check(old, mode, settings, file):
    """Refuse what cannot be compared with @old. @mode and @settings: of the new run."""
    was = old["host"]["mode"]
    if was != mode:
        raise Refused("%s was measured in mode %s, this is %s: their figures have nothing in "
                      "common" % (file, words.printable(was), mode))
    for key, option in SAME_SETTINGS:
        if old["settings"].get(key) != settings.get(key):
            raise Refused("%s was measured with %s %s, this is with %s" % (
                file, option, words.printable(old["settings"].get(key)), settings.get(key)))
    rounds = max((len(p["rounds"]) for p in old["paths"]), default=0)
    if stats.least_p(rounds, settings["rounds"]) > ALPHA:
        raise Refused("%s has %d rounds and this run %d: too few to tell a change from chance "
                      "(6 and 6 are enough)" % (file, rounds, settings["rounds"]))


def judged(old, new, mode):
    """[(path, figure, row of the old run, row of the new)], of what both have and repeats."""
    before = {p["path"]: p for p in old["paths"] if p["status"] == "ok"}
    result = []
    for path in new["paths"]:
        other = before.get(path["path"])
        if path["status"] != "ok" or not other:
            continue
        for figure in figures.FIGURES:
            if not all(figures.comparable(figure, doc["host"], mode) for doc in (old, new)):
                continue
            for row in path[figure.group]:
                was = figures.row_of(other, figure.group, row["workload"], row["size"])
                if was and was[figure.key] and row[figure.key]:
                    result.append((path["path"], figure, was, row))
    return result


def pad(values, length):
    return list(values) + [None] * (length - len(values))


def raised(values, floor):
    """Values of a round that are there, none below the floor: what is rarer does not count."""
    return [max(v, floor) for v in values if v is not None]


def factor(figure, was, now, allowance):
    """By which factor the figure got worse: {"estimate", "low", "high"}; None if unknown."""
    old, new = raised(was["values"], figure.floor), raised(now["values"], figure.floor)
    if figure.worse == figures.LESS:
        old, new = new, old
    if not old or not new or min(old) <= 0 or min(new) <= 0:
        return None
    e = stats.change(old, new)
    if e.low is None:
        return None
    return {"estimate": e.median, "low": e.low * (1 - allowance), "high": e.high * (1 + allowance)}


def verdict_of(change, p, threshold):
    if not change:
        return "unknown"
    way = words.direction((change["low"], change["high"])) if p <= ALPHA else 0
    if way > 0:
        return "worse" if change["high"] >= 1 + threshold else "slightly worse"
    if way < 0:
        return "better"
    return "same" if change["high"] < 1 + threshold else "open"


def amount_of(one):
    """By how much the figure itself changed: "+3.1 to +5.8 %", "2.1 to 2.3 times"."""
    low, high = one["change"]["low"], one["change"]["high"]
    if figures.BY_KEY[one["figure"]].worse == figures.LESS:
        low, high = 1 / high, 1 / low
    if low >= 2:
        return "%s times" % words.difference(low, high)[0]
    return words.signed(low, high)


# What a verdict says of the figures that have it; %s is the threshold.
MEANINGS = (("worse", "worse, and %s %% is not ruled out"),
            ("slightly worse", "worse by less than %s %%"),
            ("better", "better"),
            ("open", "no difference can be told, but %s %% worse is not ruled out"),
            ("unknown", "cannot be judged (zero in one run, or too few rounds)"))
QUIET = "same"


def judge(old, new, threshold, file):
    """The element "against" of the new document. @threshold: 0.05 is 5 %."""
    mode = mode_of(new["host"].get("mode"))
    rows = judged(old, new, mode)
    if not rows:
        raise Refused("%s has no path in common with this run that was measured in both" % file)
    # Rounds are dealt as wholes: every list has one place for each round of its run.
    lengths = [max(len(row[f.key]["values"]) for _, f, *rest in rows for row in (rest[k],))
               for k in (0, 1)]
    p = stats.permutation_tests([(pad(was[f.key]["values"], lengths[0]),
                                  pad(now[f.key]["values"], lengths[1]))
                                 for _, f, was, now in rows])
    result = []
    for (path, figure, was, now), chance in zip(rows, p):
        change = factor(figure, was[figure.key], now[figure.key], mode.repeats)
        verdict = verdict_of(change, chance, threshold)
        result.append({"path": path, "workload": now["workload"], "size": now["size"],
                       "figure": figure.key, "old": was[figure.key]["median"],
                       "new": now[figure.key]["median"], "change": change, "p": chance,
                       "verdict": verdict})
    had = {p["path"] for p in old["paths"] if p["status"] == "ok"}
    return {"file": file, "started": old.get("started"), "viola": old.get("viola"),
            "slow": old["settings"].get("slow") or {}, "threshold": threshold, "alpha": ALPHA,
            "allowance": mode.repeats, "worse": sum(r["verdict"] == "worse" for r in result),
            "not_there": sorted(p["path"] for p in new["paths"]
                                if p["status"] == "ok" and p["path"] not in had),
            "figures": result}


def lines(against):
    """The judgement in sentences: one per path, workload, size and verdict, the worst first."""
    limit, found = "%g" % (100 * against["threshold"]), against["figures"]
    result = []
    for verdict, meaning in MEANINGS:
        groups = {}
        for one in found:
            if one["verdict"] == verdict:
                groups.setdefault((one["path"], one["workload"], one["size"]), []).append(one)
        paths = list(dict.fromkeys(path for path, *_ in groups))
        for path, workload, size in sorted(groups, key=lambda k: (paths.index(k[0]),
                                                                  figures.row_order(k[1:]))):
            ones = groups[path, workload, size]
            result.append("%s, %s: %s: %s" % (
                path, WORKLOAD_NAMES[workload] % size,
                meaning.replace("%s", limit).replace("%%", "%"), ", ".join(
                    figures.BY_KEY[o["figure"]].title +
                    (" " + amount_of(o) if o["change"] else "") for o in ones)))
    quiet = sum(o["verdict"] == QUIET for o in found)
    if quiet:
        result.append("%d %sfigure%s: no difference can be told, and %s %% worse is ruled out" % (
            quiet, "other " if result else "", "" if quiet == 1 else "s", limit))
    for path in against["not_there"]:
        result.append("%s: not measured in the earlier run" % path)
    for path, ns in against["slow"].items():
        result.append("%s had been made slower on purpose there, by %s ns a frame" % (path, ns))
    return result

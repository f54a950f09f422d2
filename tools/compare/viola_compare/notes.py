# SPDX-License-Identifier: GPL-2.0
"""What belongs under the figures: what failed, what they rest on, what they cannot show."""
from viola import stats
from viola_compare import figures
from viola_compare.modes import mode_of


def of_run(doc):
    host, notes = doc["host"], []
    if doc.get("fault"):
        notes.append("The run as a whole: %s." % doc["fault"])
    if doc.get("lab_hangs"):
        notes.append("The lab machine hung %d time%s and was started again, for all paths that "
                     "had not been measured whole." %
                     (doc["lab_hangs"], "" if doc["lab_hangs"] == 1 else "s"))
    if host.get("busy") and host.get("mode") != "lab-icount":
        notes.append("This machine was busy when the run began (load average %.1f): times and "
                     "rates are worse than they need be." % (host.get("load") or 0))
    for path, ns in (doc["settings"].get("slow") or {}).items():
        notes.append("%s was made slower on purpose: its far end spun %s ns at every frame." %
                     (path, ns))
    return notes


def of_host(doc):
    host = doc["host"]
    if host.get("guest_time") != "sampled":
        return []
    return ["Host CPU time is good to a few per cent at best and is not compared, because the "
            "guests' share is sampled by the kernel's tick: %s." % host.get("guest_time_reason")]


def of_paths(doc):
    notes = []
    for path in doc["paths"]:
        if path["status"] != "ok":
            notes.append("%s %s: %s" % (path["path"], path["status"], path["reason"]))
        if path["guest"].get("irq_shared"):
            notes.append("%s: its interrupt line is shared, so other devices' interrupts are "
                         "counted too." % path["path"])
    return notes


def of_rounds(doc):
    rounds = sorted({len(p["rounds"]) for p in doc["paths"] if p["rounds"]})
    if not rounds:
        return []
    notes = ["Each figure is the median over %s rounds%s; nothing is left out as an outlier. The "
             "paths take turns within a round, and ratios are formed within it. Warm-up: %s round "
             "trips before those that count, and a quarter of a stream's length, 100 ms at most, "
             "before it." %
             (" to ".join(str(r) for r in rounds),
              ", in brackets the interval of %.1f %%" % (100 * stats.median_ranks(rounds[0])[1])
              if stats.median_ranks(rounds[0]) else "", doc["settings"].get("warmup"))]
    if not stats.median_ranks(rounds[0]):
        notes.append("Fewer than 6 rounds carry no interval of 95 %, so none is given.")
    return notes


def of_figures(doc):
    notes = []
    for path in doc["paths"]:
        for key, why in path["null_reasons"].items():
            figure = figures.BY_KEY.get(key)
            notes.append('"-" for %s: %s.' % (figure.title if figure else key, why.rstrip(".")))
    return notes


def of_method(doc):
    notes, mode = [], mode_of(doc["host"].get("mode"))
    if doc["settings"].get("times") and not mode.times:
        notes.append("Times and rates marked * are shown because --times asked for them. They do "
                     "not repeat from run to run and are compared with nothing.")
    for path in doc["paths"]:
        if path.get("clock"):
            notes.append("Clock: the guest's %s, from clocksource %s." %
                         (path["clock"], path["guest"].get("clocksource")))
        if path.get("window"):
            notes.append("Rates: when sending, the guest sends as fast as it can (open loop); when "
                         "receiving, at most %s frames are in flight. Both count frames that "
                         "arrived whole." % path["window"])
    if doc["settings"].get("sched") == "fifo":
        notes.append("The threads of a path run first in, first out: each until it has nothing to "
                     "do, so its batches are the largest there can be. The fair scheduler "
                     "(--sched fair) makes smaller ones, which differ from round to round.")
    return notes + [mode.note]


def notes(doc):
    """All sentences, each once."""
    parts = (of_run, of_paths, of_rounds, of_host, of_figures, of_method)
    return list(dict.fromkeys(note for part in parts for note in part(doc)))

# SPDX-License-Identifier: GPL-2.0
"""From the command line to the exit status."""
import json
import os
import signal
import sys
import time

from viola_compare import against, document, measure, options, report, text
from viola_compare.place import Missing, Place, kernel_release, lab_mode, paths_known

OK, FAILED, USAGE = 0, 1, 2


def say(message):
    sys.stdout.flush()
    sys.stderr.write("viola-compare: %s\n" % message)


def mode_find(o, place):
    """Where the run will be measured, before anything is started."""
    if o.host:
        return "metal"
    mode = lab_mode(place, o.icount)
    if mode == "lab-tcg" and not o.wall:
        return "lab-icount"
    return mode


def document_make(run, place, settings, known):
    paths = run.paths(known)
    doc = {"schema": document.SCHEMA,
           "viola": {"version": place.version(), "commit": place.commit()},
           "host": run.host(), "started": run.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
           "duration_s": round(time.time() - run.started.timestamp()),
           "fault": run.fault(),
           "lab_hangs": run.hangs, "settings": settings,
           "reference": run.options.reference, "paths": paths}
    return document.summarize(doc)


def write(folder, doc):
    """result.json, report.html and result.txt. Returns the text."""
    rendered = text.render(doc)
    for name, content in (("result.json", json.dumps(doc, indent=1, allow_nan=False) + "\n"),
                          ("report.html", report.render(doc)), ("result.txt", rendered)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(content)
    return rendered


def status_of(doc):
    """The exit status, with a sentence where the tables do not say it."""
    statuses = [p["status"] for p in doc["paths"]]
    if doc["fault"]:
        say(doc["fault"])
    elif "ok" not in statuses and "failed" not in statuses:
        say("no path could run here")
    worse = (doc.get("against") or {}).get("worse")
    if worse:
        say("%d figure%s got worse than in %s" % (worse, "" if worse == 1 else "s",
                                                  doc["against"]["file"]))
    return FAILED if "failed" in statuses or doc["fault"] or "ok" not in statuses or worse else OK


def judge(doc, old, o):
    if not old:
        return
    try:
        doc["against"] = against.judge(old, doc, o.threshold, o.against)
    except against.Refused as error:
        # The run itself stands: say so and report it.
        doc["fault"] = doc["fault"] or str(error)


def show_earlier(o):
    """--read: an earlier run's result, measured no more."""
    doc = against.earlier(o.read)
    doc.pop("against", None)
    doc.setdefault("fault", None)
    if o.against:
        old = against.earlier(o.against)
        against.check(old, doc["host"]["mode"], doc["settings"], o.against)
        doc["against"] = against.judge(old, doc, o.threshold, o.against)
    sys.stdout.write(text.render(doc))
    return status_of(doc)


def measure_new(o, place, known):
    if o.host and os.geteuid():
        raise Missing("--host needs root: taps and KVM's counters are used directly")
    mode = mode_find(o, place)
    options.complete(o, mode == "lab-icount")
    settings = options.settings(o)
    old = None
    if o.against:
        old = against.earlier(o.against)
        against.check(old, mode, settings, o.against)
    run = measure.Run(o, place, mode, kernel_release(o.guest_kernel or o.kernel))
    try:
        run.initramfs_make()
        run.measure()
        run.collect()
    except BaseException:
        run.discard()
        raise
    if run.status == USAGE:
        return USAGE            # the measuring half has said why it cannot run at all
    doc = document_make(run, place, settings, known)
    judge(doc, old, o)
    try:
        rendered = write(run.folder, doc)
    except OSError as error:
        say("results cannot be written to %s: %s" % (run.folder, error.strerror))
        return FAILED
    run.latest_link()
    sys.stdout.write("\n%s\nresults: %s\n" % (rendered, run.folder))
    return status_of(doc)


def main(script):
    place = Place(script)
    if "--version" in sys.argv[1:]:
        print("viola-compare %s" % place.version())
        return OK
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:      # as under nohup
            signal.signal(number, measure.raise_ended)
    try:
        paths = paths_known(place)
        o = options.parse(sys.argv[1:], list(paths))
        return show_earlier(o) if o.read else measure_new(o, place, paths)
    except (Missing, against.Refused) as error:
        say(error)
    except OSError as error:
        say("%s: %s" % (error.filename, error.strerror) if error.filename else error.strerror)
    return USAGE

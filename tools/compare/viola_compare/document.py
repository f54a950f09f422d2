# SPDX-License-Identifier: GPL-2.0
"""The result document, viola-compare/2, from what the measuring half left per path."""
import json
import os

from viola_compare import figures
from viola_compare.modes import mode_of
from viola_compare.verdict import verdict

SCHEMA = "viola-compare/2"

WALL = "times and rates of an emulated machine's wall clock do not repeat (--times shows them)"


def load(file):
    """The JSON object in @file, or None."""
    try:
        with open(file, encoding="utf-8") as f:
            loaded = json.load(f)
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


def path_load(log, name, rounds, fault):
    """What was measured of a path; a path that left too little has failed."""
    path = load(os.path.join(log, "path-%s.json" % name))
    if not path:
        path = {"path": name, "status": "failed", "reason": fault or "it was not measured"}
    path["path"] = name
    path.setdefault("reason", None)
    path.setdefault("guest", {})
    listed = path.get("rounds")
    path["rounds"] = [r for r in listed if isinstance(r, dict)] if isinstance(listed, list) else []
    done = len(path["rounds"])
    if path.get("status") == "ok" and done < rounds:
        path["status"] = "failed"
        path["reason"] = "%d of %d rounds were measured%s" % (done, rounds,
                                                              ": " + fault if fault else "")
    return path


def complete(log, name, rounds):
    """Whether @name needs no other run: all rounds, or a reason why not."""
    path = load(os.path.join(log, "path-%s.json" % name))
    return bool(path) and (path.get("status") != "ok" or
                           len(path.get("rounds") or ()) >= rounds)


def shown(mode, times):
    """Which figures may be shown: (figure) -> bool."""
    def is_shown(figure):
        return mode.times or times or figure.kind in (figures.COUNT, figures.WORK)
    return is_shown


def reasons(path, mode, times):
    """Why a figure has no value, by key."""
    result = {k: str(v) for k, v in (path.get("null_reasons") or {}).items()}
    hidden = [f for f in figures.FIGURES if not shown(mode, times)(f)]
    if hidden and path["status"] == "ok":
        result.update({f.key: WALL for f in hidden})
    for figure in figures.FIGURES:
        if not figure.beyond or figure in hidden:
            continue
        for row in path[figure.group]:
            if not row[figure.key] and row["samples"]:
                result[figure.key] = ("a percentile is given where each round has at least %d "
                                      "samples beyond it: %d samples a round here" %
                                      (figures.SAMPLES_BEYOND, figures.SAMPLES_BEYOND /
                                       figure.beyond))
    return result


def reference_of(paths, name):
    for path in paths:
        if path["path"] == name and any(path[g] for g in figures.TOTALS):
            return path
    return None


def summarize(doc):
    """Fill in what follows from the rounds: figures, ratios, the verdict."""
    mode, times = mode_of(doc["host"].get("mode")), doc["settings"]["times"]
    for path in doc["paths"]:
        for group in figures.TOTALS:
            path[group] = figures.summarize_group(path, group, shown(mode, times))
        path["null_reasons"] = reasons(path, mode, times)
    reference = reference_of(doc["paths"], doc["reference"])
    for path in doc["paths"]:
        figures.add_ratios(path, reference, doc["host"], mode)
    doc["verdict"] = verdict(doc)
    return doc

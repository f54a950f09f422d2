# SPDX-License-Identifier: GPL-2.0
"""The command line."""
import argparse
import sys

REFERENCE = "vhost"

USAGE = 2           # exit status: wrong usage, or something to be set up first
FAILED = 1

DESCRIPTION = """\
Compare paths from a guest to a network device: the same guest, the same workload, the same
far end. Prints a verdict and tables; leaves an HTML report and a JSON document."""

EPILOG = """\
Exit status: 0 all paths ok or skipped, and nothing got worse; 1 a path failed, or a figure
got worse by --threshold (with --against); 2 usage or set-up."""

# What each kind of run measures per round, where the user did not say.
NORMAL = {"rounds": 6, "rtt_count": 1500, "warmup": 200, "rate_ms": 1000, "limit": 240}
QUICK = {"rounds": 2, "rtt_count": 200, "warmup": 50, "rate_ms": 300, "limit": 120}
# Virtual time has no noise of the host's to be averaged away, and passes slowly.
ICOUNT = {"rounds": 6, "rtt_count": 500, "warmup": 50, "rate_ms": 100, "limit": 480}
ICOUNT_QUICK = {"rounds": 2, "rtt_count": 100, "warmup": 20, "rate_ms": 20, "limit": 480}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(USAGE, "viola-compare: %s; see viola compare --help\n" % message)


def number(low, high):
    def parse(text):
        # int() takes more than digits: signs, spaces, underscores, other scripts.
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError("'%s' is not a number from %d to %d" %
                                             (text, low, high))
        return int(text)
    return parse


def one_of(paths):
    def parse(name):
        if name not in paths:
            raise argparse.ArgumentTypeError("no path is called '%s'; known are: %s" %
                                             (name, ", ".join(paths)))
        return name
    return parse


def some_of(paths):
    def parse(text):
        names = [one_of(paths)(n) for n in text.split(",") if n]
        if not names:
            raise argparse.ArgumentTypeError("'%s' names no path; known are: %s" %
                                             (text, ", ".join(paths)))
        return list(dict.fromkeys(names))
    return parse


def slow(paths):
    def parse(text):
        name, _, ns = text.partition("=")
        return one_of(paths)(name), number(0, 10 ** 8)(ns)
    return parse


def percent(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError("'%s' is no percentage above 0" % text)
    return value / 100


def parser(paths):
    p = Parser(prog="viola compare", usage="viola compare [OPTION]...", description=DESCRIPTION,
               epilog=EPILOG, add_help=False, allow_abbrev=False,
               formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                   prog, max_help_position=22, width=92))
    what = p.add_argument_group("what is measured")
    add = what.add_argument
    add("--paths", metavar="A,B", type=some_of(paths), default=list(paths),
        help="only these paths (%s)" % ",".join(paths))
    add("--reference", metavar="PATH", type=one_of(paths),
        help="path that the others are compared with (%s; the first, if that is not among "
             "--paths)" % REFERENCE)
    add("--rounds", metavar="N", type=number(1, 1000),
        help="rounds, each over all paths (%d; quick %d)" % (NORMAL["rounds"], QUICK["rounds"]))
    add("--rtt-count", metavar="N", type=number(1, 10 ** 7),
        help="round trips per size and round (%s)" % per_kind("rtt_count"))
    add("--rate-ms", metavar="MS", type=number(0, 60000),
        help="length of each packet-rate run; 0: none (%s)" % per_kind("rate_ms"))
    add("--warmup", metavar="N", type=number(0, 10 ** 6),
        help="round trips before the counted ones (%s)" % per_kind("warmup"))
    add("--quick", action="store_true", help="few samples, to see that it works")
    add("--slow", metavar="PATH=NS", type=slow(paths), action="append", default=[],
        help="slow this path down: its far end spins NS nanoseconds at every frame, which "
             "tests the instrument; may be repeated")
    where = p.add_argument_group("where")
    add = where.add_argument
    add("--kernel", metavar="NAME", default="6.12", help="kernel of the lab machine (6.12)")
    add("--guest-kernel", metavar="NAME", help="kernel of the guests (the lab machine's)")
    add("--host", action="store_true",
        help="measure on this machine itself, in no lab (needs root)")
    add("--icount", action="store_true",
        help="virtual time, by counting instructions: the default where the lab is emulated")
    add("--wall", action="store_true",
        help="the wall clock, also where the lab is emulated: only counts repeat there")
    add("--times", action="store_true",
        help="show times and rates of an emulated lab's wall clock, too")
    add("--sched", choices=("fifo", "fair"),
        help="of the threads of a path: fifo (each runs until it has nothing to do) or fair "
             "(fair; virtual time fifo)")
    add("--limit", metavar="SECONDS", type=number(1, 86400),
        help="for a guest's start, and for each of its rounds; then it is killed (%s)" %
             per_kind("limit"))
    outcome = p.add_argument_group("what becomes of it")
    add = outcome.add_argument
    add("--out", metavar="DIR", help="folder of all runs (out/compare)")
    add("--against", metavar="FILE",
        help="compare with an earlier result.json; exit with 1 if a figure got worse")
    add("--threshold", metavar="PERCENT", type=percent, default=0.05,
        help="of a change for the worse that counts with --against (5)")
    add("--read", metavar="FILE",
        help="measure nothing: show (and compare) the result.json of an earlier run")
    add("--help", action="help", help="show this")
    add("--version", action="store_true", help="show the version")
    return p


def per_kind(key):
    """"1500; quick 200; virtual time 300, quick 100": the defaults, each said once."""
    text = str(NORMAL[key])
    if QUICK[key] != NORMAL[key]:
        text += "; quick %d" % QUICK[key]
    text += "; virtual time %d" % ICOUNT[key]
    if ICOUNT_QUICK[key] != ICOUNT[key]:
        text += ", quick %d" % ICOUNT_QUICK[key]
    return text


def reject(message):
    sys.stderr.write("viola-compare: %s\n" % message)
    sys.exit(USAGE)


def parse(arguments, paths):
    """The options, of which complete() fills in what depends on the mode. @paths: all names."""
    o = parser(paths).parse_args(arguments)
    if o.host and o.icount:
        reject("--icount is a kind of lab; --host uses none")
    if o.wall and o.icount:
        reject("--wall and --icount contradict each other")
    if o.reference and o.reference not in o.paths:
        reject("the reference path %s is not among --paths %s" %
               (o.reference, ",".join(o.paths)))
    if not o.reference:
        o.reference = REFERENCE if REFERENCE in o.paths else o.paths[0]
    o.slow = dict(o.slow)
    for name in o.slow:
        if name not in o.paths:
            reject("--slow %s=%d: that path is not among --paths %s" %
                   (name, o.slow[name], ",".join(o.paths)))
    return o


def complete(o, icount):
    """Fill in what the kind of run decides."""
    o.icount = icount
    o.sched = o.sched or ("fifo" if icount else "fair")
    defaults = ((ICOUNT_QUICK if icount else QUICK) if o.quick else
                (ICOUNT if icount else NORMAL))
    for key, value in defaults.items():
        if getattr(o, key) is None:
            setattr(o, key, value)


def settings(o):
    """The element "settings" of the document."""
    return {"rtt_count": o.rtt_count, "warmup": o.warmup, "rate_ms": o.rate_ms,
            "rounds": o.rounds, "quick": o.quick, "sched": o.sched,
            "kernel": None if o.host else o.kernel,
            "guest_kernel": o.guest_kernel or o.kernel, "times": o.times, "slow": o.slow}

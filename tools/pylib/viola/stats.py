# SPDX-License-Identifier: GPL-2.0
"""Statistics of few samples: medians with intervals, ratios, and tests of two runs.

Nothing here assumes a distribution. Intervals come from order statistics, tests from
permutations. Documentation/measurement.md has the reasons.
"""
import dataclasses
import functools
import itertools
import math
import random

CONFIDENCE = 0.95
# Up to this many ways of dealing the samples to two runs are all tried (8 and 8 are 12870).
EXACT_LABELLINGS = 20000
# Beyond, so many of them, drawn from a fixed seed: a judgement can be repeated.
DRAWN_LABELLINGS = 10000
SEED = 20240229
# Two values of a statistic that differ by less are the same: rounding, not data.
TIE = 1e-9


# --- one sample ------------------------------------------------------------------

def quantile(values, q):
    """Linear between the two nearest; the values need no order."""
    v = sorted(values)
    at = (len(v) - 1) * q
    low = int(at)
    high = min(low + 1, len(v) - 1)
    return v[low] + (v[high] - v[low]) * (at - low)


def median(values):
    return quantile(values, 0.5)


def spread(values):
    """Count, extremes, quartiles and median; None of nothing."""
    if not values:
        return None
    return {"count": len(values), "min": min(values), "p25": quantile(values, 0.25),
            "median": median(values), "p75": quantile(values, 0.75), "max": max(values)}


def median_ranks(n, confidence=CONFIDENCE):
    """Which order statistics enclose the median: (k, coverage), or None.

    The interval from the k-th smallest to the k-th largest of @n values covers the median of
    what they are drawn from, unless fewer than k of them lie on one side of it. Each lies on
    either side with probability 1/2. The largest k that keeps @confidence is returned.
    """
    best, tail = None, 0.0
    for k in range(1, n // 2 + 1):
        tail += math.comb(n, k - 1) / 2 ** n
        if 1 - 2 * tail < confidence:
            break
        best = (k, 1 - 2 * tail)
    return best


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A median and where it can be. @low, @high and @coverage are None if too few values."""
    median: float
    low: float
    high: float
    coverage: float
    count: int


def estimate(values, confidence=CONFIDENCE):
    """The median of @values with its interval; None of nothing."""
    v = sorted(values)
    if not v:
        return None
    ranks = median_ranks(len(v), confidence)
    if not ranks:
        return Estimate(median(v), None, None, None, len(v))
    k, coverage = ranks
    return Estimate(median(v), v[k - 1], v[-k], coverage, len(v))


# --- two samples, taken side by side ---------------------------------------------

def paired_ratios(a, b):
    """a/b of each pair; a pair without a value, or with a divisor of zero, is left out."""
    return [x / y for x, y in zip(a, b) if x is not None and y]


def ratio(a, b):
    """a/b: of the medians, and the spread of the pairs' ratios. None if there is none."""
    pairs = paired_ratios(a, b)
    if not pairs or not median(b):
        return None
    return {"of_medians": median(a) / median(b), "paired": spread(pairs)}


# --- two samples, independent of each other --------------------------------------

@functools.lru_cache(maxsize=None)
def _rank_sums(n, m):
    """How many of the C(n+m, n) orders have u pairs (of n*m) in which the first is larger."""
    if not n or not m:
        return (1,)
    # The largest value belongs to the first sample, and beats all m, or to the second.
    counts = [0] * (n * m + 1)
    for u, c in enumerate(_rank_sums(n - 1, m)):
        counts[u + m] += c
    for u, c in enumerate(_rank_sums(n, m - 1)):
        counts[u] += c
    return tuple(counts)


def change(old, new, confidence=CONFIDENCE):
    """By which factor @new exceeds @old: an Estimate from all ratios of one to another.

    The interval is the one that belongs to the test of Mann and Whitney: it holds the
    factors by which @old can be multiplied without the test telling it from @new. All
    values must be positive.
    """
    ratios = sorted(x / y for x in new for y in old)
    if not ratios:
        return None
    counts, total = _rank_sums(len(new), len(old)), math.comb(len(new) + len(old), len(new))
    best, tail = None, 0.0
    for k in range(1, len(ratios) // 2 + 1):
        tail += counts[k - 1] / total
        if 1 - 2 * tail < confidence:
            break
        best = (k, 1 - 2 * tail)
    if not best:
        return Estimate(median(ratios), None, None, None, len(ratios))
    k, coverage = best
    return Estimate(median(ratios), ratios[k - 1], ratios[-k], coverage, len(ratios))


def labellings(n, m):
    """Ways to choose which @n of n+m rounds are the first run's.

    All of them if they are few, the true one first; else a fixed number of drawn ones
    after the true one.
    """
    if math.comb(n + m, n) <= EXACT_LABELLINGS:
        return list(itertools.combinations(range(n + m), n))
    draw = random.Random(SEED)
    return [tuple(range(n))] + [tuple(draw.sample(range(n + m), n))
                                for _ in range(DRAWN_LABELLINGS)]


def least_p(n, m):
    """The smallest p that permutation_tests() can find for runs of @n and @m rounds."""
    # Two runs of the same length can also change places.
    return (2 if n == m else 1) / math.comb(n + m, n)


def _separations(values, first):
    """For each labelling, how far apart the two runs' means are, from 0 to 1.

    It is the correlation of the values with the run that they belong to. For one figure it
    orders the labellings as Student's t does; over figures it compares what has different
    units. None marks a value that is missing.
    """
    present = [v for v in values if v is not None]
    if len(present) < 2:
        return [0.0] * len(first)
    mean = sum(present) / len(present)
    off = [0.0 if v is None else v - mean for v in values]
    has = [0 if v is None else 1 for v in values]
    total, square = len(present), sum(x * x for x in off)
    # What is left of equal values after rounding is no difference.
    if square <= (TIE * mean) ** 2 * total:
        return [0.0] * len(first)
    whole = len(present) == len(values)
    result = []
    for chosen in first:
        n = len(chosen) if whole else sum(has[i] for i in chosen)
        if not n or n == total:
            result.append(0.0)
            continue
        result.append(abs(sum([off[i] for i in chosen])) *
                      math.sqrt(total / (n * (total - n) * square)))
    return result


def permutation_tests(figures):
    """Which figures differ between two runs: p of each, corrected for their number.

    @figures is a list of pairs (values of the old run, values of the new one), each a list
    with one value per round, or None where a round has none. Element i of every list is of
    the same round, so rounds are dealt to the runs as wholes, with all their figures. A
    figure's p is the share of the dealings in which some figure, of those not separated
    better than it, is separated as well as it is in truth (Westfall and Young's step-down
    procedure). So the probability that any of the figures is called different, though the
    runs are equal, is at most the level at which p is judged, whatever the number of figures
    and however they depend on each other. Multiplying each p by the number of figures (Bonferroni,
    Holm) could not find anything: with 6 and 6 rounds p is 2/924 at least.
    """
    if not figures:
        return []
    n, m = len(figures[0][0]), len(figures[0][1])
    first = labellings(n, m)
    table = [_separations(list(old) + list(new), first) for old, new in figures]
    # From the figure that is separated worst: the running maximum is over those below.
    order = sorted(range(len(figures)), key=lambda f: table[f][0])
    largest, p = [0.0] * len(first), [0.0] * len(figures)
    for f in order:
        largest = [max(a, b) for a, b in zip(largest, table[f])]
        reached = table[f][0] - TIE
        p[f] = sum(x >= reached for x in largest) / len(first)
    # A figure cannot be surer than one that is separated better.
    worst = 0.0
    for f in reversed(order):
        worst = p[f] = max(worst, p[f])
    return p

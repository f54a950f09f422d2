# SPDX-License-Identifier: GPL-2.0
"""Numbers and ratios as people read them, never narrower than they are."""
import math


def plain(value):
    """Three significant digits, without exponent."""
    if value is None:
        return "-"
    a = abs(value)
    if a == 0 or a >= 99.95:
        digits = 0
    elif a >= 9.995:
        digits = 1
    elif a >= 0.9995:
        digits = 2
    elif a >= 0.0001:
        digits = 3 if a >= 0.001 else 4
    else:
        return "<0.0001" if value > 0 else ">-0.0001"
    return "%.*f" % (digits, value)


def printable(text):
    """Without control characters: parts of it may come from a guest."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def interval(estimate, divisor=1.0):
    """"2.45 (2.40-2.51)", or the median alone where there is no interval to show."""
    if not estimate:
        return "-"
    middle = plain(estimate["median"] / divisor)
    between = bounds(estimate, divisor)
    return "%s (%s)" % (middle, between) if between else middle


def bounds(estimate, divisor=1.0):
    """"2.40-2.51", "" if there is none or it is a single number as shown."""
    if not estimate or estimate["low"] is None:
        return ""
    low, high = plain(estimate["low"] / divisor), plain(estimate["high"] / divisor)
    return "" if low == high == plain(estimate["median"] / divisor) else "%s-%s" % (low, high)


def outward(low, high, step):
    """Both ends on a multiple of @step, outside of what they enclose."""
    return (math.floor(round(low / step, 6)) * step, math.ceil(round(high / step, 6)) * step)


def span(low, high):
    """"6 to 8", with a decimal where it would begin at nothing or hide the difference."""
    step, digits = (1, 0) if high - low >= 0.5 and low >= 1 else (0.1, 1)
    a, b = outward(low, high, step)
    return "%.*f to %.*f" % (digits, a, digits, b)


def widened(estimate, allowance):
    """The interval of a ratio, wider by @allowance at both ends; None without one."""
    if not estimate or estimate["low"] is None:
        return None
    return estimate["low"] * (1 - allowance), estimate["high"] * (1 + allowance)


LEAST = 0.001   # words have one decimal of a per cent: what is less is no difference


def direction(bounds_of_ratio):
    """-1 below 1, 1 above, 0 where the interval holds 1 or all but touches it."""
    low, high = bounds_of_ratio
    return -1 if high <= 1 - LEAST else 1 if low >= 1 + LEAST else 0


def difference(low, high):
    """A ratio other than 1 in words: ("6 to 8 % ", "fewer"/"more"/"times")."""
    if low >= 2:
        a, b = outward(low, high, 0.1 if low < 10 else 1)
        return "%.*f to %.*f" % ((1, a, 1, b) if low < 10 else (0, a, 0, b)), "times"
    if high < 1:
        return span(100 * (1 - high), 100 * (1 - low)) + " %", "less"
    return span(100 * (low - 1), 100 * (high - 1)) + " %", "more"


def signed(low, high):
    """"-0.4 to +0.6 %", of a ratio's interval."""
    a, b = outward(100 * (low - 1), 100 * (high - 1), 0.1)
    return "%+.1f to %+.1f %%" % (a, b)

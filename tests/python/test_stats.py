# SPDX-License-Identifier: GPL-2.0
"""The shared statistics, on known data and by simulation from fixed seeds."""
import itertools
import random
import unittest

from viola import stats


class OneSample(unittest.TestCase):
    def test_quantile_lies_between_the_nearest(self):
        self.assertEqual(stats.quantile([4, 1, 3, 2], 0.5), 2.5)
        self.assertEqual(stats.quantile([4, 1, 3, 2], 0), 1)
        self.assertEqual(stats.quantile([4, 1, 3, 2], 1), 4)
        self.assertAlmostEqual(stats.quantile([10, 20], 0.25), 12.5)
        self.assertEqual(stats.quantile([7], 0.9), 7)

    def test_spread_has_quartiles(self):
        self.assertEqual(stats.spread([5, 1, 2, 4, 3]),
                         {"count": 5, "min": 1, "p25": 2, "median": 3, "p75": 4, "max": 5})
        self.assertIsNone(stats.spread([]))

    def test_ranks_of_the_median(self):
        self.assertIsNone(stats.median_ranks(0))
        self.assertIsNone(stats.median_ranks(5))
        self.assertEqual(stats.median_ranks(6), (1, 1 - 2 / 64))
        self.assertEqual(stats.median_ranks(8), (1, 1 - 2 / 256))
        # 9 values: one may be left out at each end, 1 - 2 * (1 + 9) / 512.
        self.assertEqual(stats.median_ranks(9), (2, 1 - 20 / 512))
        self.assertEqual(stats.median_ranks(20)[0], 6)

    def test_estimate_of_six(self):
        e = stats.estimate([6, 1, 5, 2, 4, 3])
        self.assertEqual((e.median, e.low, e.high, e.count), (3.5, 1, 6, 6))
        self.assertEqual(e.coverage, 0.96875)

    def test_estimate_of_few_has_no_interval(self):
        e = stats.estimate([1, 2, 3, 4, 5])
        self.assertEqual((e.median, e.low, e.high, e.coverage), (3, None, None, None))
        self.assertIsNone(stats.estimate([]))

    def test_interval_covers_the_median_as_often_as_it_says(self):
        draw = random.Random(1)
        for n, source, truth in ((6, lambda: draw.gauss(3, 1), 3),
                                 (9, lambda: draw.expovariate(1), 0.6931471805599453),
                                 (15, lambda: draw.lognormvariate(0, 2), 1)):
            coverage, hits, times = stats.median_ranks(n)[1], 0, 4000
            for _ in range(times):
                e = stats.estimate([source() for _ in range(n)])
                hits += e.low <= truth <= e.high
            # Four standard errors of a share over so many times.
            error = 4 * (coverage * (1 - coverage) / times) ** 0.5
            self.assertAlmostEqual(hits / times, coverage, delta=error)


class Paired(unittest.TestCase):
    def test_ratios_of_pairs(self):
        self.assertEqual(stats.paired_ratios([2, None, 6, 8], [1, 2, 0, 4]), [2, 2])

    def test_ratio_has_both_kinds(self):
        r = stats.ratio([2, 4, 9], [1, 2, 3])
        self.assertEqual(r["of_medians"], 2)
        self.assertEqual(r["paired"]["count"], 3)
        self.assertEqual(r["paired"]["max"], 3)

    def test_ratio_to_nothing_is_none(self):
        self.assertIsNone(stats.ratio([1, 2], [0, 0]))
        self.assertIsNone(stats.ratio([], []))
        # Some divisors are there, but their median is zero.
        self.assertIsNone(stats.ratio([1, 2, 3], [0, 0, 5]))


class Change(unittest.TestCase):
    def test_known_factor(self):
        old = [100, 101, 99, 100.5, 99.5, 100]
        e = stats.change(old, [1.1 * v for v in old])
        self.assertAlmostEqual(e.median, 1.1, places=3)
        self.assertTrue(e.low < 1.1 < e.high)
        self.assertGreater(e.low, 1.08)
        self.assertLess(e.high, 1.12)

    def test_ranks_are_those_of_mann_and_whitney(self):
        # The tables give 5 as the critical U of 6 and 6 at 5 %, so the sixth ratio is the end.
        old, new = [1.0] * 6, [1.01 ** i for i in range(6)]
        ratios = sorted(y / x for x in old for y in new)
        e = stats.change(old, new)
        self.assertEqual((e.low, e.high), (ratios[5], ratios[-6]))
        self.assertAlmostEqual(e.coverage, 1 - 2 * 19 / 924)

    def test_too_few_have_no_interval(self):
        self.assertIsNone(stats.change([1, 1, 1], [1, 1, 1]).low)
        self.assertIsNotNone(stats.change([1] * 4, [1] * 4).low)

    def test_interval_covers_the_factor(self):
        draw, hits, times = random.Random(2), 0, 2000
        for _ in range(times):
            old = [draw.lognormvariate(0, 0.1) for _ in range(6)]
            e = stats.change(old, [1.05 * draw.lognormvariate(0, 0.1) for _ in range(6)])
            hits += e.low <= 1.05 <= e.high
        self.assertAlmostEqual(hits / times, e.coverage, delta=0.02)


class Permutation(unittest.TestCase):
    def test_one_figure_by_hand(self):
        # Fully apart: only the true dealing and its mirror are as far apart, of 20.
        self.assertEqual(stats.permutation_tests([([1, 2, 3], [11, 12, 13])]), [0.1])
        # As far apart as can be said of nothing.
        self.assertEqual(stats.permutation_tests([([1, 2, 3], [3, 1, 2])]), [1.0])
        self.assertEqual(stats.permutation_tests([]), [])

    def test_agrees_with_counting(self):
        draw = random.Random(3)
        old, new = [draw.random() for _ in range(5)], [draw.random() + .3 for _ in range(4)]
        both, far = old + new, abs(sum(new) / 4 - sum(old) / 5)
        count = total = 0
        for chosen in itertools.combinations(range(9), 5):
            a = [both[i] for i in chosen]
            b = [both[i] for i in range(9) if i not in chosen]
            total += 1
            count += abs(sum(b) / 4 - sum(a) / 5) >= far - 1e-12
        self.assertAlmostEqual(stats.permutation_tests([(old, new)])[0], count / total)

    def test_smallest_p(self):
        self.assertAlmostEqual(stats.least_p(6, 6), 2 / 924)
        self.assertAlmostEqual(stats.least_p(3, 3), 0.1)
        self.assertAlmostEqual(stats.least_p(2, 5), 1 / 21)
        apart = [([1, 2, 3, 4, 5, 6.], [7, 8, 9, 10, 11, 12.])]
        self.assertAlmostEqual(stats.permutation_tests(apart)[0], 2 / 924)

    def test_one_changed_figure_is_found_among_many(self):
        draw = random.Random(4)
        figures = [([draw.gauss(1, .01) for _ in range(6)], [draw.gauss(1, .01) for _ in range(6)])
                   for _ in range(150)]
        figures.append(([draw.gauss(1, .001) for _ in range(6)],
                        [draw.gauss(1.05, .001) for _ in range(6)]))
        p = stats.permutation_tests(figures)
        self.assertLess(p[-1], 0.01)
        self.assertEqual(sum(x <= 0.05 for x in p), 1)

    def test_many_equal_figures_are_rarely_called_different(self):
        draw, wrong, times = random.Random(5), 0, 150
        for _ in range(times):
            figures = [([draw.gauss(1, .01) for _ in range(6)],
                        [draw.gauss(1, .01) for _ in range(6)]) for _ in range(40)]
            wrong += min(stats.permutation_tests(figures)) <= 0.05
        # 5 % of runs, and four standard errors.
        self.assertLessEqual(wrong / times, 0.05 + 4 * (0.05 * 0.95 / times) ** 0.5)

    def test_missing_values_are_left_out(self):
        whole = stats.permutation_tests([([1, 2, 3, 2], [9, 8, 9, 8])])[0]
        self.assertAlmostEqual(whole, 2 / 70)
        holed = stats.permutation_tests([([1, None, 3, 2], [9, 8, None, 8])])[0]
        self.assertLess(holed, 0.2)
        self.assertEqual(stats.permutation_tests([([None] * 3, [None] * 3)]), [1.0])
        self.assertEqual(stats.permutation_tests([([1, 1, 1], [None] * 3)]), [1.0])

    def test_equal_values_are_no_difference(self):
        same = [0.1 + 0.2] * 6
        self.assertEqual(stats.permutation_tests([(same, same)]), [1.0])

    def test_many_rounds_are_drawn_and_repeat(self):
        draw = random.Random(6)
        figure = tuple([draw.gauss(mean, .01) for _ in range(12)] for mean in (1, 1.1))
        p = stats.permutation_tests([figure])
        self.assertEqual(p, stats.permutation_tests([figure]))
        # Never zero: the true dealing counts.
        self.assertTrue(0 < p[0] < 0.01)
        self.assertEqual(len(stats.labellings(12, 12)), stats.DRAWN_LABELLINGS + 1)
        self.assertEqual(len(stats.labellings(8, 8)), 12870)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-2.0
"""viola compare: every path to a guest's device side by side, judged over rounds.

viola-measure boots the guests, measures in rounds and leaves a JSON file per path. This
package prepares its run, starts it (in a lab machine, or here), and makes of those files
medians with intervals, ratios, a verdict, and the reports.
"""

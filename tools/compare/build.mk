# SPDX-License-Identifier: GPL-2.0
# The half around the measurement; viola-measure is the other one.
scripts += tools/compare/viola-compare
python += tools/compare/viola_compare

# SPDX-License-Identifier: GPL-2.0
"""Python that several of this tree's programs share."""

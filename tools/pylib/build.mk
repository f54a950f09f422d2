# SPDX-License-Identifier: GPL-2.0
# Python that several programs share.
python += tools/pylib/viola

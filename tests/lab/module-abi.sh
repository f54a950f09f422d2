#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The ioctls of /dev/viola-net in odd orders and with hostile arguments. The
# same cases run against vhost-net where the two are to agree: what is expected
# is then what the kernel does, not what we believe.
set -uo pipefail
# shellcheck source=lib/module.bash
source "$(dirname "$0")/lib/module.bash"

inside()
{
	module_load
	modprobe vhost_net
	"$module_top/build/bin/viola-test-abi" /dev/viola-net | sed 's/ - / - viola-net: /'
	"$module_top/build/bin/viola-test-abi" --vhost /dev/vhost-net | sed 's/ - / - vhost-net: /'
	check "unloads after all that" rmmod viola
}

module_test 120 "$@"

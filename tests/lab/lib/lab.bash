# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For scripts that run themselves in lab machines. In the lab the function inside() reports
# cases; it needs no tap_end. Among a script's first lines one says how it wants to run,
# which tools/check reads, too:
#
#	# check: kernels=all smp=2 limit=900 shared=1 cost=40
#	source "$(dirname "$0")/lib/lab.bash"
#	inside() { check "module loads" module_load; check "NAME" COMMAND; }
#	lab_run "$@"
#
# kernels: all for load, traffic and kill, else one (lab_kernels). smp: CPUs. limit:
# seconds, for what hangs. shared: in the check it runs in one machine with others, by
# tests/lab/shared.sh, and leaves that machine as it was. cost: about how many seconds of
# CPU time it takes on a kernel, so that long ones begin first.

lab_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
lab_script=$(readlink -f "$0")
# shellcheck source=../../lib/tap.bash
source "$lab_top/tests/lib/tap.bash"
# shellcheck source=owner.bash
source "$lab_top/tests/lab/lib/owner.bash"

# lab_note KEY DEFAULT [SCRIPT]: what the script's line "# check: ..." says
lab_note()
{
	local line

	line=$(grep -m 1 '^# check: ' "${3-$lab_script}")
	[[ $line =~ [\ ]$1=([a-z0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo "$2"
}

# lab_rounds CHECK ALL: how often a test does what it repeats, in `make check` and in
# `make check-all`
lab_rounds()
{
	[[ ${VIOLA_CHECK-} == all ]] && echo "$2" || echo "$1"
}

# lab_main ARG…: in the lab, inside(), and the end; outside, the tree is the folder.
lab_main()
{
	cd "$lab_top" || exit 1
	if [[ ${1-} == --inside ]]; then
		shift
		inside "$@"
		tap_end
	fi
}

# lab_run [KERNEL]: the whole of a script that needs nothing but its machines
lab_run()
{
	local kernel

	lab_main "$@"
	for kernel in $(lab_kernels "$(lab_note kernels one)" "$@"); do
		lab_cases "$kernel"
	done
	tap_end
}

# lab_kernels one|all [KERNEL]: the short names to run on. KERNEL is the user's choice.
# Else `make check` takes 6.12 for what needs one kernel, and for what needs all of them
# all that are there but the debug kernel; `make check-all` takes all for everything.
lab_kernels()
{
	local which=$1 name names=''

	if [[ -n ${2-} ]]; then
		names=$2
	elif [[ $which == one && ${VIOLA_CHECK-} != all ]] && tools/kernels 6.12 >/dev/null 2>&1; then
		names=6.12
	else
		while read -r name _; do
			[[ $name != debug || ${VIOLA_CHECK-} == all ]] && names+=" $name"
		done < <(tools/kernels)
	fi
	# shellcheck disable=SC2086 # a line each
	printf '%s\n' ${names:-none}
}

# lab_cases KERNEL [OPTION…] [-- ARG…]: inside() in a lab machine, its cases with
# "KERNEL: " before their names, and one more case for how the machine ended. The
# kernel's log goes to build/check/.
lab_cases()
{
	local kernel=$1 name=${lab_script##*/} release lab_options

	lab_options=(--smp "$(lab_note smp 1)" --timeout "$(lab_note limit 900)")

	shift
	while (($#)) && [[ $1 != -- ]]; do
		lab_options+=("$1")
		shift
	done
	[[ ${1-} != -- ]] || shift
	name=${name%.sh}
	if ! release=$(tools/kernels "$kernel" 2>/dev/null); then
		skip "$kernel: $name" "no kernel $kernel in the cache: run tools/setup"
		return
	fi
	if [[ ! -e build/module/$release/viola.ko ]]; then
		not_ok "$kernel: $name" "no build/module/$release/viola.ko: run make modules"
		return
	fi
	mkdir -p build/check/lab
	cases "$kernel: " build/bin/viola lab --quiet --kernel "$kernel" \
		--log "build/check/lab/$name-$kernel.klog" "${lab_options[@]}" -- \
		bash "$lab_script" --inside "$@" </dev/null
	# inside() ends with 1 if a case failed, and so does the lab.
	if ((cases_status == 0 || cases_status == 1)); then
		ok "$kernel: the lab's kernel has nothing to complain of"
	elif ((cases_failed)); then
		not_ok "$kernel: the lab ends well" "exit status $cases_status"
	fi
}

# In the lab: the image of the kernel that runs, for a guest. It is the unpacked one: an
# emulated CPU takes seconds to unpack the other, in each guest.
lab_guest_kernel()
{
	echo "$VIOLA_CACHE/kernel/$(uname -r)/boot/vmlinux-$(uname -r)"
}

# In the lab: what belongs on a guest's kernel command line; APPEND is the test's.
lab_guest_append() # APPEND
{
	echo "quiet panic=-1 ipv6.disable=1 $VIOLA_LAB_GUEST_APPEND $1"
}

# In the lab: the module with what it needs, and the tests' programs.
module_load()
{
	modprobe -a tun tap && insmod "$lab_top/build/module/$(uname -r)/viola.ko"
}

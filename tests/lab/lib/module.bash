# SPDX-License-Identifier: GPL-2.0
#
# For the tests of viola.ko: each is one script that calls itself inside the lab
# (--inside, function inside()) once per kernel, and prints what that says.
#
#	source lib/module.bash
#	inside() { … "ok - …" / "not ok - … - why" … }
#	module_test SECONDS "$@"

# module_cpus is the number of the lab's CPUs; module code wants two, to race.

module_top=$(cd "$(dirname "$0")/../.." && pwd -P)
# shellcheck source=owner.bash
source "$module_top/tests/lab/lib/owner.bash"

# In the lab: the module with what it needs, and the tests' programs.
module_load()
{
	modprobe -a tun tap && insmod "$module_top/build/module/$(uname -r)/viola.ko"
}

ok()
{
	printf 'ok - %s\n' "$1"
}

# not_ok NAME WHY
not_ok()
{
	printf 'not ok - %s - %s\n' "$1" "$2"
}

# check NAME COMMAND…: one case, by the command's status
check()
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "$(tail -n 1 <<<"$said")"
	fi
}

module_test()
{
	local limit=$1 name release out status passed=0 failed=0 skipped=0 line

	shift
	if [[ ${1-} == --inside ]]; then
		inside
		return
	fi
	cd "$module_top" || exit 1
	while read -r name release; do
		[[ ${1-} == "" || $1 == "$name" ]] || continue
		if [[ ! -e build/module/$release/viola.ko ]]; then
			printf 'ok - %s # skip no build/module/%s/viola.ko: run make modules\n' \
				"$name" "$release"
			((skipped++))
			continue
		fi
		status=0
		out=$(build/bin/viola lab --quiet --kernel "$name" --smp "${module_cpus:-2}" \
			--timeout "$limit" -- \
			bash "$0" --inside 2>&1 </dev/null) || status=$?
		while IFS= read -r line; do
			case $line in
			"ok - "*"# skip"*) ((skipped++)) ;;
			"ok - "*) ((passed++)) ;;
			"not ok - "*) ((failed++)) ;;
			esac
			sed -E "s/^((not )?ok) - /\\1 - $name: /" <<<"$line"
		done <<<"$out"
		if ((status == 0)); then
			printf 'ok - %s: the kernel has nothing to complain of\n' "$name"
			((passed++))
		else
			printf 'not ok - %s: the lab ends well - exit status %d\n' "$name" "$status"
			((failed++))
		fi
	done < <(tools/kernels)
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	((failed == 0 && passed + skipped > 0))
}

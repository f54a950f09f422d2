# SPDX-License-Identifier: GPL-2.0
#
# For tests that call themselves once inside the lab, output and errors in files.

# lab_report STATUS OUT ERR: prints and counts the cases of OUT, and one for how
# the lab ended; then the line that sums up. Fails as the test does.
lab_report()
{
	local status=$1 out=$2 err=$3 line passed=0 failed=0

	while IFS= read -r line; do
		case $line in
		"ok - "*) ((passed++)) ;;
		"not ok - "*) ((failed++)) ;;
		esac
		printf '%s\n' "$line"
	done <"$out"
	if ((status == 0)); then
		printf 'ok - the kernel has nothing to complain of\n'
		((passed++))
	else
		printf 'not ok - the lab ends well - exit status %d\n' "$status"
		((failed++))
		tail -n 20 "$err" | sed 's/^/# /'
	fi
	printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
	((failed == 0 && passed > 0))
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What judges the tests: that tools/check takes each kind of bad script for a failure,
# and cases() of tap.bash each kind of bad program.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tap.bash
source tests/lib/tap.bash

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# This may itself run in a check, whose logs are not to be touched.
export VIOLA_CHECK_LOGS=$dir/logs

# script NAME LINE…: a script in $dir
script()
{
	printf '%s\n' "source tests/lib/tap.bash" "${@:2}" >"$dir/$1.sh"
}

# judged WANTED STATUS ARG…: the last line, and the status, of tools/check for these
judged()
{
	local wanted=$1 status=$2 got=0 said

	shift 2
	said=$(tools/check "$@" 2>&1) || got=$?
	printf '%s\n' "$said"
	[[ $(tail -n 1 <<<"$said") == "$wanted" ]] && ((got == status)) && return
	echo "status $got, wanted $status and '$wanted': $(tail -n 1 <<<"$said")"
	return 1
}

# A check that is told to end ends what its jobs have started, in sessions of their own, too.
interrupted()
{
	local check i

	tools/check "$dir/endless.sh" >/dev/null 2>&1 &
	check=$!
	for ((i = 0; i < 600; i++)); do
		pgrep -f "^sleep $longest\$" >/dev/null && break
		sleep 0.1
	done
	kill -TERM $check
	wait $check
	echo "status $?; begun after $i looks"
	for ((; i < 900; i++)); do
		pgrep -f "^sleep $longest\$" >/dev/null || break
		sleep 0.1
	done
	((i < 900)) && ! pgrep -af "^sleep $longest\$"
}

# Numbers that no other process sleeps for.
long=$((1000000 + $$)) longer=$((9000000 + $$)) longest=$((90000000 + $$))
script good 'ok one' 'check two true' 'skip three "not here"' 'tap_end'
script bad 'ok one' 'check two false' 'tap_end'
script silent 'exit 0'
script planless 'ok one'
script short 'ok one; ok two' 'echo 1..3'
script status 'ok one' 'echo 1..1; exit 3'
script killed 'ok one; echo 1..1' "kill -KILL \$\$"
script hangs 'ok one' "setsid sleep $long &" "sleep $long" 'tap_end'
script orphan "bash -c 'sleep 1 & echo \$! >$dir/orphan.pid'" \
	"for ((i = 0; i < 600; i++)); do [[ -d /proc/\$(<$dir/orphan.pid) ]] || break; sleep 0.1; done" \
	'check gone test $i -lt 600' 'tap_end'
script endless 'ok one' "setsid sleep $longest &" "sleep $longest" 'tap_end'
script leaves 'ok one' "setsid sleep $longer &" 'tap_end'

check "cases that pass and that are skipped" judged '2 passed, 0 failed, 1 skipped' 0 "$dir/good.sh"
check "a case that fails" judged '1 passed, 1 failed, 0 skipped' 1 "$dir/bad.sh"
check "a script without a case" judged '0 passed, 1 failed, 0 skipped' 1 "$dir/silent.sh"
check "a script without its plan" judged '1 passed, 1 failed, 0 skipped' 1 "$dir/planless.sh"
check "fewer cases than planned" judged '2 passed, 1 failed, 0 skipped' 1 "$dir/short.sh"
check "a status that no case explains" judged '1 passed, 1 failed, 0 skipped' 1 "$dir/status.sh"
check "a script that is killed" judged '1 passed, 1 failed, 0 skipped' 1 "$dir/killed.sh"
check "a script that hangs" judged '1 passed, 1 failed, 0 skipped' 1 --limit 20 "$dir/hangs.sh"
check "it is stopped with what it started" bash -c "! pgrep -a -f '^sleep $long\$'"
check "a check that is told to end ends its jobs" interrupted
check "a process left behind keeps nobody waiting" \
	judged '1 passed, 0 failed, 0 skipped' 0 "$dir/leaves.sh"
check "it is stopped" bash -c "! pgrep -a -f '^sleep $longer\$'"
check "an orphan that ends is reaped" judged '1 passed, 0 failed, 0 skipped' 0 "$dir/orphan.sh"
check "several scripts side by side" judged '4 passed, 2 failed, 2 skipped' 1 \
	"$dir/good.sh" "$dir/silent.sh" "$dir/good.sh" "$dir/silent.sh"
check "a missing script" judged '0 passed, 1 failed, 0 skipped' 1 "$dir/none.sh"
VIOLA_CACHE=$dir check "a stage without a job" \
	judged '0 passed, 1 failed, 0 skipped' 1 --only module
check "an unknown stage is refused" bash -c 'tools/check --only nonsense; test $? = 2'
check "a word that no job has is refused" bash -c 'tools/check -k nonsense; test $? = 2'

# counted WANTED COMMAND…: the plan and the failures of a script that has cases of COMMAND
counted()
{
	local wanted=$1 said

	shift
	said=$(
		tap_count=0 tap_failed=0
		cases "in: " "$@"
		echo "cases $tap_count failed $tap_failed"
	)
	printf '%s\n' "$said"
	[[ $(tail -n 1 <<<"$said") == "$wanted" ]]
}

check "cases of a program" counted 'cases 2 failed 0' printf 'ok - a\nok 7 b\n'
check "a program's case that fails" counted 'cases 2 failed 1' printf 'ok - a\nnot ok b\n1..2\n'
check "a program without a case" counted 'cases 1 failed 1' printf 'okay\nnothing\n'
check "a program that misses its plan" counted 'cases 2 failed 1' printf 'ok - a\n1..2\n'
check "plans of several groups" counted 'cases 3 failed 0' \
	printf '1..1\nok - a\n1..2\nok - b\nok - c\n'
check "a program that dies" counted 'cases 2 failed 1' bash -c "echo 'ok - a'; kill -KILL \$\$"
check "no newline at the end" counted 'cases 1 failed 1' printf 'not ok - a'
tap_end

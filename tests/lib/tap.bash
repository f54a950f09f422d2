# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What a test script reports, in the Test Anything Protocol (TAP): one line for each
# case, "ok 1 - NAME" or "not ok 2 - NAME", and the plan "1..N" as the last line. A
# harness (tools/check, or `prove -e bash FILE`) takes a script that ends without its
# plan for a failure, so every script ends with tap_end.

tap_count=0
tap_failed=0

ok() # NAME
{
	printf 'ok %d - %s\n' $((++tap_count)) "$1"
}

# not_ok NAME WHY [SEEN]: SEEN is what led to it, of which the last lines are shown
not_ok()
{
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s - %s\n' $((++tap_count)) "$1" "${2//$'\n'/ }"
	[[ -z ${3-} ]] || tail -n 20 <<<"$3" | note
}

skip() # NAME WHY
{
	printf 'ok %d - %s # SKIP %s\n' $((++tap_count)) "$1" "$2"
}

# note [TEXT]: a comment; without TEXT, of each line of standard input
# shellcheck disable=SC2120
note()
{
	if (($#)); then
		printf '# %s\n' "${1//$'\n'/$'\n# '}"
	else
		tr -d '\r' | cut -c -300 | sed 's/^/# /'
	fi
}

# check NAME COMMAND…: one case, by COMMAND's status. Of a failure the last line that
# COMMAND printed is the reason.
check()
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "$(tail -n 1 <<<"${said:-"$1 says no"}")" \
			"$(sed '$d' <<<"$said")"
	fi
}

# equal NAME WANTED GOT [SEEN]: one case
equal()
{
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		not_ok "$1" "wanted '$2', got '$3'" "${4-}"
	fi
}

# cases PREFIX COMMAND…: COMMAND reports cases of its own, which become this script's,
# with PREFIX before their names; what else it prints is a comment. If it reports none,
# fewer than its plan, or fails without a failed case, that is one more, failed case.
# Sets cases_status to COMMAND's status, and cases_failed to how many failed.
cases()
{
	local prefix=$1 line fd pid reported=0 planned='' begun=$tap_failed
	local result='^(not )?ok( +[0-9]+)?( +-)?( +(.*))?$' plan='^1\.\.([0-9]+)'

	shift
	exec {fd}< <("$@" 2>&1)
	pid=$!
	while IFS= read -r line || [[ -n $line ]]; do
		line=${line%$'\r'}
		if [[ $line =~ $result ]]; then
			reported=$((reported + 1))
			[[ -z ${BASH_REMATCH[1]} ]] || tap_failed=$((tap_failed + 1))
			printf '%sok %d - %s%s\n' "${BASH_REMATCH[1]}" $((++tap_count)) \
				"$prefix" "${BASH_REMATCH[5]}"
		elif [[ $line =~ $plan ]]; then
			planned=$((${planned:-0} + BASH_REMATCH[1]))
		else
			printf '# %s\n' "${line#\# }"
		fi
	done <&"$fd"
	exec {fd}<&-
	cases_status=0
	wait "$pid" || cases_status=$?
	cases_failed=$((tap_failed - begun))
	if ((reported == 0)); then
		not_ok "${prefix}reports cases" "none, exit status $cases_status"
	elif ((${planned:-reported} != reported)); then
		not_ok "${prefix}reports all cases" \
			"$reported of $planned, exit status $cases_status"
	elif ((cases_status != 0 && cases_failed == 0)); then
		not_ok "${prefix}ends well" "exit status $cases_status"
	fi
}

# The plan, and the script's end: status 0 if nothing failed.
tap_end()
{
	printf '1..%d\n' "$tap_count"
	exit $((tap_failed != 0))
}

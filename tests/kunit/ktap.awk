# SPDX-License-Identifier: GPL-2.0
#
# Reads the console of a kernel that ran KUnit suites and prints a line for
# each case, one for each suite, and last "N passed, N failed, N skipped".
# Exits non-zero if a case failed, if a suite reported fewer cases than it
# planned, if the kernel complained, or if nothing ran.
#
# Variables: status (exit status of the kernel), limit (its seconds).

function fail(name, why)
{
	failed++
	printf "not ok - kunit: %s - %s\n", name, why
}

# The suite's own result line says nothing that its cases did not, except when
# its set-up failed or cases are missing.
function end_suite(ok)
{
	if (cases != planned)
		fail(suite, "planned " planned " cases, reported " cases)
	else if (!ok && !suite_failed)
		fail(suite, "the suite failed outside of its cases")
	printf "# %s: %d cases, %d failed\n", suite, cases, suite_failed
	suite = ""
}

{ sub(/\r$/, "") }

/^TAP version|^KTAP version/ { started = 1; next }
!started { boot = boot $0 "\n"; }

# What a debugging kernel prints when it finds fault; a case may have passed.
/BUG: |WARNING: |UBSAN: |Kernel panic|INFO: possible|ODEBUG: |Segfault with no mm/ {
	if (complaints++ < 5)
		printf "# kernel: %s\n", $0
}

/^ +# Subtest: / {
	if (suite != "")
		end_suite(1)
	suite = $0
	sub(/^ +# Subtest: /, "", suite)
	planned = cases = suite_failed = 0
	notes = ""
	suites++
	next
}

/^    1\.\.[0-9]+/ && suite != "" { planned = substr($0, 8) + 0; next }
/^1\.\.[0-9]+/ && started { suites_planned = substr($0, 4) + 0; next }

/^    (not )?ok [0-9]+ / && suite != "" {
	cases++
	ran++
	ok = $1 == "ok"
	name = $0
	sub(/^    (not )?ok [0-9]+ (- )?/, "", name)
	if (name ~ /# SKIP/) {
		skipped++
		why = name
		sub(/ *# SKIP.*/, "", name)
		sub(/.*# SKIP */, "", why)
		printf "ok - kunit: %s.%s # skip %s\n", suite, name, why
	} else if (ok) {
		passed++
		printf "ok - kunit: %s.%s\n", suite, name
	} else {
		suite_failed++
		fail(suite "." name, "see below")
		printf "%s", notes
	}
	notes = ""
	next
}

/^(not )?ok [0-9]+ / && suite != "" { end_suite($1 == "ok"); next }

# What was printed since the last case: shown if the next one fails.
suite != "" { notes = notes "# " $0 "\n" }

END {
	if (suite != "") {
		printf "%s", notes
		fail(suite, "the kernel stopped in this suite after " cases \
			    " of " planned " cases")
	}
	if (!started) {
		n = split(boot, line, "\n")
		for (i = n > 15 ? n - 15 : 1; i < n; i++)
			printf "# %s\n", line[i]
		fail("boot", "the kernel never reached its suites (exit status " status ")")
	} else if (suites < suites_planned) {
		fail("boot", "planned " suites_planned " suites, saw " suites + 0)
	}
	if (status == 124 || status == 137)
		fail("boot", "stopped after " limit " seconds")
	if (complaints)
		fail("kernel log", complaints " complaints from the debugging kernel")
	else if (started) {
		passed++
		print "ok - kunit: kernel log clean"
	}
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed || !ran
}

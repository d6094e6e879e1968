#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A short run of what `make chaos` does for long: always the same two faults.

load lab.bash

@test "a node that freezes, and one whose BMC says yes and does nothing: every VM runs exactly once (tests/lab/chaos fence)" {
	unset LAB_NAME
	run "$TOP/tests/lab/chaos" fence 2 8 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"2 faults in "*": never two; "* ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What fencing knows about a node's power: pvc-fence --test, and its agents as the daemon asks them, against real BMCs (ipmi_sim).

bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/bmc.bash

setup_file() {
	test_begin
	zk_start
	write_config "$T/pvcd.yaml"
	bmc_start one
	export BMC
	for name in victim:run off:stop; do
		zk create "/nodes/${name%:*}/daemonstate" "${name#*:}"
		zk create "/nodes/${name%:*}/ipmihostname" "$BMC"
		zk create "/nodes/${name%:*}/ipmiusername" "$BMC_USER"
		zk create "/nodes/${name%:*}/ipmipassword" "$BMC_PASSWORD"
	done
}
teardown_file() { test_cleanup; }
setup() {
	bmc_mode one works
	bmc_set_power one 1
	bmc_forget one
}
teardown() { bmc_thaw one; }

fence_test() { run --separate-stderr pvc-fence --config "$T/pvcd.yaml" --test "$@"; }
# ask QUESTION SECONDS: as the daemon does; "VERDICT", "POWER", and what was said are lines.
ask() { BMC_PASSWORD=${PASSWORD-$BMC_PASSWORD} run --separate-stderr "$BUILD/tests/drive_agents" "$@" "${HOST-$BMC}" "${USER_NAME-$BMC_USER}"; }
answered() { # VERDICT POWER TEXT
	[ "${lines[0]}" = "$1" ] && [ "${lines[1]}" = "$2" ] && [[ ${lines[2]} == *"$3"* ]] || {
		printf '%s\n' "${lines[@]}"
		false
	}
}

@test "pvc-fence --test asks a node's BMC for the power and switches nothing" {
	fence_test victim
	[ "$status" -eq 0 ]
	[ "$output" = "victim: ipmitool at $BMC: power is on" ]
	[ -z "$(bmc_calls one)" ]
}

@test "pvc-fence --test says what would not work: wrong password, no BMC there, another machine's BMC, no node" {
	zk set /nodes/victim/ipmipassword wrong-secret
	fence_test victim
	zk set /nodes/victim/ipmipassword "$BMC_PASSWORD"
	[ "$status" -eq 1 ]
	[[ $output == "victim: ipmitool at $BMC: "*session* ]]
	[[ $output$stderr != *secret* ]]
	bmc_set_power one 0
	fence_test victim
	[ "$status" -eq 1 ]
	[[ $output == *"power is off, but the node runs: is this another machine's agent?" ]]
	fence_test off
	[ "$status" -eq 0 ]
	fence_test nobody
	[ "$status" -eq 1 ] && [[ $stderr == *"there is no node nobody"* ]]
	zk set /nodes/off/ipmihostname ""
	fence_test off
	[ "$status" -eq 1 ] && [[ $stderr == *"node off has no fencing agent: set system.fencing.ipmi there"* ]]
	zk set /nodes/off/ipmihostname "$BMC"
}

@test "off is off when it was read back, also when it was off before, and on brings it back (D9)" {
	ask off 60
	answered off off "power is off"
	[ "$(bmc_power one)" = 0 ]
	ask off 60 # the reference takes a node that is off already for a failed fence
	answered off off "power is off"
	bmc_mode one refuse # as BMCs do that refuse to switch off what is off
	ask off 60
	answered off off "power is off"
	bmc_mode one works
	ask on 60
	answered unknown on "power is on"
	[ "$(bmc_power one)" = 1 ]
}

@test "a BMC that accepts the command and does nothing has fenced nobody (D9)" {
	bmc_mode one lie
	ask off 4
	answered unknown unknown "power is still on, though it accepted the command"
	[ "$(bmc_calls one | sort -u)" = "set power 0" ]
}

@test "a BMC that refuses, one that is not there and a wrong password are no answer, each within its time" {
	bmc_mode one refuse
	ask off 4
	answered unknown unknown "power is still on: "
	bmc_freeze one
	ask off 3
	answered unknown unknown "no answer in time"
	bmc_thaw one
	PASSWORD=wrong-secret ask off 60
	answered unknown unknown "session"
	[[ $output$stderr != *secret* ]]
	bmc_mode one hang
	ask status 2
	answered unknown unknown "no answer in time"
}

@test "the power's word is read in any case and with any white space (D10, E1)" {
	mkdir -p "$T/odd"
	printf '%s\n' '#!/bin/sh' "printf 'chassis power is  OFF \\r\\n\\n'" >"$T/odd/ipmitool"
	chmod +x "$T/odd/ipmitool"
	PATH=$T/odd:$PATH ask off 10
	answered off off "power is off"
}

@test "an agent at work is ended as soon as it is called off" {
	bmc_freeze one
	BMC_PASSWORD=$BMC_PASSWORD "$BUILD/tests/drive_agents" off 600 "$BMC" "$BMC_USER" >"$T/called-off" 3>&- &
	asker=$!
	remember $asker
	at_work() { pgrep -P $asker -x ipmitool; }
	wait_until 60 at_work
	tool=$(at_work)
	kill -USR1 $asker
	wait $asker
	[ "$(head -n 1 "$T/called-off")" = unknown ]
	[ ! -e "/proc/$tool" ]
}

@test "the password is in no argument of any process while it is used (D12)" {
	bmc_freeze one
	BMC_PASSWORD=$BMC_PASSWORD "$BUILD/tests/drive_agents" off 600 "$BMC" "$BMC_USER" >/dev/null 3>&- &
	asker=$!
	remember $asker
	at_work() { pgrep -P $asker -x ipmitool; }
	wait_until 60 at_work
	tr '\0' ' ' <"/proc/$(at_work)/cmdline" >"$T/arguments"
	grep -q "chassis power" "$T/arguments"
	run ! grep -F -- "$BMC_PASSWORD" "$T/arguments" "/proc/$asker/cmdline"
	grep -qF "IPMITOOL_PASSWORD=$BMC_PASSWORD" "/proc/$(at_work)/environ"
	kill -USR1 $asker
	wait $asker
}

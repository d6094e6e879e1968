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
# in_time TEXT "SECONDS..." COMMAND...: asks with the first of these times, and with a longer one while what was said lacks that text: a busy
# machine takes its time for an answer.
in_time() {
	local text=$1 seconds
	for seconds in $2; do
		"${@:3}" "$seconds"
		[[ ${lines[2]} != *"$text"* ]] || break
	done
}
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
	[ "$status" -eq 1 ] && [[ $stderr == *"node off names no BMC: set system.fencing.ipmi or system.fencing.agents there"* ]]
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
	in_time "power is still on" "4 20 60" ask off
	answered unknown unknown "power is still on, though it accepted the command"
	[ "$(bmc_calls one | sort -u)" = "set power 0" ]
}

@test "a BMC that refuses, one that is not there and a wrong password are no answer, each within its time" {
	bmc_mode one refuse
	in_time "power is still on" "4 20 60" ask off
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
	at_work() { tool=$(pgrep -P $asker -x ipmitool); } # (after a while without an answer it is another one)
	wait_until 60 at_work
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
	seen_at_work() {
		local tool
		tool=$(pgrep -P $asker -x ipmitool) && tr '\0' ' ' <"/proc/$tool/cmdline" >"$T/arguments" && tr '\0' '\n' <"/proc/$tool/environ" >"$T/environ" &&
			grep -q "chassis power" "$T/arguments"
	}
	wait_until 60 seen_at_work
	run ! grep -F -- "$BMC_PASSWORD" "$T/arguments" "/proc/$asker/cmdline"
	grep -qF "IPMITOOL_PASSWORD=$BMC_PASSWORD" "$T/environ"
	kill -USR1 $asker
	wait $asker
}

# agents JSON: the levels of the node `victim`, as its pvc-register publishes them
agents() { AGENTS=$1 BMC_PASSWORD=$BMC_PASSWORD run --separate-stderr "$BUILD/tests/drive_agents" "${@:2}" "${HOST-$BMC}" "$BMC_USER"; }
real() { # one of Debian's agents, at the simulated BMC
	printf '{"agents": [%s{"agent": "fence_ipmilan", "options": {"ip": "%s", "username": "%s", "password": "%s", "lanplus": "1", "cipher": "3", "power_wait": "0"}}]}' \
		"${1:-}" "$BMC" "$BMC_USER" "${2:-$BMC_PASSWORD}"
}
# fake NAME BODY: an agent that speaks the protocol; BODY has what it read in $action and $seen
fake() {
	mkdir -p "$T/agents"
	printf '%s\n' '#!/bin/bash' 'while IFS= read -r line; do seen+="$line|"; case $line in action=*) action=${line#action=} ;; esac; done' "$2" >"$T/agents/fence_$1"
	chmod +x "$T/agents/fence_$1"
}

@test "a real fence agent switches off and tells it, by its standard input: no secret is an argument (D12)" {
	agents "$(real)" status 60
	answered unknown on "fence_ipmilan: power is on"
	agents "$(real)" off 60
	answered off off "fence_ipmilan: power is off"
	[ "$(bmc_power one)" = 0 ]
	agents "$(real)" on 60
	answered unknown on "fence_ipmilan: power is on"
	agents "$(real '' wrong-secret)" off 60
	answered unknown unknown "fence_ipmilan: "
	[[ $output$stderr != *secret* ]]
	bmc_mode one lie
	agents "$(real)" off 4
	answered unknown unknown "fence_ipmilan: "
}

@test "levels are asked in order until one has read back that the node is off" {
	agents "$(real '{"agent": "ipmitool"}, ')" off 60
	answered off off "ipmitool at $BMC: power is off"
	bmc_set_power one 1
	HOST=127.255.255.254 in_time "power is off" "12 60 120" agents "$(real '{"agent": "ipmitool"}, ')" off # nobody is there
	answered off off "fence_ipmilan: power is off"
	bmc_mode one lie
	bmc_set_power one 1
	in_time "ipmitool at $BMC: power is still on" "8 40 120" agents "$(real '{"agent": "ipmitool"}, ')" off
	answered unknown unknown "ipmitool at $BMC: power is still on"
	[[ ${lines[2]} == *"; fence_ipmilan: "* ]]
}

@test "an agent that fails, hangs, lies, says nothing or is not installed has fenced nobody, and is named" {
	fake fails 'echo "no such plug" >&2; exit 1'
	fake hangs 'read -r -t 600 <> <(:)'
	fake lies '[ "$action" = off ] && exit 0; echo "Status: ON"'
	fake mute 'exit 2'
	fake right '[ "$seen" = "action=$action|ip=10.0.0.1|port=3|" ] || exit 1; [ "$action" = off ] || { echo "Status: OFF"; exit 2; }'
	export PATH=$T/agents:$PATH
	one() { agents "{\"agents\": [{\"agent\": \"fence_$1\", \"options\": {\"ip\": \"10.0.0.1\", \"port\": \"3\"}}]}" off "$2"; }
	one fails 20
	answered unknown unknown "fence_fails: no such plug"
	one hangs 1
	answered unknown unknown "fence_hangs: no answer in time"
	in_time "power is still on" "2 10 60" one lies
	answered unknown unknown "fence_lies: power is still on, though it accepted the command"
	one mute 2
	answered unknown unknown "fence_mute: "
	one absent 20
	answered unknown unknown "fence_absent is not installed"
	one right 20
	answered off off "fence_right: power is off"
}

@test "agents that ZooKeeper names wrongly are not run, and said with the remedy" {
	zk create /pvc/agents/victim '{"agents": [{"agent": "sh"}]}'
	fence_test victim
	[ "$status" -eq 1 ]
	[[ $stderr == *"the agents that node victim names in ZooKeeper are wrong: expected ipmitool, or a program of the package fence-agents"*"system.fencing.agents"* ]]
	zk set /pvc/agents/victim "$(real '{"agent": "ipmitool"}, ')"
	fence_test victim
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "victim: ipmitool at $BMC: power is on" ]
	[ "${lines[1]}" = "victim: fence_ipmilan: power is on" ]
	zk rm /pvc/agents/victim
}

# registered SED...: pvchv1's pvc-register with that configuration
registered() {
	write_config "$T/node.yaml" "s|host: pvchv1-lom|host: $BMC|" "s|pass: ipmi-secret|pass: $BMC_PASSWORD|" "$@"
	as_node pvchv1 pvc-register --config "$T/node.yaml" start
}

@test "a node publishes its agents for the others, and takes them back" {
	registered "s|^      ipmi:|      agents: [{agent: ipmitool}, {agent: fence_ipmilan, options: {ip: $BMC, username: $BMC_USER, password: $BMC_PASSWORD, lanplus: 1, cipher: 3}}]\n&|"
	run -0 pvc-fence --config "$T/pvcd.yaml" --test pvchv1
	[ "${lines[0]}" = "pvchv1: ipmitool at $BMC: power is on" ]
	[ "${lines[1]}" = "pvchv1: fence_ipmilan: power is on" ]
	run -0 as_node pvchv1 pvc-register --config "$T/node.yaml" --check
	run ! grep -rF -- "$BMC_PASSWORD" "$T/log"
	registered
	run -0 pvc-fence --config "$T/pvcd.yaml" --test pvchv1
	[ "${#lines[@]}" -eq 1 ]
	run ! zk exists /pvc/agents/pvchv1
}

@test "with credentials the keys are for those who have them (D12: the reference's are for everybody); without, a clear error" {
	private="s|^      ipmi:|      credentials: pvc:zk-secret\n&|"
	registered "$private"
	for key in ipmihostname ipmiusername ipmipassword; do
		run zk get "/nodes/pvchv1/$key"
		[ "$status" -ne 0 ]
		[[ $output == *NoAuth* ]] && [[ $output != *"$BMC_PASSWORD"* ]]
	done
	run -0 pvc-fence --config "$T/node.yaml" --test pvchv1
	[ "$output" = "pvchv1: ipmitool at $BMC: power is on" ]
	run pvc-fence --config "$T/pvcd.yaml" --test pvchv1
	[ "$status" -eq 1 ] && [[ $output == *"the keys of node pvchv1 are for others: is system.fencing.credentials the same as there?"* ]]
	registered "$private" # once more
	run -0 as_node pvchv1 pvc-register --config "$T/node.yaml" --check
	cp "$T/node.yaml" "$T/private.yaml"
	run registered
	[ "$status" -eq 78 ] && [[ $output == *"are not readable: set system.fencing.credentials as it was, or delete"* ]]
	for key in ipmihostname ipmiusername ipmipassword; do zk rm "/nodes/pvchv1/$key"; done
	registered
	run -0 pvc-fence --config "$T/pvcd.yaml" --test pvchv1
}

@test "a node looks at its own agents: at start, and what is wrong is said and shown until it is mended" {
	registered
	zk rm /nodes/pvchv1/fence_agents 2>/dev/null || :
	bmc_mode one works
	# another machine's BMC, for that one is off
	bmc_set_power one 0
	as_node pvchv1 pvc-fence --config "$T/node.yaml" >"$T/fence.log" 2>&1 3>&- &
	remember $!
	shows() { [[ $(zk get /nodes/pvchv1/fence_agents) == "$1" ]]; }
	wait_until 60 shows "ipmitool at $BMC says that this host is off: is it another machine's?"
	remember "$(pgrep -f "^pvc-fence --config $T/node.yaml")"
	wait_until 60 grep -q "warning: fencing of this node would not work: ipmitool at $BMC says that this host is off" "$T/fence.log"
	run -0 cat "$T/run/status/fence-agents"
	[[ $output == *"agents=ipmitool at $BMC says"* ]]
	run -0 pvcctl --config "$T/pvcd.yaml" node info pvchv1
	[[ $output == *"Fencing agents:"*"ipmitool at $BMC says that this host is off"* ]]
	bmc_set_power one 1
	wait_until 120 shows ""
	grep -q "ok: the agents that would switch this node off answer" "$T/fence.log"
	run -0 pvcctl --config "$T/pvcd.yaml" node info pvchv1
	[[ $output == *"Fencing agents:"*answer* ]]
	[ -z "$(bmc_calls one)" ]
	daemon=$(pgrep -f "^pvc-fence --config $T/node.yaml")
	kill "$daemon"
	gone() { [ ! -e "/proc/$daemon" ]; }
	wait_until 60 gone
}

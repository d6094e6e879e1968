#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A configuration that is wrong in any way stops the sequence at its first step, says where and what, and leaves the host as it was.

load lab.bash

setup_file() {
	lab_begin
	node cp -p /etc/pvc/pvcd.yaml /root/good.yaml
}
teardown_file() { lab_end; }
setup() { node cp -p /root/good.yaml /etc/pvc/pvcd.yaml; }

host_state() { node sh -c 'ip -br addr; ip route; nft list ruleset; sysctl net.ipv4.ip_forward; systemctl is-active zookeeper frr'; }

# refused TEXT...: the start fails at pvc-netsetup with status 78, each TEXT is in what systemctl status shows, nothing else ran.
refused() {
	local before after text shown step
	before=$(host_state || :)
	run node systemctl start pvc.target
	[ "$status" -ne 0 ]
	after=$(host_state || :)
	[ "$before" = "$after" ] || { diff <(echo "$before") <(echo "$after"); false; }
	[ "$(node systemctl show -P ExecMainStatus pvc-netsetup.service)" = 78 ]
	journal_is_written
	shown=$(node systemctl --no-pager -l -n 30 status pvc-netsetup.service || :)
	for text; do
		[[ "$shown" == *"$text"* ]] || { echo "not said: $text"; echo "$shown"; false; }
	done
	for step in pvc-sysctl pvc-coordinator pvc-register pvc-firewall $PROGRAMS pvc-online; do
		[ "$(node systemctl show -P InactiveExitTimestampMonotonic "$step.service")" = 0 ] || { echo "$step ran"; false; }
	done
	# wrong configuration does not mend itself: nothing tries again
	[ -z "$(node systemctl list-units --no-legend --state=activating,active 'pvc-retry@*')" ]
	node systemctl reset-failed
}
broken() { node sed -i "$1" /etc/pvc/pvcd.yaml; }

@test "no configuration file" {
	node rm /etc/pvc/pvcd.yaml
	refused /etc/pvc/pvcd.yaml
}

@test "an empty configuration file" {
	node truncate -s 0 /etc/pvc/pvcd.yaml
	refused /etc/pvc/pvcd.yaml
}

@test "text that is no YAML: the line is named" {
	broken '5s/.*/\t: [ {/'
	refused /etc/pvc/pvcd.yaml:5
}

@test "an unknown key is named" {
	broken 's/keepalive_interval: 2/&\n      keepalive_intervall: 2/'
	refused keepalive_intervall
}

@test "a missing key is named" {
	broken '/fence_intervals/d'
	refused fence_intervals
}

@test "a number that is none: key, line and what was found" {
	broken 's/keepalive_interval: 2/keepalive_interval: two/'
	refused keepalive_interval two
}

@test "a network that is none" {
	broken 's:network\: 10.77.1.0/24:network\: 10.77.1.0/64:'
	refused 10.77.1.0/64
}

@test "a floating address outside its network" {
	broken 's:floating_ip\: 10.77.1.250/24:floating_ip\: 10.99.1.250/24:'
	refused 10.99.1.250
}

@test "a word that is none of those allowed" {
	broken 's/target_selector: mem/target_selector: moon/'
	refused target_selector moon
}

@test "a file with passwords that others may read" {
	node chmod 644 /etc/pvc/pvcd.yaml
	refused /etc/pvc/pvcd.yaml
}

@test "every problem is named at once, not one a start" {
	broken 's/target_selector: mem/target_selector: moon/; s/keepalive_interval: 2/keepalive_interval: two/'
	refused moon two
}

@test "a network device that does not exist is named by pvc-netsetup, and the sequence stops there" {
	broken 's/upstream: {device: eth0/upstream: {device: eth7/'
	run node systemctl start pvc.target
	[ "$status" -ne 0 ]
	journal_is_written
	node systemctl --no-pager -l status pvc-netsetup.service | grep -q eth7
	[ "$(node systemctl show -P InactiveExitTimestampMonotonic pvc-sysctl.service)" = 0 ]
	node systemctl reset-failed
}

@test "once the configuration is right, the same command starts the node" {
	pvc_start
	node_key_is daemonstate run
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# The demonstration works, again too, and leaves nothing behind; the lab cleans up after runs that were killed.

load lab.bash

setup_file() {
	test_begin
	export DEMO=d$$ # the same in every test of this file
}
teardown_file() {
	LAB_NAME=$DEMO "$TOP/demo" down >/dev/null
	test_cleanup
}

traces() { # of the lab named $1
	ip netns list | grep "pvclab-$1\b" || :
	find /sys/fs/cgroup -maxdepth 3 -name "pvclab-$1*" 2>/dev/null || :
	grep "pvc-lab/run/$1/" /proc/mounts || :
	ls -d "/var/tmp/pvc-lab/run/$1" /run/systemd/nspawn/propagate/pvclab-"$1"-* 2>/dev/null || :
	pgrep -af "pvclab-$1-" || :
}

@test "make demo shows a running VM, and does so again when it is called again" {
	local turn
	for turn in first again; do
		LAB_NAME=$DEMO run timeout 900 "$TOP/demo" 3>&-
		[ "$status" -eq 0 ] || { echo "$turn: $output"; false; }
		[[ "$output" == *"GUEST up"* ]]
		[[ "$output" == *"is ready"* ]]
		[[ "$output" == *"1 run,ready"* ]]
	done
	LAB_NAME=$DEMO "$TOP/demo" ctl vm list | grep -q hello
}

@test "demo down leaves no namespace, cgroup, mount, process or file" {
	[ -n "$(traces $DEMO)" ]
	LAB_NAME=$DEMO "$TOP/demo" down
	[ -z "$(traces $DEMO)" ] || { traces $DEMO; false; }
	# and it can be said twice
	LAB_NAME=$DEMO "$TOP/demo" down
}

@test "what a killed test run left is removed by the next one" {
	# shellcheck disable=SC2016
	bash -c 'LAB_NAME=g$1 LAB_OWNER=$$ LAB_QUIET=1 "$2" up fresh' lab $$ "$LAB" 3>&-
	[ -n "$(traces g$$)" ]
	"$LAB" gc
	[ -z "$(traces g$$)" ] || { traces g$$; false; }
}

@test "two labs at once do not see each other" {
	LAB_NAME=p$$ LAB_OWNER=$$ LAB_QUIET=1 "$LAB" up fresh 3>&-
	LAB_NAME=q$$ LAB_OWNER=$$ LAB_QUIET=1 "$LAB" up fresh 3>&-
	LAB_NAME=p$$ "$LAB" exec $NODE ip link set eth1 up
	LAB_NAME=q$$ "$LAB" down
	[ "$(LAB_NAME=p$$ "$LAB" status)" = "$NODE on" ]
	LAB_NAME=p$$ "$LAB" exec $NODE true
	LAB_NAME=p$$ "$LAB" down
	[ -z "$(traces p$$)$(traces q$$)" ]
}

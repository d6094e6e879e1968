#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-watch-domains against a real ZooKeeper and a real libvirtd with real QEMU guests, in namespaces of their own.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # bats runs each test in a subshell on purpose
# shellcheck disable=SC2016 # those are for the inner shell
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/libvirt.bash

setup_file() {
	test_begin
	netns_make hv
	export ZK_NETNS=$NETNS
	zk_start
	libvirt_begin
	libvirtd_start
	guest_images
	write_config "$T/pvcd.yaml" 's/^      keepalive_interval:.*/&\n      vm_shutdown_timeout: 2/'
	mkdir -p "$T/console"
	zk create /domains
	daemon_start
}
teardown_file() {
	libvirt_end
	test_cleanup
}

# Each test has a VM of its own: $U is its uuid, $N its name.
setup() {
	U=$(uuid 1) N=vm$BATS_TEST_NUMBER
	zk_serves || zk_start "$ZK_PORT"
	! process_is_gone "$(libvirtd_pid)" || libvirtd_start
	alive || daemon_start
}
# What a test leaves is taken away; a failed one shows what the daemon said last.
teardown() {
	local domain
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 40 "$T/daemon.log" >&2
	kill -CONT "$(libvirtd_pid)" 2>/dev/null || :
	zk exists /domains || zk create /domains
	# shellcheck disable=SC2046 # uuids
	dom delete $(zk ls /domains) || :
	for domain in $(lv_virsh list --all --name); do lv_virsh destroy "$domain" >/dev/null 2>&1 || :; done
}

uuid() { printf '11111111-2222-4333-8444-%04d%08d' "$BATS_TEST_NUMBER" "$1"; }
dom() { ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/domains.py" "$ZK" "$@"; }
daemon_pid() { cat "$T/daemon.pid"; }
daemon_threads() { sed -n 's/^Threads:[[:space:]]*//p' "/proc/$(daemon_pid)/status"; }
alive() { [ -e "$T/daemon.pid" ] && ! process_is_gone "$(daemon_pid)"; }
said() { grep -qF -- "$*" "$T/daemon.log"; }
times_ready() { grep -c ': ready$\|; ready$' "$T/daemon.log" || :; }
ready_again() { [ "$(times_ready)" -gt "$1" ]; }
daemon_run() {
	nsenter -t "$LV_PID" -m -n unshare --uts sh -c 'hostname pvchv1 && exec "$@"' sh \
		env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} pvc-watch-domains --debug --config "$1" >>"$T/daemon.log" 2>&1 3>&- &
	echo $! >"$T/daemon.pid"
	remember $!
}
daemon_start() {
	local before
	touch "$T/daemon.log"
	before=$(times_ready)
	daemon_run "${1:-$T/pvcd.yaml}"
	wait_until 60 ready_again "$before"
}
daemon_patient() { # one that gives guests an hour
	daemon_kill TERM
	write_config "$T/patient.yaml" 's/^      keepalive_interval:.*/&\n      vm_shutdown_timeout: 3600/'
	daemon_start "$T/patient.yaml"
}
daemon_kill() { # [SIGNAL]
	local pid
	pid=$(daemon_pid)
	kill "-${1:-KILL}" "$pid"
	wait_until 60 process_is_gone "$pid"
}
state_is() { [ "$(zk get "/domains/$1/state")" = "$2" ]; }
reason_has() { zk get "/domains/$1/failedreason" | grep -qF -- "$2"; }
no_reason() { [ -z "$(zk get "/domains/$1/failedreason")" ]; }
runs() { lv_virsh list --name | grep -qx "$1"; }
off() { ! lv_virsh list --name >"$T/list" || ! grep -qx "$1" "$T/list"; }
pid_changed() { local now && now=$(qemu_pid "$1") && [ "$now" != "$2" ] && runs "$1"; }
status() { sed -n "s/^$1=//p" "$T/run/status/domains"; }
status_is() { [ "$(status "$1")" = "$2" ]; }
log_has() { zk get "/domains/$1/consolelog" | grep -qaF -- "$2"; }
log_ends() { [ "$(zk get "/domains/$1/consolelog" | tail -n 1)" = "$2" ]; }
# vm STATE [NODE] [IMAGE]: defines $N; without an image it stays in its firmware and ignores the power button
vm() {
	guest_xml "$N" "$U" "${3:-}" >"$T/$N.xml"
	dom define "$U" "$N" "$1" "${2:-pvchv1}" "$T/$N.xml"
}
vm_running() {
	vm start pvchv1 "${1:-}"
	wait_until 60 said "VM $U ($N): started" # libvirt lists it earlier; killed then, it would be a start that failed
	PID=$(qemu_pid "$N")
}

@test "start: a VM is created; the status file tells its figures" {
	vm stop
	dom set "$U" state=start failedreason=old
	wait_until 60 runs "$N"
	wait_until 60 status_is running "$U"
	wait_until 60 status_is count 1 # of the next listing
	status_is libvirt up
	status_is memalloc 32
	status_is vcpualloc 1
	wait_until 60 no_reason "$U"
	state_is "$U" start
}

@test "shutdown: a guest that listens shuts itself down and its state becomes stop" {
	daemon_patient
	vm_running "$T/listens.img"
	wait_until 60 log_has "$U" booted
	dom set "$U" state=shutdown
	wait_until 60 state_is "$U" stop
	wait_until 60 off "$N"
	run ! said "VM $U ($N): has not shut down"
	daemon_kill TERM
}

@test "shutdown: a guest that ignores the request is forced off and its state becomes stop" {
	vm_running
	dom set "$U" state=shutdown
	wait_until 60 state_is "$U" stop
	off "$N"
	said "VM $U ($N): has not shut down within 2 s"
}

@test "D36: restart of a guest that ignores ACPI ends with it running anew, and with start" {
	vm_running
	dom set "$U" state=restart
	wait_until 60 pid_changed "$N" "$PID"
	state_is "$U" start
}

@test "restart of a guest that listens ends with it running anew" {
	vm_running "$T/listens.img"
	wait_until 60 log_has "$U" booted
	dom set "$U" state=restart
	wait_until 60 pid_changed "$N" "$PID"
	state_is "$U" start
}

@test "a guest whose QEMU hangs is forced off all the same, and holds up no other VM" {
	vm_running
	guest_xml second "$(uuid 2)" >"$T/second.xml"
	dom define "$(uuid 2)" second stop pvchv1 "$T/second.xml"
	kill -STOP "$PID"
	dom set "$U" state=shutdown
	wait_until 60 said "VM $U ($N): asked to shut down"
	dom set "$(uuid 2)" state=start
	wait_until 60 said "VM $(uuid 2) (second): started"
	wait_until 120 state_is "$U" stop # libvirt gives the hanging process 15 s before it kills it
	wait_until 60 process_is_gone "$PID"
	runs second
}

@test "a shutdown that is taken back leaves the guest running" {
	daemon_patient
	vm_running
	dom set "$U" state=shutdown
	wait_until 60 said "VM $U ($N): asked to shut down"
	dom set "$U" state=start
	wait_until 60 said "VM $U ($N): the request to shut down was taken back"
	[ "$(qemu_pid "$N")" = "$PID" ]
	dom set "$U" state=restart
	wait_until 60 said "VM $U ($N): asked to shut down for a restart"
	dom set "$U" state=stop
	wait_until 60 off "$N"
	state_is "$U" stop
	daemon_kill TERM
}

@test "stop, disable and delete end a running VM at once and write nothing" {
	local word
	for word in stop disable delete; do
		[ "$word" = stop ] && vm_running
		dom set "$U" state=start
		wait_until 60 runs "$N"
		dom set "$U" "state=$word"
		wait_until 60 off "$N"
		state_is "$U" "$word"
	done
}

@test "D37: shutdown of what does not run becomes stop, restart of it starts it" {
	vm shutdown
	wait_until 60 state_is "$U" stop
	dom set "$U" state=restart
	wait_until 60 runs "$N"
	state_is "$U" start
}

@test "VMs of other nodes, disabled, unfinished and failed ones are left alone" {
	local i=2 word
	for word in stop disable provision fail delete nonsense; do
		dom define "$(uuid $i)" "other$i" "$word" pvchv1 "$T/pvcd.yaml"
		i=$((i + 1))
	done
	dom define "$(uuid 20)" other20 start pvchv9
	dom define "$(uuid 21)" other21 start None
	vm_running
	[ "$(lv_virsh list --name | grep -c .)" = 1 ]
	for word in stop disable provision fail delete nonsense; do
		[ "$(zk ls /domains | while read -r u; do zk get "/domains/$u/state" && echo; done | grep -cx "$word")" = 1 ]
	done
}

@test "D44: a change of the key node alone is seen" {
	vm start pvchv9
	dom set "$U" node=pvchv1
	wait_until 60 runs "$N"
	dom set "$U" node=pvchv9
	wait_until 60 off "$N"
	state_is "$U" start
}

@test "D39: after a start, a copy of a VM that was started elsewhere meanwhile is ended" {
	vm_running
	daemon_kill
	dom set "$U" node=pvchv9 lastnode=pvchv1
	runs "$N"
	daemon_start
	wait_until 60 off "$N"
	said "VM $U ($N): runs here but belongs to node pvchv9"
	wait_until 60 status_is running ''
	state_is "$U" start
}

@test "a VM that is called back before it was sent runs on, untouched" {
	vm_running
	dom set "$U" state=migrate node=pvchv9 lastnode=pvchv1
	wait_until 60 said "is to move to node pvchv9"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
	dom set "$U" node=pvchv1
	wait_until 60 state_is "$U" start
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
}

@test "a broken definition makes the state fail with a reason that names the problem" {
	local i=0 text xml
	guest_xml "$N" "$U" >"$T/good.xml"
	while IFS='|' read -r text xml; do
		i=$((i + 1))
		printf '%s' "$xml" >"$T/bad.xml"
		dom define "$(uuid $i)" "bad$i" stop pvchv1 "$T/bad.xml"
		dom set "$(uuid $i)" state=start
		wait_until 60 state_is "$(uuid $i)" fail
		reason_has "$(uuid $i)" "$text"
	done <<-E
		no definition|
		no valid XML|this is not XML
		no valid XML|<domain><uuid>$(uuid 3)</uuid><name>bad3</name>
		no libvirt domain but <network>|<network><uuid>$(uuid 4)</uuid><name>bad4</name></network>
		no <uuid>|<domain><name>bad5</name></domain>
		no <name>|<domain><uuid>$(uuid 6)</uuid></domain>
		another VM: its name|<domain><uuid>$(uuid 7)</uuid><name>good</name></domain>
		more than one <uuid>|<domain><uuid>$(uuid 8)</uuid><uuid>$(uuid 9)</uuid><name>bad8</name></domain>
		DOCTYPE|<!DOCTYPE d [<!ENTITY x "y">]><domain><uuid>$(uuid 9)</uuid><name>bad9</name></domain>
		domain|<domain><uuid>$(uuid 10)</uuid><name>bad10</name></domain>
		emulator|<domain type='qemu'><uuid>$(uuid 11)</uuid><name>bad11</name><memory>1</memory><os><type arch='x86_64'>hvm</type></os><devices><emulator>/nonexistent/emulator</emulator></devices></domain>
	E
	[ "$i" = 11 ]
	$PYTHON -c 'print("<domain>" + " " * 300000 + "</domain>")' >"$T/bad.xml"
	dom define "$U-x" ignored start pvchv1 # no uuid at all: no VM
	U=$(uuid 12)
	dom define "$U" huge start pvchv1 "$T/bad.xml"
	wait_until 60 state_is "$U" fail
	reason_has "$U" "300"
	[ -z "$(lv_virsh list --name | tr -d '\n')" ]
	guest_xml huge "$U" >"$T/huge.xml"
	dom put "$U" xml "$T/huge.xml"
	dom set "$U" state=start
	wait_until 60 runs huge
	wait_until 60 no_reason "$U"
}

@test "a definition with the uuid of another VM is refused, that one runs on" {
	vm_running
	dom define "$(uuid 2)" "$N" start pvchv1 "$T/$N.xml"
	wait_until 60 state_is "$(uuid 2)" fail
	reason_has "$(uuid 2)" "$U"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
}

@test "a name that is no file name is refused and writes no file" {
	guest_xml ../evil "$U" >"$T/evil.xml"
	dom define "$U" ../evil start pvchv1 "$T/evil.xml"
	wait_until 60 state_is "$U" fail
	reason_has "$U" "file name"
	[ ! -e "$T/evil.log" ]
}

@test "libvirt domains that are no VMs of the cluster are never touched" {
	local foreign
	guest_xml foreign 99999999-2222-4333-8444-000000000001 >"$T/foreign.xml"
	lv_virsh create "$T/foreign.xml"
	foreign=$(qemu_pid foreign)
	daemon_kill
	daemon_start
	vm_running
	wait_until 60 status_is count 2
	status_is running "$U" && status_is memalloc 32
	dom set "$U" state=stop
	wait_until 60 off "$N"
	# the same name: libvirt refuses, its message is the reason
	U=$(uuid 2)
	guest_xml foreign "$U" >"$T/clash.xml"
	dom define "$U" foreign start pvchv1 "$T/clash.xml"
	wait_until 60 state_is "$U" fail
	reason_has "$U" "already exists with uuid 99999999-2222-4333-8444-000000000001"
	[ "$(qemu_pid foreign)" = "$foreign" ] && runs foreign
}

@test "a guest that crashes comes back" {
	vm_running
	kill -KILL "$PID"
	wait_until 60 pid_changed "$N" "$PID"
	state_is "$U" start
}

@test "a guest that ended while nobody watched is started when the program is" {
	vm_running
	daemon_kill
	kill -KILL "$PID"
	daemon_start
	wait_until 60 pid_changed "$N" "$PID"
}

starts() { [ "$(grep -cF "VM $U ($N): starting" "$T/daemon.log")" -ge "$1" ]; }
# From the log's own stamps: never two starts within 4.9 s (a pause may be longer on a slow machine, not shorter).
starts_are_apart() {
	grep -F "VM $U ($N): starting" "$T/daemon.log" | head -n 3 | $PYTHON -c '
import sys, datetime
t = [datetime.datetime.strptime(" ".join(l.split()[:2])[:26], "%Y/%m/%d %H:%M:%S.%f") for l in sys.stdin]
gaps = [(b - a).total_seconds() for a, b in zip(t, t[1:])]
sys.exit(0 if min(gaps) >= 4.9 else "starts too close: %r" % gaps)'
}

@test "a guest that powers itself off again and again is started with growing pauses" {
	vm start pvchv1 "$T/quits.img"
	wait_until 90 starts 3
	said "2 short run(s) in a row"
	starts_are_apart
	dom set "$U" state=stop
	wait_until 60 off "$N"
}

@test "a guest that panics again and again, and whose QEMU is to be preserved then, is started with growing pauses" {
	guest_xml "$N" "$U" "$T/panics.img" |
		sed "s|<devices>|<on_crash>preserve</on_crash>&|; s|</devices>|<panic model='isa'/>&|" >"$T/$N.xml"
	dom define "$U" "$N" start pvchv1 "$T/$N.xml"
	wait_until 90 starts 3
	said "2 short run(s) in a row"
	starts_are_apart
	state_is "$U" start
}

@test "D35: what is asked during an action is done when it ends" {
	vm stop
	kill -STOP "$(libvirtd_pid)"
	dom set "$U" state=start
	wait_until 60 said "VM $U ($N): starting"
	dom set "$U" state=stop
	kill -CONT "$(libvirtd_pid)"
	wait_until 60 said "VM $U ($N): is off"
	off "$N" && state_is "$U" stop
}

@test "D35: a VM that is wanted again while it is being stopped runs in the end" {
	vm_running
	kill -STOP "$(libvirtd_pid)"
	dom set "$U" state=stop
	wait_until 60 said "VM $U ($N): forced off"
	dom set "$U" state=start
	dom set "$U" state=restart
	dom set "$U" state=stop
	dom set "$U" state=start
	kill -CONT "$(libvirtd_pid)"
	wait_until 60 pid_changed "$N" "$PID"
	state_is "$U" start
}

@test "killed with -9 at any moment it converges, and a VM that runs is not touched" {
	local i
	vm_running
	U2=$(uuid 2)
	guest_xml second "$U2" >"$T/second.xml"
	dom define "$U2" second stop pvchv1 "$T/second.xml"
	for i in 1 2 3 4 5 6; do
		dom set "$U2" "state=$([ $((i % 2)) = 1 ] && echo start || echo stop)"
		read -r -t "0.$((RANDOM % 5))$((RANDOM % 10))" <> <(:) || :
		daemon_kill
		daemon_start
		[ "$(qemu_pid "$N")" = "$PID" ]
	done
	wait_until 60 off second
	dom set "$U2" state=start
	wait_until 60 runs second
	wait_until 60 status_is running "$U $U2"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
	state_is "$U" start && state_is "$U2" start
}

@test "SIGTERM ends it with 0 and leaves VMs running" {
	local pid
	vm_running
	pid=$(daemon_pid)
	kill -TERM "$pid"
	wait_until 60 process_is_gone "$pid"
	said "stopping; VMs run on"
	run -0 wait "$pid" || [ "$status" = 127 ] # 127: another test's shell started it
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
	daemon_start
	[ "$(qemu_pid "$N")" = "$PID" ]
	dom set "$U" state=stop
	wait_until 60 off "$N"
}

@test "libvirtd restarted: the VM is not touched, and changes go on" {
	vm_running
	libvirtd_stop
	wait_until 60 grep -q '^libvirt=down: ' "$T/run/status/domains"
	status_is running "$U" # what is known of guests stays
	libvirtd_start
	wait_until 60 status_is libvirt up
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
	dom set "$U" state=restart
	wait_until 60 pid_changed "$N" "$PID"
}

@test "libvirtd killed during a start: the VM runs once it is back, and has not failed" {
	vm stop
	kill -STOP "$(libvirtd_pid)"
	dom set "$U" state=start
	wait_until 60 said "VM $U ($N): starting"
	libvirtd_stop KILL
	libvirtd_start
	wait_until 60 runs "$N"
	state_is "$U" start
}

@test "without libvirtd it becomes ready all the same, says so, and starts VMs once there is one" {
	libvirtd_stop
	daemon_kill
	vm start
	daemon_start
	grep -q '^libvirt=down: ' "$T/run/status/domains"
	state_is "$U" start
	libvirtd_start
	wait_until 60 runs "$N"
	wait_until 60 status_is libvirt up
}

@test "a libvirtd that hangs is reported once, holds nothing up, and is used again when it answers" {
	local before
	vm stop
	kill -STOP "$(libvirtd_pid)"
	dom set "$U" state=start
	wait_until 90 grep -q '^libvirt=down: ' "$T/run/status/domains" # the connection's keepalive gives up after 20 s
	before=$(times_ready)
	daemon_kill
	daemon_start # ready although libvirtd still hangs
	kill -CONT "$(libvirtd_pid)"
	wait_until 60 runs "$N"
	state_is "$U" start
}

@test "a libvirtd that hangs while many VMs are stopped is used again when it answers" {
	local i u uuids=() many='1 2 3 4 5 6 7 8 9 10 11 12 13 14'
	for i in $many; do
		u=$(uuid "$i")
		uuids+=("$u")
		guest_xml "many$i" "$u" >"$T/x.xml"
		dom define "$u" "many$i" start pvchv1 "$T/x.xml"
	done
	for i in $many; do wait_until 120 said "VM ${uuids[i - 1]} (many$i): started"; done
	kill -STOP "$(libvirtd_pid)"
	dom set-each state=stop "${uuids[@]}" # more calls than there are threads (8, and 2 for migrations), before the connection is given up
	# after 20 s, so the attempt to connect anew finds none
	wait_until 90 status_is libvirt 'down: libvirtd does not answer any call'
	kill -CONT "$(libvirtd_pid)"
	wait_until 60 status_is libvirt up
	wait_until 60 status_is count 0
}

@test "a libvirtd that goes away just when it was connected to is connected to again" {
	daemon_kill
	cc -shared -fPIC -o "$T/slow.so" "$TOP/tests/lib/slow_close_callback.c"
	touch "$T/hold"
	rm -f "$T/daemon.log" "$T/held"
	HOLD=$T/hold HELD=$T/held PRELOAD=$T/slow.so daemon_run "$T/pvcd.yaml"
	wait_until 60 test -e "$T/held"
	libvirtd_stop KILL
	libvirtd_start
	rm "$T/hold"
	wait_until 60 said 'connected to libvirt'
	vm start
	wait_until 60 said "VM $U ($N): libvirt: started, booted" # libvirt's events come
	daemon_kill
}

@test "D46: many starts of a running VM make one console watcher" {
	local i threads version
	vm_running "$T/listens.img"
	wait_until 60 log_has "$U" booted
	threads=$(daemon_threads)
	for i in 1 2 3 4 5 6 7 8; do dom set "$U" state=start; done
	echo first >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" first
	version=$(zk stat "/domains/$U/consolelog" | sed 's/ .*//')
	echo second >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" second
	[ "$(zk stat "/domains/$U/consolelog" | sed 's/ .*//')" = "version=$((${version#version=} + 1))" ]
	[ "$(daemon_threads)" -le $((threads + 2)) ] # workers come as needed, not one a start
	[ "$(qemu_pid "$N")" = "$PID" ]
}

@test "D47: of a console log of megabytes the last whole lines are kept, below 256 KiB" {
	vm_running
	$PYTHON -c 'import sys; sys.stdout.write("".join("line %06d %s\n" % (i, "x" * 400) for i in range(8000)))' >>"$T/console/$N.log"
	echo END >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" END
	zk get "/domains/$U/consolelog" >"$T/window"
	[ "$(stat -c %s "$T/window")" -lt 262144 ]
	[ "$(stat -c %s "$T/window")" -gt 250000 ]
	run ! grep -qv '^line [0-9]* x*$\|^END$' "$T/window"
	# short lines: as many as configured
	seq 5000 >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" 5000
	[ "$(zk get "/domains/$U/consolelog" | head -n 1)" = 4001 ]
}

@test "D48: console output that is no UTF-8 is shown as far as it can be, and the log goes on" {
	vm_running
	printf 'bad \377\376\300 bytes \0 here\n' >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" 'bad ??? bytes ? here'
	printf 'gr\303\274n\n' >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" 'grün'
}

@test "a console log that is truncated, rotated or removed is followed" {
	vm_running
	echo one >>"$T/console/$N.log"
	wait_until 60 log_ends "$U" one
	echo two >"$T/console/$N.log"
	wait_until 60 log_ends "$U" two
	run ! log_has "$U" one
	mv "$T/console/$N.log" "$T/console/$N.log.1"
	echo three >"$T/console/$N.log"
	wait_until 60 log_ends "$U" three
	run ! log_has "$U" two
	rm -r "$T/console"
	wait_until 60 said "$T/console was removed"
	wait_until 60 [ -d "$T/console" ]
	echo four >"$T/console/$N.log"
	wait_until 60 log_ends "$U" four
}

@test "a console log is made readable for its owner alone, and never through a symbolic link" {
	echo secret >"$T/secret"
	vm stop
	ln -s "$T/secret" "$T/console/$N.log"
	dom set "$U" state=start
	wait_until 60 said "cannot make the console log $T/console/$N.log"
	dom set "$U" state=stop
	wait_until 60 off "$N"
	run ! log_has "$U" secret
	rm "$T/console/$N.log"
	guest_xml "$N" "$U" | grep -v '<log ' | sed 's/<serial.*//' >"$T/plain.xml"
	sed -i '/<serial/d' "$T/plain.xml"
	dom put "$U" xml "$T/plain.xml"
	dom set "$U" state=start
	wait_until 60 runs "$N"
	[ "$(stat -c %a "$T/console/$N.log")" = 600 ]
}

@test "D20: figures keep coming while VMs come and go" {
	local i u stamp
	vm_running
	for i in 2 3 4 5 6 7; do
		u=$(uuid "$i")
		guest_xml "d20-$i" "$u" >"$T/x.xml"
		dom define "$u" "d20-$i" start pvchv1 "$T/x.xml"
		[ $((i % 2)) = 0 ] || dom delete "$u"
	done
	wait_until 60 status_is running "$U $(uuid 2) $(uuid 4) $(uuid 6)"
	wait_until 60 status_is memalloc 128
	stamp=$(status stamp)
	stamp_moves() { [ "$(status stamp)" -gt "$stamp" ]; }
	wait_until 60 stamp_moves
	alive
}

@test "a VM whose key is deleted while it runs is ended" {
	vm_running
	dom delete "$U"
	wait_until 60 off "$N"
	wait_until 60 status_is running ''
}

@test "when all of /domains is gone, VMs run on and it is said why" {
	vm_running
	dom lose
	wait_until 60 said "/domains does not exist"
	zk create /domains
	wait_until 60 said "VM $U ($N): its key is gone together with /domains itself"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
	# its definition comes back: it is the same VM again
	vm start
	wait_until 60 status_is running "$U"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
}

@test "a session that expired while the program was frozen: everything is compared, nothing acted on from before" {
	vm_running
	sessions() { ip netns exec "$NETNS" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf cons >&3 && grep -c "sid=0x" <&3' "$ZK_PORT"; }
	nobody() { [ "$(sessions || :)" = 0 ]; }
	[ "$(sessions)" -ge 1 ]
	kill -STOP "$(daemon_pid)"
	wait_until 60 nobody
	dom set "$U" node=pvchv9 lastnode=pvchv1
	kill -CONT "$(daemon_pid)"
	wait_until 60 off "$N"
	state_is "$U" start
	dom set "$U" node=pvchv1
	wait_until 60 runs "$N"
}

@test "ZooKeeper restarted: the VM is not touched, a guest that ended meanwhile comes back after it" {
	vm_running
	U2=$(uuid 2)
	guest_xml second "$U2" >"$T/second.xml"
	dom define "$U2" second start pvchv1 "$T/second.xml"
	wait_until 60 said "VM $U2 (second): started"
	PID2=$(qemu_pid second)
	kill -KILL "$ZK_PID"
	wait_until 60 process_is_gone "$ZK_PID"
	kill -KILL "$PID2"
	wait_until 60 said "VM $U2 (second): ended by itself"
	off second # not without knowing that it still belongs here
	zk_start "$ZK_PORT"
	wait_until 60 pid_changed second "$PID2"
	[ "$(qemu_pid "$N")" = "$PID" ] && runs "$N"
}

@test "300 stopped VMs are watched, and each can be started" {
	daemon_kill
	dom define-many 300 stop pvchv1
	vm stop
	daemon_start
	said "watching 301 VM(s); ready"
	dom set "$U" state=start
	wait_until 60 runs "$N"
	[ "$(lv_virsh list --name | grep -c .)" = 1 ]
}

@test "ten VMs asked for at once all run" {
	local i u all=''
	for i in 1 2 3 4 5 6 7 8 9 10; do
		u=$(uuid "$i") all="$all $(uuid "$i")"
		guest_xml "ten$i" "$u" >"$T/x.xml"
		dom define "$u" "ten$i" start pvchv1 "$T/x.xml"
	done
	wait_until 120 status_is running "$(echo "$all" | tr ' ' '\n' | grep . | sort | tr '\n' ' ' | sed 's/ $//')"
}

@test "without enable_hypervisor it says so and exits 0" {
	write_config "$T/none.yaml" 's/enable_hypervisor: .*/enable_hypervisor: False/'
	run -0 --separate-stderr as_node pvchv1 pvc-watch-domains --config "$T/none.yaml"
	[[ $output == *"enable_hypervisor is false"* ]] || [[ $stderr == *"enable_hypervisor is false"* ]]
}

@test "a wrong configuration is refused with 78" {
	write_config "$T/wrong.yaml" 's/keepalive_interval: .*/keepalive_interval: soon/'
	run -78 --separate-stderr as_node pvchv1 pvc-watch-domains --config "$T/wrong.yaml"
	[[ $stderr == *keepalive_interval* ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A hypervisor whose ZooKeeper is elsewhere: it is late, it stays away, it goes away.

load lab.bash

setup_file() {
	lab_begin
	patient_watchdog $NODE
	node sed -i "s/^      - $NODE\$/      - pvczk/" /etc/pvc/pvcd.yaml
	node sh -c 'echo 10.77.1.254 pvczk >>/etc/hosts'
	# the step gives up after three seconds instead of sixty
	node mkdir -p /etc/systemd/system/pvc-register.service.d
	printf '[Service]\nExecStart=\nExecStart=/usr/sbin/pvc-register --timeout=3 start\n' >"$T/timeout.conf"
	"$LAB" put "$NODE" "$T/timeout.conf" /etc/systemd/system/pvc-register.service.d/timeout.conf
	node systemctl daemon-reload
	mkdir -p "$T/zk"
	printf '%s\n' tickTime=500 "dataDir=$T/zk" clientPort=2181 clientPortAddress=10.77.1.254 maxClientCnxns=0 admin.enableServer=false \
		'4lw.commands.whitelist=*' >"$T/zk.cfg"
	export LAB_ZK=10.77.1.254:2181
}
teardown_file() { lab_end; }

elsewhere_start() {
	"$LAB" net java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar \
		org.apache.zookeeper.server.ZooKeeperServerMain "$T/zk.cfg" >>"$T/zk.log" 2>&1 3>&- &
	echo $! >"$T/zk.pid"
	remember $!
}
elsewhere_stop() {
	local pid
	pid=$(cat "$T/zk.pid")
	kill -KILL "$pid"
	wait_until 60 no test -e "/proc/$pid/exe" # its port is free
}
attempts() { node journalctl -b --no-pager -o cat _PID=1 | grep -c '^Starting pvc-netsetup.service'; }
attempted() { [ "$(attempts)" -ge "$1" ]; }

@test "ZooKeeper stays away: the chain starts again from its first step, again and again" {
	run node systemctl start pvc.target
	[ "$status" -ne 0 ]
	wait_until 120 attempted 3 || explain
	journal_of pvc-register.service | grep -q pvczk
	[ "$(node systemctl show -P ActiveState pvc.target)" != active ]
}

@test "stopping pvc.target ends the attempts, also in the pause between two" {
	pausing() { [ "$(node systemctl show -P ActiveState pvc-retry@pvc-register.service)" = activating ]; }
	wait_until 60 pausing
	node systemctl stop pvc.target
	at_rest() { [ "$(node systemctl show -P ActiveState pvc-retry@pvc-register.service)" != activating ] && [ "$(node systemctl list-jobs --no-legend | wc -l)" = 0 ]; }
	wait_until 60 at_rest
	[ "$(node systemctl is-active pvc.target)" = inactive ]
}

@test "ZooKeeper comes late: the node reaches run by itself" {
	node systemctl start --no-block pvc.target
	wait_until 120 attempted $(($(attempts) + 1))
	elsewhere_start
	wait_until 180 node_runs || explain
	up() { node systemctl is-active --quiet pvc.target; }
	wait_until 60 up
	[ "$(node_key routerstate)" = client ]
	# a hypervisor runs no ZooKeeper of its own
	[ "$(node systemctl is-active zookeeper.service)" = inactive ]
}

@test "ZooKeeper goes away while VMs run and comes back: nothing is restarted, the VM goes on, the daemons hear again" {
	local pids qemu p said
	node pvcctl node ready "$NODE" --wait --timeout 120
	vm_run calm
	qemu=$(vm_pid calm)
	pids=$(for p in $PROGRAMS; do main_pid "$p"; done)
	complaints() { journal_of pvc-keepalive.service | grep -ciE 'lost|no answer|away|disconnect|connection|not written' || :; }
	said=$(complaints)
	elsewhere_stop
	noticed() { [ "$(complaints)" -gt "$said" ]; }
	wait_until 60 noticed
	vm_goes_on calm "$qemu"
	elsewhere_start
	wait_until 120 node_runs
	vm_run later
	node pvcctl vm stop later --wait --timeout 120
	vm_goes_on calm "$qemu"
	[ "$(for p in $PROGRAMS; do main_pid "$p"; done)" = "$pids" ]
}

@test "a node that does not reach run in time starts its chain again, until it does" {
	down() { [ "$(node systemctl is-active pvc-register.service)" = inactive ]; }
	node systemctl stop pvc.target
	wait_until 120 down
	# no heartbeat comes, as if ZooKeeper had gone away after the registration; the last step gives up after three seconds
	node mkdir -p /etc/systemd/system/pvc-online.service.d /run/systemd/system/pvc-keepalive.service.d
	printf '[Service]\nExecStart=\nExecStart=/usr/sbin/pvc-register --timeout=3 online\n' >"$T/online.conf"
	printf '[Service]\nType=simple\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sleep infinity\n' >"$T/silent.conf"
	"$LAB" put "$NODE" "$T/online.conf" /etc/systemd/system/pvc-online.service.d/timeout.conf
	"$LAB" put "$NODE" "$T/silent.conf" /run/systemd/system/pvc-keepalive.service.d/silent.conf
	node systemctl daemon-reload
	run node systemctl start pvc.target
	[ "$status" -ne 0 ]
	wait_until 120 attempted $(($(attempts) + 1)) || explain
	node rm /run/systemd/system/pvc-keepalive.service.d/silent.conf
	node systemctl daemon-reload
	up() { node systemctl is-active --quiet pvc.target; }
	wait_until 120 up || explain
	node_runs
}

@test "the target stops in bounded time while ZooKeeper is away" {
	elsewhere_stop
	down() { [ "$(node systemctl is-active pvc-register.service)" = inactive ] && [ "$(node systemctl is-active pvc-keepalive.service)" = inactive ]; }
	node systemctl stop pvc.target
	wait_until 180 down || explain
	no node systemctl is-failed --quiet pvc-register.service
}

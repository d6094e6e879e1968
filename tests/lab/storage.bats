#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Storage on whole nodes: pvc.target brings up a real monitor and manager on the one, OSDs come and go there on disks by command,
# under systemd and the unit's restrictions; on the other a VM runs whose disk is an RBD volume, until the node is sealed off.
# (ceph-volume's LVM way needs the device mapper, which a container has not: OSDs are made straight on the disks.)

load lab.bash

OTHER=pvchv2
setup_file() {
	local disk stale n
	# what a killed run has left attached
	losetup -n -O NAME,BACK-FILE | while read -r disk stale _; do
		case $stale in /tmp/pvct-*) [ -e "$stale" ] || losetup -d "$disk" ;; esac
	done
	export LAB_WITH=ceph NODES="$NODE $OTHER"
	lab_begin
	: >"$T/loops"
	for disk in one two; do
		truncate -s 3G "$T/$disk"
		losetup -f --show "$T/$disk" >>"$T/loops"
	done
	DISKS=$(paste -sd' ' "$T/loops")
	export DISKS
	for disk in $DISKS; do node mknod "$disk" b 7 "${disk#/dev/loop}"; done
	"$LAB" put $NODE "$TOP/tests/lab/ceph-node" /root/ceph-node
	node bash /root/ceph-node 10.77.2.1
	for n in ceph.conf ceph.client.admin.keyring; do
		node cat "/etc/ceph/$n" >"$T/$n"
		"$LAB" put $OTHER "$T/$n" "/etc/ceph/$n"
	done
	# one coordinator, which has the only monitor, and a hypervisor
	node sed -i '/^server\./d' /etc/zookeeper/conf/zoo.cfg
	for n in $NODES; do
		on $n sed -i -e 's/enable_storage: .*/enable_storage: True/' -e "/^      - $OTHER\$/d" \
			-e 's/^\( *\)keepalive_interval:.*/&\n\1osd_drain_timeout: 600/' /etc/pvc/pvcd.yaml
		on $n systemctl --no-block start pvc.target
	done
	for n in $NODES; do
		wait_until 300 on $n systemctl -q is-active pvc.target || explain
		node pvcctl node ready $n --wait --timeout 120 >/dev/null || explain
	done
	wait_until 120 manager_is_up
	# for osd_remove: what Ceph says of safety rests on figures that an OSD told before it had anything, and data take a while to leave it
	node ceph config set osd osd_heartbeat_interval 20
	node ceph config set osd osd_recovery_sleep 1
}
teardown_file() {
	local disk
	"$LAB" down
	while read -r disk; do losetup -d "$disk"; done <"$T/loops"
	test_cleanup
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || { journal_of pvc-watch-ceph -n 30 || :; on $OTHER journalctl --no-pager -q -b -n 15 -o cat -u pvc-watch-domains || :; }
	node systemctl kill -s CONT ceph-mon@$NODE
}

on() { "$LAB" exec "$@"; }
storage() { node pvcctl storage "$@"; }
command() { "$LAB" net "$PYTHON" "$TOP/tests/lib/storage.py" $NODE_ZK /cmd/ceph "$@" | cut -d' ' -f1; }
manager_is_up() { node timeout 20 ceph mgr stat | grep -q '"available": true'; }
disk() { cut -d' ' -f"$1" <<<"$DISKS"; }
osd_is_up() { node timeout 20 ceph osd dump --format json | grep -q "\"osd\":$1,.*\"up\":1"; }
osd_key() { zk_in_node get "/ceph/osds/$1/$2"; }
job_is() { storage jobs --format json | $PYTHON -c 'import json,sys; sys.exit(0 if [j for j in json.load(sys.stdin) if j["command"]==sys.argv[1] and j["state"]==sys.argv[2] and (sys.argv[3] in str(j["step"]))] else 1)' "$1" "$2" "${3:-}"; }

@test "osd_add: an id given out once, its unit runs, its weight is as asked, its keys are there when the answer is (D57)" {
	[ "$(command "osd_add $NODE,$(disk 1),1.5")" = success-osd_add ]
	[ "$(zk_in_node ls /ceph/osds)" = 0 ]
	[ "$(osd_key 0 node)" = $NODE ] && [ "$(osd_key 0 device)" = "$(disk 1)" ]
	osd_is_up 0
	node systemctl is-active --quiet ceph-osd@0
	node timeout 20 ceph osd tree --format json | grep -q '"crush_weight":1.5'
	filled() { osd_key 0 stats | grep -q '"up":1'; }
	wait_until 60 filled
	run storage osd add $NODE "$(disk 1)"
	[ "$status" -eq 1 ] && [[ "$output" == *"an OSD of node $NODE is on $(disk 1) already"* ]]
}

@test "osd_add whose program is killed in the middle: the next one finds the OSD that was made, and brings it up (D52, D57)" {
	# only given: pvcctl waits a while for the answer, in which a fast machine is done with all of it
	"$LAB" net "$PYTHON" "$TOP/tests/lib/storage.py" $NODE_ZK -n /cmd/ceph "osd_add $NODE,$(disk 2),1.0"
	wait_until 60 job_is "osd_add $NODE,$(disk 2),1.0" running 'ceph-volume raw'
	node systemctl kill -s KILL pvc-watch-ceph
	wait_until 120 job_is "osd_add $NODE,$(disk 2),1.0" "done"
	[ "$(zk_in_node ls /ceph/osds)" = "$(printf '0\n1')" ]
	[ "$(osd_key 1 device)" = "$(disk 2)" ]
	osd_is_up 1
	[ "$(node timeout 20 ceph osd ls)" = "$(printf '0\n1')" ]
}

@test "osd_remove: only when nothing is lost; data stay readable, the unit, the keys and the disk's content go (D58)" {
	storage pool add vms 8 --copies 1
	storage volume add vms/data 64M
	node sh -c 'head -c 67108864 /dev/urandom >/root/data && rbd import --no-progress /root/data vms/kept'
	run storage osd remove 0 --wait
	echo "$output"
	[ "$status" -eq 0 ] && [[ "$output" == *"stopping OSD 0"*"OSD 0 is removed." ]]
	node ceph config rm osd osd_heartbeat_interval
	node ceph config rm osd osd_recovery_sleep
	no zk_in_node exists /ceph/osds/0
	no node systemctl is-active --quiet ceph-osd@0
	no node timeout 20 ceph osd find 0
	[ "$(head -c 4096 "$T/one" | tr -d '\0' | wc -c)" -eq 0 ]
	node timeout 240 sh -c 'rbd export --no-progress vms/kept - | cmp - /root/data'
	# the last one holds data that are nowhere else: it stays, and is told so
	node sed -i 's/osd_drain_timeout: .*/osd_drain_timeout: 3/' /etc/pvc/pvcd.yaml
	node systemctl restart pvc-watch-ceph
	run storage osd remove 1 --wait
	[ "$status" -eq 1 ] && [[ "$output" == *'after 3 s there is still data on OSD 1 that is nowhere else'* ]]
	zk_in_node exists /ceph/osds/1
	osd_is_up 1
	storage osd in 1
}

SECRET=55555555-2222-4333-8444-000000000001
counter() { on $NODE timeout 20 rbd export --no-progress vms/web - 2>/dev/null | head -n 1 | tr -d '\0'; }
counted() { wait_until 120 counts_beyond -1 && counter; } # (Ceph may be busy)
counts_beyond() { [ "$(counter)" -gt "$1" ]; }
console() { on $OTHER cat /var/log/libvirt/web.log; }
@test "a VM whose disk is an RBD volume writes through a libvirt secret; its node sealed off, its writes are refused, until that is lifted" {
	local before
	cat >"$T/secret.xml" <<-E
		<secret ephemeral='no' private='yes'><uuid>$SECRET</uuid><usage type='ceph'><name>client.vm</name></usage></secret>
	E
	"$LAB" put $OTHER "$T/secret.xml" /root/secret.xml
	on $OTHER virsh -q secret-define /root/secret.xml
	node ceph auth get-key client.vm >"$T/key"
	"$LAB" put $OTHER "$T/key" /root/key
	on $OTHER virsh -q secret-set-value $SECRET --file /root/key
	node ceph auth caps client.vm mon 'profile rbd' osd 'profile rbd' 2>/dev/null
	storage volume add vms/web 16M
	"$LAB" domain web "cmdline=disk=1 tick=0.3" | sed "s|<interface |<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/><auth username='vm'><secret type='ceph' uuid='$SECRET'/></auth><source protocol='rbd' name='vms/web'><host name='10.77.2.1' port='3300'/></source><target dev='vda' bus='virtio'/></disk>&|" >"$T/web.xml"
	"$LAB" put $NODE "$T/web.xml" /root/web.xml
	node pvcctl vm define /root/web.xml --node $OTHER
	node pvcctl vm start web --wait --timeout 120
	wait_until 180 counts_beyond 3

	node pvc-seal $OTHER
	before=$(counted)
	failed() { console | grep -aq 'GUEST disk write failed'; }
	wait_until 60 failed
	[ "$(counted)" -le $((before + 1)) ]
	[ -z "$(node rbd lock ls vms/web)" ]
	[ "$(zk_in_node get /nodes/$OTHER/sealed | wc -w)" -eq 3 ] # its addresses in the three networks

	node pvc-seal --lift $OTHER
	node pvcctl vm stop web --wait --timeout 120
	before=$(counted)
	node pvcctl vm start web --wait --timeout 120
	had() { console | grep -aq "GUEST disk had count $before"; }
	wait_until 180 had
	wait_until 60 counts_beyond 2
	no failed_again
}
failed_again() { console | sed -n '/GUEST disk had count/h;//!H;${x;p}' | grep -aq 'disk write failed'; } # since its last start

@test "a monitor that hangs longer than it takes to be declared dead: heartbeats go on, commands fail with the reason, all comes back" {
	local n beats before
	zk_versions() { for n in $NODES; do zk_in_node stat "/nodes/$n/daemonstate"; done; }
	beats() { zk_in_node stat /nodes/$NODE/keepalive | sed 's/^version=\([0-9]*\).*/\1/'; }
	zk_versions >"$T/states"
	before=$(beats)
	node systemctl kill -s STOP ceph-mon@$NODE
	SECONDS=0
	hangs() { storage status --format json | grep -q '"answers": false'; }
	run storage pool add late 8 --copies 1 --wait # 30 s until the monitor is given up
	[ "$status" -eq 75 ] && [[ "$output" == *"has not answered in time"* ]]
	wait_until 60 hangs
	a_minute() { [ "$SECONDS" -ge 60 ]; } # six intervals of two seconds make a node dead
	wait_until 120 a_minute
	wait_until 60 hangs
	storage status | head -n 1 | grep -q "^Ceph's state is not known: "
	beats=$(($(beats) - before))
	# one each two seconds, on a machine that may stand still; while it waited for the monitor there would be none for 30 s
	[ "$beats" -ge $((SECONDS / 3)) ] || { echo "$beats heartbeats in $SECONDS s"; false; }
	zk_versions | diff "$T/states" - # nobody was declared dead, or came back from it
	node systemctl kill -s CONT ceph-mon@$NODE
	wait_until 60 no hangs
	wait_until 60 job_is 'pool_add late,8,copies=1,mincopies=1' settled
	storage volume add vms/later 16M
	n=$(counted)
	wait_until 60 counts_beyond "$n" # the VM has never noticed
}

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Fencing of a node whose VM has its disk in Ceph, on whole nodes with BMCs and a real Ceph: the storage is sealed off before the VM
# runs elsewhere. Of the two nodes the hypervisor dies, and with it one of three monitors and one of two OSDs, each of which has a copy of all
# data; the coordinator has the others, the manager and ZooKeeper.

load lab.bash

OTHER=pvchv2 INTERVAL=1 FENCE=6
DETECTION=$((INTERVAL * FENCE + 3 * INTERVAL + 1)) # as in fence.bats
SECRET=55555555-2222-4333-8444-000000000001

setup_file() {
	local disk stale n
	# what a killed run has left attached
	losetup -n -O NAME,BACK-FILE | while read -r disk stale _; do
		case $stale in /tmp/pvct-*) [ -e "$stale" ] || losetup -d "$disk" ;; esac
	done
	export LAB_WITH=ceph NODES="$NODE $OTHER"
	lab_begin
	"$LAB" put $NODE "$TOP/tests/lab/ceph-node" /root/ceph-node
	node bash /root/ceph-node 10.77.2.1 second=10.77.2.1:3301 $OTHER=10.77.2.2:3300
	node tar -C / -cf - etc/ceph var/lib/ceph/bootstrap-osd var/lib/ceph/mon/ceph-$OTHER >"$T/ceph.tar"
	"$LAB" put $OTHER "$T/ceph.tar" /root/ceph.tar
	on $OTHER tar -C / -xpf /root/ceph.tar
	on $OTHER sed -i '/_addr = /s/10.77.2.1$/10.77.2.2/' /etc/ceph/ceph.conf
	on $OTHER systemctl set-environment CEPH_VOLUME_ALLOW_LOOP_DEVICES=true
	# (pvc-coordinator starts one that has the node's name, on a coordinator)
	node systemctl -q add-wants pvc.target ceph-mon@second
	on $OTHER systemctl -q add-wants pvc.target ceph-mon@$OTHER
	for n in $NODES; do add_disk $n; done
	"$LAB" bmc $NODE $OTHER 3>&-
	node sed -i '/^server\./d' /etc/zookeeper/conf/zoo.cfg
	for n in $NODES; do
		on $n sed -i -e 's/enable_storage: .*/enable_storage: True/' -e "/^      - $OTHER\$/d" \
			-e "s/keepalive_interval:.*/keepalive_interval: $INTERVAL/" -e "s/fence_intervals:.*/fence_intervals: $FENCE/" /etc/pvc/pvcd.yaml
		on $n systemctl -q enable pvc.target
		on $n systemctl --no-block start pvc.target
	done
	for n in $NODES; do
		wait_until 300 on $n systemctl -q is-active pvc.target || explain
		node pvcctl node ready $n --wait --timeout 120 >/dev/null || explain
	done
	wait_until 120 manager_is_up
	for n in $NODES; do node pvcctl storage osd add $n "$(disk $n)" --weight 1.0 --wait; done
	wait_until 120 in_quorum 3
	node pvcctl storage pool add vms 8 --copies 2
	node pvcctl storage volume add vms/web 16M
	may_use_volumes
	"$PYTHON" "$TOP/tests/lib/twice.py" "$("$LAB" cgroup)" >"$T/twice" 2>&1 3>&- &
	remember $!
	"$LAB" domain web "cmdline=disk=1 tick=0.3" | sed "s|<interface |<disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/><auth username='vm'><secret type='ceph' uuid='$SECRET'/></auth><source protocol='rbd' name='vms/web'><host name='10.77.2.1' port='3300'/></source><target dev='vda' bus='virtio'/></disk>&|" >"$T/web.xml"
	"$LAB" put $NODE "$T/web.xml" /root/web.xml
	node pvcctl vm define /root/web.xml --node $OTHER
	node pvcctl vm start web --wait --timeout 120
}
teardown_file() {
	local n
	"$LAB" down
	for n in $NODES; do losetup -d "$(disk $n)"; done
	test_cleanup
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		cat "$T/twice"
		journal_of pvc-fence -n 60 -o short-precise || :
		node pvcctl node info $OTHER || :
		node timeout 20 ceph status || :
		on $OTHER journalctl --no-pager -q -b -n 15 -o short-precise -u 'ceph-osd@*' || :
		for n in $NODES; do on $n journalctl --no-pager -q -b -n 25 -o short-precise -u pvc-register -u pvc-keepalive -u pvc-watch-domains | grep -v heartbeat: | grep -v 'tick:' | cut -c1-260 || :; done
	}
}
# add_disk NODE: a disk for its OSD, which comes up at each boot as after an installation of Debian's package. There is no udev: the disk's
# name is made at each start of the OSD.
add_disk() {
	local disk
	truncate -s 3G "$T/disk.$1"
	losetup -f --show "$T/disk.$1" >"$T/loop.$1"
	disk=$(disk "$1")
	on "$1" mknod "$disk" b 7 "${disk#/dev/loop}"
	printf '[Service]\nExecStartPre=+/bin/sh -c "test -b %s || mknod %s b 7 %s; chown ceph:ceph %s"\n' "$disk" "$disk" "${disk#/dev/loop}" "$disk" >"$T/disk.conf"
	on "$1" mkdir -p /etc/systemd/system/ceph-osd@.service.d
	"$LAB" put "$1" "$T/disk.conf" /etc/systemd/system/ceph-osd@.service.d/disk.conf
	on "$1" systemctl daemon-reload
	on "$1" systemctl -q enable ceph.target ceph-osd.target
}
disk() { cat "$T/loop.$1"; }
# libvirt's secret on both nodes, with which VMs reach their volumes
may_use_volumes() {
	local n
	cat >"$T/secret.xml" <<-X
		<secret ephemeral='no' private='yes'><uuid>$SECRET</uuid><usage type='ceph'><name>client.vm</name></usage></secret>
	X
	node ceph auth get-key client.vm >"$T/key"
	node ceph auth caps client.vm mon 'profile rbd' osd 'profile rbd' 2>/dev/null
	for n in $NODES; do
		"$LAB" put $n "$T/secret.xml" /root/secret.xml
		"$LAB" put $n "$T/key" /root/key
		on $n virsh -q secret-define /root/secret.xml
		on $n virsh -q secret-set-value $SECRET --file /root/key
	done
}

on() { "$LAB" exec "$@"; }
in_quorum() { node timeout 20 ceph quorum_status 2>/dev/null | $PYTHON -c 'import json,sys; sys.exit(len(json.load(sys.stdin)["quorum_names"]) != int(sys.argv[1]))' "$1"; }
ceph_counts() { node timeout 20 ceph status --format json 2>/dev/null | $PYTHON -c 'import json,sys; s=json.load(sys.stdin); print(s["osdmap"]["num_up_osds"], *sorted("%s:%d" % (p["state_name"], p["count"]) for p in s["pgmap"]["pgs_by_state"]))'; }
osds_up() { [[ "$(ceph_counts)" == "$1 "* ]]; }
all_clean() { [[ "$(ceph_counts)" =~ ^2\ active\+clean:[0-9]+$ ]]; }
manager_is_up() { node timeout 20 ceph mgr stat | grep -q '"available": true'; }
where() { grep -a " $1 " "$T/twice" | tail -n 1 | cut -d' ' -f3; }
runs_on() { [ "$(where "$1")" = "$2" ]; }
never_twice() { ! grep TWICE "$T/twice"; }
took() { awk -v name="$1" -v since="$2" -v on="$3" '$2 == name && $3 == on && $1 > since { printf "%.1f\n", $1 - since; exit }' "$T/twice"; }
record() { zk_in_node get "/pvc/fence/$OTHER" 2>/dev/null; }
is_step() { [[ "$(record)" == *"\"step\":\"$1\""* ]]; }
is_back() { no zk_in_node exists "/pvc/fence/$OTHER" && [ "$(zk_in_node get /nodes/$OTHER/daemonstate)" = run ]; }
blocklist() { # a monitor that is busy is asked again
	for _ in 1 2 3 4 5; do node timeout 20 ceph osd blocklist ls --format json 2>/dev/null && return; done
	return 1
}
# all its three addresses, each with every port and number
is_sealed() { for a in 10.77.0.2 10.77.1.2 10.77.2.2; do [[ "$(blocklist)" == *"\"$a:0/0\""* ]] || return 1; done; }
is_not_sealed() { ! blocklist | grep -q '"10\.77\.[012]\.2:0/0"'; }
# what web has written last: its own count since its start, "COUNT" on its console
volume() { node timeout 20 rbd export --no-progress vms/web - 2>/dev/null | head -n 1 | tr -d '\0'; }
volume_has() { wait_until 120 volume_beyond -1 && volume; } # (Ceph may be busy)
volume_beyond() { [ "$(volume)" -gt "$1" ]; }
console() { on "$1" cat /var/log/libvirt/web.log; }
starts() { console $NODE | grep -ac 'GUEST up'; }
count() { console $NODE | awk '/GUEST up/ { n = 0 } /^COUNT [0-9]+ [0-9.]+ [0-9a-f]+\r?$/ { n = $2 } END { print n }'; }
lock_of() { node timeout 20 rbd lock ls vms/web 2>/dev/null; }
locked_from() { lock_of | grep -q " $1:"; }
boot_of() { on "$1" cat /run/boot-id; }

@test "D2 D9 D16: a node whose VM writes to Ceph, and that carries a part of it, loses its power: it is proved off, sealed, its locks are broken; the VM goes on elsewhere on the same volume" {
	local now before last
	wait_until 180 volume_beyond 3
	wait_until 60 all_clean # both OSDs have all data
	wait_until 60 locked_from 10.77.2.2
	before=$(volume_has)
	"$LAB" bmc_mode $OTHER lie # it tells the truth, but will not switch it on again: the node stays away until that is looked at
	now=$EPOCHREALTIME
	"$LAB" kill $OTHER
	wait_until 120 runs_on web $NODE
	is_sealed
	wait_until 60 osds_up 1
	echo "# power cut -> web runs elsewhere, its storage sealed without its monitor and its OSD, after $(took web "$now" $NODE) s" \
		"(detection: $DETECTION s; the other monitors need some 15 s to go on, and then the OSDs up to 16 s: see doc/fencing.md)" >&3
	awk -v a="$(took web "$now" $NODE)" -v bound=$((DETECTION + 60)) 'BEGIN { exit !(a <= bound) }' # what is printed is to be below; a machine under load may be slower
	had() { console $NODE | grep -aqE $'GUEST disk had count [0-9]+\r'; } # the whole line
	wait_until 180 had
	last=$(console $NODE | sed -n 's/.*GUEST disk had count \([0-9]*\).*/\1/p')
	[ "$last" -ge "$before" ] # the same volume, nothing of it lost
	wait_until 60 volume_beyond 2
	wait_until 60 locked_from 10.77.2.1
	no locked_from 10.77.2.2
	no eval "console $NODE | grep -aq 'disk write failed'"
	journal_of pvc-fence | grep -q 'is without power'
	wait_until 60 in_quorum 2
	never_twice
}

@test "the node comes back: its monitor and its OSD too, its clients are let into Ceph again, the record is gone, and its VM, brought back to it, goes on writing" {
	local n
	is_sealed
	"$LAB" start $OTHER
	"$LAB" bmc_mode $OTHER works
	wait_until 240 is_back
	is_not_sealed
	no zk_in_node exists /nodes/$OTHER/sealed
	wait_until 120 in_quorum 3
	wait_until 120 all_clean
	wait_until 120 on $OTHER systemctl -q is-active pvc.target
	node pvcctl node ready $OTHER --wait --timeout 180
	wait_until 120 runs_on web $OTHER
	wait_until 60 locked_from 10.77.2.2
	n=$(volume_has)
	wait_until 60 volume_beyond "$n"
	no eval "console $OTHER | grep -aq 'disk write failed'"
}

@test "SAFETY 2: a BMC says off, and its node was only frozen: when it wakes up, what its VM still writes is refused, and it resets itself" {
	local n boot starts
	boot=$(boot_of $OTHER) starts=$(starts)
	[ -n "$boot" ]
	wait_until 120 all_clean
	"$LAB" bmc_mode $OTHER pretend
	"$LAB" freeze $OTHER
	wait_until 120 is_step "done"
	is_sealed
	again() { [ "$(starts)" -gt "$starts" ] && [ "$(count)" -gt 2 ]; } # counts from 1
	wait_until 180 again
	# it wakes up, and reaches Ceph, but not yet who could tell it that it was declared dead
	"$LAB" thaw $OTHER storage
	refused() { console $OTHER | grep -aq 'disk write failed'; }
	wait_until 120 refused
	n=$(volume_has)
	[ "$n" -le "$(count)" ] # the other's count is higher
	wait_until 60 locked_from 10.77.2.1
	[ "$(boot_of $OTHER)" = "$boot" ]
	"$LAB" mend $OTHER
	wait_until 240 is_back
	[ "$(boot_of $OTHER)" != "$boot" ]
	is_not_sealed
	n=$(volume_has)
	wait_until 60 volume_beyond "$n"
	no eval "console $NODE | grep -aq 'disk write failed'"
}

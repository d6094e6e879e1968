#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvcctl's storage verbs: an operator at a terminal, a real pvc-watch-ceph, a real Ceph.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell on purpose
# shellcheck disable=SC2015 # A && B || C: C is meant for both
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/ceph.bash

setup_file() {
	test_begin
	netns_make ceph
	export ZK_NETNS=$NETNS
	zk_start
	ceph_begin 2
	write_config "$T/pvcd.yaml" 's/enable_storage: .*/enable_storage: True/'
	cluster init
	cluster node pvchv1 routerstate=primary
	cluster node pvchv2
	zk set /primary_node pvchv1
	ip netns exec "$NETNS" unshare --uts sh -c 'hostname pvchv1 && exec "$@"' sh \
		pvc-watch-ceph --debug --config "$T/pvcd.yaml" >>"$T/daemon.log" 2>&1 3>&- &
	echo $! >"$T/daemon.pid"
	remember $!
	wait_until 60 grep -q 'watching for storage commands' "$T/daemon.log"
	storage pool add vms 8 --copies 2
}
teardown_file() { test_cleanup; }
setup() {
	V=vol$BATS_TEST_NUMBER
	kill -CONT "$(cat "$T/daemon.pid")" "$(ceph_pid mon.a)" "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
}
teardown() { [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 30 "$T/daemon.log" >&2; }

cluster() { ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/cluster.py" "$ZK" "$@"; }
pvc() { ip netns exec "$NETNS" timeout 180 pvcctl -z "$ZK" "$@"; }
# storage WORD...: what changes something is waited for: without --wait it is left alone after five seconds, which a busy machine needs.
storage() {
	case "$1 ${2:-}" in
	jobs* | status* | *' list' | *' info') pvc storage "$@" ;;
	*) pvc storage "$@" --wait ;;
	esac
}
json() { $PYTHON -c "import json,sys; d = json.load(sys.stdin); assert ($1), d"; }
says() { [ "$output" = "$1" ] || { echo "expected: $1"; echo "found: $output"; return 1; }; }
fails() { # STATUS TEXT: what run gave
	[ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
	[[ "$output" == *"$2"* ]] || { echo "no '$2' in: $output"; return 1; }
	[ "${#lines[@]}" -eq 1 ] && [[ "$output" == "pvcctl"* ]] || { echo "more than one line: $output"; return 1; }
}
queue_is_clean() { [ -z "$(zk get "${1:-/cmd/ceph}")" ] && [ -z "$(zk ls "${1:-/cmd/ceph}")" ]; }

@test "a volume's life, in units that people use: each verb says what was done, and leaves the queue free for others" {
	run storage volume add "vms/$V" 1.5G
	says "Volume vms/$V is there, with 1.5G."
	queue_is_clean || wait_until 60 queue_is_clean
	[ "$(zk get "/ceph/volumes/vms/$V/stats" | $PYTHON -c 'import json,sys; print(json.load(sys.stdin)["size"])')" = 1610612736 ]
	run storage volume resize "vms/$V" 2048MiB
	says "Volume vms/$V has 2G."
	run storage snapshot add "vms/$V@monday"
	says "Snapshot vms/$V@monday is there."
	run storage snapshot rename "vms/$V@monday" tuesday
	says "Snapshot vms/$V@monday is now vms/$V@tuesday."
	run storage volume clone "vms/$V" "${V}copy"
	says "Volume vms/${V}copy is a copy of vms/$V."
	run storage volume rename "vms/${V}copy" "vms/${V}other"
	says "Volume vms/${V}copy is now vms/${V}other."
	ceph_rbd ls vms | grep -qx "${V}other"
	storage volume list vms | grep -Eq "^vms +$V +2G +512 +1 +layering,exclusive-lock$"
	storage volume list --format json | json "[(v['pool'],v['name'],v['stats']['size'],v['snapshots']) for v in d if v['name']=='$V'] == [('vms','$V',2<<30,1)]"
	storage snapshot list "vms/$V" | grep -Eq "^vms +$V +tuesday$"
	storage snapshot list --format json | json "{'pool':'vms','volume':'$V','name':'tuesday'} in d"
	storage volume info "vms/$V" | grep -Eq '^SIZE: +2G$'
	storage volume info "vms/$V" --format json | json "d['stats']['object_size'] == 4194304"
	storage jobs | grep -Eq "^[0-9a-f]{16} +pvchv1 +done +volume_rename vms,${V}copy,${V}other +-$"
	storage jobs --format json | json "[(j['node'],j['state']) for j in d if j['command']=='snapshot_add vms,$V,monday'] == [('pvchv1','done')]"
	run storage volume remove "vms/$V"
	fails 1 'it has snapshots'
	storage snapshot remove "vms/$V@tuesday"
	run storage volume remove "vms/$V"
	says "Volume vms/$V is removed."
	run ! zk exists "/ceph/volumes/vms/$V"
}

@test "what fails says why, in the node's own words or before it is asked, and gives the exit status" {
	run storage volume add nowhere/x 1G
	fails 1 "the cluster has no pool 'nowhere'"
	storage volume add "vms/$V" 10M
	run storage volume add "vms/$V" 1G
	fails 1 "already has a volume '$V'"
	run storage volume resize "vms/$V" 5M
	fails 1 'what is in the rest would be lost'
	for size in 10 10X 0G G 1,5G 2048P; do
		run storage volume add vms/x "$size"
		fails 64 "$size"
	done
	run storage volume add novolume 1G
	fails 64 "'novolume' is no POOL/VOLUME"
	run storage snapshot add "vms/$V"
	fails 64 "is no POOL/VOLUME@SNAPSHOT"
	run storage volume add 'vms/a,b' 1G
	fails 64 "'vms/a,b' is no POOL/VOLUME"
	run storage volume rename "vms/$V" other/x
	fails 64 'it stays in pool vms'
	run storage volume info vms/none
	fails 1 "the cluster has no volume 'vms/none'"
	run storage volume list none
	fails 1 "the cluster has no pool 'none'"
	run storage osd remove 77
	fails 1 'the cluster has no OSD 77'
	run storage osd add nobody /dev/sdb
	fails 1 "the cluster has no node 'nobody'"
	run storage pool add p 8 --copies 2 --mincopies 3
	fails 64 'is more than'
	run storage osd set nonsense
	fails 1 'osd set'
	queue_is_clean || wait_until 60 queue_is_clean
}

@test "what VMs have as a disk, and a pool with volumes, are removed only when that is meant" {
	storage volume add "vms/$V" 10M
	storage pool add temp 8 --copies 2 --mincopies 1
	storage volume add "temp/$V" 10M
	zk create /domains/44444444-2222-4333-8444-000000000001 web
	zk create /domains/44444444-2222-4333-8444-000000000001/state stop
	zk create /domains/44444444-2222-4333-8444-000000000001/xml "<domain><devices><disk type='network'><source protocol='rbd' name='vms/$V'/></disk></devices></domain>"
	run storage volume remove "vms/$V"
	fails 1 "vms/$V is a disk of VM 'web'"
	run storage volume rename "vms/$V" x
	fails 1 '--yes to rename it anyway'
	run storage pool remove vms
	fails 1 "is a disk of VM 'web'"
	run storage pool remove temp
	fails 1 "pool temp has 1 volumes ('$V')"
	storage pool list | grep -Eq '^temp +8 '
	run storage pool remove temp --yes
	says 'Pool temp is removed.'
	run ! zk exists /ceph/pools/temp
	run pvc vm flush-locks web --wait
	says "The volumes of VM 'web' are free."
	queue_is_clean /cmd/domains || wait_until 60 queue_is_clean /cmd/domains
	storage volume remove "vms/$V" --yes
	zk rm /domains/44444444-2222-4333-8444-000000000001
}

@test "status, pools and OSDs, as tables and JSON; a Ceph that hangs is told as hanging" {
	for n in 0 1; do
		zk create /ceph/osds/$n/node pvchv$((n + 1))
		zk create /ceph/osds/$n/device /dev/sd$n
		zk create /ceph/osds/$n/stats '{}'
	done
	filled() { storage osd info 1 --format json | json 'd["stats"]["up"] == 1'; }
	wait_until 60 filled
	storage osd list | grep -Eq '^  0  pvchv1  /dev/sd0  yes  yes +2G +[0-9.]+% +[0-9]+ +[0-9.]+  exists,up$'
	storage osd list --format json | json '[(o["id"],o["node"],o["device"]) for o in d] == [(0,"pvchv1","/dev/sd0"),(1,"pvchv2","/dev/sd1")]'
	has_figures() { storage pool info vms --format json | json 'd["pgs"] == 8 and d["stats"]["free_bytes"] > 0'; }
	wait_until 60 has_figures
	run storage osd out 0
	says 'OSD 0 is out: its data move to the others.'
	storage osd in 0
	run storage osd set noout
	says 'The flag noout is set.'
	storage osd unset noout
	storage status | grep -q 'health: HEALTH_'
	storage status --format json | json 'd["answers"] and d["reason"] is None and "total_space" in d["rados_df"]'
	kill -STOP "$(ceph_pid mon.a)"
	hangs() { storage status --format json | json 'not d["answers"] and "has not answered in time" in d["reason"] and "HEALTH_" in d["status"]'; }
	wait_until 60 hangs
	run storage pool add late 8 --copies 2
	fails 75 'has not answered in time'
	kill -CONT "$(ceph_pid mon.a)"
	answers() { storage status --format json | json 'd["answers"]'; }
	wait_until 60 answers
	zk rm /ceph/osds/0 && zk rm /ceph/osds/1
}

@test "--wait follows a command that takes long; without it, and after --timeout, it is said who goes on" {
	storage volume add "vms/$V" 64M
	kill -STOP "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	run pvc storage volume resize "vms/$V" 128M
	[ "$status" -eq 0 ] && [[ "$output" == "Node pvchv1 is at it; 'pvcctl storage jobs'"* ]]
	storage jobs | grep -Eq "pvchv1 +running +volume_resize vms,$V,"
	run storage volume resize "vms/$V" 256M --timeout 3
	fails 1 'is still under way'
	storage osd set noout # others are not held up
	storage osd unset noout
	kill -CONT "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	run storage volume resize "vms/$V" 256M
	until [ "$status" -eq 0 ]; do # the first is about to end
		fails 1 'is still under way'
		run storage volume resize "vms/$V" 256M
	done
	says "Volume vms/$V has 256M."
}

@test "another client's command is not written over: its answer is waited for; one that nobody took is" {
	zk set /cmd/ceph 'pool_add left,8,copies=2,mincopies=1' # while nobody is primary, say: not taken
	zk set /cmd/ceph 'osd_in 5555'
	storage volume add "vms/$V" 10M # after a moment
	ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/storage.py" "$ZK" /cmd/ceph "volume_clone vms,$V,${V}a" >"$T/answer" &
	other=$!
	given() { zk get /cmd/ceph | grep -q "volume_clone vms,$V,${V}a" || [ -s "$T/answer" ]; } # it may be over between two looks
	wait_until 60 given
	storage volume clone "vms/$V" "${V}b"
	wait $other
	grep -q '^success-volume_clone ' "$T/answer"
	zk exists "/ceph/volumes/vms/${V}a"
	zk exists "/ceph/volumes/vms/${V}b"
}

@test "nobody is primary, or nobody takes it: said, and it is not carried out later" {
	zk set /nodes/pvchv1/routerstate secondary
	run storage volume add "vms/$V" 10M
	fails 69 'no node is the primary coordinator'
	zk set /nodes/pvchv1/routerstate primary
	queue_is_clean || wait_until 60 queue_is_clean # the daemon lets go of its lock a moment after its last answer
	freeze "$(cat "$T/daemon.pid")"
	run storage volume add "vms/$V" 10M
	fails 69 'no node takes the command (pvchv1 should)'
	queue_is_clean
	kill -CONT "$(cat "$T/daemon.pid")"
	for _ in 1 2 3 4 5; do # what comes while the daemon has no connection is not taken
		run storage volume add "vms/${V}b" 10M
		[ "$status" -eq 69 ] || break
		fails 69 'no node takes the command (pvchv1 should)'
	done
	says "Volume vms/${V}b is there, with 10M."
	run ! zk exists "/ceph/volumes/vms/$V"
}

mntr() { ip netns exec "$NETNS" timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf mntr >&3 && sed -n "s/^$1\t//p" <&3' "$ZK_PORT" "$1"; }
# What the daemon costs in five seconds: requests to ZooKeeper, microseconds of processor time of all its threads.
cost() {
	local packets cpu
	busy() { cat "/proc/$(cat "$T/daemon.pid")"/task/*/schedstat | awk '{ s += $1 } END { printf "%.0f", s / 1000 }'; }
	packets=$(mntr zk_packets_received) cpu=$(busy)
	read -r -t 5 <> <(:) || : # a time is what is measured over
	echo "$(($(mntr zk_packets_received) - packets)) $(($(busy) - cpu))"
}
milliseconds() { # COMMAND...
	local begin=${EPOCHREALTIME/./}
	"$@" >"$T/timed"
	echo $(((${EPOCHREALTIME/./} - begin) / 1000))
}
@test "D59: a thousand volumes cost nothing while nothing changes, and a change among them what it cost before" {
	local watches without with create later list
	storage pool add many 8 --copies 2
	create=$(milliseconds storage volume add many/first 4M)
	without=$(cost) watches=$(mntr zk_watch_count) # in this order: what that needed is put away by then
	ip netns exec "$NETNS" "$PYTHON" - "$ZK" "$CEPH_CONF" <<-'E'
		import json, sys
		import rados, rbd
		from kazoo.client import KazooClient
		cluster = rados.Rados(conffile=sys.argv[2])
		cluster.connect()
		pool, zk = cluster.open_ioctx("many"), KazooClient(hosts=sys.argv[1])
		zk.start()
		stats = zk.get("/ceph/volumes/many/first/stats")[0]
		for n in range(1000):
		    name = "v%03d" % n
		    rbd.RBD().create(pool, name, 4 << 20, features=rbd.RBD_FEATURE_LAYERING | rbd.RBD_FEATURE_EXCLUSIVE_LOCK, old_format=False)
		    t = zk.transaction()
		    for path, value in (("/ceph/volumes/many/" + name, b""), ("/ceph/volumes/many/" + name + "/stats", stats), ("/ceph/snapshots/many/" + name, b"")):
		        t.create(path, value)
		    t.commit()
		zk.stop()
		cluster.shutdown()
	E
	[ "$(zk ls /ceph/volumes/many | wc -l)" -eq 1001 ]
	with=$(cost)
	later=$(milliseconds storage volume add many/last 4M)
	list=$(milliseconds storage volume list many)
	[ "$(grep -c '^many ' "$T/timed")" -eq 1002 ]
	echo "# in 5 s, without and with 1000 volumes: ${without% *} and ${with% *} requests, ${without#* } and ${with#* } us of processor time; a new volume: $create and $later ms; the list of all: $list ms" >&3
	same_watches() { [ "$(mntr zk_watch_count)" -eq "$watches" ]; }
	wait_until 60 same_watches # those of the last command go a moment after its answer
	[ "${with% *}" -le $((${without% *} + 40)) ]
	[ "${with#* }" -le $((${without#* } * 3 + 100000)) ]
	[ "$later" -le $((create * 10 + 10000)) ]
	[ "$list" -le 30000 ]
}

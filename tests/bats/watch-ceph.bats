#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-watch-ceph against a real ZooKeeper and a real Ceph: every command, done and failed, with the reply and the keys.
# shellcheck disable=SC2030,SC2031,SC2154 # bats runs each test in a subshell on purpose
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
	py cluster.py init
	py cluster.py node pvchv1 routerstate=primary
	py cluster.py node pvchv2 daemonstate=stop
	zk set /primary_node pvchv1
	daemon_start
	[ "$(command 'pool_add vms,8,copies=2,mincopies=1')" = success-pool_add ]
}
teardown_file() { test_cleanup; }
setup() {
	local name
	V=vol$BATS_TEST_NUMBER
	for name in mon.a mgr.x osd.0 osd.1; do kill -CONT "$(ceph_pid $name)"; done
	alive || daemon_start
}
teardown() { [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 30 "$T/daemon.log" >&2; }

py() {
	local script=$1
	shift
	ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/$script" "$ZK" "$@"
}
alive() { [ -e "$T/daemon.pid" ] && [ -d "/proc/$(cat "$T/daemon.pid")" ]; }
said() { grep -qF -- "$*" "$T/daemon.log"; }
times_ready() { grep -c 'watching for storage commands' "$T/daemon.log" || :; }
ready_again() { [ "$(times_ready)" -gt "$1" ]; }
daemon_start() {
	local before
	touch "$T/daemon.log"
	before=$(times_ready)
	ip netns exec "$NETNS" unshare --uts sh -c 'hostname pvchv1 && exec "$@"' sh \
		pvc-watch-ceph --debug --config "$T/pvcd.yaml" >>"$T/daemon.log" 2>&1 3>&- &
	echo $! >"$T/daemon.pid"
	remember $!
	wait_until 60 ready_again "$before"
}
daemon_kill() {
	local pid
	pid=$(cat "$T/daemon.pid")
	kill "-${1:-KILL}" "$pid"
	gone() { [ ! -d "/proc/$1" ]; }
	wait_until 60 gone "$pid"
	rm "$T/daemon.pid"
}
# command TEXT...: as a client gives them; the answers' first words
command() { py storage.py /cmd/ceph "$@" | cut -d' ' -f1; }
# refused TEXT WORDS...: is answered with failure, and the log says why
refused() {
	local text=$1
	shift
	[ "$(command "$text")" = "failure-${text%% *}" ] || return 1
	said "'$text' "*"$*" || grep -F "'$text'" "$T/daemon.log" | grep -qF -- "$*"
}
keys() { zk tree "$1"; }
# without what is measured all the time
kept_keys() {
	zk tree /ceph/volumes
	zk tree /ceph/snapshots
	zk tree /ceph/pools | grep -v '/stats = '
}
image() { ceph_rbd ls "${1%/*}" | grep -qx "${1#*/}"; }
same_figures() { diff <($PYTHON -m json.tool --sort-keys <<<"$(zk get "/ceph/volumes/$1/stats")") <(ceph_rbd info --format json "$1" | $PYTHON -m json.tool --sort-keys); }
job() { zk get "/nodes/pvchv1/ceph_jobs/$1"; }
job_is() { job "$1" | grep -q "\"state\":\"$2\""; }

@test "pool_add and pool_remove: a pool for RBD with its copies, and the keys that the reference writes" {
	[ "$(command 'pool_add ssd,16,copies=2,mincopies=1')" = success-pool_add ]
	ceph_ask osd pool ls detail --format json >"$T/pools" </dev/null
	$PYTHON -c 'import json,sys; p=[p for p in json.load(open(sys.argv[1])) if p["pool_name"]=="ssd"][0]
assert (p["size"],p["min_size"],p["pg_num"],list(p["application_metadata"]))==(2,1,16,["rbd"]), p' "$T/pools"
	[ "$(keys /ceph/pools/ssd | sed 's/stats = {.*}$/stats = {}/')" = "$(printf '/ceph/pools/ssd = \n/ceph/pools/ssd/pgs = 16\n/ceph/pools/ssd/stats = {}')" ]
	zk exists /ceph/volumes/ssd
	zk exists /ceph/snapshots/ssd
	[ "$(command "volume_add ssd,$V,1048576B" 'pool_remove ssd')" = "$(printf 'success-volume_add\nsuccess-pool_remove')" ]
	run ! zk exists /ceph/pools/ssd
	run ! zk exists /ceph/volumes/ssd
	run ! zk exists /ceph/snapshots/ssd
	run ! grep -q ssd <(ceph_ask osd pool ls </dev/null)
}

@test "volume_add, resize, rename, clone, remove: the image and the keys, with the figures that rbd info tells" {
	[ "$(command "volume_add vms,$V,10737418240B")" = success-volume_add ]
	same_figures "vms/$V"
	[ "$(zk get "/ceph/volumes/vms/$V")" = "" ] && zk exists "/ceph/snapshots/vms/$V"
	zk get "/ceph/volumes/vms/$V/stats" | grep -q '"features": \?\["layering", \?"exclusive-lock"\]'
	[ "$(command "volume_resize vms,$V,11G")" = success-volume_resize ]
	zk get "/ceph/volumes/vms/$V/stats" | grep -q '"size": \?11811160064'
	# three fields as the v0.6 client sends it, four as its daemon wanted (D55); success is reported as success (D56)
	[ "$(command "volume_clone vms,$V,${V}c" "volume_clone vms,$V,${V}c,pre_")" = "$(printf 'success-volume_clone\nsuccess-volume_clone')" ]
	same_figures "vms/${V}c"
	same_figures "vms/pre_${V}c"
	run ! grep -q pvc-clone <(ceph_rbd ls vms)
	[ "$(command "snapshot_add vms,$V,one" "volume_rename vms,$V,${V}r")" = "$(printf 'success-snapshot_add\nsuccess-volume_rename')" ]
	image "vms/${V}r"
	same_figures "vms/${V}r"
	[ "$(zk get "/ceph/snapshots/vms/${V}r/one/stats")" = "{}" ]
	run ! zk exists "/ceph/volumes/vms/$V"
	run ! zk exists "/ceph/snapshots/vms/$V"
	[ "$(command "snapshot_remove vms,${V}r,one" "volume_remove vms,${V}r")" = "$(printf 'success-snapshot_remove\nsuccess-volume_remove')" ]
	run ! image "vms/${V}r"
	run ! zk exists "/ceph/volumes/vms/${V}r"
	run ! zk exists "/ceph/snapshots/vms/${V}r"
}

@test "snapshot_add, rename, remove: the snapshot and its keys; three fields cannot be a rename (D55)" {
	[ "$(command "volume_add vms,$V,1M" "snapshot_add vms,$V,a" "snapshot_rename vms,$V,a,b")" = "$(printf 'success-volume_add\nsuccess-snapshot_add\nsuccess-snapshot_rename')" ]
	ceph_rbd snap ls "vms/$V" | grep -q ' b '
	[ "$(zk get "/ceph/snapshots/vms/$V/b/stats")" = "{}" ]
	run ! zk exists "/ceph/snapshots/vms/$V/a"
	refused 'snapshot_rename vms,a,b' 'expected 4 fields, found 3'
	refused "snapshot_add vms,$V,b" "already has a snapshot 'b'"
	refused "volume_remove vms,$V" 'it has snapshots'
	ceph_rbd snap protect "vms/$V@b"
	refused "snapshot_remove vms,$V,b" 'it is protected'
	zk exists "/ceph/snapshots/vms/$V/b"
	ceph_rbd snap unprotect "vms/$V@b"
	[ "$(command "snapshot_remove vms,$V,b")" = success-snapshot_remove ]
	run ! zk exists "/ceph/snapshots/vms/$V/b"
}

@test "what cannot be is refused with its reason, and changes nothing" {
	local before after
	[ "$(command "volume_add vms,$V,1M")" = success-volume_add ]
	before=$(kept_keys; ceph_rbd ls vms; ceph_ask osd pool ls </dev/null)
	refused 'volume_add nowhere,x,1G' "no pool 'nowhere'"
	refused "volume_add vms,$V,1G" "already has a volume '$V'"
	refused 'volume_add vms,x,0B' 'a number above 0'
	refused 'volume_add vms,x,10X' 'size: expected'
	refused 'volume_add vms,x,99999999999999999999B' 'size: expected'
	refused "volume_resize vms,$V,4096B" 'what is in the rest would be lost'
	refused 'volume_resize vms,nothing,1G' "no volume 'nothing'"
	refused 'volume_remove vms,nothing' "no volume 'nothing'"
	refused "volume_clone vms,nothing,$V" "no volume 'nothing'"
	refused "volume_rename vms,$V,a/b" "'a/b' cannot be"
	refused 'pool_add vms,8,copies=2,mincopies=1' "already has a pool 'vms'"
	refused 'pool_add p,8,copies=1,mincopies=2' 'is more than'
	refused 'pool_add rbd,8,copies=2,mincopies=1' "Ceph has a pool 'rbd'"
	refused 'pool_remove nowhere' "no pool 'nowhere'"
	refused 'osd_set nonsense' "osd set"
	after=$(kept_keys; ceph_rbd ls vms; ceph_ask osd pool ls </dev/null)
	[ "$before" = "$after" ]
}

@test "D54: what is no command is answered at once with failure, and named in the log" {
	for text in 'nonsense x' 'volume_add' 'volume_add vms' 'osd_remove x' 'pool_add a,b' "$(printf 'volume_add vms,x\ty,1G')"; do
		read -r answer took <<<"$(py storage.py /cmd/ceph "$text")"
		[ "$answer" = "failure-${text%% *}" ] && [ "${took%.*}" -lt 30 ] || { echo "$text: $answer after $took s"; false; }
	done
	refused 'osd_remove 77' 'the cluster has no OSD 77'
	refused 'osd_in 77' 'the cluster has no OSD 77'
	refused 'osd_add nobody,/dev/sdb,1.0' "the cluster has no node 'nobody'"
	refused 'osd_add pvchv2,/dev/sdb,1.0' "node 'pvchv2' does not run"
	said "'nonsense x' is refused: no such command"
}

@test "a volume that is in use is neither removed nor is its pool" {
	[ "$(command "volume_add vms,$V,64M")" = success-volume_add ]
	ip netns exec "$NETNS" rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 16T "vms/$V" >"$T/bench" 2>&1 3>&- &
	user=$!
	remember $user
	in_use() { ceph_rbd status "vms/$V" | grep -q watcher=; }
	wait_until 60 in_use
	refused "volume_remove vms,$V" 'it is in use'
	refused 'pool_remove vms' "its volume $V is in use by client."
	# it goes on writing: a removal that is refused takes nothing from whoever has it open, be it at its very beginning
	kill $user || { tail "$T/bench"; false; }
	zk exists "/ceph/volumes/vms/$V"
	image "vms/$V"
	no_watcher() { ! ceph_rbd status "vms/$V" | grep -q watcher=; }
	wait_until 120 no_watcher
	[ "$(command "volume_remove vms,$V")" = success-volume_remove ]
}

@test "osd_out, osd_in, osd_set, osd_unset" {
	zk create /ceph/osds/0/node pvchv1
	zk create /ceph/osds/0/device /dev/null
	zk create /ceph/osds/0/stats '{}'
	is() { ceph_ask osd dump --format json </dev/null | grep -q "$1"; }
	[ "$(command 'osd_out 0')" = success-osd_out ]
	is '"osd":0,[^}]*"in":0'
	[ "$(command 'osd_in 0')" = success-osd_in ]
	is '"osd":0,[^}]*"in":1'
	[ "$(command 'osd_set noout')" = success-osd_set ]
	is '"flags":"[^"]*noout'
	[ "$(command 'osd_unset noout')" = success-osd_unset ]
	run ! is '"flags":"[^"]*noout'
	zk set /ceph/osds/0/node pvchv2
	refused 'osd_out 0' "node 'pvchv2' does not run"
	zk set /ceph/osds/0/node pvchv1
	zk rm /ceph/osds/0
}

@test "osd_add of what is no disk fails and leaves no OSD behind (D57); of one that has an OSD it is refused" {
	: >"$T/file"
	before=$(ceph_ask osd ls </dev/null)
	refused 'osd_add pvchv1,/dev/nothing,1.0' '/dev/nothing: No such file'
	refused 'osd_add pvchv1,/dev/null,1.0' '/dev/null is no block device'
	refused 'osd_add pvchv1,relative,1.0' 'a block device below /dev'
	refused 'osd_add pvchv1,/dev/sdb,heavy' 'weight'
	[ "$(ceph_ask osd ls </dev/null)" = "$before" ]
	[ -z "$(zk ls /ceph/osds)" ]
	zk create /ceph/osds/5/node pvchv1
	zk create /ceph/osds/5/device /dev/sdb
	refused 'osd_add pvchv1,/dev/sdb,1.0' 'an OSD of node pvchv1 is on /dev/sdb already'
	zk rm /ceph/osds/5
}

@test "D57: an interrupted osd_add whose OSD has come up leaves it there, whatever fails then: it may hold data" {
	daemon_kill
	for old in $(zk ls /nodes/pvchv1/ceph_jobs); do zk rm "/nodes/pvchv1/ceph_jobs/$old"; done # the oldest goes when there are many
	# Ceph refuses to put it below a host that is called as the root is
	zk create /nodes/pvchv1/ceph_jobs/0000000000000001 "$(jq -nc --arg uuid "$(ceph_ask osd dump --format json | jq -r '.osds[0].uuid')" \
		'{command: "osd_add default,/dev/sdb,1.0", state: "running", uuid: $uuid}')"
	daemon_start
	wait_until 90 said "OSD 0 is left as it is"
	job_failed() { [ "$(job 0000000000000001 | jq -r .state)" = failed ]; }
	wait_until 60 job_failed
	run ! said "OSD 0 cannot be taken back"
	[ "$(ceph_ask osd dump --format json | jq '.osds[0].up')" = 1 ]
}

@test "D53: a command that is found at the start is not carried out" {
	daemon_kill TERM
	py storage.py -n /cmd/ceph "volume_add vms,$V,1M"
	daemon_start
	said "holds 'volume_add vms,$V,1M', which was written before"
	[ "$(command "volume_add vms,${V}n,1M")" = success-volume_add ]
	run ! image "vms/$V"
}

@test "the lock: taken before the client asks for it, held until a client has met it, released after" {
	read -r answer _ <<<"$(py storage.py /cmd/ceph "volume_add vms,$V,1M")"
	[ "$answer" = success-volume_add ]
	no_lock() { [ -z "$(zk ls /cmd/ceph)" ]; }
	wait_until 60 no_lock
	[ -z "$(zk get /cmd/ceph)" ]
}

@test "every command has a record with its end, found by the zxid of what was written; old ones go" {
	id=$(py storage.py -n /cmd/ceph "volume_add vms,$V,1M")
	wait_until 60 job_is "$id" "done"
	job "$id" | grep -qF "volume_add vms,$V,1M"
	id=$(py storage.py -n /cmd/ceph "volume_add vms,$V,1M")
	wait_until 60 job_is "$id" failed
	job "$id" | grep -q "already has a volume"
	for _ in {1..25}; do py storage.py -n /cmd/ceph "nonsense x" >/dev/null; done
	few() { [ "$(zk ls /nodes/pvchv1/ceph_jobs | wc -l)" -le 21 ]; }
	wait_until 60 few
}

@test "a monitor that is frozen: the command fails with the reason, nothing is half done, and all works when it is back" {
	local before
	before=$(kept_keys)
	kill -STOP "$(ceph_pid mon.a)"
	refused 'pool_add late,8,copies=2,mincopies=1' 'has not answered in time'
	kill -CONT "$(ceph_pid mon.a)"
	wait_until 120 ceph_is_healthy
	wait_until 120 said "'pool_add late,8,copies=2,mincopies=1': settled" # whether it was made after all
	[ "$before" = "$(kept_keys)" ]
	run ! grep -q late <(ceph_ask osd pool ls </dev/null)
	[ "$(command 'pool_add late,8,copies=2,mincopies=1' 'pool_remove late')" = "$(printf 'success-pool_add\nsuccess-pool_remove')" ]
}

@test "D52: a command that takes long holds up no other; killed in the middle, the keys follow Ceph" {
	[ "$(command "volume_add vms,$V,64M")" = success-volume_add ]
	kill -STOP "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	id=$(py storage.py -n /cmd/ceph "volume_resize vms,$V,128M") # hangs: its image cannot be read
	wait_until 60 job_is "$id" running
	[ "$(command 'osd_set noout')" = success-osd_set ]           # the monitor is asked meanwhile
	[ "$(command 'osd_unset noout')" = success-osd_unset ]
	said "'volume_resize vms,$V,128M' goes on, but its client cannot be answered"
	refused "volume_remove vms,$V" 'is still under way'
	daemon_kill KILL
	kill -CONT "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	wait_until 120 ceph_is_healthy
	daemon_start
	wait_until 180 job_is "$id" settled
	same_figures "vms/$V"
}

@test "flush_locks: a stopped VM's volumes are freed, those of its definition too (D16, D49); a VM that runs is refused" {
	local u=33333333-2222-4333-8444-000000000001
	[ "$(command "volume_add vms,$V,64M" "volume_add vms,${V}x,64M")" = "$(printf 'success-volume_add\nsuccess-volume_add')" ]
	zk create /domains/$u guest
	zk create /domains/$u/state stop
	zk create /domains/$u/rbdlist "vms/$V"
	zk create /domains/$u/xml "<domain><devices><disk type='network'><source protocol='rbd' name='vms/${V}x'/></disk></devices></domain>"
	for v in "$V" "${V}x"; do
		ip netns exec "$NETNS" rbd bench --io-type write --io-size 4K --io-threads 1 --io-total 16T "vms/$v" >/dev/null 2>&1 3>&- &
		remember $!
	done
	locked() { ceph_rbd lock ls "vms/$V" | grep -q client && ceph_rbd lock ls "vms/${V}x" | grep -q client; }
	wait_until 60 locked
	zk set /domains/$u/state start
	[ "$(py storage.py /cmd/domains "flush_locks $u" | cut -d' ' -f1)" = failure-flush_locks ]
	locked
	zk set /domains/$u/state stop
	[ "$(py storage.py /cmd/domains "flush_locks $u" | cut -d' ' -f1)" = success-flush_locks ]
	for v in "$V" "${V}x"; do [ -z "$(ceph_rbd lock ls "vms/$v")" ]; done
	[ "$(ceph_ask osd blocklist ls </dev/null | grep -c '^127')" -ge 2 ]
	[ "$(py storage.py /cmd/domains "flush_locks 33333333-2222-4333-8444-00000000000f" | cut -d' ' -f1)" = failure-flush_locks ]
}

@test "another node's primary: commands are left alone, and OSDs of this node are still its own" {
	zk set /nodes/pvchv1/routerstate secondary
	wait_until 60 said 'this node is not the primary'
	[ "$(command "volume_add vms,$V,1M")" = "volume_add" ] # nobody has answered
	zk create /ceph/osds/1/node pvchv1
	zk create /ceph/osds/1/device /dev/null
	[ "$(command 'osd_in 1')" = success-osd_in ]
	zk rm /ceph/osds/1
	before=$(times_primary)
	zk set /nodes/pvchv1/routerstate primary
	wait_until 60 primary_again "$before"
}
times_primary() { grep -c 'this node is the primary' "$T/daemon.log" || :; }
primary_again() { [ "$(times_primary)" -gt "$1" ]; }

@test "SIGTERM ends it at once, also while a command hangs" {
	[ "$(command "volume_add vms,$V,64M")" = success-volume_add ]
	kill -STOP "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	id=$(py storage.py -n /cmd/ceph "volume_resize vms,$V,128M")
	wait_until 60 job_is "$id" running
	begin=$SECONDS
	daemon_kill TERM
	[ $((SECONDS - begin)) -lt 60 ]
	kill -CONT "$(ceph_pid osd.0)" "$(ceph_pid osd.1)"
	daemon_start
	wait_until 180 job_is "$id" settled
}

version() { zk stat "$1" | sed 's/^version=\([0-9]*\).*/\1/'; }
status_moved() { [ "$(version /ceph)" -ge "$1" ]; }
@test "figures: cluster, pools by name, OSDs by number, with the fields and types that the v0.6 client wants (D60)" {
	[ "$(command "volume_add vms,$V,64M")" = success-volume_add ]
	ceph_rbd bench --io-type write --io-size 1M --io-total 8M "vms/$V" >/dev/null
	zk create /ceph/osds/0/node pvchv7
	zk create /ceph/osds/0/device /dev/null
	zk create /ceph/osds/0/stats '{}'
	filled() { zk get /ceph/osds/0/stats | grep -q uuid && zk get /ceph/pools/vms/stats | grep -q '"write_bytes":[1-9]'; }
	wait_until 60 filled
	zk get /ceph | grep -q 'health: HEALTH_'
	zk get /ceph/radosdf | grep -q '^vms '
	zk get /ceph/radosdf | grep -q '^total_space '
	same() { # what is published is what the command line tools tell
		ceph_ask df --format json >"$T/df" </dev/null && ip netns exec "$NETNS" rados df --format json >"$T/rados" && ceph_ask osd df --format json >"$T/osd" </dev/null &&
			zk get /ceph/pools/vms/stats >"$T/pool" && zk get /ceph/osds/0/stats >"$T/osd0" && $PYTHON - "$T" <<-'E'
				import json, sys
				t = {n: json.load(open(sys.argv[1] + "/" + n)) for n in ("df", "rados", "osd", "pool", "osd0")}
				df = [p for p in t["df"]["pools"] if p["name"] == "vms"][0]
				rados = [p for p in t["rados"]["pools"] if p["name"] == "vms"][0]
				osd = [o for o in t["osd"]["nodes"] if o["id"] == 0][0]
				p, o = t["pool"], t["osd0"]
				want = {"id": df["id"], "free_bytes": df["stats"]["max_avail"], "used_bytes": df["stats"]["bytes_used"],
				        "used_percent": df["stats"]["percent_used"], "read_ops": rados["read_ops"], "read_bytes": rados["read_bytes"],
				        "write_ops": rados["write_ops"], "write_bytes": rados["write_bytes"]}
				for k in ("num_objects", "num_object_clones", "num_object_copies", "num_objects_missing_on_primary",
				          "num_objects_unfound", "num_objects_degraded"):
				    want[k] = rados[k]
				assert set(p) == set(want), set(p) ^ set(want)
				assert all(p[k] == want[k] or abs(p[k] - want[k]) < 1e-6 for k in want), (p, want)
				assert (o["up"], o["in"], o["pgs"], o["kb"], o["node"]) == (1, 1, osd["pgs"], osd["kb"], "pvchv7"), o
				assert all(isinstance(o[k], float) for k in ("utilization", "var")), o
				assert all(o[k].isdigit() for k in ("wr_ops", "wr_data", "rd_ops", "rd_data")), o
				assert o["state"] == "exists,up" and o["used"] and o["avail"] and o["uuid"], o
				assert all(isinstance(o[k], (int, float)) for k in ("weight", "reweight", "primary_affinity")), o
			E
	}
	wait_until 180 same
	# what has not changed is not written again (Ceph's own figures settle some time after the last write)
	still() {
		before=$(version /ceph/pools/vms/stats) status=$(version /ceph)
		wait_until 60 status_moved $((status + 3))
		[ "$(version /ceph/pools/vms/stats)" = "$before" ]
	}
	wait_until 180 still
}

@test "an OSD that is down keeps its node and its place in the list (D60)" {
	kill -KILL "$(ceph_pid osd.1)"
	zk create /ceph/osds/1/node pvchv2
	zk create /ceph/osds/1/device /dev/null
	zk create /ceph/osds/1/stats '{}'
	down() { zk get /ceph/osds/1/stats | grep -q '"up":0.*"node":"pvchv2"'; }
	wait_until 60 down
	ceph_daemon osd.1
	wait_until 120 ceph_is_healthy
	back() { zk get /ceph/osds/1/stats | grep -q '"up":1.*"node":"pvchv2"'; }
	wait_until 60 back
	zk rm /ceph/osds/0
	zk rm /ceph/osds/1
}

@test "a Ceph that hangs is told as hanging, in the log and where its state is shown, and recovers by itself" {
	kill -STOP "$(ceph_pid mon.a)"
	unknown() { zk get /ceph | grep -q "^Ceph's state is not known: "; }
	wait_until 60 unknown
	zk get /ceph | grep -q 'health: HEALTH_' # what was known last is there
	said 'the state of Ceph is not known'
	kill -CONT "$(ceph_pid mon.a)"
	known() { ! unknown; }
	wait_until 60 known
	said 'Ceph answers again'
}

@test "the v0.6 client's own storage calls, key for key: each is answered with success and finds what it reads" {
	client() { ip netns exec "$NETNS" "$PYTHON" "$TOP/tests/lib/replay.py" "$ZK" "$TOP/tests/data/client-v06/ceph-$1.json" POOL=interop VOLUME=web1; }
	for call in get-status get-radosdf add-pool; do client $call; done
	has_figures() { zk get /ceph/pools/interop/stats | grep -q free_bytes; }
	wait_until 60 has_figures
	for call in get-list-pool add-volume resize-volume clone-volume rename-volume get-list-volume add-snapshot get-list-snapshot \
		remove-snapshot set-osd unset-osd get-list-osd remove-volume remove-pool; do
		client $call
	done
	run ! zk exists /ceph/pools/interop
	run ! client add-volume # the answer is checked: the pool is gone
}

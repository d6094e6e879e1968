# SPDX-License-Identifier: GPL-3.0-or-later
# A real Ceph cluster for tests: one monitor, one manager, OSDs on sparse files, in $T/ceph and in the namespace $NETNS (when
# set). Load common.bash first, and call test_begin. Some four seconds from nothing to HEALTH_OK; 250 MB.
# $CEPH_IP (default 127.0.0.1) is where it listens; $CEPH_CONF is its configuration, which every program of Ceph, librados too, follows. test_cleanup ends it.
# shellcheck shell=bash

_in_netns() { ${NETNS:+ip netns exec "$NETNS"} "$@"; }

# ceph_begin [OSDS]: up, with a pool `rbd`, when it returns.
ceph_begin() {
	local osds=${1:-2} i
	CEPH_DIR=$T/ceph CEPH_OSDS=$osds CEPH_IP=${CEPH_IP:-127.0.0.1}
	export CEPH_DIR CEPH_OSDS CEPH_IP CEPH_CONF=$CEPH_DIR/ceph.conf
	mkdir -p "$CEPH_DIR"/{run,log,crash/posted}
	_ceph_write_conf
	_ceph_modules
	_ceph_keys
	monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" --addv a "[v2:$CEPH_IP:3300/0,v1:$CEPH_IP:6789/0]" \
		--set-min-mon-release pacific "$CEPH_DIR/monmap" >/dev/null
	ceph-mon -i a --mkfs --monmap "$CEPH_DIR/monmap" --keyring "$CEPH_DIR/keyring"
	for ((i = 0; i < osds; i++)); do
		mkdir -p "$CEPH_DIR/osd.$i"
		cat /proc/sys/kernel/random/uuid >"$CEPH_DIR/osd.$i/want_uuid"
		# (without --no-mon-config it would look for a monitor for five minutes)
		ceph-osd -i "$i" --no-mon-config --mkfs --osd-uuid "$(cat "$CEPH_DIR/osd.$i/want_uuid")" >"$CEPH_DIR/log/mkfs.$i" 2>&1 3>&-
	done
	ceph_daemon mon.a
	ceph_daemon mgr.x
	for ((i = 0; i < osds; i++)); do echo "osd new $(cat "$CEPH_DIR/osd.$i/want_uuid") $i"; done | ceph_ask >/dev/null
	for ((i = 0; i < osds; i++)); do ceph_daemon "osd.$i"; done
	printf '%s\n' 'osd pool create rbd 8' 'osd pool application enable rbd rbd' | ceph_ask >/dev/null
	wait_until 120 ceph_is_healthy
}

# ceph_daemon mon.a|mgr.x|osd.N: starts it (again). ceph_pid NAME: its process.
ceph_daemon() {
	_in_netns "ceph-${1%%.*}" -i "${1#*.}" >"$CEPH_DIR/log/start.$1" 2>&1 3>&-
	wait_until 60 test -s "$CEPH_DIR/run/$1.pid"
	remember "$(ceph_pid "$1")"
}
ceph_pid() { cat "$CEPH_DIR/run/$1.pid"; }
# Client programs; each is bounded. (One process takes many commands: lines on its standard input.)
ceph_ask() { _in_netns timeout -k 5 60 ceph --connect-timeout 30 "$@" 2>>"$CEPH_DIR/log/client"; }
ceph_rbd() { _in_netns timeout -k 5 60 rbd "$@"; }
ceph_is_healthy() {
	ceph_ask status --format json >"$CEPH_DIR/status" </dev/null &&
		grep -q HEALTH_OK "$CEPH_DIR/status" && grep -q '"state_name":"active+clean"' "$CEPH_DIR/status"
}

_ceph_keys() {
	local keyring=$CEPH_DIR/keyring i
	# every key goes into the monitor's first database, so that no `ceph auth` is needed later
	ceph-authtool -C "$keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
	ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
	ceph-authtool "$keyring" --gen-key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *' >/dev/null
	for ((i = 0; i < CEPH_OSDS; i++)); do
		ceph-authtool "$keyring" --gen-key -n "osd.$i" --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *' >/dev/null
	done
}

# A manager that loads only the module that is needed: 2 s and 200 MB less. The others that must be there are empty classes.
_ceph_modules() {
	local name
	mkdir -p "$CEPH_DIR/modules"
	ln -s /usr/share/ceph/mgr/{mgr_module.py,mgr_util.py,status} "$CEPH_DIR/modules/"
	for name in balancer crash devicehealth orchestrator pg_autoscaler progress rbd_support telemetry volumes; do
		mkdir "$CEPH_DIR/modules/$name"
		echo 'from .module import Module' >"$CEPH_DIR/modules/$name/__init__.py"
		printf 'from mgr_module import MgrModule\nclass Module(MgrModule):\n    NOTIFY_TYPES = []\n' >"$CEPH_DIR/modules/$name/module.py"
	done
}

_ceph_write_conf() {
	cat >"$CEPH_CONF" <<-E
		[global]
		fsid = $(cat /proc/sys/kernel/random/uuid)
		mon_host = [v2:$CEPH_IP:3300/0,v1:$CEPH_IP:6789/0]
		public_addr = $CEPH_IP
		cluster_addr = $CEPH_IP
		auth_cluster_required = cephx
		auth_service_required = cephx
		auth_client_required = cephx
		keyring = $CEPH_DIR/keyring
		run_dir = $CEPH_DIR/run
		admin_socket = $CEPH_DIR/run/\$name.asok
		pid_file = $CEPH_DIR/run/\$name.pid
		log_file = $CEPH_DIR/log/\$name.log
		mon_cluster_log_file = default=$CEPH_DIR/log/cluster.log audit=$CEPH_DIR/log/audit.log
		crash_dir = $CEPH_DIR/crash
		ms_async_op_threads = 1
		ms_bind_ipv6 = false
		osd_crush_chooseleaf_type = 0
		osd_pool_default_size = 2
		osd_pool_default_min_size = 1
		osd_pool_default_pg_autoscale_mode = off
		mon_allow_pool_delete = true
		mon_allow_pool_size_one = true
		mon_max_pg_per_osd = 1000
		# one host: one OSD that misses another is believed, and soon
		mon_osd_min_down_reporters = 1
		mon_osd_adjust_heartbeat_grace = false
		osd_heartbeat_interval = 1
		osd_heartbeat_grace = 5
		# nothing to warn of in a test
		mon_warn_on_pool_no_redundancy = false
		mon_warn_on_pool_no_app = false
		mon_warn_on_insecure_global_id_reclaim = false
		mon_warn_on_insecure_global_id_reclaim_allowed = false
		auth_allow_insecure_global_id_reclaim = false
		mon_data_avail_warn = 2
		mon_data_avail_crit = 1
		[mon]
		mon_data = $CEPH_DIR/mon.\$id
		mgr_initial_modules =
		rocksdb_cache_size = 16777216
		mon_memory_autotune = false
		paxos_propose_interval = 0.05
		paxos_min_wait = 0.01
		mon_tick_interval = 1
		mon_mgr_mkfs_grace = 3600
		[mgr]
		mgr_data = $CEPH_DIR/mgr.\$id
		mgr_module_path = $CEPH_DIR/modules
		mgr_tick_period = 1
		mgr_stats_period = 1
		[osd]
		osd_data = $CEPH_DIR/osd.\$id
		osd_objectstore = bluestore
		osd_class_load_list = *
		osd_class_default_list = *
		bluestore_block_size = 2147483648
		bluestore_fsck_on_mkfs = false
		bluestore_cache_autotune = false
		bluestore_cache_size = 16777216
		bluestore_rocksdb_options = compression=kNoCompression,max_write_buffer_number=4,min_write_buffer_number_to_merge=1,recycle_log_file_num=4,write_buffer_size=8388608,writable_file_max_buffer_size=0,compaction_readahead_size=2097152,max_background_compactions=1,max_total_wal_size=33554432
		bdev_aio_poll_ms = 10
		osd_op_num_shards = 1
		osd_op_num_threads_per_shard = 2
		osd_memory_target = 939524096
		osd_recovery_sleep = 0
		osd_max_backfills = 10
		[client]
		admin_socket =
		log_file =
	E
}

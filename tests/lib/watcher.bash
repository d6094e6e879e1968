# SPDX-License-Identifier: GPL-3.0-or-later
# What tests of pvc-watch-nodes share: a cluster of three registered nodes in a real ZooKeeper, instances of the program, and kazoo as
# the client that writes. Load it after common.bash.
# shellcheck shell=bash

setup() {
	test_begin
	zk_start
	mkdir -p "$T/run" "$T/log" "$T/console"
	printf '127.0.0.1 localhost pvchv1 pvchv2 pvchv3\n' >"$T/hosts"
	cluster
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 60 "$T"/*.out # what the program said, when a promise was broken
	test_cleanup
}

# py: a Python program on standard input with `zk`, a kazoo client, and what tests do with VMs
py() {
	cat - >"$T/py"
	$PYTHON - "$ZK" "$T/py" <<-'E'
		import logging, sys
		from kazoo.client import KazooClient
		logging.disable(logging.CRITICAL)
		zk = KazooClient(hosts=sys.argv[1], timeout=10)
		zk.start(timeout=60)
		def get(path):
		    return zk.get(path)[0].decode()
		def vm(uuid, **keys):
		    values = dict(state="stop", node="pvchv1", lastnode="", node_autostart="False")
		    values.update(keys)
		    t = zk.transaction()
		    t.create("/domains/" + uuid, b"name")
		    for key, value in values.items():
		        t.create("/domains/%s/%s" % (uuid, key), value.encode())
		    t.commit()
		def uuid(n):
		    return "00000000-0000-4000-8000-%012d" % n
		def versions(uuid):
		    return [zk.get("/domains/%s/%s" % (uuid, key))[1].version for key in ("state", "node", "lastnode", "node_autostart")]
		program = open(sys.argv[2]).read()
		exec(compile(program, "test", "exec"))
		zk.stop()
	E
}

cluster() {
	py <<-'E'
		for path, value in (("/primary_node", b"none"), ("/maintenance", b"False"), ("/nodes", b""), ("/domains", b""), ("/pvc", b""), ("/pvc/primary", b""), ("/pvc/primary/candidates", b"")):
		    zk.create(path, value)
		for node in ("pvchv1", "pvchv2", "pvchv3"):
		    zk.create("/nodes/" + node, b"coordinator")
		    for key, value in (("daemonmode", b"coordinator"), ("daemonstate", b"run"), ("routerstate", b"client"), ("domainstate", b"flushed")):
		        zk.create("/nodes/%s/%s" % (node, key), value)
	E
}

# node_start NAME [coordinator]: the program as that node; its log is $T/NAME.out, its process in $PID
node_start() {
	local server=127.0.0.1:$ZK_PORT before
	before=$(grep -sc "watching the nodes" "$T/$1.out" || :)
	before=${before:-0}
	[ "${2:-}" != coordinator ] || server=$1:$ZK_PORT
	write_config "$T/$1.yaml" "s|- 127.0.0.1:$ZK_PORT|- $server|"
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --uts --mount sh -c 'mount --bind "$1" /etc/hosts && hostname "$0" && exec pvc-watch-nodes --config "$2"' \
		"$1" "$T/hosts" "$T/$1.yaml" >>"$T/$1.out" 2>&1 3>&- &
	PID=$!
	remember "$PID"
	wait_until 60 started "$1" "$before"
}
started() { [ "$(grep -c 'watching the nodes' "$T/$1.out")" -gt "${2:-0}" ]; }
said() { grep -qF -- "$2" "$T/$1.out"; }
times_said() { grep -cF -- "$2" "$T/$1.out" || :; }
is() { [ "$(zk get "$1")" = "$2" ]; }
settled() { is "/nodes/$1/routerstate" "$(is /primary_node "$1" && echo primary || echo secondary)"; }

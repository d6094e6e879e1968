# SPDX-License-Identifier: GPL-3.0-or-later
# A real PostgreSQL of the test's own: in $T/pg, on port 5432 of a namespace ($PG_NETNS), as the user postgres. Load common.bash first.
# shellcheck shell=bash

PG_BIN=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)

# pg_init: an empty cluster; pg_start: its server, until it answers. Loopback logs in with a password.
pg_init() {
	mkdir -p "$T/pg"
	chmod 755 "$T"
	chown postgres "$T/pg"
	runuser -u postgres -- "$PG_BIN/initdb" -D "$T/pg/data" -A scram-sha-256 --auth-local=trust -N -E UTF8 --no-locale >"$T/pg/initdb.log"
	cat >>"$T/pg/data/postgresql.conf" <<-E
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$T/pg'
		fsync = off
		shared_buffers = 16MB
		max_connections = 50
	E
}
pg_start() {
	ip netns exec "$PG_NETNS" setpriv --reuid=postgres --regid=postgres --init-groups \
		"$PG_BIN/postgres" -D "$T/pg/data" >>"$T/pg/log" 2>&1 3>&- &
	PG_PID=$!
	echo $PG_PID >"$T/pg/pid"
	remember $PG_PID
	wait_until 60 pg_sql postgres 'SELECT 1'
}
# pg_stop: at once, as its own "immediate" mode.
pg_stop() {
	kill -QUIT "$(cat "$T/pg/pid")"
	wait_until 60 pg_is_gone
}
pg_is_gone() { ! kill -0 "$(cat "$T/pg/pid")"; }
# pg_sql DATABASE STATEMENT: what it gives, columns with | between. As the superuser.
pg_sql() { timeout 20 psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$T/pg" -U postgres -d "$1" -c "$2"; }
# pg_freeze, pg_thaw: all of its processes, so that connections are taken and nothing is answered.
pg_freeze() { xargs kill -STOP < <(_pg_all); }
pg_thaw() { xargs kill -CONT < <(_pg_all); }
_pg_all() { cat "$T/pg/pid" && pgrep -P "$(cat "$T/pg/pid")"; }

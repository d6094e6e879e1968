# SPDX-License-Identifier: GPL-3.0-or-later
# PostgreSQL on the coordinators, kept by Patroni with the nodes' own ZooKeeper, and PowerDNS' tables in it. The lab needs LAB_WITH=dns.
# Load lab.bash first.
# shellcheck shell=bash

# database_files NODE: Patroni's configuration; pvc-coordinator starts it.
database_files() {
	local id=${1##*[!0-9]} node
	{
		printf '%s\n' 'scope: pvc' "name: $1" 'zookeeper:' '  hosts:'
		for node in $NODES; do echo "    - $node:2181"; done
		cat <<-E
			restapi:
			  listen: 0.0.0.0:8008
			  connect_address: 10.77.1.$id:8008
			bootstrap:
			  dcs: {ttl: 20, loop_wait: 1, retry_timeout: 5}
			  initdb: [{encoding: UTF8}, {locale: C}]
			  pg_hba:
			    - local all all trust
			    - host all all 127.0.0.1/32 scram-sha-256
			    - host replication replicator 10.77.1.0/24 scram-sha-256
			    - host all postgres 10.77.1.0/24 scram-sha-256
			postgresql:
			  listen: 0.0.0.0:5432
			  connect_address: 10.77.1.$id:5432
			  bin_dir: /usr/lib/postgresql/15/bin
			  data_dir: /var/lib/postgresql/15/patroni
			  authentication:
			    superuser: {username: postgres, password: lab-super}
			    replication: {username: replicator, password: lab-replicator}
			  parameters: {unix_socket_directories: /var/run/postgresql, fsync: 'off', shared_buffers: 16MB}
		E
	} >"$T/patroni.yml"
	"$LAB" put "$1" "$T/patroni.yml" /etc/patroni/config.yml
	on "$1" chown postgres /etc/patroni/config.yml
	on "$1" chmod 600 /etc/patroni/config.yml
	on "$1" install -d -o postgres -g postgres -m 700 /var/lib/postgresql/15/patroni
}
leader() { on pvchv1 patronictl -c /etc/patroni/config.yml list -f tsv | awk -F'\t' '$4 == "Leader" {print $2}'; }
leader_is() { [ "$(leader)" = "$1" ] && takes_writes "$1"; }
# who has the role in Patroni's books may still be on the way from a copy to the original
takes_writes() { [ "$(on "$1" runuser -u postgres -- psql -q -A -t -d postgres -c 'SELECT pg_is_in_recovery()')" = f ]; }
both_run() { [ "$(on pvchv1 patronictl -c /etc/patroni/config.yml list -f tsv | grep -cE 'running|streaming')" = "$(wc -w <<<"$NODES")" ]; }
# database_make: once both members run: the role, the database, the tables.
database_make() {
	local node
	node=$(leader)
	on "$node" runuser -u postgres -- psql -q -c "CREATE ROLE pvcdns LOGIN PASSWORD 'lab-dns'" -c 'CREATE DATABASE pvcdns OWNER pvcdns'
	on "$node" env PGPASSWORD=lab-dns psql -q -h localhost -U pvcdns -d pvcdns -v ON_ERROR_STOP=1 -f /usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql
}
# sql NODE STATEMENT
sql() { on "$1" runuser -u postgres -- psql -q -A -t -d pvcdns -c "$2"; }

#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc-metadata with a real ZooKeeper, a real PostgreSQL and guests that are network namespaces on the networks' bridges.
bats_require_minimum_version 1.5.0
load ../lib/common.bash
load ../lib/postgres.bash
load ../lib/metadata.bash
load ../lib/cloud-init.bash

setup_file() {
	test_begin
	metadata_node
	provisioner
	# two managed networks with the same addresses, of which only one can have a gateway; and a bridged one
	network 100 managed
	network 200 managed
	network 300 bridged
	ip -n "$NODE" address add 10.100.0.1/24 dev vmbr100
	vm "$VM1" web1 web 100 52:54:00:00:00:01
	vm "$VM2" web_2.b plain 100 52:54:00:00:00:02
	vm "$VM3" other None 200 52:54:00:00:00:03
	vm "$VM4" bridged web 300 52:54:00:00:00:04
	lease 100 52:54:00:00:00:01 10.100.0.11
	lease 100 52:54:00:00:00:02 10.100.0.12
	lease 200 52:54:00:00:00:03 10.100.0.11
	guest g1 100 52:54:00:00:00:01 10.100.0.11
	guest g2 100 52:54:00:00:00:02 10.100.0.12
	guest g3 200 52:54:00:00:00:03 10.100.0.11
	guest g4 300 52:54:00:00:00:04 10.100.0.14
	metadata_start
}
teardown_file() { metadata_end; }
setup() { serves || metadata_start; }
teardown() { [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 60 "$T/metadata.out"; }

@test "a guest reads the reference's tree: who it is, under any version and with or without the last slash" {
	local version
	for version in latest 2009-04-04 2016-09-02 1.0; do
		[ "$(body g1 "/$version/meta-data/instance-id")" = "$VM1" ]
		[ "$(body g1 "/$version/meta-data/name")" = web1 ]
		[ "$(body g1 "/$version/meta-data/profile")" = web ]
	done
	[ "$(body g1 /latest/meta-data/)" = "$(printf '%s\n' hostname instance-id local-hostname local-ipv4 mac name profile)" ]
	[ "$(body g1 /latest/meta-data)" = "$(body g1 //latest//meta-data/)" ]
	[ "$(body g1 /latest/meta-data/local-hostname)" = web1.net100.local ]
	[ "$(body g1 /latest/meta-data/local-ipv4)" = 10.100.0.11 ]
	[ "$(body g1 /latest/meta-data/mac)" = 52:54:00:00:00:01 ]
	[[ "$(body g1 /)" == *2009-04-04*latest ]]
	# what a host's name may not hold is not in it
	[ "$(body g2 /latest/meta-data/local-hostname)" = web-2-b.net100.local ]
	[ "$(body g2 /latest/meta-data/name)" = web_2.b ]
	# a VM without a profile has none
	[[ "$(body g3 /latest/meta-data/)" != *profile* ]]
	status g3 404 GET /latest/meta-data/profile
	local path
	for path in /latest/meta-data/iam/security-credentials/ /latest/meta-data/public-keys/ /latest/dynamic/instance-identity/document \
		/latest/meta-data/instance-id/ /nonsense/meta-data/ /latest/meta-data/../user-data /latest/%6deta-data/ /latest/api/token/; do
		status g1 404 GET "$path"
	done
	run answer g1 HEAD /latest/meta-data/instance-id
	[[ "$output" == *"Content-Length: 36"* ]]
}

@test "D79: user-data of the profile comes from PostgreSQL byte for byte; a profile without user-data, or none, is a plain 404" {
	body g1 /latest/user-data >"$T/got"
	userdata_web | cmp - "$T/got"
	[ "$(body g2 /latest/meta-data/instance-id)" = "$VM2" ]
	status g2 404 GET /latest/user-data # profile plain: its user-data is NULL
	status g3 404 GET /latest/user-data # no profile
	# a profile's name is no SQL, and a changed profile counts from the next second on
	zk set "/domains/$VM2/profile" "web' OR '1'='1"
	wait_until 60 body_is g2 /latest/meta-data/profile "web' OR '1'='1"
	status g2 404 GET /latest/user-data
	zk set "/domains/$VM2/profile" empty
	wait_until 60 body_is g2 /latest/meta-data/profile empty
	status g2 200 GET /latest/user-data
	[ -z "$(body g2 /latest/user-data)" ]
	zk set "/domains/$VM2/profile" huge
	wait_until 60 body_is g2 /latest/meta-data/profile huge
	status g2 500 GET /latest/user-data
	status g2 500 GET /latest/user-data
	[ "$(times_said "user-data of profile 'huge' has 300000 bytes")" = 1 ]
	zk set "/domains/$VM2/profile" plain
	wait_until 60 body_is g2 /latest/meta-data/profile plain
	# the password is in no argument vector and no log
	no grep -q metadata-secret "/proc/$METADATA/cmdline" "$T/metadata.out"
}

@test "D79: unknown guests get 404: no VM has the card, no lease has the address, or the address is another's" {
	guest g5 100 52:54:00:00:00:05 10.100.0.15
	status g5 404 GET /latest/meta-data/instance-id # no VM
	status g5 404 GET /
	status g5 404 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:60
	vm "$VM5" late web 100 52:54:00:00:00:05
	status g5 404 GET /latest/meta-data/instance-id # its VM has no lease
	# with the address of another: the lease is not this card's
	ip -n "$(ns g1)" link set eth0 down
	ip -n "$(ns g5)" address flush dev eth0
	ip -n "$(ns g5)" address add 10.100.0.11/24 dev eth0
	ip -n "$(ns g5)" route replace default via 10.100.0.1
	status g5 404 GET /latest/meta-data/instance-id
	status g5 404 GET /latest/user-data
	ip -n "$(ns g5)" address flush dev eth0
	ip -n "$(ns g1)" link set eth0 up
	ip -n "$(ns g1)" route replace default via 10.100.0.1
	ip -n "$(ns g5)" address add 10.100.0.15/24 dev eth0
	ip -n "$(ns g5)" route replace default via 10.100.0.1
	# a guest asks before its lease is written: it waits for it
	(until [ -e "$T/asked" ]; do read -r -t 0.05 <> <(:) || :; done; lease 100 52:54:00:00:00:05 10.100.0.15) 3>&- &
	asks_first() { : >"$T/asked" && [ "$(body g5 /latest/meta-data/instance-id)" = "$VM5" ]; }
	wait_until 60 asks_first
	wait $!
	# a reservation is as good as a lease
	zk rm /networks/100/dhcp4_leases/52:54:00:00:00:05
	wait_until 60 status g5 404 GET /latest/meta-data/name
	zk create /networks/100/dhcp4_reservations/52:54:00:00:00:05/ipaddr 10.100.0.15
	[ "$(body g5 /latest/meta-data/name)" = late ]
	# the same card in two VMs: nobody knows which of them asks
	vm "$VM6" copy web 100 52:54:00:00:00:05
	wait_until 60 status g5 404 GET /latest/meta-data/instance-id
	zk rm "/domains/$VM6"
	wait_until 60 body_is g5 /latest/meta-data/instance-id "$VM5"
	zk rm "/domains/$VM5"
	wait_until 60 status g5 404 GET /latest/meta-data/instance-id
}

@test "two networks with the same addresses: each guest is known by the bridge that it came in by" {
	[ "$(body g1 /latest/meta-data/instance-id)" = "$VM1" ]
	[ "$(body g3 /latest/meta-data/instance-id)" = "$VM3" ]
	# and a card is known in its own network only
	guest g6 200 52:54:00:00:00:01 10.100.0.11
	status g6 404 GET /latest/meta-data/instance-id
	# two that had one address in one network: the node would look for g3 at the card of g6 for a while
	ip -n "$NODE" link del tapg6
	ip netns del "$(ns g6)"
	ip -n "$NODE" neighbour flush dev vmbr200
	[ "$(body g3 /latest/meta-data/instance-id)" = "$VM3" ]
}

@test "nobody else gets anything: not the node itself, not its upstream network, not a bridged network" {
	guest world upstream 52:54:00:00:00:77 10.78.9.2
	ip -n "$(ns world)" route replace default via 10.78.9.1
	ip netns exec "$(ns world)" ping -c 1 -W 10 169.254.169.254 # it would come there
	status g1 200 GET /
	run ask_from "$NODE" GET /
	[ "$status" -eq 7 ]
	run ask_from "$(ns world)" GET /
	[ "$status" -eq 7 ]
	run ask_from "$(ns g4)" GET /
	[ "$status" -eq 7 ]
	# in the upstream network with a guest's address, too: the way in counts
	ip -n "$(ns world)" address add 10.100.0.11/32 dev lo
	ip -n "$(ns world)" route replace 169.254.169.254 via 10.78.9.1 src 10.100.0.11
	run ask_from "$(ns world)" GET /
	[ "$status" -eq 7 ]
}

@test "IMDSv2: a token by PUT, with a life; wrong, foreign and expired ones are 401; without one it works as before" {
	local token
	token=$(body_of g1 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:21600)
	[ ${#token} -gt 20 ]
	status g1 200 GET /latest/meta-data/ "X-aws-ec2-metadata-token:$token"
	status g2 401 GET /latest/meta-data/ "X-aws-ec2-metadata-token:$token" # another's
	status g1 401 GET /latest/meta-data/ "X-aws-ec2-metadata-token:x$token"
	status g1 401 GET /latest/user-data X-aws-ec2-metadata-token:
	run answer g1 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:1
	[[ "$output" == *-ttl-seconds:\ 1* ]]
	token=$(body_of g1 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:1)
	wait_until 60 status g1 401 GET /latest/meta-data/ "X-aws-ec2-metadata-token:$token"
	status g1 400 PUT /latest/api/token
	status g1 400 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:0
	status g1 400 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:21601
	status g1 403 PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds:60 X-Forwarded-For:10.0.0.1
	status g1 405 GET /latest/api/token
	status g1 405 POST /latest/meta-data/
	status g1 405 DELETE /latest/user-data
	status g1 405 PUT /latest/meta-data/name
}

@test "bounds: bodies, long heads and paths are refused; connections that dawdle are ended and hold up nobody else's network" {
	status g1 413 POST /latest/meta-data/ Content-Length:5
	status g1 413 PUT /latest/api/token Transfer-Encoding:chunked
	status g1 404 GET "/latest/$(head -c 3000 /dev/zero | tr '\0' a)"
	run answer g1 GET / "X-Long:$(head -c 20000 /dev/zero | tr '\0' a)"
	[[ "${lines[0]}" == 4* ]]
	local pids=() i began=$SECONDS
	for i in 21 22 23 24 25; do ip -n "$(ns g1)" address add "10.100.0.$i/24" dev eth0; done
	for i in 21 22 23 24 25; do
		ip netns exec "$(ns g1)" "$PYTHON" "$TOP/tests/lib/dawdle.py" "10.100.0.$i" 10 >"$T/dawdle.$i" 2>&1 3>&- &
		pids+=($!)
		remember $!
	done
	wait_until 60 grep -q . "$T/dawdle.21"
	[ "$(body g3 /latest/meta-data/instance-id)" = "$VM3" ]
	# each of them was ended by the server, though each kept sending
	for i in "${pids[@]}"; do wait "$i"; done
	[ $((SECONDS - began)) -lt 120 ]
	for i in 21 22 23 24 25; do ip -n "$(ns g1)" address del "10.100.0.$i/24" dev eth0; done
	wait_until 60 body_is g1 /latest/meta-data/instance-id "$VM1"
	# at most PER_NETWORK of them were in
	[ "$(cat "$T"/dawdle.* | grep -c ended)" = 50 ]
}

@test "PostgreSQL away or hung: meta-data goes on, user-data is 503 and said once, and it comes back by itself" {
	local before
	before=$(times_said 'gives none')
	pg_stop
	status g1 503 GET /latest/user-data
	status g1 503 GET /latest/user-data
	status g1 200 GET /latest/meta-data/instance-id
	[ "$(times_said 'gives none')" = $((before + 1)) ]
	pg_start
	wait_until 60 status g1 200 GET /latest/user-data
	said 'PostgreSQL answers again'
	# hung: connections are taken, nothing is said
	pg_freeze
	local asking meanwhile=
	for _ in 1 2 3 4 5; do # the first is answered after three seconds, which a busy machine may need for the second
		(answer g1 GET /latest/user-data >"$T/hung" 2>&1) 3>&- &
		asking=$!
		status g2 200 GET /latest/meta-data/instance-id
		[ -s "$T/hung" ] || meanwhile=yes
		wait $asking
		grep -qx 503 "$T/hung"
		[ -z "$meanwhile" ] || break
	done
	[ -n "$meanwhile" ]
	[ "$(times_said 'gives none')" = $((before + 2)) ]
	pg_thaw
	wait_until 60 status g1 200 GET /latest/user-data
}

@test "D79: what one request reads does not depend on how many VMs and leases there are" {
	many_vms 300
	# one that asks for the first time in a second reads five keys; and the session is kept up by a packet now and then
	reads_little() { local n; n=$(packets_of_one g1) && [ "$n" -ge 5 ] && [ "$n" -le 12 ]; }
	wait_until 60 reads_little
	# one that asks again and again reads nothing
	reads_nothing() { local n; n=$(packets_of_one g1) && [ "$n" -le 3 ]; }
	wait_until 60 reads_nothing
}

@test "ZooKeeper away: 503 at once, and served again when it is back" {
	zk_stop
	wait_until 60 status g1 503 GET /latest/meta-data/instance-id
	local began=$SECONDS
	status g1 503 GET /latest/meta-data/instance-id
	[ $((SECONDS - began)) -lt 10 ]
	zk_start
	wait_until 120 status g1 200 GET /latest/meta-data/instance-id
}

@test "a bridge made anew, a network that comes and goes, the address taken away: served again without a restart" {
	ip -n "$NODE" link del vmbr100
	bridge 100
	ip -n "$NODE" address add 10.100.0.1/24 dev vmbr100
	plug g1 100
	plug g2 100
	wait_until 60 body_is g1 /latest/meta-data/instance-id "$VM1"
	ip -n "$NODE" address del 169.254.169.254/32 dev lo
	wait_until 60 body_is g1 /latest/meta-data/instance-id "$VM1"
	zk set /networks/200/nettype bridged
	listens() { ip netns exec "$NODE" ss -Hltn 'sport = :80' | grep -qF "169.254.169.254%vmbr$1:80"; }
	wait_until 60 no listens 200
	listens 100
	zk set /networks/200/nettype managed
	wait_until 60 body_is g3 /latest/meta-data/instance-id "$VM3"
}

@test "the address 169.254.169.254 is there while it serves, and gone after its end; after kill -9 the kernel takes it away" {
	has_address
	kill -TERM "$METADATA"
	wait_until 60 no serves
	no has_address
	said '169.254.169.254 removed from lo'
	metadata_start
	has_address
	kill -KILL "$METADATA"
	wait_until 60 no serves
	has_address
	wait_until 60 no has_address
	metadata_start
	status g1 200 GET /latest/meta-data/instance-id
}

@test "Debian's own cloud-init, unmodified, takes the guest's identity, name and user-data" {
	cloud_init_fetch
	cloud_init_run g1 || { tail -n 60 "$T/ci/log"; false; }
	[ "$(cat "$T/ci/instance-id")" = "$VM1" ]
	[ "$(cat "$T/ci/hostname")" = web1 ]
	userdata_web | cmp - "$T/ci/user-data"
	[ "$(cat "$T/ci/datasource")" = DataSourceEc2 ]
	grep -qx 'made by user-data' "$T/ci/made" # cloud-config that was in it was carried out
	# a VM whose profile has no user-data
	cloud_init_run g2 || { tail -n 60 "$T/ci/log"; false; }
	[ "$(cat "$T/ci/instance-id")" = "$VM2" ]
	[ ! -s "$T/ci/user-data" ]
}

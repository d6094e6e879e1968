#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Client networks of whole nodes: guests on two nodes, addresses by DHCP over VXLAN and by RA, the way outside as far as the rules let, a
# gateway that follows the role, EVPN by FRR, and a power cut of everything. "Outside" is the lab's own foot in the upstream network, which has
# the networks' route to the floating address.

load lab.bash

setup_file() {
	export NODES="pvchv1 pvchv2"
	lab_begin
	# two coordinators are a quorum of two: neither comes up without the other
	on pvchv1 systemctl --no-block start pvc.target
	on pvchv2 systemctl --no-block start pvc.target
	for n in pvchv1 pvchv2; do
		wait_until 300 on $n systemctl -q is-active pvc.target || explain
		on $n pvcctl node ready $n --wait --timeout 120 >/dev/null || explain
	done
	on pvchv1 pvcctl network add 100 blue --ipnet 10.100.0.0/24 --gateway 10.100.0.1 --dhcp --dhcp-start 10.100.0.10 --dhcp-end 10.100.0.99 \
		--ipnet6 2001:db8:100::/64 >/dev/null
	"$LAB" net ip route add 10.100.0.0/24 via 10.77.0.250
}
teardown_file() { lab_end; }
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || for n in pvchv1 pvchv2; do
		on $n journalctl --no-pager -b -n 40 -o short-monotonic -u 'pvc-gateway*' -u pvc-metadata -u 'pvc-watch-n*' -u pvc-primary.target || :
	done
}

on() { "$LAB" exec "$@"; }
primary() { zk_in_node get /primary_node; }
other() { if [ "$1" = pvchv1 ]; then echo pvchv2; else echo pvchv1; fi; }
has_gateway() { on "$1" ip -o address show dev vmbr100 | grep -q ' 10.100.0.1/24 '; }
gateway_runs() { all_active "$1" pvc-primary.target pvc-gateway.service && has_gateway "$1" && serves_dhcp "$1"; }
serves_dhcp() { [ "$(on "$1" pgrep -cf '^dnsmasq --dhcp-hostsfile=/run/pvc/dnsmasq/100/')" = 2 ]; } # itself and its helper
primary_serves() { gateway_runs "$(primary)"; } # whichever it is now
no_gateway() { no has_gateway "$1" && no on "$1" pgrep -f dnsmasq/100/; }
in_order() { # NODE FIRST SECOND: their last appearances in the journal
	local first second
	on "$1" journalctl --sync
	on "$1" journalctl -b --no-pager -o cat >"$T/order"
	first=$(grep -nF -- "$2" "$T/order" | tail -n 1 | cut -d: -f1)
	second=$(grep -nF -- "$3" "$T/order" | tail -n 1 | cut -d: -f1)
	[ "${first:-0}" -gt 0 ] && [ "${second:-0}" -gt "$first" ]
}
# run_guest NODE NAME PEER[,PEER]: a guest that takes its address by DHCP, pings those and asks who it is
run_guest() {
	"$LAB" domain "$2" bridge=vmbr100 "cmdline=ip= peer=$3 metadata=1" >"$T/$2.xml"
	"$LAB" put pvchv1 "$T/$2.xml" "/root/$2.xml"
	on pvchv1 pvcctl vm define --node "$1" "/root/$2.xml" >/dev/null
	on pvchv1 pvcctl vm start "$2" --wait --timeout 180 >/dev/null
}
mac_of() { "$LAB" domain "$1" | sed -n "s/.*mac address='\([^']*\)'.*/\1/p"; }
guest_said() { on "$1" grep -aq -- "$3" "/var/log/libvirt/$2.log"; }
uuid_of() { "$LAB" domain "$1" | sed -n 's:.*<uuid>\(.*\)</uuid>.*:\1:p'; }
identities() { on "$1" grep -ac "^METADATA [0-9]* $(uuid_of "$2")" "/var/log/libvirt/$2.log" || :; } # how often it was told
identities_over() { [ "$(identities "$1" "$2")" -gt "$3" ]; }
pings() { on "$1" grep -ac "^PEER .* ok ${3//./\\.}"$'\r*$' "/var/log/libvirt/$2.log" || :; } # NODE GUEST PEER
losses() { on "$1" grep -ac "^PEER .* lost ${3//./\\.}"$'\r*$' "/var/log/libvirt/$2.log" || :; }
more() { [ "$("${@:2:4}")" -gt "$1" ]; } # NUMBER pings|losses NODE GUEST PEER
goes_on() { wait_until 120 more $(($(pings "$@") + 2)) pings "$@"; }
stops() { wait_until 120 more $(($(losses "$@") + 2)) losses "$@"; }
in_force() { on "$(primary)" nft list chain inet pvc "vxlan100-$1" | grep -qF -- "$2"; }
OUTSIDE=10.77.0.254

@test "the gateway runs on the primary coordinator and nowhere else" {
	local p
	p=$(primary)
	wait_until 120 gateway_runs "$p"
	no_gateway "$(other "$p")"
	no on "$(other "$p")" systemctl -q is-active pvc-primary.target
	[ "$(on "$p" systemctl is-active dnsmasq.service)" = inactive ]
}

@test "two guests on two nodes get their reserved addresses by DHCP over VXLAN and reach each other" {
	on pvchv1 pvcctl network dhcp add 100 "$(mac_of g1)" 10.100.0.201 >/dev/null
	on pvchv1 pvcctl network dhcp add 100 "$(mac_of g2)" 10.100.0.202 >/dev/null
	run_guest pvchv1 g1 10.100.0.202,$OUTSIDE
	run_guest pvchv2 g2 10.100.0.201,2001:db8:100::1
	wait_until 240 guest_said pvchv1 g1 'dhcp bound ip 10.100.0.201/24 router 10.100.0.1 dns 10.100.0.1'
	wait_until 240 guest_said pvchv2 g2 'dhcp bound ip 10.100.0.202/24 router 10.100.0.1 dns 10.100.0.1'
	goes_on pvchv1 g1 10.100.0.202
	goes_on pvchv2 g2 10.100.0.201
	[ "$(zk_in_node get "/networks/100/dhcp4_leases/$(mac_of g2)/ipaddr")" = 10.100.0.202 ]
}

@test "IPv6 by router advertisement: both guests make their addresses and reach the gateway" {
	for n in 1 2; do wait_until 120 guest_said pvchv$n g$n 'GUEST ipv6 2001:db8:100:0:[0-9a-f:]*/64 default via fe80:'; done
	goes_on pvchv2 g2 2001:db8:100::1
}

@test "a guest reaches an address outside, and is reached from there, as far as the rules let" {
	local before
	goes_on pvchv1 g1 $OUTSIDE
	"$LAB" net ping -q -c 1 -W 30 10.100.0.201
	on pvchv1 pvcctl network rule add 100 out no-outside "ip daddr $OUTSIDE icmp type echo-request drop" >/dev/null
	wait_until 60 in_force out "$OUTSIDE"
	stops pvchv1 g1 $OUTSIDE
	before=$(pings pvchv1 g1 $OUTSIDE)
	goes_on pvchv1 g1 10.100.0.202 # within the network there is no rule
	[ "$(pings pvchv1 g1 $OUTSIDE)" = "$before" ]
	"$LAB" net ping -q -c 1 -W 30 10.100.0.201
	# a rule before it that allows: by number, not by time
	on pvchv1 pvcctl network rule add 100 out outside "ip daddr $OUTSIDE accept" --order 0 >/dev/null
	goes_on pvchv1 g1 $OUTSIDE
	on pvchv1 pvcctl network rule add 100 in no-ping "ip saddr $OUTSIDE icmp type echo-request drop" >/dev/null
	wait_until 60 in_force in "$OUTSIDE"
	no "$LAB" net ping -q -c 2 -W 3 10.100.0.201
	goes_on pvchv1 g1 $OUTSIDE # answers to it come in
	for rule in no-ping outside no-outside; do on pvchv1 pvcctl network rule remove 100 $rule >/dev/null; done
	wait_until 60 "$LAB" net ping -q -c 1 -W 5 10.100.0.201
	goes_on pvchv1 g1 $OUTSIDE
}

@test "a guest on any node is told its instance-id; the node itself and the upstream network are told nothing" {
	local p
	p=$(primary)
	wait_until 120 identities_over pvchv1 g1 0
	wait_until 120 identities_over pvchv2 g2 0
	on "$p" ip -o address show dev lo | grep -qF ' 169.254.169.254/32 '
	no on "$p" timeout 10 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80'
	"$LAB" net ip route replace 169.254.169.254 via "$(on "$p" ip -o -4 address show dev brupstream | sed -n 's:.*inet \(10\.77\.0\.[0-9]*\)/.*:\1:p' | head -n 1)"
	"$LAB" net ping -c 1 -W 10 169.254.169.254 >/dev/null # it would come there
	no "$LAB" net timeout 10 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80'
	"$LAB" net ip route del 169.254.169.254
}

@test "D68: kill -9 of pvc-metadata on the primary: systemd brings it back, and guests are told who they are again" {
	local p pid identities
	p=$(primary)
	pid=$(on "$p" systemctl show -P MainPID pvc-metadata)
	on "$p" kill -KILL "$pid"
	metadata_back() { [ "$(on "$p" systemctl show -P MainPID pvc-metadata)" != "$pid" ] && on "$p" systemctl -q is-active pvc-metadata; }
	wait_until 60 metadata_back
	identities=$(identities pvchv1 g1)
	wait_until 120 identities_over pvchv1 g1 "$identities"
}

# A host beside the other node's VMs pings across the VXLAN, and through the gateway; an echo that is lost fails the test.
pings_begin() { # NODE
	local target
	"$LAB" guest "$1" 100 10.100.0.240/24 10.100.0.1
	for target in 10.100.0.1 $OUTSIDE; do
		wait_until 60 "$LAB" guest_net ping -c 1 -W 1 $target
		"$LAB" guest_net ping -i 0.02 -W 5 $target >"$T/ping-$target" 2>&1 3>&- &
		echo $! >"$T/ping-$target.pid"
		remember $!
	done
}
pings_end() { # none was lost
	local target pid sent got
	for target in 10.100.0.1 $OUTSIDE; do
		pid=$(cat "$T/ping-$target.pid")
		kill -INT "$pid"
		wait "$pid" || :
		tail -n 3 "$T/ping-$target"
		read -r sent got < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$T/ping-$target")
		[ "$sent" -gt 50 ]
		[ "$got" -ge $((sent - 1)) ] # the last one was perhaps still on its way
	done
}

@test "D68: kill -9 of pvc-gateway, of a dnsmasq and of pvc-watch-networks on the primary: no packet is lost, the state converges" {
	local p server pid
	p=$(primary)
	server_of() { on "$p" pgrep -of '^dnsmasq --dhcp-hostsfile=/run/pvc/dnsmasq/100/'; }
	back() { [ "$(on "$p" systemctl show -P MainPID "$1")" != "$2" ] && on "$p" systemctl -q is-active "$1"; }
	another_server() { [ "$(server_of)" != "$1" ] && serves_dhcp "$p"; }
	server=$(server_of)
	pings_begin "$(other "$p")"
	for unit in pvc-gateway pvc-watch-networks; do
		pid=$(on "$p" systemctl show -P MainPID $unit)
		on "$p" kill -KILL "$pid"
		has_gateway "$p"
		wait_until 60 back $unit "$pid"
		[ "$(server_of)" = "$server" ] # the same one
	done
	on "$p" kill -KILL "$server"
	wait_until 60 another_server "$server"
	server=$(server_of)
	# both at once: the next pvc-gateway finds none
	pid=$(on "$p" systemctl show -P MainPID pvc-gateway)
	on "$p" kill -KILL "$pid" "$server"
	wait_until 60 back pvc-gateway "$pid"
	wait_until 60 another_server "$server"
	has_gateway "$p"
	# a network that comes and goes meanwhile is served there too
	on pvchv1 pvcctl network add 101 green --ipnet 10.101.0.0/24 --gateway 10.101.0.1 >/dev/null
	gateway101() { on "$p" ip -o address show dev vmbr101 | grep -q ' 10.101.0.1/24 '; }
	wait_until 60 gateway101
	on pvchv1 pvcctl network remove 101 --yes >/dev/null
	no_vmbr101() { no on "$p" ip link show dev vmbr101; }
	wait_until 60 no_vmbr101
	pings_end
	on "$p" systemctl -q is-active pvc-primary.target
}

@test "the role moves: the gateway goes with it, the guests go on talking and their leases are known there" {
	local p o identities
	p=$(primary) o=$(other "$p")
	identities=$(identities pvchv1 g1)
	zk_in_node set /primary_node "$o"
	wait_until 120 gateway_runs "$o"
	wait_until 60 no_gateway "$p"
	no on "$p" systemctl -q is-active pvc-primary.target
	wait_until 60 in_order "$p" 'Stopped pvc-gateway.service' 'pvc-primary.target is stopped' # its end was waited for
	goes_on pvchv1 g1 10.100.0.202
	goes_on pvchv1 g1 $OUTSIDE # through the new gateway, by the floating address
	on "$o" ping -c 3 -W 5 10.100.0.201 >/dev/null
	on "$o" ping -c 3 -W 5 10.100.0.202 >/dev/null
	on "$o" grep -q 10.100.0.202 /run/pvc/dnsmasq/100/hosts
	wait_until 120 identities_over pvchv1 g1 $((identities + 1))
	[ -z "$(on "$p" ip -o address show dev lo to 169.254.169.254)" ]
}

@test "pvc-primary.target that somebody starts by hand where the role is not is stopped again; stopped by hand where it is, it comes back" {
	local p o
	p=$(primary) o=$(other "$p")
	on "$o" systemctl --no-block start pvc-primary.target
	said() { on "$1" journalctl -b --no-pager -q -o cat -u pvc-watch-nodes | grep -qF "pvc-primary.target was $2 by somebody else"; }
	wait_until 60 said "$o" started
	released() { no on "$o" systemctl -q is-active pvc-primary.target && no_gateway "$o" && on "$o" pvc-floating --check --release; }
	wait_until 60 released
	on "$p" systemctl stop pvc-primary.target
	wait_until 60 said "$p" stopped
	wait_until 60 gateway_runs "$p"
	[ "$(primary)" = "$p" ]
	goes_on pvchv1 g1 $OUTSIDE
}

@test "pvc-watch-nodes that is stopped starts nothing again that stops before it, however long that takes" {
	local p before
	p=$(primary)
	printf '[Unit]\nPartOf=pvc-primary.target\nAfter=pvc-primary-begin.target\n[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 7\n' >"$T/my-last.service"
	"$LAB" put "$p" "$T/my-last.service" /etc/systemd/system/my-last.service
	on "$p" systemctl daemon-reload
	on "$p" systemctl start my-last.service
	before=$(on "$p" journalctl -b --no-pager -o cat | grep -c 'was stopped by somebody else' || :)
	on "$p" systemctl stop pvc-watch-nodes.service
	on "$p" systemctl start pvc-watch-nodes.service
	in_order "$p" 'Stopping my-last.service' 'Stopped my-last.service'
	[ "$(grep -c 'was stopped by somebody else' "$T/order")" = "$before" ]
	wait_until 120 primary_serves
}

@test "when the primary's pvc.target stops the gateway is away before the node is in state stop; guests go on" {
	local p
	p=$(primary)
	on "$p" systemctl stop pvc.target
	stopped() { [ "$(zk_in_node get "/nodes/$p/daemonstate")" = stop ]; }
	wait_until 60 stopped
	no_gateway "$p"
	# in the order of the journal: the gateway's end, then the node's announcement
	in_order "$p" 'Stopped pvc-gateway.service' 'Stopping pvc-register.service'
	goes_on pvchv1 g1 10.100.0.202
	on "$p" systemctl start pvc.target
	wait_until 120 primary_serves
}

# evpn yes|no: both nodes' FRR with or without it, as an operator does it
evpn() {
	local n
	for n in 1 2; do
		on pvchv$n sh -c "sed -i 's/^bgpd=.*/bgpd=$1/' /etc/frr/daemons && cat >/etc/frr/frr.conf && systemctl restart frr && systemctl reload pvc-watch-networks" <<-E
			router bgp 65001
			 bgp router-id 10.77.1.$n
			 no bgp default ipv4-unicast
			 neighbor 10.77.1.$((3 - n)) remote-as 65001
			 neighbor 10.77.1.$((3 - n)) timers 1 3
			 address-family l2vpn evpn
			  neighbor 10.77.1.$((3 - n)) activate
			  advertise-all-vni
			 exit-address-family
		E
	done
}
learns() { on pvchv"$1" ip -d link show dev vxlan100 | grep -q ' nolearning ' && echo no || echo yes; }
learns_is() { [ "$(learns 1)$(learns 2)" = "$1$1" ]; }
# how node N knows the other's guest, and where it floods to
knows() { on pvchv"$1" bridge fdb show dev vxlan100 | grep "^$(mac_of "g$((3 - $1))") .*dst 10.77.1.$((3 - $1))" | grep -q extern_learn; }
floods() { on pvchv"$1" bridge fdb show dev vxlan100 | sed -n 's/^00:00:00:00:00:00 dst \([^ ]*\).*/\1/p'; }
floods_is() { [ "$(floods "$1")" = "$2" ]; }

@test "EVPN: with FRR configured for it bgpd tells where the guests are, without it flooding is back; guests reach each other both ways" {
	local n
	for n in 1 2; do wait_until 60 floods_is $n 10.77.1.$((3 - n)); done
	wait_until 60 learns_is yes
	evpn yes
	wait_until 90 learns_is no
	for n in 1 2; do wait_until 120 knows $n; done
	goes_on pvchv1 g1 10.100.0.202
	goes_on pvchv2 g2 10.100.0.201
	goes_on pvchv1 g1 $OUTSIDE
	# all of it is bgpd's: without it nothing is left, and nobody of ours puts it back
	for n in 1 2; do
		on pvchv$n systemctl stop frr
		wait_until 60 floods_is $n ''
		on pvchv$n systemctl reload pvc-watch-networks
	done
	stops pvchv1 g1 10.100.0.202
	for n in 1 2; do floods_is $n ''; done
	evpn no
	wait_until 90 learns_is yes
	for n in 1 2; do wait_until 60 floods_is $n 10.77.1.$((3 - n)); done
	goes_on pvchv1 g1 10.100.0.202
	goes_on pvchv2 g2 10.100.0.201
}

@test "a power cut of everything: the lease is in ZooKeeper, and the guest gets the same address again" {
	local lease n
	# the only address of the range; then the range has 90, of which dnsmasq would take another for this card
	on pvchv1 pvcctl network modify 100 --dhcp-start 10.100.0.50 --dhcp-end 10.100.0.50 >/dev/null
	run_guest pvchv1 g3 10.100.0.1
	wait_until 240 guest_said pvchv1 g3 'dhcp bound ip 10.100.0.50/24'
	on pvchv1 pvcctl network modify 100 --dhcp-start 10.100.0.10 --dhcp-end 10.100.0.99 >/dev/null
	lease_of() { for key in ipaddr expiry clientid; do zk_in_node get "/networks/100/dhcp4_leases/$(mac_of g3)/$key" && echo || return 1; done; }
	wait_until 60 lease_of
	lease=$(lease_of)
	[ "$(head -n 1 <<<"$lease")" = 10.100.0.50 ]
	on pvchv1 sh -c ': >/var/log/libvirt/g3.log'
	for n in 1 2; do "$LAB" kill pvchv$n; done
	for n in 1 2; do "$LAB" start pvchv$n && "$LAB" wait pvchv$n; done
	for n in 1 2; do on pvchv$n systemctl start pvc-netsetup.service zookeeper.service; done
	wait_until 120 lease_of
	[ "$(lease_of)" = "$lease" ]
	for n in 1 2; do on pvchv$n systemctl --no-block start pvc.target; done
	wait_until 300 primary_serves
	started() { [ "$(on pvchv1 pvcctl vm list --format json | grep -c '"state": "start"')" -ge 1 ] && on pvchv1 pgrep -f 'guest=g3,'; }
	wait_until 300 started
	wait_until 240 guest_said pvchv1 g3 'dhcp bound ip 10.100.0.50/24'
	goes_on pvchv1 g3 10.100.0.1
}

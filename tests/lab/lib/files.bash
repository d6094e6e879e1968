# SPDX-License-Identifier: GPL-3.0-or-later
# What a node's own disk holds before its first boot: names, ZooKeeper, libvirt, frr and pvcd.yaml. Everything that runs
# is started by pvc.target's programs, as on a real node: nothing of it is enabled here.
# shellcheck shell=bash

node_files() { # NODE DIRECTORY
	local node=$1 upper=$2/upper id
	id=$(node_id "$1")
	mkdir -p "$upper/etc"
	echo "$node" >"$upper/etc/hostname"
	printf '%s' "$LAB_NAME-$node" | md5sum | cut -c1-32 >"$upper/etc/machine-id"
	: >"$upper/etc/resolv.conf"
	_hosts >"$upper/etc/hosts"
	_zookeeper
	_libvirt
	_systemd
	_put /etc/frr/daemons "$(printf '%s\n' bgpd=no 'vtysh_enable=yes' 'zebra_options="-A 127.0.0.1 -s 90000000"' 'staticd_options="-A 127.0.0.1"')"
	_pvcd_yaml "$node" | _put /etc/pvc/pvcd.yaml
	chmod 600 "$upper/etc/pvc/pvcd.yaml"
	mkdir -p "$upper/var/log/journal"
	# A unit with a /proc of its own lacks the boot id that nspawn puts over the machine's: all nodes would be in the same boot, for ever.
	_put /etc/tmpfiles.d/boot-id.conf 'C /run/boot-id 0444 - - - /proc/sys/kernel/random/boot_id'
	_put /etc/systemd/system/pvc-.service.d/boot-id.conf <<-'E'
		[Service]
		BindReadOnlyPaths=-/run/boot-id:/proc/sys/kernel/random/boot_id
	E
	# Not those that run a command under no restriction (ExecStop=+...), which has the node's own /proc, nor the one whose /proc shows processes alone: both would
	# fail for the line above.
	local unit
	for unit in pvc-floating-release pvc-gateway-release pvc-metadata pvc-osd- pvc-retry@; do
		_put /etc/systemd/system/$unit.service.d/boot-id.conf ''
	done
}

_put() { # PATH [TEXT], in $upper
	mkdir -p "$(dirname "$upper$1")"
	if [ $# -gt 1 ]; then echo "$2" >"$upper$1"; else cat >"$upper$1"; fi
}
_link() { # UNIT DIRECTORY TARGET
	mkdir -p "$upper/etc/systemd/system/$2"
	ln -sfn "$3" "$upper/etc/systemd/system/$2/$1"
}

_hosts() {
	local node net
	echo "127.0.0.1 localhost"
	for node in $NODES; do
		echo "${NET_PREFIX[cluster]}.$(node_id "$node") $node $node.cluster.lab"
		echo "$(bmc_address "$node") $node-lom"
		for net in upstream storage; do echo "${NET_PREFIX[$net]}.$(node_id "$node") $node.$net.lab"; done
	done
}

# Debian's zookeeper is an LSB script that stays "active (exited)" after its JVM has died; a unit of the same name takes its
# place. /etc/zookeeper/conf is an alternatives link to conf_example, so the files go there.
_zookeeper() {
	local peer
	{
		printf '%s\n' tickTime=1000 initLimit=10 syncLimit=5 dataDir=/var/lib/zookeeper clientPort=2181 maxClientCnxns=0 \
			autopurge.snapRetainCount=3 autopurge.purgeInterval=1 '4lw.commands.whitelist=*' admin.enableServer=false
		if [ "$(wc -w <<<"$NODES")" -gt 1 ]; then
			for peer in $NODES; do echo "server.$(node_id "$peer")=$peer:2888:3888"; done
		fi
	} | _put /etc/zookeeper/conf_example/zoo.cfg
	_put /etc/zookeeper/conf_example/myid "$id"
	# A node's power cut loses nothing of what was written: the kernel is this machine's. So no answer waits for this machine's disk, which others keep busy.
	# Debian's class path has no slf4j binding: without this one the server logs nothing at all
	_put /etc/systemd/system/zookeeper.service <<-'E'
		[Unit]
		Description=ZooKeeper
		After=network.target
		StartLimitIntervalSec=0
		[Service]
		User=zookeeper
		Group=zookeeper
		Environment="JAVA_OPTS=-Xms32m -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k -Dzookeeper.forceSync=no"
		Environment=CLASSPATH=/etc/zookeeper/conf:/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar
		ExecStart=/usr/bin/java -cp ${CLASSPATH} $JAVA_OPTS -Dzookeeper.log.dir=/var/log/zookeeper -Dzookeeper.root.logger=INFO,ROLLINGFILE org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/zookeeper/conf/zoo.cfg
		SuccessExitStatus=143
		Restart=on-failure
		RestartSec=1
		[Install]
		WantedBy=multi-user.target
	E
}

_libvirt() {
	local m
	m=$(cat "$upper/etc/machine-id")
	# There is no DMI here, so libvirtd would invent a new host_uuid at each start; where there is, all nodes would share it.
	_put /etc/libvirt/libvirtd.conf <<-E
		listen_tls = 0
		listen_tcp = 1
		tcp_port = "16509"
		auth_tcp = "none"
		host_uuid = "${m:0:8}-${m:8:4}-${m:12:4}-${m:16:4}-${m:20:12}"
	E
	# the guest's files are shared by all nodes: nobody may change their owner
	_put /etc/libvirt/qemu.conf <<-'E'
		security_driver = "none"
		dynamic_ownership = 0
	E
	_link libvirtd-tcp.socket sockets.target.wants /lib/systemd/system/libvirtd-tcp.socket
}

# Masked: what a lab node does not need. Presets: what Debian enables by itself but a PVC node leaves to pvc-coordinator.
_systemd() {
	local unit
	for unit in console-getty.service e2scrub_reap.service e2scrub_all.timer fstrim.timer apt-daily.timer apt-daily-upgrade.timer \
		dpkg-db-backup.timer logrotate.timer libvirt-guests.service systemd-pstore.service; do
		_link $unit . /dev/null
	done
}

_pvcd_yaml() {
	local node=$1
	cat <<-E
		---
		pvc:
		  node: $node
		  debug: False
		  functions:
		    enable_hypervisor: True
		    enable_networking: True
		    enable_storage: False
		    enable_api: False
		  cluster:
		    coordinators:
	E
	for node in $NODES; do echo "      - $node"; done
	cat <<-E
		    networks:
		      upstream:
		        domain: upstream.lab
		        network: ${NET_PREFIX[upstream]}.0/24
		        floating_ip: ${NET_PREFIX[upstream]}.250/24
		        gateway: ${NET_PREFIX[upstream]}.254
		      cluster:
		        domain: cluster.lab
		        network: ${NET_PREFIX[cluster]}.0/24
		        floating_ip: ${NET_PREFIX[cluster]}.250/24
		      storage:
		        domain: storage.lab
		        network: ${NET_PREFIX[storage]}.0/24
		        floating_ip: ${NET_PREFIX[storage]}.250/24
		  coordinator:
		    dns:
		      database: {host: localhost, port: 5432, name: pvcdns, user: pvcdns, pass: lab-dns}
		    metadata:
		      database: {host: localhost, port: 5432, name: pvcprov, user: pvcprov, pass: lab-metadata}
		  system:
		    intervals:
		      keepalive_interval: 2
		      fence_intervals: 6
		      suicide_intervals: 0
		    fencing:
		      actions:
		        successful_fence: migrate
		        failed_fence: None
		      ipmi:
		        host: $1-lom
		        user: ipmiadmin
		        pass: ipmipass
		    migration:
		      target_selector: mem
		    configuration:
		      directories:
		        dynamic_directory: /run/pvc
		        log_directory: /var/log/pvc
		        console_log_directory: /var/log/libvirt
		      logging:
		        file_logging: True
		        stdout_logging: True
		        log_colours: False
		        log_dates: True
		        log_keepalives: True
		        log_keepalive_cluster_details: True
		        log_keepalive_storage_details: False
		        console_log_lines: 1000
		      networking:
		        bridge_device: eth1
		        upstream: {device: eth0, mtu: ${NET_MTU[upstream]}, address: by-id}
		        cluster: {device: eth1, mtu: ${NET_MTU[cluster]}, address: by-id}
		        storage: {device: eth2, mtu: ${NET_MTU[storage]}, address: by-id}
	E
}

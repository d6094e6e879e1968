# SPDX-License-Identifier: GPL-3.0-or-later
# Debian's cloud-init, unpacked from its package and otherwise untouched, run in a guest that is a network namespace: over a
# throw-away root of its own (an overlay in memory over this machine's /), without devices, with nothing of this machine's /run.
# The package is not installed: it would configure this machine at its next boot. Load common.bash and metadata.bash first.
# shellcheck shell=bash

CLOUD_INIT=${LAB_ROOT:-/var/tmp/pvc-lab}/cloud-init

# cloud_init_fetch: into $CLOUD_INIT/tree, once
cloud_init_fetch() {
	mkdir -p "$CLOUD_INIT"
	exec 8>"$CLOUD_INIT/lock"
	flock 8
	if [ ! -d "$CLOUD_INIT/tree" ]; then
		rm -rf "$CLOUD_INIT"/partial "$CLOUD_INIT"/*.deb
		(cd "$CLOUD_INIT" && apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root download cloud-init)
		dpkg-deb -x "$CLOUD_INIT"/cloud-init_*.deb "$CLOUD_INIT/partial"
		# it is laid over a root where /lib is a link to /usr/lib
		cp -a "$CLOUD_INIT/partial/lib/." "$CLOUD_INIT/partial/usr/lib/"
		rm -rf "$CLOUD_INIT/partial/lib"
		mv "$CLOUD_INIT/partial" "$CLOUD_INIT/tree"
	fi
	exec 8>&-
}

# cloud_init_run GUEST: its network stage. Leaves in $T/ci: log, instance-id, hostname, user-data, datasource, made (/root/made)
cloud_init_run() {
	rm -rf "$T/ci"
	mkdir -p "$T/ci/root"
	cat >"$T/ci/config" <<-'E'
		# what an operator writes into an image for a cloud that is not one of the big ones
		datasource_list: [Ec2]
		datasource: {Ec2: {strict_id: false, max_wait: 60, timeout: 10}}
		network: {config: disabled}
		# what a namespace can carry out: nothing with disks, users or services
		cloud_init_modules: [write-files, set_hostname]
	E
	cat >"$T/ci/inside" <<-'E'
		set -e
		hostname before-cloud-init
		cd "$1"
		mount -t tmpfs ci "$1/root"
		mkdir root/work root/merged
		cp -a "$2" root/upper
		mount -t overlay ci -o "lowerdir=/,upperdir=$1/root/upper,workdir=$1/root/work" root/merged
		new=$1/root/merged
		mount -t tmpfs run "$new/run"
		mount -t tmpfs dev "$new/dev"
		for device in null zero urandom random; do
			: >"$new/dev/$device"
			mount --bind "/dev/$device" "$new/dev/$device"
		done
		mount -t proc proc "$new/proc"
		mount --rbind /sys "$new/sys"
		rm -rf "$new/var/lib/cloud"
		cp config "$new/etc/cloud/cloud.cfg.d/99-test.cfg"
		chroot "$new" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 /usr/bin/python3 /usr/bin/cloud-init init
		# through its own root: links in there are absolute
		read_file() { chroot "$new" /usr/bin/cat "$1"; }
		read_file /var/lib/cloud/data/instance-id | tr -d '\n' >instance-id
		hostname | tr -d '\n' >hostname
		read_file /var/lib/cloud/instance/user-data.txt >user-data
		read_file /var/lib/cloud/instance/datasource | sed -n 's/^\(DataSource[A-Za-z0-9]*\).*/\1/p' | tr -d '\n' >datasource
		[ ! -e "$new/root/made" ] || read_file /root/made >made
	E
	ip netns exec "$(ns "$1")" unshare --mount --uts --ipc --pid --fork --kill-child --propagation private \
		sh "$T/ci/inside" "$T/ci" "$CLOUD_INIT/tree" >"$T/ci/log" 2>&1
}

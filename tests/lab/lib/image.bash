# SPDX-License-Identifier: GPL-3.0-or-later
# The node image, built once. A changed file here or a changed list of packages gives a new one.
# shellcheck shell=bash

# image_dir: the tree that belongs to the list of packages and to this recipe.
image_dir() { echo "$LAB_ROOT/img/$(cat "$LAB_BIN/packages" "$LAB_BIN/lib/image.bash" | sha256sum | cut -c1-16)"; }

_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$LAB_BIN/packages" | paste -sd,; }

# This machine's own Debian sources, wherever they point.
_debian_sources() {
	local file
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		if [ -s "$file" ]; then
			echo "$file"
			return
		fi
	done
	die "this machine's apt has no sources: write /etc/apt/sources.list"
}

# zookeeper depends on the whole default-jre (desktop libraries: 220 MB); the headless one is enough for a server.
_jre_stand_in() {
	local repo=$1
	mkdir -p "$repo/p/DEBIAN"
	printf '%s\n' 'Package: default-jre' 'Version: 9:0' 'Architecture: all' 'Maintainer: PVC lab <root@localhost>' \
		'Depends: default-jre-headless' 'Description: stand-in: headless is enough' >"$repo/p/DEBIAN/control"
	dpkg-deb -b "$repo/p" "$repo/default-jre.deb" >/dev/null
	rm -r "$repo/p"
	{
		dpkg-deb -f "$repo/default-jre.deb"
		echo "Filename: ./default-jre.deb"
		echo "Size: $(stat -c%s "$repo/default-jre.deb")"
		echo "SHA256: $(sha256sum <"$repo/default-jre.deb" | cut -d' ' -f1)"
	} >"$repo/Packages"
	chmod 755 "$repo"
}

image_build() {
	local dir repo log sources partial=
	sources=$(_debian_sources)
	dir=$(image_dir) log=$LAB_ROOT/img/build.log
	mkdir -p "$LAB_ROOT/img"
	exec 8>"$LAB_ROOT/img/lock"
	flock 8
	if [ -d "$dir" ]; then
		exec 8>&-
		return
	fi
	say "building the node image (once; about a minute): $dir"
	partial=$LAB_ROOT/img/partial
	rm -rf --one-file-system "$partial" # of a killed build; the lock is ours
	repo=$(mktemp -d "$LAB_ROOT/img/repo.XXXXXX")
	_jre_stand_in "$repo"
	# What pvc-coordinator starts is not enabled, and libvirt's own network (with its dnsmasq) is not wanted.
	# man1 must exist: openjdk's postinst makes links there, and the path-excludes leave it out. copy: not file:, as dpkg
	# runs in a chroot.
	# shellcheck disable=SC2016
	if ! mmdebstrap --mode=root --variant=minbase --include="$(_packages)" \
		--setup-hook='mkdir -p "$1/usr/share/man/man1"' \
		--customize-hook='find "$1"/etc/apt -name "*.list" -exec sed -i /copy:/d {} +; rm -f "$1/etc/resolv.conf"; : >"$1/etc/machine-id"; chroot "$1" passwd -d root' \
		--customize-hook='systemctl -q --root="$1" disable libvirtd.service frr.service dnsmasq.service libvirt-guests.service' \
		--customize-hook='chroot "$1" update-rc.d zookeeper disable; chroot "$1" update-rc.d frr disable; rm -f "$1"/etc/libvirt/qemu/networks/autostart/*' \
		--aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' --aptopt='Apt::Install-Recommends "false"' \
		--dpkgopt='force-unsafe-io' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		bookworm "$partial" "$sources" "deb [trusted=yes] copy://$repo ./" >"$log" 2>&1 8>&-; then
		rm -rf "$repo"
		tail -n 25 "$log" >&2
		die "the node image could not be built; everything it said: $log"
	fi
	rm -rf "$repo"
	mv "$partial" "$dir"
	exec 8>&-
}

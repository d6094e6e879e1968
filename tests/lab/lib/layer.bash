# SPDX-License-Identifier: GPL-3.0-or-later
# The layer with our own package, which lies between the image and each node's disk.
# shellcheck shell=bash

# layer_build DEB: prints the directory of the overlay layer in which that package is installed, by dpkg itself.
layer_build() {
	local deb=$1 lower layer
	lower=$(lower_dirs)
	layer=$LAB_ROOT/layer/$(sha256sum <<<"$lower" | cut -c1-16)-$(sha256sum <"$deb" | cut -c1-16)
	mkdir -p "$LAB_ROOT/layer"
	exec 8>"$LAB_ROOT/layer/lock"
	flock 8
	if [ ! -d "$layer" ]; then
		rm -rf --one-file-system "$layer".*
		mkdir -p "$layer.upper/usr/sbin" "$layer.work" "$layer.merged"
		# nothing is started while the package is installed: there is no systemd in this chroot
		printf '#!/bin/sh\nexit 101\n' >"$layer.upper/usr/sbin/policy-rc.d"
		chmod 755 "$layer.upper/usr/sbin/policy-rc.d"
		cp "$deb" "$layer.upper/pvc-node.deb"
		# shellcheck disable=SC2016
		unshare --mount --propagation private sh -ec '
			mount -t overlay layer -o "lowerdir=$1,upperdir=$2.upper,workdir=$2.work" "$2.merged"
			mount -t proc proc "$2.merged/proc"
			DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 chroot "$2.merged" dpkg --force-unsafe-io -i /pvc-node.deb
		' sh "$lower" "$layer" >"$LAB_ROOT/layer/install.log" 2>&1 8>&- || {
			cat "$LAB_ROOT/layer/install.log" >&2
			die "the package could not be installed into the image"
		}
		rm "$layer.upper/usr/sbin/policy-rc.d" "$layer.upper/pvc-node.deb"
		rm -rf "$layer.work" "$layer.merged"
		_layer_prune
		mv "$layer.upper" "$layer"
	fi
	touch "$layer"
	exec 8>&-
	echo "$layer"
}

# Old layers go when there are more than eight; one that a lab uses is named in that lab's directory.
_layer_prune() {
	local layer
	find "$LAB_ROOT/layer" -mindepth 1 -maxdepth 1 -type d ! -name '*.*' -printf '%T@ %p\n' | sort -rn | sed -e 1,8d -e 's/^[^ ]* //' |
		while read -r layer; do
			grep -qsxF "$layer" "$LAB_ROOT"/run/*/layer || rm -rf --one-file-system "$layer"
		done
}

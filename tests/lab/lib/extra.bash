# SPDX-License-Identifier: GPL-3.0-or-later
# Layers of further Debian packages over the image, for the labs that name them: LAB_WITH="dns ceph" takes packages.d/dns and
# packages.d/ceph, the second built over the first. Each is built once.
# shellcheck shell=bash

# lower_dirs: the directories below our own package's layer, the uppermost first, joined by colons.
lower_dirs() {
	local name lower
	lower=$(image_dir)
	for name in ${LAB_WITH:-}; do lower=$(extra_dir "$name" "$lower"):$lower; done
	echo "$lower"
}
# extra_dir NAME LOWER: the layer that belongs to that list, to what is below it and to this recipe.
extra_dir() { echo "$LAB_ROOT/extra/$1-$(cat "$LAB_BIN/packages.d/$1" "$LAB_BIN/lib/extra.bash" <(echo "$2") | sha256sum | cut -c1-16)"; }

extras_build() {
	local name lower
	lower=$(image_dir)
	for name in ${LAB_WITH:-}; do
		[ -f "$LAB_BIN/packages.d/$name" ] || die "LAB_WITH: there is no $LAB_BIN/packages.d/$name"
		extra_build "$name" "$lower"
		lower=$(extra_dir "$name" "$lower"):$lower
	done
}

extra_build() { # NAME LOWER
	local name=$1 lower=$2 dir log words
	dir=$(extra_dir "$name" "$lower") log=$LAB_ROOT/extra/$name.log
	mkdir -p "$LAB_ROOT/extra"
	exec 8>"$LAB_ROOT/extra/lock"
	flock 8
	if [ ! -d "$dir" ]; then
		say "building the lab's layer of packages '$name' (once)"
		read -ra words < <(sed -e 's/#.*//' "$LAB_BIN/packages.d/$name" | paste -sd' ')
		rm -rf --one-file-system "$LAB_ROOT"/extra/*.{upper,work,merged} # of killed builds; the lock is ours
		mkdir -p "$dir.upper/usr/sbin" "$dir.upper/etc/apt" "$dir.work" "$dir.merged"
		# nothing is started here, and nothing enabled: pvc-coordinator or a test starts what it needs
		printf '#!/bin/sh\nexit 101\n' >"$dir.upper/usr/sbin/policy-rc.d"
		chmod 755 "$dir.upper/usr/sbin/policy-rc.d"
		cp -L /etc/resolv.conf "$dir.upper/etc/resolv.conf"
		# shellcheck disable=SC2016
		unshare --mount --propagation private sh -ec '
			lower=$1 dir=$2
			shift 2
			mount -t overlay extra -o "lowerdir=$lower,upperdir=$dir.upper,workdir=$dir.work" "$dir.merged"
			mount -t proc proc "$dir.merged/proc"
			mkdir -p "$dir.merged/etc/systemd/system-preset"
			echo "disable *" >"$dir.merged/etc/systemd/system-preset/00-lab.preset"
			export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
			chroot "$dir.merged" apt-get -q -o Acquire::Retries=3 -o Acquire::Languages=none update
			chroot "$dir.merged" apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 \
				--no-install-recommends install "$@"
			chroot "$dir.merged" apt-get -q clean
			rm -rf "$dir.merged"/var/lib/apt/lists/* "$dir.merged"/var/log/apt/*
		' sh "$lower" "$dir" "${words[@]}" >"$log" 2>&1 8>&- || {
			tail -n 25 "$log" >&2
			die "the packages of packages.d/$name could not be installed; everything it said: $log"
		}
		rm -f "$dir.upper/usr/sbin/policy-rc.d" "$dir.upper/etc/resolv.conf"
		rm -rf "$dir.work" "$dir.merged"
		mv "$dir.upper" "$dir"
	fi
	exec 8>&-
}

# SPDX-License-Identifier: GPL-3.0-or-later
# The tiny guest.
# shellcheck shell=bash

# The guest of this source tree: another tree's lab beside this one may have another.
guest_name() { cat "$LAB_BIN"/guest/* | sha256sum | cut -c1-16; }

# guest_build: Debian's cloud kernel and an initramfs of busybox and five drivers. See guest/init for what it does.
guest_build() {
	local out work tree kernel module
	out=$LAB_ROOT/guest/$(guest_name)
	mkdir -p "$LAB_ROOT/guest"
	exec 8>"$LAB_ROOT/guest/lock"
	flock 8
	if [ ! -s "$out/vmlinuz" ]; then
		_kernel_fetch
		kernel=$LAB_ROOT/guest/kernel
		work=$LAB_ROOT/guest/partial tree=$LAB_ROOT/guest/partial/tree
		rm -rf "$work"
		mkdir -p "$tree"/{bin,dev,proc,sys,lib,etc}
		cp "$(command -v busybox)" "$tree/bin/busybox"
		for module in $(module_files "$kernel" virtio_pci virtio_net virtio_blk button evdev); do
			cp "$module" "$tree/lib/"
			basename "$module" .ko >>"$tree/lib/order"
		done
		install -m 755 "$LAB_BIN/guest/init" "$tree/init"
		install -m 755 "$LAB_BIN/guest/dhcp" "$tree/bin/dhcp"
		(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1 >"$work/initrd.gz")
		cp "$kernel"/boot/vmlinuz-* "$work/vmlinuz"
		rm -rf "$tree" "$out"
		chmod -R a+rX "$work"
		mv "$work" "$out"
	fi
	ln -sfn "$(basename "$out")" "$GUEST" # relative: the nodes see it at /guest
	exec 8>&-
}

_kernel_fetch() {
	local real
	[ ! -d "$LAB_ROOT/guest/kernel" ] || return 0
	say "fetching the guest's kernel"
	real=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$real" ] || die "apt knows no linux-image-cloud-amd64: no kernel for the guests (run apt-get update; main must be in the sources)"
	rm -rf "$LAB_ROOT/guest/download"
	mkdir -p "$LAB_ROOT/guest/download"
	(cd "$LAB_ROOT/guest/download" && apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root download "$real") ||
		die "the guest's kernel, Debian package $real, could not be fetched"
	dpkg-deb -x "$LAB_ROOT"/guest/download/linux-image-*.deb "$LAB_ROOT/guest/download/tree"
	mv "$LAB_ROOT/guest/download/tree" "$LAB_ROOT/guest/kernel"
	rm -rf "$LAB_ROOT/guest/download"
}

# module_files KERNEL MODULE...: prints their files, each after those that it depends on, which its own .modinfo names: no depmod is needed.
module_files() { _module_files "$@" | awk '!seen[$0]++'; }
_module_files() {
	local kernel=$1 name file
	shift
	for name; do
		file=$(find "$kernel/lib/modules" -name "$name.ko" -o -name "${name//_/-}.ko" | head -n 1)
		[ -n "$file" ] || die "the guest's kernel has no module $name"
		# shellcheck disable=SC2046 # words
		_module_files "$kernel" $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr , ' ')
		echo "$file"
	done
}

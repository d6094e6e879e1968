#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# What holds for every program of the suite.

bats_require_minimum_version 1.5.0
load ../lib/common.bash

programs() { for d in "$TOP"/cmd/*/; do basename "$d"; done; }

@test "every program answers --help on standard output with its options and exits 0" {
	for p in $(programs); do
		run --separate-stderr "$p" --help
		[ "$status" -eq 0 ] && [ -z "$stderr" ] || { echo "$p: status $status, stderr: $stderr"; false; }
		for option in --config --debug --help --version; do
			[[ "$output" == *"$option"* ]] || { echo "$p --help does not name $option"; false; }
		done
		[[ "${lines[0]}" == "Usage: $p "* ]] || { echo "$p: ${lines[0]}"; false; }
	done
}

@test "every program tells the suite's version" {
	for p in $(programs); do
		run "$p" --version
		[ "$status" -eq 0 ] && [[ "$output" =~ ^$p\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "$p: $output"; false; }
	done
}

@test "a wrong option is a usage error of one line that names the program and the option" {
	for p in $(programs); do
		run --separate-stderr "$p" --no-such-option
		[ "$status" -eq 64 ] || { echo "$p: status $status"; false; }
		[ -z "$output" ] && [ "${#stderr_lines[@]}" -eq 1 ] || { echo "$p: $output / $stderr"; false; }
		[[ "$stderr" == "$p: "*"--no-such-option"*"--help"* ]] || { echo "$stderr"; false; }
	done
}

@test "a configuration file that does not exist is a configuration error that names it" {
	for p in $(programs); do
		case $p in pvcctl) set -- status ;; pvc-dhcp-lease) set -- --network 1 init ;; pvc-volume-locks) set -- a/b ;; pvc-seal) set -- pvchv9 ;; *) set -- ;; esac
		run "$p" --config /nonexistent/pvcd.yaml "$@"
		[ "$status" -eq 78 ] || { echo "$p: status $status: $output"; false; }
		[[ "$output" == *"/nonexistent/pvcd.yaml"* ]] || { echo "$p: $output"; false; }
	done
}

@test "every program has a manual page that documents its options and exit codes" {
	for p in $(programs); do
		page=$(ls "$TOP"/man/"$p".[18])
		for section in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS"; do
			grep -q "^\.Sh \"*$section" "$page" || { echo "$page has no $section"; false; }
		done
		for option in $("$p" --help | sed -n 's/^ \{2,6\}\(-., \)\{0,1\} *--\([a-z-]*\).*/\2/p'); do
			grep -q -- "Fl -$option" "$page" || { echo "$page does not document --$option"; false; }
		done
	done
}

@test "only pvc-watch-domains links libvirt, only the storage programs librados (D18, D19: the heartbeat cannot wait for them)" {
	for p in $(programs); do
		run ldd "$BUILD/bin/$p"
		[ "$status" -eq 0 ]
		case $p in
		pvc-watch-ceph | pvc-volume-locks | pvc-seal) [[ "$output" == *librados* ]] ;;
		*) [[ "$output" != *librados* ]] || { echo "$p links librados"; false; } ;;
		esac
		if [ "$p" = pvc-watch-domains ]; then
			[[ "$output" == *libvirt.so* ]]
		else
			[[ "$output" != *libvirt* ]] || { echo "$p links libvirt"; false; }
		fi
	done
}

@test "programs are position independent, with full RELRO and no executable stack" {
	for p in $(programs); do
		run readelf -hlWd "$BUILD/bin/$p"
		[ "$status" -eq 0 ]
		[[ "$output" == *"DYN (Position-Independent"* ]] || { echo "$p is not PIE"; false; }
		[[ "$output" == *BIND_NOW* ]] || { echo "$p binds lazily"; false; }
		[[ "$output" == *GNU_RELRO* ]] || { echo "$p has no RELRO"; false; }
		! grep -q 'GNU_STACK.*RWE' <<<"$output" || { echo "$p has an executable stack"; false; }
	done
}

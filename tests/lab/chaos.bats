#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# A short run of what `make chaos` does for long: always the same two faults. And the proof that its oracle would see it.

load lab.bash

setup_file() {
	export NODES="pvchv1 pvchv2 pvchv3"
	lab_begin
}
teardown_file() { lab_end; }

@test "a node whose BMC says yes and does nothing, and one that freezes: every VM runs exactly once (tests/lab/chaos fence)" {
	run "$TOP/tests/lab/chaos" fence 2 6992 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"2 faults in "*": never two; "* ]]
}

@test "the oracle: a VM that is started a second time by hand, on another node, is seen, and the run fails" {
	run "$TOP/tests/lab/chaos" fence --break two 0 3>&-
	echo "$output" | tail -n 5
	[ "$status" -eq 1 ]
	[[ ${lines[-1]} == "FAILED (seed "*"): chaos-pvchv1 started on pvchv"*" while process "*" was there"* ]]
}

@test "the oracle: what a guest writes after its successor has begun, what is lost, and what nobody wrote is told from a volume's records" {
	"$PYTHON" -B - <<-E
		import sys
		sys.path.insert(0, "$TOP/tests/lab")
		from chaos_volume import changed, late, lost, parse
		def volume(*lines):
		    return b"".join(line.encode().ljust(512, b"\0") for line in lines)
		one = parse(volume("0 44 aa none\n"))
		good = parse(volume("0 44 aa none\n", "1 11 bb 44\n", "2 1 cc 11\n") + bytes(512))
		assert good == [(0, 44, "aa", None), (1, 11, "bb", 44), (2, 1, "cc", 11)], good
		assert late("vm", good) == [] and changed("vm", one, good) == [] and changed("vm", [], one) == []
		assert lost("vm", good, {"aa": 44, "bb": 10, "cc": 1}) == []
		# its node was fenced, and what it wrote was taken nevertheless
		after = late("vm", parse(volume("0 45 aa none\n", "1 11 bb 44\n")))
		assert after == ["vm: its guest of boot aa wrote up to 45, though the guest of boot bb, started elsewhere, had begun after 44"], after
		assert len(late("vm", parse(volume("0 45 aa none\n", "1 11 bb none\n")))) == 1
		# what was there is gone
		assert len(late("vm", parse(volume("0 43 aa none\n", "1 11 bb 44\n")))) == 1
		assert len(changed("vm", good, one)) == 1 and len(changed("vm", one, parse(volume("0 43 aa none\n")))) == 1
		assert len(lost("vm", good, {"bb": 12})) == 1 and len(lost("vm", good, {"dd": 1})) == 1
		# two that found the same end
		assert "both wrote as generation 0" in changed("vm", one, parse(volume("0 45 bb none\n")))[0]
		for bad in "0 44 aa", "1 44 aa none", "0 x aa none":
		    try:
		        parse(volume(bad))
		        assert False, bad
		    except ValueError:
		        pass
	E
}

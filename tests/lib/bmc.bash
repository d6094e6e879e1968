# SPDX-License-Identifier: GPL-3.0-or-later
# BMCs for tests: ipmi_sim of Debian's openipmi, each at a loopback address of its own. Load common.bash first.
# shellcheck shell=bash

BMC_USER=ipmiadmin BMC_PASSWORD=bmc-secret

# bmc_start NAME [MODE]: a BMC with its power on; its address is in $BMC (127.x.y.z, from this process and the name's place).
# MODE, which bmc_mode changes at any time: works; lie: what it is told to do is accepted and not done; refuse: told to do something it fails,
# and tells the truth; hang: every answer takes longer than anybody waits.
bmc_start() {
	local name=$1 dir=$T/bmc-$1 count
	count=$(find "$T" -maxdepth 1 -name 'bmc-*' | wc -l)
	BMC=127.$((1 + $$ / 65536 % 250)).$(($$ / 256 % 256)).$(($$ % 256)) BMC=${BMC%.*}.$(((${BMC##*.} + count) % 254 + 1))
	export BMC
	mkdir -p "$dir/state"
	echo "${2:-works}" >"$dir/mode"
	echo 1 >"$dir/power"
	: >"$dir/calls"
	cat >"$dir/lan.conf" <<-E
		name "$name"
		set_working_mc 0x20
		startlan 1
		  addr $BMC 623
		  priv_limit admin
		  allowed_auths_callback none md2 md5 straight
		  allowed_auths_user none md2 md5 straight
		  allowed_auths_operator none md2 md5 straight
		  allowed_auths_admin none md2 md5 straight
		  guid a123456789abcdefa123456789abcde1
		endlan
		chassis_control "$TOP/tests/lib/chassis $dir"
		user 1 true "" "" user 10 none md2 md5 straight
		user 2 true "$BMC_USER" "$BMC_PASSWORD" admin 10 none md2 md5 straight
	E
	printf '%s\n' 'mc_setbmc 0x20' 'mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr' 'sel_enable 0x20 1000 0x0a' \
		'mc_enable 0x20' >"$dir/sim.emu"
	ipmi_sim -n -c "$dir/lan.conf" -f "$dir/sim.emu" -s "$dir/state" </dev/null >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/pid"
	remember $!
	wait_until 60 bmc_answers "$BMC"
}
bmc_answers() { IPMITOOL_PASSWORD=$BMC_PASSWORD timeout 5 ipmitool -I lanplus -C 3 -H "$1" -U "$BMC_USER" -E chassis power status; }
# (what another process reads at any time is put into its place whole)
_bmc_put() { echo "$3" >"$T/bmc-$1/$2.new" && mv "$T/bmc-$1/$2.new" "$T/bmc-$1/$2"; }
bmc_mode() { _bmc_put "$1" mode "$2"; }
bmc_power() { cat "$T/bmc-$1/power"; } # 0 or 1
bmc_set_power() { _bmc_put "$1" power "$2"; }
# bmc_calls NAME: what it was told to do since the last bmc_forget, one a line, as in "set power 0".
bmc_calls() { grep '^set ' "$T/bmc-$1/calls" || :; }
bmc_forget() { : >"$T/bmc-$1/calls"; }
bmc_freeze() { kill -STOP "$(cat "$T/bmc-$1/pid")"; } # nothing answers, as from a machine without power
bmc_thaw() { kill -CONT "$(cat "$T/bmc-$1/pid")"; }

# SPDX-License-Identifier: GPL-3.0-or-later
# A BMC for each node: ipmi_sim of Debian's openipmi in the lab's own network. It has power of its own: it answers while its node is off.
# shellcheck shell=bash

BMC_USER=ipmiadmin BMC_PASSWORD=ipmipass # as pvcd.yaml of the nodes has them
bmc_address() { echo "${NET_PREFIX[upstream]}.$((200 + $(node_id "$1")))"; } # NODE-lom in the nodes' /etc/hosts
_bmc_dir() { echo "$LAB_RUN/$1/bmc"; }
_bmc_lives() { [ "$(cat "/proc/$(cat "$(_bmc_dir "$1")/pid" 2>/dev/null)/comm" 2>/dev/null)" = ipmi_sim ]; }
_bmc_answers() {
	IPMITOOL_PASSWORD=$BMC_PASSWORD timeout 5 nsenter --net="/run/netns/$LAB_NS" ipmitool -I lanplus -C 3 -H "$(bmc_address "$1")" \
		-U "$BMC_USER" -E chassis power status
}

# bmc NODE...: returns when they answer.
bmc_start() {
	local node dir address
	for node; do
		! _bmc_lives "$node" || continue
		dir=$(_bmc_dir "$node") address=$(bmc_address "$node")
		rm -rf "$dir"
		mkdir -p "$dir/state" # users persist there
		echo works >"$dir/mode"
		: >"$dir/calls"
		ip -n "$LAB_NS" address replace "$address/24" dev br-upstream
		cat >"$dir/lan.conf" <<-E
			name "$node"
			set_working_mc 0x20
			startlan 1
			  addr $address 623
			  priv_limit admin
			  allowed_auths_callback none md2 md5 straight
			  allowed_auths_user none md2 md5 straight
			  allowed_auths_operator none md2 md5 straight
			  allowed_auths_admin none md2 md5 straight
			  guid $(printf '%s' "$node" | md5sum | cut -c1-32)
			endlan
			chassis_control "env LAB_NAME=$LAB_NAME LAB_ROOT=$LAB_ROOT LAB_QUIET=1 $LAB_BIN/lab _chassis $node"
			user 1 true "" "" user 10 none md2 md5 straight
			user 2 true "$BMC_USER" "$BMC_PASSWORD" admin 10 none md2 md5 straight
		E
		printf '%s\n' 'mc_setbmc 0x20' 'mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr' 'sel_enable 0x20 1000 0x0a' \
			'mc_enable 0x20' >"$dir/sim.emu"
		# shellcheck disable=SC2016
		setsid -f bash -c 'echo $$ >"$1/pid"; shift; exec "$@"' bash "$dir" nsenter --net="/run/netns/$LAB_NS" \
			ipmi_sim -n -c "$dir/lan.conf" -f "$dir/sim.emu" -s "$dir/state" </dev/null >"$dir/log" 2>&1 8>&- 3>&-
	done
	for node; do
		until_true 60 _bmc_answers "$node" || {
			cat "$(_bmc_dir "$node")/log" >&2
			die "the BMC of $node does not answer"
		}
	done
}
# bmc_stop NODE...: its address is gone with it, as when it lost its power too.
bmc_stop() {
	local node
	for node; do
		! _bmc_lives "$node" || kill -KILL -- "-$(cat "$(_bmc_dir "$node")/pid")" 2>/dev/null || : # with what it runs
		ip -n "$LAB_NS" address del "$(bmc_address "$node")/24" dev br-upstream 2>/dev/null || :
		until_true 30 eval "! _bmc_lives $node" || die "the BMC of $node does not end"
	done
}
bmc_mode() { # NODE MODE
	case $2 in works | fail | lie | pretend | hang) ;; *) die "bmc_mode: works, fail, lie, pretend or hang, not '$2'" ;; esac
	echo 1 >"$(_bmc_dir "$1")/pretended"
	echo "$2" >"$(_bmc_dir "$1")/mode.new"
	mv "$(_bmc_dir "$1")/mode.new" "$(_bmc_dir "$1")/mode" # never empty: it is read at any moment
}
bmc_calls() { grep ' set ' "$(_bmc_dir "$1")/calls" || :; }

# What ipmi_sim calls; it waits for the end, and asks again when that takes long: so a start is not waited for.
bmc_chassis() { # NODE get|set WHAT [VALUE]
	local node=$1 dir mode
	dir=$(_bmc_dir "$node")
	shift
	echo "$EPOCHREALTIME $*" >>"$dir/calls"
	read -r mode <"$dir/mode"
	while [ "$mode" = hang ]; do
		pause 0.2
		read -r mode <"$dir/mode" || exit 1
	done
	case "$mode $*" in
	"pretend get power") echo "power:$(cat "$dir/pretended")" ;;
	"pretend set power "*) echo "$3" >"$dir/pretended" ;;
	*" get power") if node_has_power "$node"; then echo power:1; else echo power:0; fi ;;
	*" get boot") echo boot:default ;;
	fail*) exit 1 ;;
	lie* | pretend*) ;;
	*" set power 1") node_has_power "$node" || _bmc_boots "$node" ;;
	*" set power 0") node_kill "$node" ;;
	*" set reset 1")
		node_kill "$node"
		_bmc_boots "$node"
		;;
	*" set shutdown 1") kill -s RTMIN+4 "$(node_leader "$node")" 2>/dev/null || : ;;
	esac
}
_bmc_boots() {
	node_hold "$1"
	node_power_on "$1"
	setsid -f "$LAB_BIN/lab" _boot "$1" </dev/null >/dev/null 2>&1
}

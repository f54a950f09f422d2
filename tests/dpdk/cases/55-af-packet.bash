# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Two Linux stacks, each behind a veth of which the other end is an uplink by net_af_packet.
# What they leave to their devices (checksums, segmentation) arrives unfinished.

# start_space: a network namespace that lasts as long as its process, $space
start_space()
{
	local end=$((SECONDS + hang))

	unshare -n sleep infinity &
	space=$!
	pids+=("$space")
	until [ "$(readlink "/proc/$space/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(<"/proc/$space/comm")" = sleep ]; do
		kill -0 "$space" 2>/dev/null && [ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
} 2>>"$dir/why"

# join SPACE NUMBER: a stack with 10.0.0.NUMBER and fd00::NUMBER; 10.0.5.NUMBER with tag 5,
# if the kernel has tags
join()
{
	local inside=(nsenter -t "$1" -n)

	nsenter -t "$back" -n ip link add "up$2" type veth peer name eth0 netns "$1" &&
		nsenter -t "$back" -n ip link set "up$2" up &&
		"${inside[@]}" ip addr add "10.0.0.$2/24" dev eth0 &&
		"${inside[@]}" ip addr add "fd00::$2/64" dev eth0 nodad &&
		"${inside[@]}" ip link set eth0 up &&
		ask uplink add "net_af_packet$2,iface=up$2" >/dev/null || return 1
	[ -z "$tags" ] || {
		"${inside[@]}" ip link add link eth0 name tagged type vlan id 5 &&
			"${inside[@]}" ip addr add "10.0.5.$2/24" dev tagged &&
			"${inside[@]}" ip link set tagged up
	}
} 2>>"$dir/why"

# two_stacks: in the namespaces $left and $right, of which the latter answers; $back between
two_stacks()
{
	local backend="tests/dpdk/in-namespace $backend" end=$((SECONDS + hang)) space

	start_controlled --memory 256 --forward switch || return 1
	back=$last
	start_space && left=$space && start_space && right=$space || return 1
	join "$left" 1 && join "$right" 2 || return 1
	nsenter -t "$right" -n tests/dpdk/stacks.py answer >"$dir/answer.log" 2>&1 &
	pids+=($!)
	until grep -qs ready "$dir/answer.log"; do
		kill -0 "${pids[-1]}" 2>/dev/null && [ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# asks PROTOCOL ADDRESS BYTES…: the left stack, of the right one
asks()
{
	nsenter -t "$left" -n tests/dpdk/stacks.py "$@" 2>>"$dir/why"
}

stack_checksums()
{
	local back left right address tags='' status=0

	unshare -n ip link add link lo name tagged type vlan id 5 2>/dev/null && tags=10.0.5.2
	two_stacks || return 1
	for address in 10.0.0.2 fd00::2 $tags; do
		# An odd length, one that the driver fills up, and a full link.
		asks udp "$address" 1 333 1400 && asks tcp "$address" 1 333 1400 || return 1
	done
	# In fragments, which have their checksum. (IPv4's the driver puts together.)
	asks udp fd00::2 5000 || return 1
	asked '[.ports[].csum_finished] | all(. >= 12)' || status=1
	asked '[.ports[].rx_invalid] | all(. == 0)' || status=1
	stop_backend "$back" || status=1
	! grep 'cut off' "$dir/backend.log" >>"$dir/why" || status=1
	return $status
}

# What is cut off is dropped and said, and the remedy that is said does help.
stack_segments()
{
	local back left right client tags='' status=0 space

	two_stacks || return 1
	nsenter -t "$left" -n ethtool -K eth0 tso on gso on >/dev/null 2>&1
	asks tcp 10.0.0.2 1000000 &
	client=$!
	pids+=("$client")
	comes '.ports[0].rx_invalid > 0' || return 1
	for space in "$left" "$right"; do
		nsenter -t "$space" -n ethtool -K eth0 tx off >/dev/null 2>>"$dir/why" || return 1
	done
	# What was lost is sent again, by now in segments of the link's length.
	wait "$client" || status=1
	ask status --json >"$dir/before.json" || status=1
	asks tcp 10.0.0.2 1000000 || status=1
	asked "[.ports[].rx_invalid] == $(jq -c '[.ports[].rx_invalid]' "$dir/before.json")" ||
		status=1
	stop_backend "$back" || status=1
	[ "$(grep -c 'net_af_packet1,iface=up1: .*cut off.*ethtool' "$dir/backend.log")" = 1 ] &&
		return $status
	printf 'not one line about the cause\n' >>"$dir/why"
	return 1
}

if unshare -n ip link add va type veth peer name vb 2>/dev/null && command -v python3 >/dev/null &&
	command -v ethtool >/dev/null; then
	run_case 'af_packet, checksums that a Linux stack leaves to its device' stack_checksums
	run_case 'af_packet, segments longer than the link' stack_segments
else
	no_case 'af_packet, checksums that a Linux stack leaves to its device' 'no namespaces, veth, ethtool or python3'
	no_case 'af_packet, segments longer than the link' 'no namespaces, veth, ethtool or python3'
fi

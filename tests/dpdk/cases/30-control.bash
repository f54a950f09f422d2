# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Operation: the control socket, ports and lcores that change under traffic,
# configuration files, modes that sleep.

status_tells()
{
	local back table

	start_controlled --port "$dir/s0" || return 1
	back=$last
	[ "$(stat -c %a "$dir/c")" = 600 ] || return 1
	start_stream "$dir/stream.log" "path=$dir/s0,queues=2" --queues 2 || return 1
	comes '[.ports[0].queues[].rx_frames] | length == 2 and all(.[]; . > 0)' || return 1
	asked '.ok and .forward == "reflect" and (.lcores | length) == 1 and .lcores[0].rounds > 0' ||
		return 1
	asked '.ports[0] | .number == 0 and .up and .connected and (.queues | length) == 2' || return 1
	# The sum of the queues is the port's, with what came meanwhile.
	asked '.ports[0] | .rx_frames > 0 and
		([.queues[].rx_frames] | add) >= .rx_frames and .queues[1].rx_frames > 0' || return 1
	table=$(ask status) || return 1
	grep -q "^ *0 $dir/s0  *up  *2" <<<"$table" || return 1
	kill -KILL "$stream"
	wait "$stream" 2>/dev/null
	stop_backend "$back" || return 1
	[ ! -e "$dir/c" ]
}

# rates: net_null has frames without end
rates()
{
	local back answer i

	start_controlled --uplink net_null0 --memory 256 --forward sink || return 1
	back=$last
	comes '.ports[0] | .rates.rx_frames > 1000 and .queues[0].rates.rx_bytes > 60000 and
		.rates.tx_frames == 0' || return 1
	comes '.lcores[0].load > 0' || return 1
	if command -v dpdk-telemetry.py >/dev/null; then
		for ((i = 0; i < 10; i++)); do
			answer=$(echo "/viola/queue,0,0" |
				timeout 5 dpdk-telemetry.py -f viola -i $i 2>/dev/null |
				grep "^{" | tail -n 1)
			jq -e '."/viola/queue" | .rx_frames_per_second > 1000 and .cpu != null' \
				<<<"$answer" >/dev/null 2>&1 && break
		done
		[ $i -lt 10 ] || return 1
	fi
	stop_backend "$back"
}

client_sentences()
{
	local back status=0 words

	# said WORDS ARG…: status 2, a sentence with WORDS
	said()
	{
		local words=$1 code=0 out

		shift
		out=$(timeout $hang $backend "$@" 2>&1 >/dev/null) || code=$?
		[ $code -eq 2 ] && grep -q -- "viola-dpdk: .*$words" <<<"$out" &&
			[ "$(grep -c viola-dpdk: <<<"$out")" = 1 ] &&
			return 0
		printf '%s: status %d, said: %s\n' "$*" $code "$out" >>"$dir/why"
		return 1
	}
	said 'nobody listens there' status --control "$dir/c" || status=1
	said 'no such command' bounce || status=1
	said 'this command is: port remove PORT' port remove --control "$dir/c" || status=1
	said 'needs a path' status --control || status=1
	said 'have the options' status --quick || status=1
	said 'XDG_RUNTIME_DIR\|nobody listens' status || status=1
	start_controlled --port "$dir/s0" || return 1
	back=$last
	said 'another program listens' --no-huge --control "$dir/c" --port "$dir/s1" || status=1
	said 'is port 0 already' port add "$dir/s0" --control "$dir/c" || status=1
	said 'unknown "sideways"' port add "$dir/s1,sideways" --control "$dir/c" || status=1
	said 'directory must exist' port add "$dir/none/s1" --control "$dir/c" || status=1
	said 'no such device' uplink add net_nonsense0 --control "$dir/c" || status=1
	said 'no port 5' port remove 5 --control "$dir/c" || status=1
	said 'to itself' port patch 0 0 --control "$dir/c" || status=1
	said 'no thread polls on CPU 999' lcore move 0 0 999 --control "$dir/c" || status=1
	said 'are numbers' lcore move 0 first 1 --control "$dir/c" || status=1
	said '"mode" is one of' forward bounce --control "$dir/c" || status=1
	asked '[.ports[].number] == [0]' || status=1
	stop_backend "$back" || status=1
	return $status
}

later_mtu()
{
	local back status=0

	start_controlled --port "$dir/s0" --mtu 1500 || return 1
	back=$last
	ask port add "$dir/s1" >/dev/null && ask port add "$dir/s2,mtu=9000" >/dev/null || return 1
	[ "$(tests/dpdk/announce.py "$dir/s1" 1500 2>>"$dir/why")" = accepted ] || status=1
	[ "$(tests/dpdk/announce.py "$dir/s1" 1501 2>>"$dir/why")" = refused ] || status=1
	[ "$(tests/dpdk/announce.py "$dir/s2" 9000 2>>"$dir/why")" = accepted ] || status=1
	stop_backend "$back" || status=1
	return $status
}

# As many ports as there may be; the first and the last carry verified traffic.
ports_most()
{
	local back i most=256 ports=() status=0

	for ((i = 0; i < most; i++)); do
		ports+=(--port "$dir/s$i")
	done
	refused "s$most is one port too many: $most is the most" "${ports[@]}" \
		--port "$dir/s$most" || status=1
	start_controlled "${ports[@]}" --forward "patch=0:$((most - 1))" || return 1
	back=$last
	asked "[.ports[].number] == [range($most)]" || status=1
	run_frontend --expect patch --frames 10000 "path=$dir/s0" "path=$dir/s$((most - 1))" ||
		status=1
	asked ".ports[0].rx_frames > 0 and .ports[$((most - 1))].rx_frames > 0" || status=1
	! ask port add "$dir/s$most" 2>"$dir/said" && grep -q 'one port too many' "$dir/said" ||
		status=1
	ask port remove 7 && [ "$(ask port add "$dir/s$most")" = 'port 7' ] || status=1
	stop_backend "$back" || status=1
	return $status
}

# Port 0 carries verified traffic while another comes and goes, with a front end now and then.
ports_churn()
{
	local back other i status=0

	start_controlled --port "$dir/s0" || return 1
	back=$last
	start_stream "$dir/stream.log" "path=$dir/s0" || return 1
	other=$stream
	for ((i = 0; i < 25; i++)); do
		[ "$(ask port add "$dir/s1")" = 'port 1' ] || return 1
		if ((i % 5 == 0)); then
			run_frontend --frames 2000 "path=$dir/s1" || return 1
			start_stream "$dir/victim.log" "path=$dir/s1" || return 1
		fi
		ask port remove "$dir/s1" || return 1
		[ ! -e "$dir/s1" ] || return 1
		if ((i % 5 == 0)); then
			kill -KILL "$stream"
			wait "$stream" 2>/dev/null
		fi
	done
	# A number is free only after removal, and what is left keeps its own.
	[ "$(ask port add "$dir/s1")" = 'port 1' ] || status=1
	[ "$(ask port add "$dir/s2")" = 'port 2' ] || status=1
	ask port remove 1 || status=1
	asked '[.ports[].number] == [0, 2]' || status=1
	[ "$(ask port add "$dir/s3")" = 'port 1' ] || status=1
	asked '[.ports[] | [.number, .rx_frames > 0]] == [[0, true], [1, false], [2, false]]' ||
		status=1
	stop_stream "$other" "$dir/stream.log" || status=1
	stop_backend "$back" || status=1
	return $status
}

# The other end of a patch vanishes under traffic, and another takes its place.
patch_churn()
{
	local back i

	start_controlled --port "$dir/s0" --port "$dir/s1" --forward patch || return 1
	back=$last
	start_stream "$dir/stream.log" --expect patch --loss "path=$dir/s0" "path=$dir/s1" || return 1
	ask port remove 1 || return 1
	asked '.ports[0].peer == null' || return 1
	for ((i = 0; i < 10; i++)); do
		ask port add "$dir/s2" >/dev/null && ask port patch 0 "$dir/s2" &&
			ask port remove 1 || return 1
	done
	kill -KILL "$stream"
	wait "$stream" 2>/dev/null
	ask port add "$dir/s1" >/dev/null && ask port patch 0 1 || return 1
	asked '[.ports[].peer] == [1, 0]' || return 1
	run_frontend --expect patch --frames 10000 "path=$dir/s0" "path=$dir/s1" || return 1
	stop_backend "$back"
}

uplinks_churn()
{
	local back other i

	start_controlled --port "$dir/s0" --memory 256 || return 1
	back=$last
	start_stream "$dir/stream.log" "path=$dir/s0" || return 1
	other=$stream
	for ((i = 0; i < 10; i++)); do
		[ "$(ask uplink add net_null0)" = 'port 1' ] || return 1
		asked '.ports[1].kind == "ethdev" and .ports[1].up' || return 1
		# The same device, whatever its arguments, is not taken apart for another port.
		! ask uplink add net_null0,size=100 >"$dir/again" 2>&1 &&
			grep -q 'is port 1 already' "$dir/again" &&
			asked '(.ports | length) == 2 and .ports[1].up' || return 1
		ask port remove net_null0 || return 1
	done
	stop_stream "$other" "$dir/stream.log" || return 1
	stop_backend "$back"
}

# Queues go from one lcore to the other and back, and no frame notices.
queues_move()
{
	local back other i

	backend_cpus=${cpus[0]},${cpus[1]} start_controlled --port "$dir/s0" "$@" || return 1
	back=$last
	start_stream "$dir/stream.log" --queues 2 --window 32 "path=$dir/s0,queues=2" || return 1
	other=$stream
	for ((i = 0; i < 40; i++)); do
		ask lcore move 0 $((i % 2)) "${cpus[i / 2 % 2]}" || return 1
	done
	asked "[.ports[0].queues[].cpu] == [${cpus[1]}, ${cpus[1]}]" || return 1
	stop_stream "$other" "$dir/stream.log" || return 1
	# Where a user put it, it stays for the next front end.
	run_frontend --frames 2000 --queues 2 "path=$dir/s0,queues=2" || return 1
	asked "[.ports[0].queues[].cpu] == [${cpus[1]}, ${cpus[1]}]" || return 1
	stop_backend "$back"
}

forward_changes()
{
	local back

	start_controlled --port "$dir/s0" --port "$dir/s1" --forward sink || return 1
	back=$last
	ask forward reflect || return 1
	run_frontend --frames 5000 "path=$dir/s0" || return 1
	ask forward patch && ask port patch 0 1 || return 1
	run_frontend --expect patch --frames 5000 "path=$dir/s0" "path=$dir/s1" || return 1
	stop_backend "$back"
}

hostile_clients()
{
	local back other status=0

	start_controlled --port "$dir/s0" || return 1
	back=$last
	start_stream "$dir/stream.log" "path=$dir/s0" || return 1
	other=$stream
	timeout $hang python3 tests/dpdk/hostile-client.py "$dir/c" >"$dir/hostile.log" 2>&1 || {
		tail -n 1 "$dir/hostile.log" >>"$dir/why"
		status=1
	}
	asked '[.ports[].number] == [0]' || status=1
	stop_stream "$other" "$dir/stream.log" || status=1
	stop_backend "$back" || status=1
	return $status
}

configured()
{
	local back

	cat >"$dir/config" <<-END
	{ "ports": [ { "path": "$dir/s0" },
		{ "path": "$dir/s1", "isolated": true },
		{ "device": "net_null0" } ],
	  "forward": "patch=0:1", "memory": 256, "mode": "interrupt", "no-mergeable": true,
	  "no-in-order": false, "control": "$dir/c", "eal": [ "--no-telemetry" ] }
	END
	start_backend --config "$dir/config"
	back=$last
	comes '.mode == "interrupt" and [.ports[].peer] == [1, 0, null] and
		[.ports[].isolated] == [false, true, false] and .ports[2].kind == "ethdev"' || return 1
	run_frontend --expect patch --frames 5000 "path=$dir/s0" "path=$dir/s1" || return 1
	stop_backend "$back"
}

misconfigured()
{
	local status=0

	# file WORDS TEXT: refused, with the file's name and WORDS
	file()
	{
		printf '%s\n' "$2" >"$dir/config"
		refused "$dir/config: .*$1" --config "$dir/config" || status=1
	}
	refused "none: cannot be read" --config "$dir/none" || status=1
	file 'line 2: ' '{ "cores": '
	file 'duplicate' '{ "quiet": true, "quiet": true }'
	file 'one object' '[]'
	file '"colour": there is no such key' '{ "colour": "red" }'
	file '"port": there is no such key' '{ "port": "/x" }'
	file '"ageing": make it a number' '{ "ageing": "300" }'
	file '"ageing": give a number from 1' '{ "ageing": 0 }'
	file '"quiet": make it true or false' '{ "quiet": 1 }'
	file '"cores": make it a string' '{ "cores": 1 }'
	file '"mode": unknown; there are poll' '{ "mode": "sleep" }'
	file '"eal": make it a list' '{ "eal": "--help" }'
	file '"ports": make it a list' '{ "ports": {} }'
	file '"ports": a port needs' '{ "ports": [ {} ] }'
	file '"ports": a port.s "speed" is unknown' '{ "ports": [ { "path": "/x", "speed": 1 } ] }'
	file '"ports": /x is given twice' '{ "ports": [ { "path": "/x" }, { "path": "/x" } ] }'
	file '"ports": net_null0: a device is no client' \
		'{ "ports": [ { "device": "net_null0", "client": true } ] }'
	return $status
}

# holds_over SECONDS FILTER: jq's FILTER is true of two statuses that far apart, in which
# rounds is how often the only lcore has looked for work
holds_over()
{
	ask status --json >"$dir/before.json" && sleep "$1" && ask status --json >"$dir/after.json" &&
		jq -es "def rounds: .lcores | select(length == 1) | .[0].rounds | numbers; $2" \
			"$dir/before.json" "$dir/after.json" >/dev/null
}

# idle FILTER: that is so while nothing happens. A thread that has not come to that yet has
# ten looks to do so, and then it stays.
idle()
{
	local look

	for ((look = 0; look < 10; look++)); do
		holds_over 0.2 "$1" && break
	done
	holds_over 1.2 "$1" && return 0
	printf 'not so: %s\n' "$1" >>"$dir/why"
	return 1
}

# In mode $1 it sleeps while nothing comes, and no frame waits for ever.
sleeps()
{
	local mode=$1 back i

	shift
	start_controlled --port "$dir/s0" --port "$dir/s1" --mode "$mode" "$@" || return 1
	back=$last
	idle '(.[0] | rounds) == (.[1] | rounds)' || return 1
	run_frontend --frames 5000 --window "$window" "path=$dir/s0$ring" || return 1
	# A front end that is there, and silent: nothing is polled.
	start_stream "$dir/stream.log" "path=$dir/s0$ring" || return 1
	for ((i = 0; i < 2; i++)); do
		kill -STOP "$stream"
		sleep 0.3
		idle '(.[0] | rounds) == (.[1] | rounds) and
			.[1].ports[0].up' || return 1
		kill -CONT "$stream"
		sleep 0.1
	done
	asked '.lcores[0].sleeps > 3' || return 1
	stop_stream "$stream" "$dir/stream.log" || return 1
	stop_backend "$back"
}

# A tap whose frames wake the lcore; in a network namespace, where nothing else sends.
tap_wakes()
{
	local backend="tests/dpdk/in-namespace $backend" back i
	local inside

	start_controlled --uplink net_tap0,iface=vt0 --memory 256 --mode interrupt || return 1
	back=$last
	inside=(nsenter -t "$back" -n)
	"${inside[@]}" ip link set vt0 up && "${inside[@]}" ip addr add 10.0.0.1/24 dev vt0 || return 1
	idle '(.[0] | rounds) == (.[1] | rounds)' || return 1
	ask status --json >"$dir/before.json" || return 1
	# Asks for an address that nobody has, and is asked the same by itself.
	"${inside[@]}" ping -c 1 -W 1 10.0.0.2 >/dev/null
	comes ".ports[0] | .rx_frames > $(jq '.ports[0].rx_frames' "$dir/before.json") and
		.rx_frames == .tx_frames" || return 1
	ask port remove 0 || return 1
	# Gone with its files, which a thread that sleeps had open, once that has looked up.
	for ((i = 0; i < 100; i++)); do
		"${inside[@]}" ip link show vt0 >/dev/null 2>&1 || break
		sleep 0.05
	done
	[ $i -lt 100 ] || return 1
	stop_backend "$back"
}

polls()
{
	local back

	start_controlled --port "$dir/s0" --mode poll || return 1
	back=$last
	idle '(.[0] | rounds) < (.[1] | rounds) and .[1].lcores[0].sleeps == 0' || return 1
	stop_backend "$back"
}

run_case 'control: status, as table and as JSON' status_tells
run_case 'control: rates and load' rates
run_case 'control: sentences of commands' client_sentences
run_case 'control: --mtu is that of ports added later, too' later_mtu
run_case 'control: as many ports as there may be' ports_most
run_case 'control: ports come and go beside traffic' ports_churn
run_case 'control: the end of a patch vanishes' patch_churn
run_case 'control: uplinks come and go' uplinks_churn
if [ "${cpus[0]}" != "${cpus[1]}" ]; then
	run_case 'control: queues move between lcores under traffic' queues_move
	run_case 'control: queues move between lcores that sleep' queues_move --mode interrupt
else
	no_case 'control: queues move between lcores' 'there is one CPU only'
fi
run_case 'control: another mode of forwarding' forward_changes
if command -v python3 >/dev/null; then
	run_case 'control: hostile clients' hostile_clients
else
	no_case 'control: hostile clients' 'python3 is not installed'
fi
run_case 'configuration file' configured
run_case 'configuration file: what is wrong in it' misconfigured
run_case 'mode poll never sleeps' polls
if [ -c /dev/net/tun ] && unshare -n true 2>/dev/null && command -v ping >/dev/null; then
	run_case 'mode interrupt, a tap wakes it' tap_wakes
else
	no_case 'mode interrupt, a tap wakes it' 'no namespaces, tun device or ping'
fi
window=64 ring='' run_case 'mode interrupt sleeps when idle' sleeps interrupt
window=1 ring='' run_case 'mode interrupt, a frame at a time' sleeps interrupt
window=1 ring=,packed_vq=1 run_case 'mode interrupt, packed ring, a frame at a time' sleeps interrupt --packed
window=1 ring='' run_case 'mode adaptive, a frame at a time' sleeps adaptive

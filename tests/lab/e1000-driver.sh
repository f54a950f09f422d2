#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stock e1000 driver on the emulated 82540EM: a guest of each kernel in the
# lab goes through the driver's own self-test and moves files both ways over a
# tap, with all offloads on.
#
#	tests/lab/e1000-driver.sh [KERNEL]	only 6.1 or 6.12
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd -P)
self=$top/tests/lab/e1000-driver.sh
bytes=2000000

# The guest's /init. What it says in lines that start with "say" is judged.
guest_init()
{
	cat <<'INIT'
#!/bin/sh
export PATH=/bin:/sbin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
exec < /dev/console > /dev/console 2>&1
/bin/busybox --install -s /bin
while read -r m; do insmod "/modules/$m.ko"; done < /modules/order
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
for i in 0 1 2 3 4 5 6 7 8 9; do
	grep -q 1 /sys/class/net/eth0/carrier && break
	sleep 1
done
echo "say driver $(basename "$(readlink /sys/class/net/eth0/device/driver)")"
echo "say link $(cat /sys/class/net/eth0/speed) $(cat /sys/class/net/eth0/duplex)"
# Its loopback test fails by itself if its thread is off the CPU for two ticks: thrice.
for i in 1 2 3; do
	ethtool -t eth0 offline > /tmp/selftest && break
	grep '	 *[1-9]' /tmp/selftest | grep -qv Loopback && break
	sleep 3
done
echo "say selftest $(sed -n 's/.*result is //p' /tmp/selftest)"
grep '	 *[1-9]' /tmp/selftest
sleep 3
ethtool -K eth0 rx on tso on
echo "say offloads $(ethtool -k eth0 | grep -cE '^(rx-checksumming|tx-checksumming|tcp-segmentation-offload): on')"
for size in 18 1472; do
	echo "say ping $size $(ping -c 5 -s $size 10.9.0.1 | sed -n 's/.* \([0-9]*\)% packet loss.*/\1/p')"
done
wget -q -O /tmp/down http://10.9.0.1:8080/file
echo "say down $(md5sum < /tmp/down)"
head -c BYTES /dev/urandom > /tmp/up
echo "say up $(md5sum < /tmp/up)"
httpd -p 80 -h /tmp
timeout 100 nc -l -p 81 > /dev/null
echo "say segmented $(ethtool -S eth0 | sed -n 's/.*tx_tcp_seg_good: //p')"
echo "say verified $(ethtool -S eth0 | sed -n 's/.*rx_csum_offload_good: //p')"
echo "say bad $(ethtool -S eth0 | sed -n 's/.*rx_csum_offload_errors: //p')"
dmesg | grep -E 'Unit Hang|Reset adapter|NETDEV WATCHDOG|BUG:|WARNING: CPU|Oops' | tee /tmp/complaints
echo "say complaints $(wc -l < /tmp/complaints)"
poweroff -f
INIT
}

# --- in the lab ----------------------------------------------------------------

# said WORD…: what the guest said to WORD…, without carriage returns
said()
{
	tr -d '\r' <"$console" | sed -n "s/^say $* //p" | tail -n 1
}

# judge NAME WANTED GOT
judge()
{
	if [ "$2" = "$3" ]; then
		printf 'ok - %s\n' "$1"
	else
		printf 'not ok - %s - wanted "%s", got "%s"\n' "$1" "$2" "$3"
	fi
}

more_than_0()
{
	[ "${1:-0}" -gt 0 ] && echo yes || echo no
}

# Takes the guest's file as soon as it is there, and lets the guest go.
fetch()
{
	local i

	for ((i = 0; i < 200; i++)); do
		if /bin/busybox wget -q -O /tmp/up http://10.9.0.2/up 2>/dev/null; then
			/bin/busybox nc 10.9.0.2 81 </dev/null
			return
		fi
		sleep 1
	done
}

inside()
{
	local dir=$1 release status=0 name

	release=$(uname -r)
	console=/tmp/console
	modprobe tun
	ip link set lo up
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	mkdir /tmp/www
	head -c "$bytes" /dev/urandom >/tmp/www/file
	/bin/busybox httpd -p 10.9.0.1:8080 -h /tmp/www
	fetch &
	timeout 600 "$top/build/bin/viola-vmm" --mem 256M --stats /tmp/stats \
		--kernel "$VIOLA_CACHE/kernel/$release/boot/vmlinuz-$release" \
		--initrd "$dir/initrd" --append "console=ttyS0 panic=-1 quiet" \
		--net path=e1000,backend=tap,ifname=tap0 </dev/null >"$console" 2>&1 || status=$?
	cp "$console" "$dir/console"

	judge "guest runs to its end" 0 "$status"
	judge "driver binds" e1000 "$(said driver)"
	judge "link is up" "1000 full" "$(said link)"
	judge "driver's self-test" PASS "$(said selftest)"
	judge "offloads are on" 3 "$(said offloads)"
	judge "small frames come back" 0 "$(said ping 18)"
	judge "full frames come back" 0 "$(said ping 1472)"
	judge "file arrives whole in the guest" "$(md5sum </tmp/www/file)" "$(said down)"
	judge "file arrives whole from the guest" "$(said up)" "$(md5sum </tmp/up)"
	judge "segments were cut by the device" yes "$(more_than_0 "$(said segmented)")"
	judge "checksums were verified by the device" yes "$(more_than_0 "$(said verified)")"
	judge "no checksum was wrong" 0 "$(said bad)"
	judge "driver has no complaints" 0 "$(said complaints)"
	for name in tx_drops dma_errors; do
		judge "device counted no $name" 0 \
			"$(sed -n "s/.*\"$name\": \([0-9]*\).*/\1/p" /tmp/stats)"
	done
}

if [ "${1-}" = --inside ]; then
	inside "$2"
	exit
fi

# --- outside --------------------------------------------------------------------

cd "$top" || exit 1
if ! [ -x /usr/sbin/ethtool ]; then
	printf 'ok - e1000 driver # skip ethtool is not installed: run tools/setup\n'
	exit 0
fi
add=(--add /usr/sbin/ethtool:/sbin/ethtool)
while read -r library; do
	add+=(--add "$(readlink -f "$library"):$library")
done < <(ldd /usr/sbin/ethtool | grep -o '/[^ ]*')

failed=0
while read -r name release; do
	[ "${1-}" = "" ] || [ "$1" = "$name" ] || continue
	dir=$top/build/lab/e1000-$name
	mkdir -p "$dir"
	guest_init | sed "s/BYTES/$bytes/" >"$dir/init"
	chmod 755 "$dir/init"
	if ! build/bin/viola-mkinitramfs --kernel "$name" --output "$dir/initrd" \
		--init "$dir/init" "${add[@]}"; then
		printf 'not ok - %s: initramfs cannot be made\n' "$name"
		failed=1
		continue
	fi
	status=0
	out=$(build/bin/viola lab --quiet --kernel "$name" --mem 2G --timeout 700 -- \
		bash "$self" --inside "$dir" 2>&1 </dev/null) || status=$?
	sed -E "s/^((not )?ok) - /\\1 - $name: /" <<<"$out"
	if [ $status -ne 0 ]; then
		printf 'not ok - %s: lab ended with status %d\n' "$name" "$status"
	fi
	if [ $status -ne 0 ] || grep -q '^not ok' <<<"$out"; then
		failed=1
		[ ! -e "$dir/console" ] || tail -n 30 "$dir/console" | sed 's/^/# /'
	fi
	rm -f "$dir/initrd"
done < <(tools/kernels)
exit $failed

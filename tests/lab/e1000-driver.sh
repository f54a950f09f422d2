#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The stock e1000 driver on the emulated 82540EM: a guest of each kernel in the
# lab goes through the driver's own self-test and moves files both ways over a
# tap, with all offloads on. The lab is in virtual time: the loopback part of the
# self-test fails if the guest does not run for two ticks, as on a busy host.
#
#	tests/lab/e1000-driver.sh [KERNEL]	only this one
# check: kernels=one smp=1 limit=1700 cost=90
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

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
# Until the link is up, which is judged by what is said of it.
carrier() {
	for i in $(seq 300); do
		grep -q 1 /sys/class/net/eth0/carrier && break
		sleep 0.1
	done
}
ip link set eth0 up
ip addr add 10.9.0.2/24 dev eth0
carrier
echo "say driver $(basename "$(readlink /sys/class/net/eth0/device/driver)")"
echo "say link $(cat /sys/class/net/eth0/speed) $(cat /sys/class/net/eth0/duplex)"
ethtool -t eth0 offline > /tmp/selftest
echo "say selftest $(sed -n 's/.*result is //p' /tmp/selftest)"
grep '	 *[1-9]' /tmp/selftest
carrier
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
timeout 600 nc -l -p 81 > /dev/null
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

more_than_0()
{
	[ "${1:-0}" -gt 0 ] && echo yes || echo no
}

# Takes the guest's file as soon as it is there, and lets the guest go.
fetch()
{
	local i

	for ((i = 0; i < 1500; i++)); do
		if /bin/busybox wget -q -O /tmp/up http://10.9.0.2/up 2>/dev/null; then
			/bin/busybox nc 10.9.0.2 81 </dev/null
			return
		fi
		pause 1
	done
}

inside()
{
	local dir=$1 status=0 name

	console=/tmp/console
	check "tun loads" modprobe tun
	ip link set lo up
	ip tuntap add tap0 mode tap
	ip addr add 10.9.0.1/24 dev tap0
	ip link set tap0 up
	mkdir /tmp/www
	head -c "$bytes" /dev/urandom >/tmp/www/file
	/bin/busybox httpd -p 10.9.0.1:8080 -h /tmp/www
	fetch &
	timeout 1500 "$lab_top/build/bin/viola-vmm" --mem 256M --stats /tmp/stats \
		--kernel "$(lab_guest_kernel)" \
		--initrd "$dir/initrd" --append "$(lab_guest_append console=ttyS0)" \
		--net path=e1000,backend=tap,ifname=tap0 </dev/null >"$console" 2>&1 || status=$?
	cp "$console" "$dir/console"

	equal "guest runs to its end" 0 "$status"
	equal "driver binds" e1000 "$(said driver)"
	equal "link is up" "1000 full" "$(said link)"
	equal "driver's self-test" PASS "$(said selftest)"
	equal "offloads are on" 3 "$(said offloads)"
	equal "small frames come back" 0 "$(said ping 18)"
	equal "full frames come back" 0 "$(said ping 1472)"
	equal "file arrives whole in the guest" "$(md5sum </tmp/www/file)" "$(said down)"
	equal "file arrives whole from the guest" "$(said up)" "$(md5sum </tmp/up)"
	equal "segments were cut by the device" yes "$(more_than_0 "$(said segmented)")"
	equal "checksums were verified by the device" yes "$(more_than_0 "$(said verified)")"
	equal "no checksum was wrong" 0 "$(said bad)"
	equal "driver has no complaints" 0 "$(said complaints)"
	for name in tx_drops dma_errors; do
		equal "device counted no $name" 0 \
			"$(sed -n "s/.*\"$name\": \([0-9]*\).*/\1/p" /tmp/stats)"
	done
}

lab_main "$@"

# --- outside --------------------------------------------------------------------

if ! [ -x /usr/sbin/ethtool ]; then
	skip "e1000 driver" "ethtool is not installed: run tools/setup"
	tap_end
fi
add=(--add /usr/sbin/ethtool:/sbin/ethtool)
while read -r library; do
	add+=(--add "$(readlink -f "$library"):$library")
done < <(ldd /usr/sbin/ethtool | grep -o '/[^ ]*')

for kernel in $(lab_kernels "$(lab_note kernels one)" "$@"); do
	dir=$lab_top/build/lab/e1000-$kernel
	mkdir -p "$dir"
	guest_init | sed "s/BYTES/$bytes/" >"$dir/init"
	chmod 755 "$dir/init"
	check "$kernel: initramfs is made" build/bin/viola-mkinitramfs --kernel "$kernel" \
		--output "$dir/initrd" --init "$dir/init" "${add[@]}"
	lab_cases "$kernel" --icount --mem 2G -- "$dir"
	if ((cases_failed)) && [ -e "$dir/console" ]; then
		tail -n 30 "$dir/console" | note
	fi
	rm -f "$dir/initrd"
done
tap_end

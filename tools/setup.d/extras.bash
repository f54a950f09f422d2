# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables that tools/setup sets or reads
#
# Part of tools/setup: what only tests and benchmarks need, in the cache.

# For the KUnit tests: the first that is offered.
sources=(linux-source-6.1 linux-source-6.12)
# For the benchmark of viola-dpdk. Unpacked like the kernels: installed they would
# start a switch, now and at each boot, that this machine may not want.
switch=(openvswitch-switch-dpdk openvswitch-switch openvswitch-common)

source_complete() {
	local name

	for name in "${sources[@]}"; do
		[[ -s $cache/source/$name.tar.xz ]] && return
	done
	return 1
}

ensure_source() {
	local name deb

	source_complete && return
	for name in "${sources[@]}"; do
		[[ -n $(candidate "$name") ]] || continue
		say "fetching $name"
		deb=$(download "$name")
		dpkg-deb --fsys-tarfile "$deb" |
			tar -xO "./usr/src/$name.tar.xz" >"$temp/source"
		mv "$temp/source" "$cache/source/$name.tar.xz"
		return
	done
	say "no kernel source for KUnit: no configured source of packages offers ${sources[*]}"
}

# One that is installed will do.
switch_complete() {
	local root

	for root in "" "$cache/ovs"; do
		[[ -x $root/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk ]] && return
	done
	return 1
}

switch_not_offered() {
	lists_known && [[ -z $(candidate "${switch[0]}") ]]
}

ensure_switch() {
	local name deb

	switch_complete && return
	if [[ -z $(candidate "${switch[0]}") ]]; then
		say "no OVS-DPDK to measure against: no configured source of packages offers ${switch[0]}"
		return
	fi
	say "fetching ${switch[0]}"
	for name in "${switch[@]}"; do
		deb=$(download "$name")
		dpkg-deb -x "$deb" "$temp/ovs"
	done
	rm -rf "$cache/ovs"
	mv -T "$temp/ovs" "$cache/ovs"
}

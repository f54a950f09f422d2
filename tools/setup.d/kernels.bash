# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables that tools/setup sets or reads
#
# Part of tools/setup: the lab's kernels with their headers, in the cache.

# Short name, then the packages whose dependency may be one of that series. Which one
# it is depends on the distribution's release.
kernels_all=(
	"6.1 linux-image-$arch linux-image-6.1-$arch"
	"6.12 linux-image-6.12-$arch linux-image-$arch"
)

# The concrete release of one line of $kernels_all, or nothing.
kernel_release() {
	local name=$1 meta release

	shift
	for meta; do
		release=$(apt-cache depends --important "$meta" 2>/dev/null |
			awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
		release=${release#linux-image-}
		if [[ $release == "$name".* ]]; then
			echo "$release"
			return
		fi
	done
}

# The release that the cache has under a short name, or nothing.
cached_release() {
	readlink "$cache/kernel/$1" 2>/dev/null || true
}

# Whether the configured suites are known to lack that kernel: a newer release
# of the distribution has no 6.1.
kernel_not_offered() {
	lists_known && [[ -z $(kernel_release "$@") ]]
}

kernel_complete() {
	local dir=$cache/kernel/$1

	[[ -s $dir/boot/vmlinuz-$1 && -s $dir/boot/vmlinux-$1 &&
		-s $dir/lib/modules/$1/modules.dep.bin && -s $dir/build/Makefile ]]
}

# The ELF image inside a bzImage: it boots without being decompressed, which in
# an emulated machine takes seconds. The setup header (Documentation/arch/x86/
# boot.rst) says where it is; its last four bytes are its size when unpacked.
extract_vmlinux() {
	local image=$1 out=$2 sectors offset length start magic size unpack

	sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image")
	read -r offset length < <(od -An -tu4 -j $((0x248)) -N 8 "$image")
	start=$(((sectors + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$start" -N 4 "$image" | tr -d ' ')
	size=$(od -An -tu4 -j $((start + length - 4)) -N 4 "$image" | tr -d ' ')
	case $magic in
	fd377a58) unpack=(xz -dc) ;;
	28b52ffd) unpack=(zstd -qdc --long=31) ;;
	1f8b*) unpack=(gzip -dc) length=$((length + 4)) ;; # gzip's own trailer is that size
	*) die "$image: unknown compression ($magic)" ;;
	esac
	dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$start" count=$((length - 4)) \
		status=none | "${unpack[@]}" >"$out"
	[[ $(stat -c %s "$out") == "$size" ]] || die "$image: its kernel does not unpack to $size bytes"
}

# Bring an unpacked package into the form the lab uses. Each step is atomic, so
# this also completes a folder that lacks some.
finish_kernel() {
	local dir=$1 release=$2

	if [[ ! -s $dir/lib/modules/$release/modules.dep.bin ]]; then
		depmod -b "$dir" "$release"
	fi
	if [[ ! -s $dir/boot/vmlinux-$release ]]; then
		extract_vmlinux "$dir/boot/vmlinuz-$release" "$temp/vmlinux"
		mv "$temp/vmlinux" "$dir/boot/vmlinux-$release"
	fi
}

# The headers of a release, into $2. They are unpacked, not installed, since the
# package of some drags in the kernel image itself, and a host must not find
# itself booting another kernel. Their one absolute path is made relative.
unpack_headers() {
	local release=$1 dir=$2 package deb makefile

	while read -r package; do
		deb=$(download "$package")
		dpkg-deb -x "$deb" "$dir"
	done < <(echo "linux-headers-$release"
		apt-cache depends --important "linux-headers-$release" |
			awk '$1 == "Depends:" && $2 ~ /^linux-(headers-.*-common|kbuild-)/ { print $2 }')
	makefile=$dir/usr/src/linux-headers-$release/Makefile
	# shellcheck disable=SC2016 # make's variables, not the shell's
	sed -i 's#^include /usr/src/#include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../#' \
		"$makefile"
	# Last: it says that all of this is there.
	ln -sfn "usr/src/linux-headers-$release" "$dir/build"
}

ensure_kernel() {
	local name=$1 release dir deb

	release=$(cached_release "$name")
	if [[ -n $release ]] && kernel_complete "$release"; then
		return
	fi
	release=$(kernel_release "$@")
	if [[ -z $release ]]; then
		say "no kernel $name: no configured source of packages offers one"
		return
	fi
	dir=$cache/kernel/$release
	if [[ ! -s $dir/boot/vmlinuz-$release || ! -s $dir/build/Makefile ]]; then
		say "fetching kernel $release"
		deb=$(download "linux-image-$release")
		dpkg-deb -x "$deb" "$temp/kernel"
		# Debian 13 and later keep modules below /usr.
		if [[ ! -d $temp/kernel/lib/modules/$release ]]; then
			mkdir -p "$temp/kernel/lib"
			mv "$temp/kernel/usr/lib/modules" "$temp/kernel/lib/modules"
		fi
		unpack_headers "$release" "$temp/kernel"
		finish_kernel "$temp/kernel" "$release"
		rm -rf "$dir"
		mv "$temp/kernel" "$dir"
	fi
	finish_kernel "$dir" "$release"
	ln -sfn "$release" "$temp/link"
	mv -T "$temp/link" "$cache/kernel/$name"
	say "kernel $name is $release"
}

# kernels_complete LINE…: whether those lines of $kernels_all are in the cache, or not to be had
kernels_complete() {
	local line release

	for line; do
		release=$(cached_release "${line%% *}")
		if [[ -z $release ]]; then
			# shellcheck disable=SC2086 # a line is several words
			kernel_not_offered $line || return 1
		else
			kernel_complete "$release" || return 1
		fi
	done
}

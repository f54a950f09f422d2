# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables that tools/setup sets or reads
#
# Part of tools/setup: the lab's own QEMU, for machines whose CPUs are emulated. It
# is the distribution's source of the installed version with the changes that lie in
# tools/qemu, each with its reason (Documentation/lab.md, "Nested guests").
#
# In the cache it is qemu/<version>-<hash of changes and configuration>/, with the
# link qemu/lab, which is what `viola lab` starts. Firmware is the packaged one's.

qemu_options=(
	--target-list=x86_64-softmmu --without-default-features --enable-system
	--enable-tcg --disable-kvm --enable-virtfs --enable-attr --enable-fdt=system
	--enable-trace-backends=nop --disable-debug-info --disable-werror
	--disable-download --disable-install-blobs
)
qemu_building=""	# process group of the build

# Whether `viola lab` can use the host's own virtualization: the question that
# machine_accel() in tools/lab/machine.c asks. 0xae01 is KVM_CREATE_VM.
host_nests() {
	cat /sys/module/kvm_{intel,amd}/parameters/nested 2>/dev/null | grep -qx '[Y1]' &&
		perl -e 'open(my $kvm, "+<", "/dev/kvm") && ioctl($kvm, 0xae01, 0) or exit 1' \
			2>/dev/null
}

# The upstream part of the installed package's version.
qemu_version() {
	local version=${installed[qemu-system-x86]:-}

	version=${version#*:}
	echo "${version%-*}"
}

qemu_name() {
	local version hash

	version=$(qemu_version)
	hash=$({ cat "$here"/qemu/*.patch && echo "${qemu_options[*]}"; } | sha256sum)
	echo "${version%%+*}-${hash:0:8}"
}

qemu_complete() {
	local name

	name=$(qemu_name)
	[[ $(readlink "$cache/qemu/lab") == "$name" && -x $cache/qemu/lab/qemu-system-x86_64 ]]
}

# Say why there is no such QEMU. What uses the lab restarts what hangs, as before.
qemu_without() {
	complain "$*;" \
		"the lab runs with the packaged QEMU, where nested guests now and then hang"
}

# Prints checksum and address of the upstream part of QEMU's source package of that
# upstream version. The index of sources is fetched by apt into a folder of its own,
# from wherever packages come and verified like them; nothing of the machine's
# configuration changes.
qemu_source() {
	local version=$1 lists=$temp/lists file uri
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	local apt=(-o "Dir::State::Lists=$lists" -o "Dir::Cache=$temp/apt"
		-o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::Packages::DefaultEnabled=false
		-o Acquire::IndexTargets::deb::Translations::DefaultEnabled=false
		-o 'Acquire::IndexTargets::deb::Sources::MetaKey=$(COMPONENT)/source/Sources'
		-o 'Acquire::IndexTargets::deb::Sources::ShortDescription=Sources'
		-o 'Acquire::IndexTargets::deb::Sources::Description=$(RELEASE)/$(COMPONENT) Sources')

	mkdir -p "$lists/partial" "$temp/apt"
	apt_get "${apt[@]}" update >&2
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	while read -r file uri; do
		[[ -s $file ]] || continue
		/usr/lib/apt/apt-helper cat-file "$file" |
			awk -v RS= -v FS='\n' -v uri="$uri" -v file="qemu_$version.orig.tar." '
				$1 != "Package: qemu" { next }
				{
					dir = sums = ""
					for (i = 1; i <= NF; i++) {
						if (sub(/^Directory: /, "", $i))
							dir = $i
						if ($i !~ /^ /)
							sums = $i ~ /^Checksums-Sha256:/
						else if (sums && split($i, f, " ") == 3 &&
							 index(f[3], file) == 1 && f[3] !~ /\.asc$/)
							found = f[1] " " f[3]
					}
					if (found != "") {
						split(found, f, " ")
						print f[1], uri dir "/" f[2]
						exit
					}
				}'
	done < <(apt-get "${apt[@]}" indextargets --format '$(CREATED_BY) $(FILENAME) $(REPO_URI)' |
		awk '$1 == "Sources" { print $2, $3 }') | head -n 1
}

# qemu_fail SENTENCE…: the reason for a failure, for the process that waits.
qemu_fail() {
	echo "$*" >"$temp/qemu/why"
	return 1
}

# That version's source, into $temp/qemu/source, and our changes to it.
qemu_unpack() {
	local version=$1 sum address patch before file

	read -r sum address < <(qemu_source "$version") || true
	[[ -n ${address:-} ]] ||
		qemu_fail "no configured source offers the source of QEMU $version"
	/usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		download-file "$address" "$temp/qemu/tar" "SHA256:$sum" ||
		qemu_fail "the source of QEMU $version could not be fetched"
	mkdir "$temp/qemu/source"
	tar -xf "$temp/qemu/tar" -C "$temp/qemu/source" --strip-components=1
	for patch in "$here"/qemu/*.patch; do
		before=$(sed -n 's/^Before: //p' "$patch")
		[[ -z $before ]] || dpkg --compare-versions "$version" lt "$before" || continue
		# The folder's name differs from version to version.
		file=$(find "$temp/qemu/source/target/i386" -name "$(sed -n 's#^+++ .*/##p' "$patch")")
		patch "$file" "$patch" || qemu_fail "${patch##*/} does not fit QEMU $version"
	done
	# The distribution leaves out this firmware, which nothing here builds or reads;
	# the configuration wants to see its files.
	grep -o 'edk2-[a-z0-9_-]*\.fd' "$temp/qemu/source/pc-bios/meson.build" |
		while read -r file; do
			touch "$temp/qemu/source/pc-bios/$file.bz2"
		done
}

# All of it, in a process of its own whose output is a log, and which ends at the
# first command that fails. It moves the result into place itself, so that this counts
# even if tools/setup was killed.
qemu_build() {
	local name=$1 version=$2 dir=$temp/qemu

	mkdir -p "$dir/build" "$dir/result"
	qemu_unpack "$version"
	cd "$dir/build"
	# Debian's own Python: it is the one that the packaged modules belong to.
	../source/configure --python=/usr/bin/python3 --prefix=/usr "${qemu_options[@]}"
	ninja qemu-system-x86_64
	strip -o "$dir/result/qemu-system-x86_64" qemu-system-x86_64
	"$dir/result/qemu-system-x86_64" --version
	rm -rf "${cache:?}/qemu/$name"
	mv -T "$dir/result" "$cache/qemu/$name"
	ln -sfn "$name" "$dir/link"
	mv -T "$dir/link" "$cache/qemu/lab"
}

# Start building what is missing, in the background. Its packages are there.
start_qemu() {
	local name version

	name=$(qemu_name) version=$(qemu_version)
	say "building QEMU ${version%%+*} for the lab: some 7 minutes on two idle CPUs"
	mkdir -p "$temp/qemu"
	# With job control a process group, so that it can be ended as a whole; without,
	# an interrupt from the keyboard would not reach it.
	set -m
	(set -e; qemu_build "$name" "$version") >"$cache/qemu/build.log" 2>&1 </dev/null &
	qemu_building=$!
	set +m
}

stop_qemu() {
	[[ -z $qemu_building ]] || kill -TERM -- "-$qemu_building" 2>/dev/null || true
}

# Wait for it, telling how far it is once a minute.
finish_qemu() {
	local seconds=0 status=0

	[[ -n $qemu_building ]] || return 0
	while kill -0 "$qemu_building" 2>/dev/null; do
		sleep 1
		seconds=$((seconds + 1))
		((seconds % 60)) || say "QEMU: $(tail -n 1 "$cache/qemu/build.log" | cut -c 1-70)"
	done
	wait "$qemu_building" || status=$?
	qemu_building=""
	if ((status)); then
		qemu_without "$(cat "$temp/qemu/why" 2>/dev/null ||
			echo "building QEMU failed, $cache/qemu/build.log says how")"
	else
		say "the lab's QEMU is $(qemu_name)"
	fi
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables that tools/setup sets or reads
#
# Part of tools/setup: what tools/packages lists is installed, in groups.

declare -A installed=()	# package -> version
missing=()		# lines of tools/packages, without their comments
backports=""		# the suite, once one is known to be configured

read_installed() {
	local status name version

	installed=()
	while read -r status name version; do
		[[ $status == ?i* ]] && installed[$name]=$version
	done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n')
}

# The alternatives of a line, one a line: name and, if not every one will do, the
# lowest version.
alternatives() {
	tr '|' '\n' <<<"$1" | awk 'NF { print $1, $3 }'
}

# at_least VERSION LOWEST: whether it is one, and high enough if there is a LOWEST
at_least() {
	[[ -n $1 ]] && { [[ -z $2 ]] || dpkg --compare-versions "$1" ge "$2"; }
}

# Fills $missing with the lines of these groups that nothing installed satisfies.
read_missing() {
	local line group="" name lowest

	missing=()
	while read -r line; do
		line=${line%%#*}
		[[ $line == *[![:space:]]* ]] || continue
		if [[ $line =~ ^\[(.*)\] ]]; then
			group=${BASH_REMATCH[1]}
			continue
		fi
		[[ " $* " == *" $group "* ]] || continue
		while read -r name lowest; do
			at_least "${installed[$name]:-}" "$lowest" && continue 2
		done < <(alternatives "$line")
		missing+=("$line")
	done <"$here/packages"
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=3 "$@"
}

# candidate NAME [SUITE]: the version that would be installed, of that suite if it
# is given, or nothing. apt may take a name that it does not know for a pattern:
# only what it says of that very package counts.
candidate() {
	apt-cache ${2:+-o "APT::Default-Release=$2"} policy "$1" |
		awk -v name="$1:" '/^[^ ]/ { on = $0 == name }
			on && $1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# Whether package lists are there at all: without them nothing is known.
lists_known() {
	compgen -G "/var/lib/apt/lists/*_Packages*" >/dev/null
}

# Download a package into $temp and print its file name.
download() {
	local dir=$temp/download

	rm -rf "$dir"
	mkdir "$dir"
	# apt's own user cannot write into somebody's cache, and says so at length.
	(cd "$dir" && apt_get -o APT::Sandbox::User=root download "$1" >&2)
	compgen -G "$dir/*.deb"
}

# Add the backports suite from the same address, with the same key, as the
# release's own suite. apt itself is asked which those are, so every notation of
# its sources is understood.
add_backports() {
	local codename=$1 file=/etc/apt/sources.list.d/viola-backports.sources
	local uri entry key="" temp

	# shellcheck disable=SC2016 # apt's variables, not the shell's
	read -r uri entry < <(apt-get indextargets \
		--format '$(RELEASE) $(COMPONENT) $(CREATED_BY) $(REPO_URI) $(SOURCESENTRY)' |
		awk -v c="$codename" '$1 == c && $2 == "main" && $3 == "Packages" \
			{ print $4, $5; exit }') || true
	[[ -n ${uri:-} ]] || return 0
	entry=${entry%:*}
	case $entry in
	*.sources)
		key=$(awk 'tolower($1) == "signed-by:" { on = 1; print; next }
			   on && /^[ \t]/ { print; next } on { exit }' "$entry") ;;
	*.list)
		key=$(sed -n 's/^deb .*[[ ]signed-by=\([^] ]*\).*/Signed-By: \1/p' "$entry" |
			head -n 1) ;;
	esac
	temp=$(mktemp /etc/apt/sources.list.d/.viola-backports.XXXXXX)
	{
		echo "# Added for QEMU 8 or newer. Remove it when that is no longer wanted."
		echo "Types: deb"
		echo "URIs: $uri"
		echo "Suites: $codename-backports"
		echo "Components: main"
		[[ -z $key ]] || echo "$key"
	} >"$temp"
	chmod 644 "$temp"
	mv "$temp" "$file"
	say "added $file"
	apt_get update
}

# Sets $backports, where the distribution has such a suite, configuring it if need be.
need_backports() {
	local codename

	[[ -z $backports ]] || return 0
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[[ -n $codename ]] || return 0
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	if ! apt-get indextargets --format '$(RELEASE)' | grep -qx -- "$codename-backports"; then
		add_backports "$codename"
	fi
	backports=$codename-backports
}

# choose LINE: sets $chosen to the package to install for it, and $suite to
# backports if that is where it comes from; $chosen stays empty if none offers it.
choose() {
	local name lowest

	chosen="" suite=""
	while read -r name lowest; do
		if at_least "$(candidate "$name")" "$lowest"; then
			chosen=$name
			return
		fi
	done < <(alternatives "$1")
	need_backports
	[[ -n $backports ]] || return 0
	while read -r name lowest; do
		if at_least "$(candidate "$name" "$backports")" "$lowest"; then
			chosen=$name suite=$backports
			return
		fi
	done < <(alternatives "$1")
}

# As root: install what is $missing. Fails, with a sentence and before anything is
# changed, if something is not offered.
install_packages() {
	local line want=() newer=() chosen suite

	apt_get update || return 1
	for line in "${missing[@]}"; do
		choose "$line"
		if [[ -z $chosen ]]; then
			complain "no configured source offers ${line//[[:space:]]/}"
			return 1
		elif [[ -n $suite ]]; then
			newer+=("$chosen")
		else
			want+=("$chosen")
		fi
	done
	say "installing ${want[*]}${newer:+ ${newer[*]} (from $backports)}"
	if ((${#want[@]})); then
		apt_get install -y --no-install-recommends "${want[@]}" || return 1
	fi
	if ((${#newer[@]})); then
		apt_get install -y --no-install-recommends -t "$backports" "${newer[@]}" || return 1
	fi
}

# Brings the packages of these groups up to what is needed, through sudo if need
# be; fails with a sentence if that cannot be.
ensure_packages() {
	local command

	read_missing "$@"
	((${#missing[@]})) || return 0
	command=(env "VIOLA_CACHE=$cache" "$here/setup" --packages "$@")
	if ((EUID == 0)); then
		install_packages || return 1
	elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
		say "packages are missing; asking sudo to install them"
		sudo -- "${command[@]}" || return 1
	else
		complain "packages are missing, and installing them needs root." \
			"Run: su -c '${command[*]}'"
		return 1
	fi
	read_installed
	read_missing "$@"
	((${#missing[@]} == 0)) || {
		complain "packages are still missing: ${missing[*]}"
		return 1
	}
}

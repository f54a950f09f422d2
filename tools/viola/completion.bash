# SPDX-License-Identifier: GPL-2.0
# Completion of `viola CMD`, of the commands that viola lists.

# _viola_dpdk WORD PREVIOUS ARG…: options of viola-dpdk, and commands to one that
# runs with what it says of its ports and CPUs
_viola_dpdk()
{
	local word=$1 previous=$2 options answer filter=

	shift 2
	case $previous in
	--mode) options='poll adaptive interrupt' ;;
	--forward | forward) options='reflect switch patch source sink' ;;
	port) options='add remove patch unpatch' ;;
	uplink) options=add ;;
	lcore) options=move ;;
	remove | patch | unpatch | move) filter='.ports[].number' ;;
	esac
	if [ "${1-} ${2-}" = 'lcore move' ] && [ $# -eq 4 ]; then
		filter='.lcores[].cpu'
	elif [ "${1-} ${2-}" = 'port patch' ] && [ $# -eq 3 ]; then
		filter='.ports[].number'
	elif [ $# -eq 0 ]; then
		options='status port uplink lcore forward'
	fi
	if [ -n "$filter" ]; then
		answer=$(viola-dpdk status --json 2>/dev/null)
		options=$(jq -r "$filter" <<<"$answer" 2>/dev/null)
	elif [[ $word == -* ]]; then
		options=$(viola-dpdk --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
	[ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

_viola()
{
	local word=${COMP_WORDS[COMP_CWORD]} commands

	if ((COMP_CWORD == 1)); then
		commands=$("${COMP_WORDS[0]}" --list-commands 2>/dev/null)
		mapfile -t COMPREPLY < <(compgen -W "help $commands" -- "$word")
	elif [ "${COMP_WORDS[1]}" = dpdk ]; then
		_viola_dpdk "$word" "${COMP_WORDS[COMP_CWORD - 1]}" \
			"${COMP_WORDS[@]:2:COMP_CWORD - 2}"
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -F _viola viola

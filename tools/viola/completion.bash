# SPDX-License-Identifier: GPL-2.0
# Completion of `viola CMD`: the commands are the programs named viola-CMD.
_viola()
{
	local word=${COMP_WORDS[COMP_CWORD]} commands

	if ((COMP_CWORD == 1)); then
		commands=$(compgen -c viola- | sed 's/^viola-//' | sort -u)
		mapfile -t COMPREPLY < <(compgen -W "help $commands" -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}
complete -F _viola viola

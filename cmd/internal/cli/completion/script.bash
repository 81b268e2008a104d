# Completion of PROGRAM for bash.
_PROGRAM() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	local line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	case $cur in
	-*) line+=("$cur") ;;
	esac
	words=$(PROGRAM "${line[@]}" --generate-bash-completion 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _PROGRAM PROGRAM

# Completion of simplexd for bash.
_simplexd() {
	local cur=${COMP_WORDS[COMP_CWORD]} words
	local line=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	case $cur in
	-*) line+=("$cur") ;;
	esac
	words=$(simplexd "${line[@]}" --generate-bash-completion 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _simplexd simplexd

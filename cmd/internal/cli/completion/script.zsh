#compdef PROGRAM
# Completion of PROGRAM for zsh.
_PROGRAM() {
	local cur=${words[CURRENT]}
	local -a line opts
	line=("${(@)words[2,CURRENT-1]}")
	[[ $cur == -* ]] && line+=("$cur")
	opts=("${(@f)$(PROGRAM "${line[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n ${opts[1]} ]]; then
		_describe 'values' opts
	else
		_files
	fi
}
if [[ $funcstack[1] == _PROGRAM ]]; then
	_PROGRAM "$@"
else
	compdef _PROGRAM PROGRAM
fi

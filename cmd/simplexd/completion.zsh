#compdef simplexd
# Completion of simplexd for zsh.
_simplexd() {
	local cur=${words[CURRENT]}
	local -a line opts
	line=("${(@)words[2,CURRENT-1]}")
	[[ $cur == -* ]] && line+=("$cur")
	opts=("${(@f)$(simplexd "${line[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n ${opts[1]} ]]; then
		_describe 'values' opts
	else
		_files
	fi
}
if [[ $funcstack[1] == _simplexd ]]; then
	_simplexd "$@"
else
	compdef _simplexd simplexd
fi

# Completion of PROGRAM for PowerShell.
Register-ArgumentCompleter -Native -CommandName PROGRAM -ScriptBlock {
    param($word, $line, $position)
    $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word -and -not $word.StartsWith('-') -and $words.Count) {
        $words = @($words | Select-Object -SkipLast 1)
    }
    PROGRAM @words --generate-bash-completion 2>$null |
        Where-Object { $_ -like "$word*" } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}

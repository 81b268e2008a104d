// Package cli is what the programs have in common on their command lines:
// flags anywhere among the arguments, one way to report an error, signals that
// end a context, the version, the shape of --help.
//
// An error ends a program with one line on standard error,
//
//	NAME: error: what happened
//	NAME: hint: what to do next
//
// and with the code of package exit. Where JSON was asked for, a last line is
// an object instead, of type "exit_error".
package cli

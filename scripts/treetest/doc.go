// Package treetest holds tests of the source tree as a whole: what no compiler
// and no linter checks, and what reviews would otherwise have to look for.
package treetest

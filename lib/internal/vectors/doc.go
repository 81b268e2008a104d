// Package vectors reads test vectors: JSON files of cases whose bytes were
// made by the reference programs.
//
// A file is one object {"origin", "what", file-wide constants, "cases"}; a
// case has an "id", unique in its file, and a "category". A package keeps the
// files that it needs in testdata/vectors, large ones as NAME.json.gz. If the
// environment variable SIMPLEXKIT_VECTORS names a directory, files that are
// there take precedence, so that the same tests run over other values.
//
// Bytes are lower-case hex ([Hex]), null is an absent value. Values too large
// to write down are given by digest and length ([Large]) or by the rule of
// [Seeded]. Only tests import the package.
package vectors

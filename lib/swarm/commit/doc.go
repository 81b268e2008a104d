// Package commit is the grammar of a conversation's repository: git objects as
// raw bytes, the header that signs a commit, the messages, the conversation's
// profile, and the paths of the tree.
//
// A commit is
//
//	tree <id>
//	parent <id>            none in the first commit, two in a merge
//	author <name> <<device id>> <seconds> +0000
//	committer …            the same
//	signature <base64>     over the commit without this line
//
//	<message>
//
// Signed is what would be the commit without the signature header, with the
// device's key, RSA PKCS #1 v1.5 over SHA-512. The id covers the header, so a
// commit is kept and passed on as the bytes that came.
//
// The message is one JSON object with a "type"; in merges it is a plain text.
// The tree holds the members:
//
//	admins/<uri>.crt members/<uri>.crt invited/<uri> devices/<device>.crt
//	CRLs/<uri> votes/<action>/<kind>/<who>/<voter>
//	banned/{members,admins,devices}/<id>.crt banned/invited/<uri> profile.vcf
//
// Nothing here reads a file or a clock. Objects come from an [Objects].
package commit

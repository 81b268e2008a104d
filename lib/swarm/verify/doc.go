// Package verify judges the commits of a conversation.
//
// A commit is valid or not by what it and its ancestors say, never by who asks
// or when, so that all members come to the same verdict. By default the rules
// are applied to what is in the trees (strict); the daemon's own way of looking
// can be asked for, with its gaps: changes of binary files that it does not
// see, names cut at a bar, removals of others, edits that change files, device
// certificates that nobody signed, and commits that its walk leaves out.
//
// Strict takes everything that is reachable from the head and not from what we
// have, oldest first. Beyond the daemon's rules it wants that
//
//   - the author of a commit is not banned, neither account nor device, nor
//     revoked by a list of its account, in the tree of the commit;
//   - a device certificate is signed by the account and named by its key;
//   - more than half of the admins voted, counted in the parent's tree;
//   - a merge is the one that [commit.Merge] makes, where ancestors leave no
//     choice, so that no merge can take back a ban;
//   - there is one root, whose hash is the conversation's id, with a good
//     signature;
//   - an edit names an ancestor, and the one removed by "remove" is its author
//     or a device of its account.
//
// Two actions are ours alone, as a conversation of daemons cannot get a second
// admin: elevate and demote, voted on like a ban. A daemon refuses them.
package verify

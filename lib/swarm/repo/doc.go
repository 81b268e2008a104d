// Package repo is a conversation's repository on disk: a bare git repository
// of one branch, main, whose name is the id of its first commit, and the index
// that makes it quick. It takes objects as bytes and gives them back as bytes;
// what they mean is lib/swarm/commit's, and whether they may be there is
// decided by the functions that its users pass in.
//
//	DIR/<conversation>/HEAD                         ref: refs/heads/main
//	                   refs/heads/main              our head
//	                   refs/remotes/<device>/main   what a member's device last had
//	                   objects/                     as git keeps them
//	                   quarantine/<head>/           what was refused, and why
//
// # Writing
//
// [Repo.Append] has objects on disk before the ref that names them moves, and
// moves it in one step: after a crash the ref is the old or the new one and all
// that it reaches is there.
//
// # Fetching
//
// [Repo.Fetch] is one exchange with git's upload-pack: refs, one want, our
// haves, a pack. The pack goes to a directory aside. Only when its objects are
// whole, nothing is missing and [FetchOptions.Verify] has accepted every commit
// that the remote head reaches and ours does not, it becomes part of the
// repository and the remote's ref moves. What was refused stays aside with its
// reason, and the same head is not asked for again.
//
// # Merging
//
// [Repo.Merge] brings the head of another member into ours: by moving on to it,
// or by a signed commit of both whose tree is that of [commit.Merge]. There is
// always one, the same for everybody who merges the same two heads, so a
// conversation does not stay split. Nothing is checked out, and the cost is that
// of what the heads do not share.
//
// A Repo may be used from several goroutines. Writers wait for each other;
// readers do not wait. Another process may read, and one with git may too.
package repo

// Package view is what people see of a conversation: its history with edits,
// reactions and deletions folded into the messages they are about, and who
// belongs to it.
//
// A message is edited by an edit of its own account that names it. The text
// shown is that of the edit which comes last in the line; the older ones are
// kept, the newest first. An edit without text deletes, and what comes before it
// in time does not bring the message back. Reactions stand under what they are
// about, by emoji; one that was deleted is gone. Merges are left out.
//
// The fold takes the line from either end, so that a page can be filled from
// the newest commit on and a new commit be put on top, and it makes the same of
// it both ways.
package view

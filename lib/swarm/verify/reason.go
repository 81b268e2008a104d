package verify

import (
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Mode is whose rules are applied.
type Mode int

// The modes.
const (
	Strict     Mode = iota
	Daemon2026      // the daemon of August 2026
	Daemon2023      // version 20230206
)

// String is strict, daemon-2026 or daemon-2023.
func (m Mode) String() string {
	switch m {
	case Strict:
		return "strict"
	case Daemon2026:
		return "daemon-2026"
	case Daemon2023:
		return "daemon-2023"
	}
	return fmt.Sprintf("mode %d", int(m))
}

// Code is why a commit is refused: the rule, in a few words that do not change.
type Code string

// The codes. Those of changes of members have the action in front, as
// "ban: not enough votes"; unban shares the ones of ban.
const (
	Missing        Code = "missing object"
	Malformed      Code = "malformed object"
	NoSignature    Code = "no signature header"
	BadSignature   Code = "bad signature"
	BadCommitter   Code = "committer is not the author"
	NoType         Code = "no type"
	NotJSON        Code = "message is not JSON"
	NoDevice       Code = "no device certificate"
	NoMember       Code = "no member certificate"
	DeviceName     Code = "device file name is not the id of its certificate"
	DeviceForged   Code = "device certificate not signed by its account"
	AccountID      Code = "account file name is not the id of its certificate"
	AccountForged  Code = "account certificate of another CA"
	Banned         Code = "author is banned"
	Revoked        Code = "device is revoked"
	Expired        Code = "expired"
	Future         Code = "from the future"
	ForeignRoot    Code = "root of another conversation"
	InitialType    Code = "initial: type"
	InitialMode    Code = "initial: mode"
	InitialFile    Code = "initial: file"
	InitialDevice  Code = "initial: no device"
	InitialAdmin   Code = "initial: no admin"
	InitialInvited Code = "initial: invited"
	InitialLate    Code = "initial: not the first"
	MessageFile    Code = "message: file"
	MessageAdds    Code = "message: adds"
	MessagePlace   Code = "message: not in this mode"
	VoteFile       Code = "vote: file"
	VoteAdmin      Code = "vote: not an admin"
	VoteVoter      Code = "vote: for another voter"
	VoteKind       Code = "vote: kind"
	VoteExisted    Code = "vote: existed"
	VoteNotEmpty   Code = "vote: not empty"
	VoteSelf       Code = "vote: self"
	VoteNobody     Code = "vote: nobody"
	MemberAction   Code = "member: action"
	MemberURI      Code = "member: uri"
	AddFiles       Code = "add: files"
	AddFile        Code = "add: file"
	AddSelf        Code = "add: self"
	AddMember      Code = "add: already a member"
	AddBanned      Code = "add: banned"
	AddThird       Code = "add: third in a conversation of two"
	JoinFile       Code = "join: file"
	JoinUninvited  Code = "join: not invited"
	JoinInvited    Code = "join: still invited"
	JoinMember     Code = "join: already a member"
	JoinNoMember   Code = "join: no member file"
	JoinNoDevice   Code = "join: no device file"
	JoinOther      Code = "join: of somebody else"
	RemoveOther    Code = "remove: of somebody else"
	RemoveFile     Code = "remove: file"
	RemoveNothing  Code = "remove: nothing removed"
	BanAdmin       Code = "ban: not an admin"
	BanNobody      Code = "ban: nobody"
	BanFile        Code = "ban: file"
	BanOther       Code = "ban: vote for another"
	BanVotes       Code = "ban: not enough votes"
	BanNotMoved    Code = "ban: nothing in banned/"
	RoleAdmin      Code = "role: not an admin"
	RoleNobody     Code = "role: nobody"
	RoleFile       Code = "role: file"
	RoleOther      Code = "role: vote for another"
	RoleVotes      Code = "role: not enough votes"
	RoleNotMoved   Code = "role: certificate not moved"
	RoleLast       Code = "role: last admin"
	ProfileAdmin   Code = "profile: not an admin"
	ProfileFile    Code = "profile: file"
	ProfileSize    Code = "profile: too big"
	EditUnknown    Code = "edit: unknown commit"
	EditOther      Code = "edit: other author"
	EditKind       Code = "edit: kind"
	EditFile       Code = "edit: file"
	MergeParents   Code = "merge: parents"
	MergeNew       Code = "merge"       // something that neither parent has
	MergeLost      Code = "merge: lost" // something that one parent changed
	Threw          Code = "raised an error"
)

// Reason is why a commit is refused.
type Reason struct {
	Commit commit.ObjectID
	Code   Code
	// Merge tells that the author of a merge is at fault.
	Merge bool
	// Detail is the path or the name that the rule is about, if any.
	Detail string
}

// Error is the id, the code and the detail.
func (r *Reason) Error() string { return "verify: " + r.Commit.String()[:8] + ": " + r.Text() }

// Text is the code and the detail.
func (r *Reason) Text() string {
	s := string(r.Code)
	if r.Merge {
		s = "merge: " + s
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

// Temporary tells that the same commit may be valid at another time: when a
// missing object has come, or its date.
func (r *Reason) Temporary() bool { return r.Code == Future || r.Code == Missing }

// AsReason finds the verdict in an error; an error without one is a fault of
// the storage or the end of the context.
func AsReason(err error) (*Reason, bool) {
	var r *Reason
	return r, errors.As(err, &r)
}

func refuse(code Code, detail string) error { return &Reason{Code: code, Detail: detail} }

// verdict makes a reason of what objects say when they are missing or wrong.
func verdict(id commit.ObjectID, err error) error {
	if err == nil {
		return nil
	}
	if r, ok := AsReason(err); ok {
		r.Commit = id
		return r
	}
	switch {
	case errors.Is(err, commit.ErrNotFound):
		return &Reason{Commit: id, Code: Missing, Detail: err.Error()}
	case errors.Is(err, commit.ErrMalformed):
		return &Reason{Commit: id, Code: Malformed, Detail: err.Error()}
	}
	return err
}

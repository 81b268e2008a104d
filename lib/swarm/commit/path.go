package commit

import (
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// ProfilePath is the file with the conversation's profile.
const ProfilePath = "profile.vcf"

// Kind is where somebody stands in the tree, as votes and bans name it.
type Kind string

// The kinds.
const (
	Members Kind = "members"
	Admins  Kind = "admins"
	Invited Kind = "invited"
	Devices Kind = "devices"
)

// File is the path of somebody of that kind: <kind>/<who>.crt, for the invited
// without an extension.
func (k Kind) File(who string) string {
	if k == Invited {
		return string(k) + "/" + who
	}
	return string(k) + "/" + who + ".crt"
}

// Banned is where the file goes with a ban.
func (k Kind) Banned(who string) string { return "banned/" + k.File(who) }

// AdminPath is the certificate of an admin.
func AdminPath(u ident.URI) string { return Admins.File(u.String()) }

// MemberPath is the certificate of a member.
func MemberPath(u ident.URI) string { return Members.File(u.String()) }

// InvitedPath is the empty file of somebody invited.
func InvitedPath(u ident.URI) string { return Invited.File(u.String()) }

// DevicePath is the certificate of a device.
func DevicePath(d ident.DeviceID) string { return Devices.File(d.String()) }

// CRLPath is the account's list of revoked devices.
func CRLPath(u ident.URI) string { return "CRLs/" + u.String() }

// Vote is what the path of a vote file says.
type Vote struct {
	Action Action
	Kind   Kind
	Who    string // a URI or a device id
	Voter  string
}

// Path is votes/<action>/<kind>/<who>/<voter>.
func (v Vote) Path() string { return v.Dir() + "/" + v.Voter }

// Dir is the folder of all votes about the same thing.
func (v Vote) Dir() string {
	return "votes/" + string(v.Action) + "/" + string(v.Kind) + "/" + v.Who
}

// ParseVotePath takes the path of a vote apart. Action, kind and names are not
// looked at; ok is false unless there are five parts.
func ParseVotePath(path string) (v Vote, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 5 || parts[0] != "votes" {
		return v, false
	}
	for _, p := range parts {
		if p == "" {
			return v, false
		}
	}
	return Vote{Action(parts[1]), Kind(parts[2]), parts[3], parts[4]}, true
}

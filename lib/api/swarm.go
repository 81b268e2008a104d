package api

import "time"

// The methods of the swarm, "swarm.new" and others, and their values. IDs of
// conversations and of commits are 40 hex digits, as are the URIs of accounts;
// those of devices are 64.

// SwarmAccount is the account of the swarm that a profile has.
type SwarmAccount struct {
	Type    string        `json:"type"` // "swarmAccount"
	Name    string        `json:"name,omitempty"`
	URI     string        `json:"uri"`
	Device  string        `json:"device"`
	Expires time.Time     `json:"expires"` // of the device's certificate
	Devices []SwarmDevice `json:"devices,omitempty"`
	// Addresses are where this device can be dialled, while it runs.
	Addresses []string `json:"addresses,omitempty"`
}

// SwarmDevice is a device of an account.
type SwarmDevice struct {
	Device  string `json:"device"`
	Name    string `json:"name,omitempty"`
	This    bool   `json:"this,omitempty"`
	Revoked bool   `json:"revoked,omitempty"`
	Online  bool   `json:"online,omitempty"`
}

// SwarmParams are the parameters of all methods of the swarm; each reads some.
type SwarmParams struct {
	Conv   string `json:"conv,omitempty"`
	Commit string `json:"commit,omitempty"` // a message
	// Who is an account's URI, a device, or "@name" of a contact.
	Who   string `json:"who,omitempty"`
	Text  string `json:"text,omitempty"`
	Title string `json:"title,omitempty"`
	Mode  string `json:"mode,omitempty"`
	// Description and Avatar are of the profile; a nil one stays as it is.
	Description *string `json:"description,omitempty"`
	Avatar      *string `json:"avatar,omitempty"` // base64
	ReplyTo     string  `json:"replyTo,omitempty"`
	Idem        string  `json:"idem,omitempty"`
	File        string  `json:"file,omitempty"` // an absolute path
	Sealed      bool    `json:"sealed,omitempty"`
	Raw         bool    `json:"raw,omitempty"`
	AsDaemon    bool    `json:"asDaemon,omitempty"`
	On          bool    `json:"on,omitempty"`
	Before      string  `json:"before,omitempty"`
	Limit       int     `json:"limit,omitempty"`
	// Archive is an account to import or the file to export to, with its
	// passphrase.
	Archive    string            `json:"archive,omitempty"`
	Passphrase string            `json:"passphrase,omitempty"`
	PIN        string            `json:"pin,omitempty"`
	Set        map[string]string `json:"set,omitempty"`
	Wait       bool              `json:"wait,omitempty"`
}

// SwarmConv is a conversation, or an invitation to one.
type SwarmConv struct {
	Type        string `json:"type"` // "swarmConversation"
	Conv        string `json:"conv"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Mode        string `json:"mode"`
	// State is "invited" (a request), "cloning", "member", "left", "declined",
	// "blocked" or "banned", or "damaged" if it cannot be read.
	State     string    `json:"state"`
	Members   int       `json:"members,omitempty"`
	Unread    int       `json:"unread,omitempty"`
	Head      string    `json:"head,omitempty"`
	From      string    `json:"from,omitempty"` // of a request: who invites
	Sealed    bool      `json:"sealed,omitempty"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// SwarmConvs is the result of "swarm.list" and "swarm.requests".
type SwarmConvs struct {
	Type  string      `json:"type"` // "swarmConversations"
	Convs []SwarmConv `json:"conversations"`
}

// SwarmMessage is an entry of a conversation's history.
type SwarmMessage struct {
	Type   string    `json:"type"` // "swarmMessage"
	V      int       `json:"v"`
	Seq    int64     `json:"seq,omitempty"` // in recv and in events
	Conv   string    `json:"conv"`
	Commit string    `json:"commit"`
	Author string    `json:"author"` // the URI, empty if not known
	Device string    `json:"device"`
	Name   string    `json:"name,omitempty"` // as the author says
	SentAt time.Time `json:"sentAt"`
	// Kind is the commit's type, such as "text/plain".
	Kind      string              `json:"kind"`
	Text      string              `json:"text,omitempty"`
	ReplyTo   string              `json:"replyTo,omitempty"`
	ReactTo   string              `json:"reactTo,omitempty"`
	Edits     []SwarmEdit         `json:"edits,omitempty"` // what was there before, the newest first
	Reactions map[string][]string `json:"reactions,omitempty"`
	Deleted   bool                `json:"deleted,omitempty"`
	File      *SwarmFile          `json:"file,omitempty"`
	Action    string              `json:"action,omitempty"` // of a member
	Member    string              `json:"member,omitempty"`
	Sealed    bool                `json:"sealed,omitempty"`
	Own       bool                `json:"own,omitempty"`
	Parents   []string            `json:"parents,omitempty"` // with raw
}

// SwarmEdit is an earlier text of a message.
type SwarmEdit struct {
	Commit string    `json:"commit"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
}

// SwarmFile is a file that members offer.
type SwarmFile struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	SHA3 string `json:"sha3"` // SHA3-512, hex
	Path string `json:"path,omitempty"`
}

// SwarmLog is the result of "swarm.log", the newest first.
type SwarmLog struct {
	Type     string         `json:"type"`           // "swarmLog"
	Head     string         `json:"head,omitempty"` // that of the conversation, for "swarm.since"
	Messages []SwarmMessage `json:"messages"`
	More     bool           `json:"more,omitempty"`
}

// SwarmSent is the result of what writes a commit.
type SwarmSent struct {
	Type   string `json:"type"` // "swarmSent"
	Conv   string `json:"conv"`
	Commit string `json:"commit,omitempty"`
}

// SwarmMember is a member of a conversation.
type SwarmMember struct {
	URI string `json:"uri"`
	// Role is "admin", "member", "invited", "banned" or "left".
	Role     string   `json:"role"`
	Name     string   `json:"name,omitempty"`
	Devices  []string `json:"devices,omitempty"`
	This     bool     `json:"this,omitempty"`
	LastRead string   `json:"lastRead,omitempty"`
}

// SwarmMembers is the result of "swarm.members".
type SwarmMembers struct {
	Type    string        `json:"type"` // "swarmMembers"
	Conv    string        `json:"conv"`
	Members []SwarmMember `json:"members"`
	Banned  []string      `json:"bannedDevices,omitempty"`
	Votes   []SwarmVote   `json:"votes,omitempty"`
}

// SwarmVote is a vote that is not decided.
type SwarmVote struct {
	Action string   `json:"action"`
	Who    string   `json:"who"`
	Voters []string `json:"voters"`
}

// SwarmStatus is the result of "swarm.status".
type SwarmStatus struct {
	Type      string            `json:"type"` // "swarmStatus"
	Device    string            `json:"device"`
	Running   bool              `json:"running"` // the network is on
	Addresses []string          `json:"addresses,omitempty"`
	Peers     []SwarmPeer       `json:"peers"`
	Convs     []SwarmConvStatus `json:"conversations"`
}

// SwarmPeer is a device that we are connected with, or try to be.
type SwarmPeer struct {
	Device string `json:"device"`
	Member string `json:"member,omitempty"`
	// Road is "lan", "direct", "relayed" or empty.
	Road    string    `json:"road,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	NextTry time.Time `json:"nextTry,omitzero"`
	Error   string    `json:"error,omitempty"`
}

// SwarmConvStatus is how far a conversation is.
type SwarmConvStatus struct {
	Conv    string            `json:"conv"`
	Head    string            `json:"head"`
	Commits int               `json:"commits"`
	Heads   map[string]string `json:"heads,omitempty"` // what devices last said
	Synced  time.Time         `json:"synced,omitzero"`
	// Refused are heads whose history did not pass, with the reasons.
	Refused   map[string]string `json:"refused,omitempty"`
	Neighbors []string          `json:"neighbors,omitempty"` // in the DRT
	Error     string            `json:"error,omitempty"`     // why it cannot be read
}

// SwarmVerdict is the result of checking one commit.
type SwarmVerdict struct {
	Type   string `json:"type"` // "swarmVerdict"
	Commit string `json:"commit"`
	OK     bool   `json:"ok"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// SwarmVerify is the result of "swarm.verify", the oldest first.
type SwarmVerify struct {
	Type     string         `json:"type"` // "swarmVerify"
	Path     string         `json:"path"`
	OK       bool           `json:"ok"`
	Verdicts []SwarmVerdict `json:"verdicts"`
}

// SwarmTransfer is the progress of a file.
type SwarmTransfer struct {
	Type string `json:"type"` // "swarmTransfer"
	Conv string `json:"conv"`
	File string `json:"file"`
	Path string `json:"path"`
	Done int64  `json:"done"`
	Size int64  `json:"size"`
}

// SwarmDoctor is the result of "swarm.doctor".
type SwarmDoctor struct {
	Type     string         `json:"type"` // "swarmDoctor"
	Findings []SwarmFinding `json:"findings"`
}

// SwarmFinding is one check; Detail says what to do if it is not OK.
type SwarmFinding struct {
	OK     bool   `json:"ok"`
	What   string `json:"what"`
	Detail string `json:"detail,omitempty"`
}

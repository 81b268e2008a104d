package api

import (
	"encoding/json"
	"time"
)

// Ids of remote control: of a host that this program drives, and of a
// controller that drives this one.
type (
	RemoteHostID int64
	RemoteCtrlID int64
)

// Remote are the members of answers and events about remote control.
type Remote struct {
	RemoteHosts   []RemoteHostInfo `json:"remoteHosts,omitzero"`
	RemoteHost    *RemoteHostInfo  `json:"remoteHost,omitempty"`
	RemoteHost_   *RemoteHostInfo  `json:"remoteHost_,omitempty"`
	RemoteCtrls   []RemoteCtrlInfo `json:"remoteCtrls,omitzero"`
	RemoteCtrl    *RemoteCtrlInfo  `json:"remoteCtrl,omitempty"`
	RemoteCtrl_   *RemoteCtrlInfo  `json:"remoteCtrl_,omitempty"`
	RemoteHostID  RemoteHostID     `json:"remoteHostId,omitempty"`
	RemoteHostID_ RemoteHostID     `json:"remoteHostId_,omitempty"`
	RemoteCtrlID  RemoteCtrlID     `json:"remoteCtrlId,omitempty"`

	Invitation  string          `json:"invitation,omitempty"`
	CtrlPort    string          `json:"ctrlPort,omitempty"`
	LocalAddrs  []RemoteAddr    `json:"localAddrs,omitzero"`
	SessionCode string          `json:"sessionCode,omitempty"`
	CtrlAppInfo json.RawMessage `json:"ctrlAppInfo_,omitempty"` // of remoteCtrlFound
	CtrlApp     json.RawMessage `json:"ctrlAppInfo,omitempty"`
	AppVersion  string          `json:"appVersion,omitempty"`

	RCSState         *RemoteSession `json:"rcsState,omitempty"`
	RCStopReason     *RemoteStop    `json:"rcStopReason,omitempty"`
	RHSState         *RemoteSession `json:"rhsState,omitempty"`
	RHStopReason     *RemoteStop    `json:"rhStopReason,omitempty"`
	RemoteFileSource *CryptoFile    `json:"remoteFileSource,omitempty"`

	// Command and Applied are of remoteCtrlApplied: what a controller has
	// changed, and the answer that it got.
	Command string          `json:"command,omitempty"`
	Applied json.RawMessage `json:"applied,omitempty"`
}

// RemoteAddr is an address that a controller can be reached at.
type RemoteAddr struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
}

// RemoteSession is where a session stands: "starting", "connecting",
// "pendingConfirmation", "confirmed" or "connected".
type RemoteSession struct {
	Type        string `json:"type"`
	SessionCode string `json:"sessionCode,omitempty"`
}

// RemoteStop is why a session ended: "disconnected", "connectionFailed",
// "setupFailed", "crashed" or "discoveryFailed".
type RemoteStop struct {
	Type      string     `json:"type"`
	ChatError *ChatError `json:"chatError,omitempty"`
}

// RemoteHostInfo is a host that this program can drive.
type RemoteHostInfo struct {
	RemoteHostID   RemoteHostID   `json:"remoteHostId"`
	HostDeviceName string         `json:"hostDeviceName"`
	StorePath      string         `json:"storePath"`
	BindAddress    *RemoteAddr    `json:"bindAddress_,omitempty"`
	BindPort       uint16         `json:"bindPort_,omitempty"`
	SessionState   *RemoteSession `json:"sessionState,omitempty"`
}

// RemoteCtrlInfo is a controller that can drive this program.
type RemoteCtrlInfo struct {
	RemoteCtrlID   RemoteCtrlID   `json:"remoteCtrlId"`
	CtrlDeviceName string         `json:"ctrlDeviceName"`
	SessionState   *RemoteSession `json:"sessionState,omitempty"`
}

// CryptoFile is a file in the folder of files, with its keys if it is sealed.
type CryptoFile struct {
	FilePath   string          `json:"filePath"`
	CryptoArgs *CryptoFileArgs `json:"cryptoArgs,omitempty"`
}

// CryptoFileArgs are the keys of a sealed file.
type CryptoFileArgs struct {
	FileKey   string `json:"fileKey"`
	FileNonce string `json:"fileNonce"`
}

// Attached is a controller in one line: one that is attached, or one that may
// come again.
type Attached struct {
	// Session is the session's number, 0 without one; Ctrl the controller's, 0
	// while it is not paired with.
	Session int64        `json:"session,omitempty"`
	Ctrl    RemoteCtrlID `json:"ctrl,omitempty"`
	Name    string       `json:"name"`
	State   string       `json:"state"` // "idle", or a type of [RemoteSession]
	Code    string       `json:"code,omitempty"`
	Road    string       `json:"road,omitempty"` // how it is reached: "tcp", "called", …
	Peer    string       `json:"peer,omitempty"` // its address
	Users   []UserID     `json:"users,omitempty"`
	// Identity is the fingerprint of its certificate, Own that of ours for it.
	Identity  string    `json:"identity,omitempty"`
	Own       string    `json:"own,omitempty"`
	PairedAt  time.Time `json:"pairedAt,omitzero"`
	LastAt    time.Time `json:"lastAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason says why a session ended, in the answer to remoteWait.
	Reason string `json:"reason,omitempty"`
}

// AttachedResult is the result of "remoteList", "remoteConnect" and their kin.
type AttachedResult struct {
	Type  string     `json:"type"` // "attached"
	Ctrls []Attached `json:"ctrls"`
	// Listen is where controllers can call, while "remoteServe" lasts.
	Listen string `json:"listen,omitempty"`
}

// RemoteConnectParams are the parameters of "remoteConnect": attach the
// controller that showed a link. The answer comes with the session code.
type RemoteConnectParams struct {
	Link string `json:"link"`
	// Lifetime, in seconds, ends a new pairing; 0 is never.
	Lifetime float64 `json:"lifetime,omitempty"`
	// Users are the profiles that the controller may see; none are all.
	Users []UserID `json:"users,omitempty"`
	// Via are the roads to try; none are all.
	Via []string `json:"via,omitempty"`
}

// RemoteSessionParams name a session, or else a controller, for
// "remoteVerify", "remoteWait", "remoteStop", "remoteForget" and "remoteSet".
type RemoteSessionParams struct {
	Session int64        `json:"session,omitempty"`
	Ctrl    RemoteCtrlID `json:"ctrl,omitempty"`
	// Code is what the controller shows, for "remoteVerify".
	Code string `json:"code,omitempty"`
	// Name, ExpiresAt and Users are for "remoteSet"; what is nil stays.
	Name      *string    `json:"name,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Users     *[]UserID  `json:"users,omitempty"`
}

// RemoteServeParams are the parameters of "remoteServe": let known controllers
// in for as long as the call lasts.
type RemoteServeParams struct {
	// Listen is host:port to be called at, or empty; Announced is where
	// announcements come in, empty for the group, "none" for nowhere.
	Listen    string `json:"listen,omitempty"`
	Announced string `json:"announced,omitempty"`
	// Public is the host:port that controllers are told to call; empty is
	// where Listen is.
	Public string   `json:"public,omitempty"`
	Via    []string `json:"via,omitempty"`
}

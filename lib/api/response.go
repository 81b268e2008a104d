package api

import (
	"encoding/json"
	"time"
)

// Response is an answer or an event: Type says which, and thereby which of the
// other fields are set. It is a union of all of them, so that a client can
// decode a line before it knows what it is. A list that is set but empty is
// written as [], an absent one is left out.
type Response struct {
	Type string `json:"type"`

	// Swarm is of "swarmMessage", which only our own programs know.
	Swarm *SwarmMessage `json:"swarm,omitempty"`

	User        *User      `json:"user,omitempty"`
	User_       *User      `json:"user_,omitempty"`
	UpdatedUser *User      `json:"updatedUser,omitempty"`
	NewUser     *User      `json:"newUser,omitempty"`
	Users       []UserInfo `json:"users,omitzero"`
	FromProfile *Profile   `json:"fromProfile,omitempty"`
	ToProfile   *Profile   `json:"toProfile,omitempty"`
	Profile     *Profile   `json:"profile,omitempty"`

	UpdateSummary *UserProfileUpdateSummary `json:"updateSummary,omitempty"`

	ConnLinkInvitation *CreatedConnLink          `json:"connLinkInvitation,omitempty"`
	Connection         *PendingContactConnection `json:"connection,omitempty"`
	FromConnection     *PendingContactConnection `json:"fromConnection,omitempty"`
	ToConnection       *PendingContactConnection `json:"toConnection,omitempty"`
	ConnectionPlan     json.RawMessage           `json:"connectionPlan,omitempty"`
	ConnLink           *CreatedConnLink          `json:"connLink,omitempty"`

	Contact           *Contact         `json:"contact,omitempty"`
	FromContact       *Contact         `json:"fromContact,omitempty"`
	ToContact         *Contact         `json:"toContact,omitempty"`
	Contacts          []Contact        `json:"contacts,omitzero"`
	UserCustomProfile *Profile         `json:"userCustomProfile,omitempty"`
	ConnectionStats   *ConnectionStats `json:"connectionStats_,omitempty"`
	CustomUserProfile *Profile         `json:"customUserProfile,omitempty"`

	// What was subscribed at relays, and contacts lost and found with one.
	ContactSubscriptions     []ContactSubStatus     `json:"contactSubscriptions,omitzero"`
	UserContactSubscriptions []UserContactSubStatus `json:"userContactSubscriptions,omitzero"`
	Server                   string                 `json:"server,omitempty"`
	ContactRefs              []ContactRef           `json:"contactRefs,omitzero"`

	ActiveSubs     map[string]int      `json:"activeSubs,omitzero"`
	PendingSubs    map[string]int      `json:"pendingSubs,omitzero"`
	RemovedSubs    map[string][]string `json:"removedSubs,omitzero"`
	SubsTotal      *SubsTotal          `json:"subsTotal,omitempty"`
	HasSession     *bool               `json:"hasSession,omitempty"`
	SwitchProgress *SwitchProgress     `json:"switchProgress,omitempty"`

	// Of a message to all contacts.
	MsgContent MsgContent `json:"msgContent,omitempty"`
	Successes  *int       `json:"successes,omitempty"`
	Failures   *int       `json:"failures,omitempty"`
	Timestamp  string     `json:"timestamp,omitempty"`

	// Stats and RatchetSyncProgress are of re-synchronising a ratchet.
	Stats               *ConnectionStats     `json:"connectionStats,omitempty"`
	RatchetSyncProgress *RatchetSyncProgress `json:"ratchetSyncProgress,omitempty"`

	ConnectionCode string `json:"connectionCode,omitempty"`
	Verified       *bool  `json:"verified,omitempty"`
	ExpectedCode   string `json:"expectedCode,omitempty"`

	ConnLinkContact *CreatedConnLink    `json:"connLinkContact,omitempty"`
	ContactLink     *UserContactLink    `json:"contactLink,omitempty"`
	ContactRequest  *UserContactRequest `json:"contactRequest,omitempty"`
	RequestContact  *Contact            `json:"contact_,omitempty"`
	RequestChat     *AChat              `json:"chat_,omitempty"`

	Chat              *AChat             `json:"chat,omitempty"`
	Chats             []AChat            `json:"chats,omitzero"`
	NavInfo           json.RawMessage    `json:"navInfo,omitempty"`
	ChatItems         []AChatItem        `json:"chatItems,omitzero"`
	ChatItem          *AChatItem         `json:"chatItem,omitempty"`
	ChatItemInfo      *ChatItemInfo      `json:"chatItemInfo,omitempty"`
	ChatItemDeletions []ChatItemDeletion `json:"chatItemDeletions,omitzero"`
	ChatInfo          *ChatInfo          `json:"chatInfo,omitempty"`
	ByUser            *bool              `json:"byUser,omitempty"`
	Timed             *bool              `json:"timed,omitempty"`
	ChatName          *ChatName          `json:"chatName_,omitempty"`
	Data              json.RawMessage    `json:"data,omitempty"`

	ChatError  *ChatError  `json:"chatError,omitempty"`
	ChatErrors []ChatError `json:"chatErrors,omitzero"`

	HelpSection     string          `json:"helpSection,omitempty"`
	NetworkStatuses []NetworkStatus `json:"networkStatuses,omitzero"`
	ChatItemTTL     *int64          `json:"chatItemTTL,omitempty"`
	UserTags        []ChatTag       `json:"userTags,omitzero"`
	ChatTags        []int64         `json:"chatTags,omitzero"`
	AgentUserID     *int64          `json:"agentUserId,omitempty"`
	Added           *bool           `json:"added,omitempty"`
	Reaction        *ACIReaction    `json:"reaction,omitempty"`

	VersionInfo     json.RawMessage `json:"versionInfo,omitempty"`
	ChatMigrations  json.RawMessage `json:"chatMigrations,omitzero"`
	AgentMigrations json.RawMessage `json:"agentMigrations,omitzero"`

	*Remote
}

// ChatName is a chat named on the command line.
type ChatName struct {
	ChatType string `json:"chatType"`
	ChatName string `json:"chatName"`
}

// NetworkStatus is the state of one connection's relay: "connected",
// "disconnected" or "unknown".
type NetworkStatus struct {
	AgentConnID   string `json:"agentConnId"`
	NetworkStatus struct {
		Type string `json:"type"`
	} `json:"networkStatus"`
}

// ChatTag is a word that chats are sorted by.
type ChatTag struct {
	ChatTagID    int64  `json:"chatTagId"`
	ChatTagText  string `json:"chatTagText"`
	ChatTagEmoji string `json:"chatTagEmoji,omitempty"`
}

// ACIReaction is a reaction with the chat it is in.
type ACIReaction struct {
	ChatInfo     ChatInfo   `json:"chatInfo"`
	ChatReaction CIReaction `json:"chatReaction"`
}

// CIReaction is a reaction to an item.
type CIReaction struct {
	ChatDir  CIDirection     `json:"chatDir"`
	ChatItem ChatItem        `json:"chatItem"`
	SentAt   time.Time       `json:"sentAt"`
	Reaction json.RawMessage `json:"reaction"`
}

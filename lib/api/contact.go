package api

import "time"

// VersionRange is a range of chat protocol versions.
type VersionRange struct {
	MinVersion int `json:"minVersion"`
	MaxVersion int `json:"maxVersion"`
}

// Connection is the agent's connection behind a contact.
type Connection struct {
	ConnID               ConnID            `json:"connId"`
	AgentConnID          string            `json:"agentConnId"`
	ConnChatVersion      int               `json:"connChatVersion"`
	PeerChatVRange       VersionRange      `json:"peerChatVRange"`
	ConnLevel            int               `json:"connLevel"`
	ViaUserContactLink   UserContactLinkID `json:"viaUserContactLink,omitempty"`
	ViaGroupLink         bool              `json:"viaGroupLink"`
	XContactID           string            `json:"xContactId,omitempty"`
	CustomProfileID      ProfileID         `json:"customUserProfileId,omitempty"`
	ConnType             string            `json:"connType"`
	ConnStatus           string            `json:"connStatus"`
	ContactConnInitiated bool              `json:"contactConnInitiated"`
	LocalAlias           string            `json:"localAlias"`
	EntityID             ContactID         `json:"entityId,omitempty"`
	PQSupport            bool              `json:"pqSupport"`
	PQEncryption         bool              `json:"pqEncryption"`
	PQSndEnabled         *bool             `json:"pqSndEnabled,omitempty"`
	PQRcvEnabled         *bool             `json:"pqRcvEnabled,omitempty"`
	ConnectionCode       *SecurityCode     `json:"connectionCode,omitempty"`
	AuthErrCounter       int               `json:"authErrCounter"`
	QuotaErrCounter      int               `json:"quotaErrCounter"`
	CreatedAt            time.Time         `json:"createdAt"`
}

// SecurityCode is one that was compared with the contact's and found the same.
type SecurityCode struct {
	SecurityCode string    `json:"securityCode"`
	VerifiedAt   time.Time `json:"verifiedAt"`
}

// ChatSettings are local choices about one chat.
type ChatSettings struct {
	EnableNtfs string `json:"enableNtfs"`
	SendRcpts  *bool  `json:"sendRcpts,omitempty"`
	Favorite   bool   `json:"favorite"`
}

// Contact is a person we have, or had, a connection with.
type Contact struct {
	ContactID         ContactID              `json:"contactId"`
	LocalDisplayName  string                 `json:"localDisplayName"`
	Profile           LocalProfile           `json:"profile"`
	ActiveConn        *Connection            `json:"activeConn,omitempty"`
	ContactUsed       bool                   `json:"contactUsed"`
	ContactStatus     string                 `json:"contactStatus"`
	ChatSettings      ChatSettings           `json:"chatSettings"`
	UserPreferences   Preferences            `json:"userPreferences"`
	MergedPreferences ContactUserPreferences `json:"mergedPreferences"`
	CreatedAt         time.Time              `json:"createdAt"`
	UpdatedAt         time.Time              `json:"updatedAt"`
	ChatTS            *time.Time             `json:"chatTs,omitempty"`
	PreparedContact   any                    `json:"preparedContact,omitempty"`
	ContactRequestID  ContactRequestID       `json:"contactRequestId,omitempty"`
	ContactGrpInvSent bool                   `json:"contactGrpInvSent"`
	ChatTags          []int64                `json:"chatTags"`
	ChatItemTTL       *int64                 `json:"chatItemTTL,omitempty"`
	ChatDeleted       bool                   `json:"chatDeleted"`
}

// CreatedConnLink is a link to connect with, in one or two forms.
type CreatedConnLink struct {
	ConnFullLink  string `json:"connFullLink"`
	ConnShortLink string `json:"connShortLink,omitempty"`
}

// PendingContactConnection is a connection that has no contact yet.
type PendingContactConnection struct {
	PccConnID       ConnID           `json:"pccConnId"`
	PccAgentConnID  string           `json:"pccAgentConnId"`
	PccConnStatus   string           `json:"pccConnStatus"`
	ViaContactURI   bool             `json:"viaContactUri"`
	ViaUserContact  *int64           `json:"viaUserContactLink,omitempty"`
	CustomProfileID ProfileID        `json:"customUserProfileId,omitempty"`
	ConnLinkInv     *CreatedConnLink `json:"connLinkInv,omitempty"`
	LocalAlias      string           `json:"localAlias"`
	CreatedAt       time.Time        `json:"createdAt"`
	UpdatedAt       time.Time        `json:"updatedAt"`
}

// RatchetSyncProgress says how far two parties are with replacing a ratchet.
type RatchetSyncProgress struct {
	RatchetSyncStatus string           `json:"ratchetSyncStatus"`
	ConnectionStats   *ConnectionStats `json:"connectionStats"`
}

// ConnectionStats is the agent's state of a connection.
type ConnectionStats struct {
	ConnAgentVersion     int            `json:"connAgentVersion"`
	RcvQueuesInfo        []RcvQueueInfo `json:"rcvQueuesInfo"`
	SndQueuesInfo        []SndQueueInfo `json:"sndQueuesInfo"`
	RatchetSyncState     string         `json:"ratchetSyncState"`
	RatchetSyncSupported bool           `json:"ratchetSyncSupported"`
}

// RcvQueueInfo is a queue we receive from.
type RcvQueueInfo struct {
	RcvServer      string `json:"rcvServer"`
	CanAbortSwitch bool   `json:"canAbortSwitch"`
}

// SndQueueInfo is a queue we send to.
type SndQueueInfo struct {
	SndServer string `json:"sndServer"`
}

// Shortest is the short form if there is one, else the full form.
func (l CreatedConnLink) Shortest() string {
	if l.ConnShortLink != "" {
		return l.ConnShortLink
	}
	return l.ConnFullLink
}

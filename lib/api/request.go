package api

import "time"

// Ids of contact addresses and of requests to them.
type (
	ContactRequestID  int64
	UserContactLinkID int64
)

// AutoAccept says how requests to an address are accepted unasked.
type AutoAccept struct {
	AcceptIncognito bool `json:"acceptIncognito"`
}

// AddressSettings say what happens to requests to an address.
type AddressSettings struct {
	BusinessAddress bool        `json:"businessAddress"`
	AutoAccept      *AutoAccept `json:"autoAccept,omitempty"`
	AutoReply       MsgContent  `json:"autoReply,omitempty"`
}

// UserContactLink is a contact address of ours.
type UserContactLink struct {
	UserContactLinkID     UserContactLinkID `json:"userContactLinkId"`
	ConnLinkContact       CreatedConnLink   `json:"connLinkContact"`
	ShortLinkDataSet      bool              `json:"shortLinkDataSet"`
	ShortLinkLargeDataSet bool              `json:"shortLinkLargeDataSet"`
	AddressSettings       AddressSettings   `json:"addressSettings"`
}

// UserContactRequest is somebody who asks to connect through our address.
type UserContactRequest struct {
	ContactRequestID  ContactRequestID   `json:"contactRequestId"`
	AgentInvitationID string             `json:"agentInvitationId"`
	ContactID         ContactID          `json:"contactId_,omitempty"`
	UserContactLinkID *UserContactLinkID `json:"userContactLinkId_,omitempty"`
	CReqChatVRange    VersionRange       `json:"cReqChatVRange"`
	LocalDisplayName  string             `json:"localDisplayName"`
	ProfileID         ProfileID          `json:"profileId"`
	Profile           Profile            `json:"profile"`
	CreatedAt         time.Time          `json:"createdAt"`
	UpdatedAt         time.Time          `json:"updatedAt"`
	XContactID        string             `json:"xContactId,omitempty"`
	PQSupport         bool               `json:"pqSupport"`
	WelcomeSharedID   string             `json:"welcomeSharedMsgId,omitempty"`
	RequestSharedID   string             `json:"requestSharedMsgId,omitempty"`
}

// RequestLine is a request in one line.
type RequestLine struct {
	RequestID ContactRequestID `json:"requestId"`
	Name      string           `json:"name"`
	FullName  string           `json:"fullName,omitempty"`
	CreatedAt time.Time        `json:"createdAt"`
}

// RequestsResult is the result of "requests".
type RequestsResult struct {
	Type     string        `json:"type"` // "requests"
	Requests []RequestLine `json:"requests"`
}

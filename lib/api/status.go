package api

// ContactSubStatus tells whether a contact's queue is subscribed at the relay.
type ContactSubStatus struct {
	Contact      *Contact   `json:"contact"`
	ContactError *ChatError `json:"contactError,omitempty"`
}

// PendingSubStatus tells the same of a connection without a contact.
type PendingSubStatus struct {
	Connection *PendingContactConnection `json:"connection"`
	ConnError  *ChatError                `json:"connError,omitempty"`
}

// UserContactSubStatus tells the same of a contact address.
type UserContactSubStatus struct {
	UserContact      UserContact `json:"userContact"`
	UserContactError *ChatError  `json:"userContactError,omitempty"`
}

// UserContact is a contact address in short.
type UserContact struct {
	UserContactLinkID UserContactLinkID `json:"userContactLinkId"`
	ConnReqContact    string            `json:"connReqContact"`
}

// ContactRef is a contact in short.
type ContactRef struct {
	ContactID        ContactID `json:"contactId"`
	ConnID           ConnID    `json:"connId"`
	AgentConnID      string    `json:"agentConnId"`
	LocalDisplayName string    `json:"localDisplayName"`
}

// SubsTotal counts queues.
type SubsTotal struct {
	Active  int `json:"ssActive"`
	Pending int `json:"ssPending"`
}

// SwitchProgress says how far a queue has moved to another relay.
type SwitchProgress struct {
	QueueDirection  string           `json:"queueDirection"` // "rcv": ours, "snd": theirs
	SwitchPhase     string           `json:"switchPhase"`
	ConnectionStats *ConnectionStats `json:"connectionStats"`
}

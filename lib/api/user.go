package api

import "time"

// Ids of the rows that the API names. They are numbers of this profile's
// database and mean nothing to others.
type (
	UserID     int64
	ContactID  int64
	ProfileID  int64
	ConnID     int64
	ChatItemID int64
)

// Profile is what a person shows to others.
type Profile struct {
	DisplayName string       `json:"displayName"`
	FullName    string       `json:"fullName"`
	ShortDescr  string       `json:"shortDescr,omitempty"`
	Image       string       `json:"image,omitempty"`
	ContactLink string       `json:"contactLink,omitempty"`
	Preferences *Preferences `json:"preferences,omitempty"`
	PeerType    string       `json:"peerType,omitempty"`
}

// LocalProfile is a profile as it is stored here.
type LocalProfile struct {
	ProfileID   ProfileID    `json:"profileId"`
	DisplayName string       `json:"displayName"`
	FullName    string       `json:"fullName"`
	ShortDescr  string       `json:"shortDescr,omitempty"`
	Image       string       `json:"image,omitempty"`
	ContactLink string       `json:"contactLink,omitempty"`
	Preferences *Preferences `json:"preferences,omitempty"`
	PeerType    string       `json:"peerType,omitempty"`
	LocalAlias  string       `json:"localAlias"`
}

// User is a profile of ours, one of possibly several in a database.
type User struct {
	UserID                     UserID           `json:"userId"`
	AgentUserID                string           `json:"agentUserId"`
	UserContactID              ContactID        `json:"userContactId"`
	LocalDisplayName           string           `json:"localDisplayName"`
	Profile                    LocalProfile     `json:"profile"`
	FullPreferences            *FullPreferences `json:"fullPreferences,omitempty"`
	ActiveUser                 bool             `json:"activeUser"`
	ActiveOrder                int64            `json:"activeOrder"`
	ViewPwdHash                *UserPwdHash     `json:"viewPwdHash,omitempty"`
	ShowNtfs                   bool             `json:"showNtfs"`
	SendRcptsContacts          bool             `json:"sendRcptsContacts"`
	SendRcptsSmallGroups       bool             `json:"sendRcptsSmallGroups"`
	AutoAcceptMemberContacts   bool             `json:"autoAcceptMemberContacts"`
	UserMemberProfileUpdatedAt *time.Time       `json:"userMemberProfileUpdatedAt,omitempty"`
}

// UserPwdHash is what a hidden user is opened with: the salted hash of a
// password, both base64.
type UserPwdHash struct {
	Hash string `json:"hash"`
	Salt string `json:"salt"`
}

// UserInfo is a user with the number of unread messages.
type UserInfo struct {
	User        User `json:"user"`
	UnreadCount int  `json:"unreadCount"`
}

// Preference is what one side allows: "always", "yes" or "no".
type Preference struct {
	Allow string `json:"allow"`
	// TTL is the time to live of disappearing messages in seconds.
	TTL *int `json:"ttl,omitempty"`
}

// Preferences are the features a profile states; what is absent is the default.
type Preferences struct {
	TimedMessages *Preference `json:"timedMessages,omitempty"`
	FullDelete    *Preference `json:"fullDelete,omitempty"`
	Reactions     *Preference `json:"reactions,omitempty"`
	Voice         *Preference `json:"voice,omitempty"`
	Files         *Preference `json:"files,omitempty"`
	Calls         *Preference `json:"calls,omitempty"`
	Sessions      *Preference `json:"sessions,omitempty"`
	Commands      []any       `json:"commands,omitzero"`
}

// FullPreferences has every feature filled in.
type FullPreferences struct {
	TimedMessages Preference `json:"timedMessages"`
	FullDelete    Preference `json:"fullDelete"`
	Reactions     Preference `json:"reactions"`
	Voice         Preference `json:"voice"`
	Files         Preference `json:"files"`
	Calls         Preference `json:"calls"`
	Sessions      Preference `json:"sessions"`
	Commands      []any      `json:"commands"`
}

// PrefEnabled says for whom a feature is on.
type PrefEnabled struct {
	ForUser    bool `json:"forUser"`
	ForContact bool `json:"forContact"`
}

// ContactUserPref is our preference: of the profile ("user") or set for this
// contact alone ("contact").
type ContactUserPref struct {
	Type       string     `json:"type"`
	Preference Preference `json:"preference"`
}

// ContactUserPreference merges both sides' preferences for one feature.
type ContactUserPreference struct {
	Enabled           PrefEnabled     `json:"enabled"`
	UserPreference    ContactUserPref `json:"userPreference"`
	ContactPreference Preference      `json:"contactPreference"`
}

// ContactUserPreferences merges both sides' preferences.
type ContactUserPreferences struct {
	TimedMessages ContactUserPreference `json:"timedMessages"`
	FullDelete    ContactUserPreference `json:"fullDelete"`
	Reactions     ContactUserPreference `json:"reactions"`
	Voice         ContactUserPreference `json:"voice"`
	Files         ContactUserPreference `json:"files"`
	Calls         ContactUserPreference `json:"calls"`
	Sessions      ContactUserPreference `json:"sessions"`
	Commands      []any                 `json:"commands,omitzero"`
}

// UserProfileUpdateSummary says to whom a changed profile went.
type UserProfileUpdateSummary struct {
	UpdateSuccesses int       `json:"updateSuccesses"`
	UpdateFailures  int       `json:"updateFailures"`
	ChangedContacts []Contact `json:"changedContacts"`
}

package commit

import (
	"fmt"
	"strings"
)

// Profile is what a conversation says of itself in profile.vcf.
type Profile struct {
	Title, Description string
	// Avatar is a picture in base64, as it stands in the file.
	Avatar string
	// Host is the account and device that offer a meeting place, if any; the
	// file's names for them are kept.
	HostAccount, HostDevice string
}

// MaxProfile is the size above which a profile is refused.
const MaxProfile = 1 << 20

// Keys of the lines that name the place of group calls.
const (
	rdvAccount = "RDV_ACCOUNT:"
	rdvDevice  = "RDV_DEVICE:"
)

// ParseProfile reads profile.vcf. Lines that it does not know, it leaves out.
func ParseProfile(b []byte) (Profile, error) {
	var p Profile
	if len(b) > MaxProfile {
		return p, fmt.Errorf("commit: profile of %d bytes: %w", len(b), ErrMalformed)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		switch {
		case key == "FN":
			p.Title = value
		case key == "DESCRIPTION":
			p.Description = value
		case strings.HasPrefix(key, "PHOTO"):
			p.Avatar = value
		case key+":" == rdvAccount:
			p.HostAccount = value
		case key+":" == rdvDevice:
			p.HostDevice = value
		}
	}
	return p, nil
}

// AppendBinary appends the file as daemons write it. Newlines in values become
// spaces, the format has no way to write them.
func (p Profile) AppendBinary(b []byte) ([]byte, error) {
	flat := strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\x00", "").Replace
	for _, v := range []*string{&p.Title, &p.Description, &p.Avatar, &p.HostAccount, &p.HostDevice} {
		*v = flat(*v)
	}
	b = append(b, "BEGIN:VCARD\nVERSION:2.1\n"...)
	if p.Title != "" {
		b = append(b, "FN:"+p.Title+"\n"...)
	}
	if p.Description != "" {
		b = append(b, "DESCRIPTION:"+p.Description+"\n"...)
	}
	b = append(b, "PHOTO;ENCODING=BASE64"...)
	if p.Avatar != "" {
		b = append(b, ":"+p.Avatar...)
	}
	b = append(b, '\n')
	if p.HostAccount != "" {
		b = append(b, rdvAccount+p.HostAccount...)
	}
	b = append(b, '\n')
	if p.HostDevice != "" {
		b = append(b, rdvDevice+p.HostDevice...)
	}
	b = append(b, "\nEND:VCARD"...)
	if len(b) > MaxProfile {
		return nil, fmt.Errorf("commit: profile of %d bytes: %w", len(b), ErrMalformed)
	}
	return b, nil
}

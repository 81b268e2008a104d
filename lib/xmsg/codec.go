package xmsg

// Reading and writing the types of params.go, all the same way: known fields by
// their tags, the others into Extra and back.

type plainNew New

// UnmarshalJSON keeps unknown fields in Extra.
func (v *New) UnmarshalJSON(b []byte) error {
	var p plainNew
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = New(p)
	return err
}

// MarshalJSON writes Extra too.
func (v New) MarshalJSON() ([]byte, error) { return encodeKeeping(plainNew(v), v.Extra) }

type plainQuote Quote

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Quote) UnmarshalJSON(b []byte) error {
	var p plainQuote
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Quote(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Quote) MarshalJSON() ([]byte, error) { return encodeKeeping(plainQuote(v), v.Extra) }

type plainRef Ref

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Ref) UnmarshalJSON(b []byte) error {
	var p plainRef
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Ref(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Ref) MarshalJSON() ([]byte, error) { return encodeKeeping(plainRef(v), v.Extra) }

type plainUpdate Update

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Update) UnmarshalJSON(b []byte) error {
	var p plainUpdate
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Update(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Update) MarshalJSON() ([]byte, error) { return encodeKeeping(plainUpdate(v), v.Extra) }

type plainDel Del

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Del) UnmarshalJSON(b []byte) error {
	var p plainDel
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Del(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Del) MarshalJSON() ([]byte, error) { return encodeKeeping(plainDel(v), v.Extra) }

type plainReact React

// UnmarshalJSON keeps unknown fields in Extra.
func (v *React) UnmarshalJSON(b []byte) error {
	var p plainReact
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = React(p)
	return err
}

// MarshalJSON writes Extra too.
func (v React) MarshalJSON() ([]byte, error) { return encodeKeeping(plainReact(v), v.Extra) }

type plainProfile Profile

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Profile) UnmarshalJSON(b []byte) error {
	var p plainProfile
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Profile(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Profile) MarshalJSON() ([]byte, error) { return encodeKeeping(plainProfile(v), v.Extra) }

type plainInfo Info

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Info) UnmarshalJSON(b []byte) error {
	var p plainInfo
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Info(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Info) MarshalJSON() ([]byte, error) { return encodeKeeping(plainInfo(v), v.Extra) }

type plainContact Contact

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Contact) UnmarshalJSON(b []byte) error {
	var p plainContact
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Contact(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Contact) MarshalJSON() ([]byte, error) { return encodeKeeping(plainContact(v), v.Extra) }

type plainProbe Probe

// UnmarshalJSON keeps unknown fields in Extra.
func (v *Probe) UnmarshalJSON(b []byte) error {
	var p plainProbe
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = Probe(p)
	return err
}

// MarshalJSON writes Extra too.
func (v Probe) MarshalJSON() ([]byte, error) { return encodeKeeping(plainProbe(v), v.Extra) }

type plainProbeCheck ProbeCheck

// UnmarshalJSON keeps unknown fields in Extra.
func (v *ProbeCheck) UnmarshalJSON(b []byte) error {
	var p plainProbeCheck
	extra, err := decodeKeeping(b, &p)
	p.Extra = extra
	*v = ProbeCheck(p)
	return err
}

// MarshalJSON writes Extra too.
func (v ProbeCheck) MarshalJSON() ([]byte, error) { return encodeKeeping(plainProbeCheck(v), v.Extra) }

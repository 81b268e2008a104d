//go:build simplextls

package deps

import (
	"crypto/hkdf"
	"hash"
)

// stage is a secret of the TLS 1.3 key schedule (RFC 8446, section 7.1).
type stage struct {
	secret []byte
	hash   func() hash.Hash
}

func extract(newHash func() hash.Hash, input, salt []byte) stage {
	if input == nil {
		input = make([]byte, newHash().Size())
	}
	prk, err := hkdf.Extract(newHash, input, salt)
	if err != nil {
		panic(err) // unreachable outside the FIPS mode
	}
	return stage{prk, newHash}
}

func (s stage) derive(label string, transcript hash.Hash) []byte {
	if transcript == nil {
		transcript = s.hash()
	}
	return ExpandLabel(s.hash, s.secret, label, transcript.Sum(nil), transcript.Size())
}

func (s stage) next(input []byte) stage { return extract(s.hash, input, s.derive("derived", nil)) }

// EarlySecret is the first stage of the schedule.
type EarlySecret struct{ stage }

// NewEarlySecret starts the schedule; psk may be nil.
func NewEarlySecret(newHash func() hash.Hash, psk []byte) *EarlySecret {
	return &EarlySecret{extract(newHash, psk, nil)}
}

// ResumptionBinderKey is the binder key of a resumed session.
func (s *EarlySecret) ResumptionBinderKey() []byte { return s.derive("res binder", nil) }

// ClientEarlyTrafficSecret is the secret of 0-RTT data.
func (s *EarlySecret) ClientEarlyTrafficSecret(transcript hash.Hash) []byte {
	return s.derive("c e traffic", transcript)
}

// HandshakeSecret is the second stage.
func (s *EarlySecret) HandshakeSecret(shared []byte) *HandshakeSecret {
	return &HandshakeSecret{s.next(shared)}
}

// EarlyExporterMasterSecret is the exporter's secret of 0-RTT data.
func (s *EarlySecret) EarlyExporterMasterSecret(transcript hash.Hash) *ExporterMasterSecret {
	return &ExporterMasterSecret{stage{s.derive("e exp master", transcript), s.hash}}
}

// HandshakeSecret is the second stage of the schedule.
type HandshakeSecret struct{ stage }

// ClientHandshakeTrafficSecret protects the client's handshake messages.
func (s *HandshakeSecret) ClientHandshakeTrafficSecret(transcript hash.Hash) []byte {
	return s.derive("c hs traffic", transcript)
}

// ServerHandshakeTrafficSecret protects the server's handshake messages.
func (s *HandshakeSecret) ServerHandshakeTrafficSecret(transcript hash.Hash) []byte {
	return s.derive("s hs traffic", transcript)
}

// MasterSecret is the third stage.
func (s *HandshakeSecret) MasterSecret() *MasterSecret { return &MasterSecret{s.next(nil)} }

// MasterSecret is the third stage of the schedule.
type MasterSecret struct{ stage }

// ClientApplicationTrafficSecret protects the client's data.
func (s *MasterSecret) ClientApplicationTrafficSecret(transcript hash.Hash) []byte {
	return s.derive("c ap traffic", transcript)
}

// ServerApplicationTrafficSecret protects the server's data.
func (s *MasterSecret) ServerApplicationTrafficSecret(transcript hash.Hash) []byte {
	return s.derive("s ap traffic", transcript)
}

// ResumptionMasterSecret is the secret of session tickets.
func (s *MasterSecret) ResumptionMasterSecret(transcript hash.Hash) []byte {
	return s.derive("res master", transcript)
}

// ExporterMasterSecret is the secret of exported keying material.
func (s *MasterSecret) ExporterMasterSecret(transcript hash.Hash) *ExporterMasterSecret {
	return &ExporterMasterSecret{stage{s.derive("exp master", transcript), s.hash}}
}

// ExporterMasterSecret is the secret of exported keying material.
type ExporterMasterSecret struct{ stage }

// Exporter is keying material for a label and context (RFC 8446, section 7.5).
func (s *ExporterMasterSecret) Exporter(label string, context []byte, n int) []byte {
	h := s.hash()
	h.Write(context)
	return ExpandLabel(s.hash, s.derive(label, nil), "exporter", h.Sum(nil), n)
}

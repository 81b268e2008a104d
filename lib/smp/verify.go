package smp

import (
	"sync"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// Sizes of authorizations tell their kinds.
const (
	ed25519Size = 64
	ed448Size   = 114
)

func validAuth(auth []byte) bool {
	switch len(auth) {
	case 0, ed25519Size, ed448Size, box.AuthenticatorSize:
		return true
	}
	return false
}

// Verify tells whether the holder of k has authorized r. service is that of
// the session, or nil: its certificate is authorized too if r has the
// service's signature, which is for [Params.CheckService]. A signature by
// another kind of key takes as long as a wrong one.
func (p *Params) Verify(r *Request, k key.Public, service *PeerService) bool {
	buf := signedPool.Get().(*[]byte)
	defer signedPool.Put(buf)
	msg := p.signedBytes(buf, r, service)
	switch len(r.auth) {
	case box.AuthenticatorSize:
		if x, ok := k.(key.X25519Public); ok {
			return p.verifyBox(r, x, msg)
		}
		p.verifyBox(r, dummies().x25519, msg)
	case ed25519Size:
		if e, ok := k.(key.Ed25519Public); ok {
			return e.Verify(msg, r.auth) == nil
		}
		_ = dummies().ed25519.Verify(msg, r.auth)
	case ed448Size:
		if e, ok := k.(key.Ed448Public); ok {
			return e.Verify(msg, r.auth) == nil
		}
		_ = dummies().ed448.Verify(msg, r.auth)
	}
	return false
}

// VerifyNone does the work of [Params.Verify] with a key that nobody has: a
// relay calls it for a queue that does not exist, so that the time of the
// answer does not tell.
func (p *Params) VerifyNone(r *Request) {
	buf := signedPool.Get().(*[]byte)
	defer signedPool.Put(buf)
	msg := p.signedBytes(buf, r, nil)
	switch len(r.auth) {
	case box.AuthenticatorSize:
		p.verifyBox(r, dummies().x25519, msg)
	case ed25519Size:
		_ = dummies().ed25519.Verify(msg, r.auth)
	case ed448Size:
		_ = dummies().ed448.Verify(msg, r.auth)
	}
}

// PeerService is the relay's side of a session with a service certificate.
type PeerService struct {
	ServiceID   ServiceID
	Role        ServiceRole
	Certificate Fingerprint
	Key         key.Ed25519Public
}

// VerifyService tells whether the service's own signature is there and right.
func (p *Params) VerifyService(r *Request, s *PeerService) bool {
	buf := signedPool.Get().(*[]byte)
	defer signedPool.Put(buf)
	return r.service != nil && s.Key.Verify(p.signedBytes(buf, r, nil), r.service) == nil
}

// CheckService is what a relay checks of r before the queue's keys, given the
// service of the session or nil: CMD PROHIBITED if the service's role may not
// send the command, SERVICE if its signature is missing, wrong or not allowed.
func (p *Params) CheckService(r *Request, s *PeerService) *Error {
	if s != nil {
		if role, ok := r.Command.Party().ServiceRole(); ok && role != s.Role {
			return ErrProhibited
		}
	}
	switch {
	case !SignedByService(r.Command) || s == nil:
		if r.service != nil {
			return ErrService
		}
	case !p.VerifyService(r, s):
		return ErrService
	}
	return nil
}

// VerifyServiceCommand tells whether r is for the service and authorized by
// its key alone, as SUBS and NSUBS are; else the answer is SERVICE.
func (p *Params) VerifyServiceCommand(r *Request, s *PeerService) bool {
	return r.service == nil && len(r.auth) == ed25519Size &&
		r.EntityID == EntityID(s.ServiceID) && p.Verify(r, s.Key, nil)
}

// signedPool has buffers for what is authorized, which may fill a block.
var signedPool = sync.Pool{New: func() any { return new([]byte) }}

// signedBytes puts what is authorized into buf; it is valid as long as buf is
// not used for anything else.
func (p *Params) signedBytes(buf *[]byte, r *Request, service *PeerService) []byte {
	msg := (*buf)[:0]
	if service != nil && r.service != nil {
		msg = append(msg, service.Certificate...)
	}
	if p.implied() {
		msg = p.appendSession(msg)
	}
	*buf = append(msg, r.signed...)
	return *buf
}

func (p *Params) verifyBox(r *Request, k key.X25519Public, msg []byte) bool {
	if p.Key == nil {
		return false
	}
	if shared := p.Shared[k]; shared != nil {
		return shared.VerifyAuthenticator([]byte(r.CorrID), msg, r.auth)
	}
	shared, err := box.SharedKey(k, p.Key)
	ok := err == nil && shared.VerifyAuthenticator([]byte(r.CorrID), msg, r.auth)
	if ok && p.Shared != nil {
		if len(p.Shared) >= maxShared {
			clear(p.Shared)
		}
		p.Shared[k] = shared
	}
	return ok
}

// maxShared bounds [Params.Shared], to about 10 KiB.
const maxShared = 64

type dummyKeys struct {
	x25519  key.X25519Public
	ed25519 key.Ed25519Public
	ed448   key.Ed448Public
}

// dummies are keys whose private halves are thrown away.
var dummies = sync.OnceValue(func() dummyKeys {
	return dummyKeys{key.GenerateX25519().Public(), key.GenerateEd25519().Public(), key.GenerateEd448().Public()}
})

// Package work runs an agent's jobs: at most one at a time under each key,
// each again and again with pauses until it has nothing to do; and it has the
// locks that jobs and calls take on what they change. It knows nothing of
// connections: a key is text.
package work

// Package ops answers what an operator's machines ask a server: the Dockerflow endpoints and
// security headers of the public listener, and the statistics and profiles of the admin listener
// (docs/protocol.md section 6).
package ops

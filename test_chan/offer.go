package main

import (
	"context"
	"errors"
	"fmt"
)

// missingLevels finds out which levels a server does not offer, and why each is thought to be so.
// A server that is known to be this project's offers its own level, whatever it does.
func (r *runner) missingLevels(ctx context.Context, isOurs bool) (map[level]string, error) {
	server, err := r.launch(ctx, plain)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	t := &T{target: server, check: "levels", patience: r.patience, progress: func(string) {}}
	defer t.close()

	missing := make(map[level]string)
	if !isOurs {
		end, err := t.closeCode(ctx, visit{path: pathV1 + "x"})
		if err != nil {
			return nil, err
		}
		if end.code < 4000 {
			missing[ours] = fmt.Sprintf("not offered: a bad channel id came to %v, where this project's server gives a close code of its own", end)
		}
	}
	p, err := t.visit(ctx, "a client of version 2", visit{path: pathV2})
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		missing[v2] = fmt.Sprintf("not offered: at %s, %v", pathV2, err)
	case err != nil:
		return nil, err
	default:
		p.drop()
	}
	return missing, nil
}

// closeCode returns how a visit ends, or that it got a seat.
func (t *T) closeCode(ctx context.Context, v visit) (ending, error) {
	p, err := t.visit(ctx, "a guest", v)
	var refused *refusal
	if errors.As(err, &refused) {
		return ending{err: err}, nil
	}
	if err != nil {
		return ending{}, err
	}
	if _, err := p.next(ctx, "the end"); err == nil {
		return ending{err: errors.New("it got a seat")}, nil
	}
	return p.end(ctx)
}

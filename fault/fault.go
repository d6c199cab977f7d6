// Package fault is the project's one error type: what kind of trouble an
// input gave, in which file, at which place. Every reader, converter and
// runner reports bad input with it, so that a caller can tell "this file is
// damaged" from "this operator is not supported" by errors.As. It imports
// nothing else of the project and decides nothing.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what is wrong with an input.
type Kind uint8

// The kinds of trouble. The zero Kind means that none was named.
const (
	Unsupported Kind = iota + 1 // well formed, but asks for something that is not implemented
	Corrupt                     // breaks the rules of its format
	BadShape                    // a shape or an element count does not fit
	BadValue                    // a value lies outside what its meaning allows
	Limit                       // over a bound set against hostile input
)

var kindNames = [...]string{"", "unsupported", "corrupt", "bad shape", "bad value", "limit exceeded"}

// String returns the kind's name in lower case: "corrupt", "bad shape", ….
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Error is one finding about an input.
type Error struct {
	Kind  Kind
	File  string // as the caller named it; "" for bytes in memory
	Place string // field path, layer, tensor or byte offset; "" for the whole file
	Err   error  // what was expected and what was there
}

// Error returns "file: place: cause".
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{e.File, e.Place} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch {
	case e.Err != nil:
		parts = append(parts, e.Err.Error())
	default:
		parts = append(parts, e.Kind.String())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an Error of that kind and place. The message is formatted as by
// fmt.Errorf, %w included.
func New(kind Kind, place, format string, args ...any) *Error {
	return &Error{Kind: kind, Place: place, Err: fmt.Errorf(format, args...)}
}

// InFile names the file of every Error in err's chain that does not name one
// yet; err itself is wrapped when it holds none. A nil err stays nil.
func InFile(err error, file string) error {
	if err == nil || file == "" {
		return err
	}
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", file, err)
	}
	if e.File != "" {
		return err
	}
	named := *e
	named.File = file
	if err == error(e) { //nolint:errorlint // err itself, not one in its chain
		return &named
	}
	// The Error stands deeper: lift it, so that the file is said first.
	return &Error{Kind: e.Kind, File: file, Err: err}
}

// KindOf returns the kind of the first Error in err's chain, 0 without one.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

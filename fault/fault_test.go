package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&Error{Kind: Corrupt, File: "a.mlmodel", Place: "byte 12", Err: io.ErrUnexpectedEOF}, "a.mlmodel: byte 12: unexpected EOF"},
		{New(BadShape, `layer "x"`, "want %d, have %d", 3, 4), `layer "x": want 3, have 4`},
		{&Error{Kind: Limit}, "limit exceeded"},
		{InFile(New(Corrupt, "byte 1", "lie"), "f"), "f: byte 1: lie"},
		{InFile(InFile(New(Corrupt, "byte 1", "lie"), "f"), "g"), "f: byte 1: lie"},
		{InFile(io.EOF, "f"), "f: EOF"},
		{InFile(fmt.Errorf("walk: %w", New(Limit, "p", "deep")), "f"), "f: walk: p: deep"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("have %q, want %q", got, c.want)
		}
	}
}

func TestChain(t *testing.T) {
	err := fmt.Errorf("open: %w", InFile(New(Corrupt, "byte 1", "read: %w", io.ErrUnexpectedEOF), "f"))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Corrupt || e.File != "f" || e.Place != "byte 1" {
		t.Errorf("errors.As gave %+v", e)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if KindOf(err) != Corrupt || KindOf(io.EOF) != 0 || KindOf(nil) != 0 {
		t.Error("KindOf is wrong")
	}
	if InFile(nil, "f") != nil {
		t.Error("InFile made an error of nil")
	}
	original := New(Corrupt, "", "x")
	if _ = InFile(original, "f"); original.File != "" {
		t.Error("InFile changed its argument")
	}
}

func TestKindString(t *testing.T) {
	if Unsupported.String() != "unsupported" || Kind(99).String() != "Kind(99)" {
		t.Error(Unsupported, Kind(99))
	}
}

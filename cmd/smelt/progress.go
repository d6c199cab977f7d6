package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// patience is how long work may take before it gets a progress bar.
const patience = 700 * time.Millisecond

// progress returns a function that shows how far work is, for standard error on
// a terminal, and one that takes the bar away. Elsewhere both do nothing.
func (a *app) progress(what string) (show func(done, total int), finish func()) {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	return a.bar(what, f)
}

// bar is progress on a terminal.
func (a *app) bar(what string, w io.Writer) (show func(done, total int), finish func()) {
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	out := &lateWriter{w: w, from: time.Now().Add(patience)}
	known := 0
	show = func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if total <= 0 {
			total = -1 // a spinner
		}
		if bar == nil {
			bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
				progressbar.OptionSetPredictTime(true), progressbar.OptionShowCount(),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(false))
			known = total
		}
		if total != known {
			bar.ChangeMax(total)
			known = total
		}
		bar.Set(done)
	}
	return show, func() {
		mu.Lock()
		defer mu.Unlock()
		if bar != nil {
			bar.Clear()
		}
	}
}

// lateWriter drops what is written before a time.
type lateWriter struct {
	w    io.Writer
	from time.Time
}

func (l *lateWriter) Write(b []byte) (int, error) {
	if time.Now().Before(l.from) {
		return len(b), nil
	}
	return l.w.Write(b)
}

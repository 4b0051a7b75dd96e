// A Go program that leaks, for crates/heaptide-profile/tests/leak_go.rs: writes heap profiles to the folder given, one after each
// simulated second. What is live in them is as of the last garbage collection.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

const snapshots = 16

var (
	sessions [][]byte
	pages    [][]byte
	last     []byte
)

//go:noinline
func newBuffer() []byte { return make([]byte, 4096) }

// Keeps what it makes: 1 MiB a second.
//
//go:noinline
func openSession() { sessions = append(sessions, newBuffer()) }

// The same function makes its buffers, of which none is kept.
//
//go:noinline
func answer() { last = newBuffer() }

// Keeps the newest 8 MiB, and is full after two seconds.
//
//go:noinline
func cachePage() {
	if len(pages) == 2048 {
		copy(pages, pages[1:])
		pages = pages[:2047]
	}
	pages = append(pages, make([]byte, 4096))
}

func main() {
	runtime.MemProfileRate = 4096
	sessions = make([][]byte, 0, 1<<16)
	pages = make([][]byte, 0, 4096)
	for second := 0; second < snapshots; second++ {
		for i := 0; i < 256; i++ {
			openSession()
		}
		for i := 0; i < 2048; i++ {
			answer()
		}
		for i := 0; i < 1024; i++ {
			cachePage()
		}
		runtime.GC()
		runtime.GC()
		file, err := os.Create(filepath.Join(os.Args[1], fmt.Sprintf("heap-%02d.pb.gz", second)))
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(file, 0)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	runtime.KeepAlive(last)
}

package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

func init() { runtime.MemProfileRate = 1 }

var kept [][]byte

//go:noinline
func keep(count int) {
	for i := 0; i < count; i++ {
		kept = append(kept, make([]byte, 3000))
	}
}

func inner(size int) []byte { return make([]byte, size) }

//go:noinline
func drop(count int) {
	for i := 0; i < count; i++ {
		sink = inner(5000)
	}
	sink = nil
}

var sink []byte

func main() {
	kept = make([][]byte, 0, 16)
	keep(10)
	drop(20)
	runtime.GC()
	runtime.GC()
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup(os.Args[2]).WriteTo(f, 0); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

var kept [][]byte

//go:noinline
func small(count int) {
	for i := 0; i < count; i++ {
		kept = append(kept, make([]byte, 4096))
	}
}

//go:noinline
func large(count int) {
	for i := 0; i < count; i++ {
		kept = append(kept, make([]byte, 512<<10))
	}
}

// 64 MiB in blocks of 4 KiB and 20 MiB in blocks of 512 KiB, sampled at Go's default of 512 KiB.
func main() {
	kept = make([][]byte, 0, 20000)
	small(16384)
	large(40)
	runtime.GC()
	runtime.GC()
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
	runtime.KeepAlive(kept)
}

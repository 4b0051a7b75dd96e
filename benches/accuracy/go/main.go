// The sites of ../src/lib.rs under Go's heap profiler, at its default of 512 KiB.
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

//go:noinline
func site_64(size int) []byte { return make([]byte, size) }

//go:noinline
func site_1k(size int) []byte { return make([]byte, size) }

//go:noinline
func site_64k(size int) []byte { return make([]byte, size) }

//go:noinline
func site_512k(size int) []byte { return make([]byte, size) }

//go:noinline
func site_2m(size int) []byte { return make([]byte, size) }

//go:noinline
func site_64_and_256k(size int) []byte { return make([]byte, size) }

//go:noinline
func site_512_and_32k(size int) []byte { return make([]byte, size) }

//go:noinline
func site_1k_and_2m(size int) []byte { return make([]byte, size) }

type blocks struct{ size, count int }

var sites = []struct {
	create func(int) []byte
	blocks []blocks
}{
	{site_64, []blocks{{64, 512 << 10}}},
	{site_1k, []blocks{{1 << 10, 32 << 10}}},
	{site_64k, []blocks{{64 << 10, 512}}},
	{site_512k, []blocks{{512 << 10, 128}}},
	{site_2m, []blocks{{2 << 20, 32}}},
	{site_64_and_256k, []blocks{{64, 512 << 10}, {256 << 10, 128}}},
	{site_512_and_32k, []blocks{{512, 64 << 10}, {32 << 10, 1 << 10}}},
	{site_1k_and_2m, []blocks{{1 << 10, 32 << 10}, {2 << 20, 16}}},
}

var kept [][]byte

func main() {
	for _, site := range sites {
		most := 0
		for _, b := range site.blocks {
			if b.count > most {
				most = b.count
			}
		}
		for turn := 0; turn < most; turn++ {
			for _, b := range site.blocks {
				if (turn+1)*b.count/most > turn*b.count/most {
					kept = append(kept, site.create(b.size))
				}
			}
		}
	}
	// A profile shows what was live two collections ago.
	runtime.GC()
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.Lookup("heap").WriteTo(file, 0); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
	runtime.KeepAlive(kept)
}

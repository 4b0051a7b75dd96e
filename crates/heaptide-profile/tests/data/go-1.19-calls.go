// A heap profile with recursion, inlined calls, methods, closures, type parameters, and memory that was
// freed; every allocation is sampled.
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
)

type node struct {
	left, right *node
	name        []byte
}

func grow(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{
		left:  grow(depth - 1),
		right: grow(depth - 1),
		name:  make([]byte, 100*depth),
	}
}

type cache struct{ pages map[int][]byte }

//go:noinline
func (c *cache) put(page int) {
	c.pages[page] = fresh(1024)
}

// fresh is inlined.
func fresh(size int) []byte { return make([]byte, size) }

//go:noinline
func collect[T any](count int, make func(int) T) []T {
	var all []T
	for at := 0; at < count; at++ {
		all = append(all, make(at))
	}
	return all
}

//go:noinline
func ping(n int, kept *[][]byte) {
	*kept = append(*kept, fresh(64))
	if n > 0 {
		pong(n-1, kept)
	}
}

//go:noinline
func pong(n int, kept *[][]byte) {
	*kept = append(*kept, make([]byte, 80))
	if n > 0 {
		ping(n-1, kept)
	}
}

func main() {
	runtime.MemProfileRate = 1
	tree := grow(8)
	kept := &cache{pages: map[int][]byte{}}
	gone := &cache{pages: map[int][]byte{}}
	for page := 0; page < 50; page++ {
		kept.put(page)
		gone.put(page)
	}
	gone = nil
	names := collect(40, func(at int) string { return strings.Repeat("x", 10*at+10) })
	lists := collect(20, func(at int) []int { return make([]int, at+1) })
	var chain [][]byte
	ping(9, &chain)
	runtime.GC()
	file, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err := pprof.WriteHeapProfile(file); err != nil {
		panic(err)
	}
	file.Close()
	println(tree.name[0], len(kept.pages), len(names), len(lists), len(chain))
}

# go builds a program, and it runs: goroutines, channels, the collector, and preemption by signals.
mkdir -p m && cd m
export GOCACHE=$PWD/cache GOFLAGS=-mod=mod GO111MODULE=on GOPROXY=off
cat > go.mod <<'M'
module m
M
cat > main.go <<'GO'
package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	c := make(chan int, 10)
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func(n int) {
			defer wg.Done()
			s := 0
			for k := 0; k < 3000000; k++ {
				s = (s*31 + k) % 1000003
			}
			c <- s + n
		}(i)
	}
	go func() { wg.Wait(); close(c) }()
	var r []int
	for v := range c {
		r = append(r, v)
	}
	sort.Ints(r)
	fmt.Println(r)
	m := map[string][]byte{}
	for i := 0; i < 100000; i++ {
		m[fmt.Sprint("k", i%500)] = make([]byte, 1000)
	}
	fmt.Println(len(m), strings.Repeat("ab", 3))
	defer func() { fmt.Println(recover()) }()
	time.Sleep(10 * time.Millisecond)
	var p *int
	fmt.Println(*p)
}
GO
go build -o prog main.go
./prog

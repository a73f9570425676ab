// SPDX-License-Identifier: BSD-3-Clause

// A TLS client with Go's crypto/tls: GoClient ADDRESS:PORT
package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	c, err := tls.Dial("tcp", os.Args[1], &tls.Config{
		ServerName:         "www.example.com",
		InsecureSkipVerify: true,
		NextProtos:         []string{"h2", "http/1.1"},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c.Close()
}

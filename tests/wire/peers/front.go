// A reverse proxy out of Go's standard library, in front of the server under test:   front <address of the server>
//
// Prints "listening <address>", then the path of each request that it forwards, as it understands it.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	log.SetOutput(io.Discard) // what clients do wrong is no news here
	server := &url.URL{Scheme: "http", Host: os.Args[1]}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(server)
		fmt.Println(r.In.URL.EscapedPath())
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr())
	panic(http.Serve(listener, proxy))
}

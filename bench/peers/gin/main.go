// Gin alone: token, rate, message; a cache of values; HTTP/1.1, and HTTP/2 without TLS.
package main

import (
	"io"
	"log"
	"net/http"
	"sync"

	"headgate-bench/checks-go"

	"github.com/gin-gonic/gin"
)

const bodyLimit = 64 << 10 // bytes

func main() {
	gate, err := checks.FromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	var values sync.Map
	engine := checks.Engine()
	engine.POST("/v1/streams/:stream", gate.Publish, func(context *gin.Context) {
		body, err := io.ReadAll(http.MaxBytesReader(context.Writer, context.Request.Body, bodyLimit))
		if err != nil {
			checks.Refuse(context, http.StatusRequestEntityTooLarge, err.Error())
		} else if err = checks.CheckMessage(body); err != nil {
			checks.Refuse(context, http.StatusUnprocessableEntity, err.Error())
		} else {
			context.Data(http.StatusAccepted, "application/json", gate.Receipt(gate.Next()))
		}
	})
	engine.GET("/v1/cache/:key", gate.ReadCache, func(context *gin.Context) {
		value, found := values.Load(context.Param("key"))
		if !found {
			checks.Refuse(context, http.StatusNotFound, "not cached")
			return
		}
		context.Data(http.StatusOK, "application/json", value.([]byte))
	})
	engine.PUT("/v1/cache/:key", gate.ReadCache, func(context *gin.Context) {
		body, err := io.ReadAll(http.MaxBytesReader(context.Writer, context.Request.Body, bodyLimit))
		if err != nil {
			checks.Refuse(context, http.StatusRequestEntityTooLarge, err.Error())
			return
		}
		values.Store(context.Param("key"), body)
		context.Status(http.StatusNoContent)
	})
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: checks.Address(), Handler: engine, Protocols: protocols}
	log.Fatal(server.ListenAndServe())
}

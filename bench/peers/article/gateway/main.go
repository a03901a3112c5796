// The article's gateway: Gin judges token and rate, the validator (gRPC) the message; the cache is behind HTTP/2.
package main

import (
	"io"
	"log"
	"net/http"
	"os"

	"headgate-bench/article/proto"
	"headgate-bench/checks-go"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const bodyLimit = 64 << 10 // bytes

func main() {
	gate, err := checks.FromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(os.Getenv("VALIDATOR"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	engine := checks.Engine()
	engine.POST("/v1/streams/:stream", gate.Publish, publish(proto.NewValidatorClient(connection), gate))
	engine.GET("/v1/cache/:key", gate.ReadCache, relay(os.Getenv("CACHE")))
	engine.PUT("/v1/cache/:key", gate.ReadCache, relay(os.Getenv("CACHE")))
	log.Fatal(http.ListenAndServe(checks.Address(), engine))
}

func publish(validator proto.ValidatorClient, gate *checks.Gate) gin.HandlerFunc {
	return func(request *gin.Context) {
		body, err := io.ReadAll(http.MaxBytesReader(request.Writer, request.Request.Body, bodyLimit))
		if err != nil {
			checks.Refuse(request, http.StatusRequestEntityTooLarge, err.Error())
			return
		}
		message := &proto.Message{Stream: request.Param("stream"), Client: request.GetString("client"), Body: body}
		verdict, err := validator.Validate(request.Request.Context(), message)
		if err != nil {
			checks.Refuse(request, http.StatusBadGateway, err.Error())
		} else if verdict.Status != http.StatusAccepted {
			checks.Refuse(request, int(verdict.Status), verdict.Detail)
		} else {
			request.Data(http.StatusAccepted, "application/json", gate.Receipt(verdict.Seq))
		}
	}
}

func relay(cache string) gin.HandlerFunc {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	return func(request *gin.Context) {
		var content io.Reader
		if request.Request.Method == http.MethodPut {
			content = http.MaxBytesReader(request.Writer, request.Request.Body, bodyLimit)
		}
		url := "http://" + cache + "/v1/cache/" + request.Param("key")
		inner, err := http.NewRequestWithContext(request.Request.Context(), request.Request.Method, url, content)
		if err != nil {
			checks.Refuse(request, http.StatusBadRequest, err.Error())
			return
		}
		answer, err := client.Do(inner)
		if err != nil {
			checks.Refuse(request, http.StatusBadGateway, err.Error())
			return
		}
		defer answer.Body.Close()
		request.DataFromReader(answer.StatusCode, answer.ContentLength, answer.Header.Get("Content-Type"), answer.Body, nil)
	}
}

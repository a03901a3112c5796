// grpc-go: headgate.v1's Validator and Ingest, unary calls: token, rate, message.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"strconv"

	"headgate-bench/checks-go"
	"headgate-bench/headgatev1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type server struct {
	headgatev1.UnimplementedValidatorServer
	headgatev1.UnimplementedIngestServer
	gate *checks.Gate
}

var codeOf = map[int]codes.Code{
	http.StatusUnauthorized:    codes.Unauthenticated,
	http.StatusForbidden:       codes.PermissionDenied,
	http.StatusNotFound:        codes.NotFound,
	http.StatusTooManyRequests: codes.ResourceExhausted,
}

func (server *server) judge(ctx context.Context, stream string) error {
	authorization := ""
	if values := metadata.ValueFromIncomingContext(ctx, "authorization"); len(values) == 1 {
		authorization = values[0]
	}
	if _, code := server.gate.MayPublish(authorization, stream); code != 0 {
		return status.Error(codeOf[code], "")
	}
	return nil
}

func (server *server) ValidateOne(ctx context.Context, request *headgatev1.ValidateRequest) (*headgatev1.ValidateResponse, error) {
	if err := server.judge(ctx, request.Stream); err != nil {
		return nil, err
	}
	if err := checks.CheckMessage(request.Body); err != nil {
		return &headgatev1.ValidateResponse{Code: "schema_violation", Detail: err.Error()}, nil
	}
	return &headgatev1.ValidateResponse{Valid: true}, nil
}

func (server *server) Publish(ctx context.Context, request *headgatev1.PublishRequest) (*headgatev1.PublishResponse, error) {
	if err := server.judge(ctx, request.Stream); err != nil {
		return nil, err
	}
	if err := checks.CheckMessage(request.Body); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	seq := "1." + strconv.FormatUint(server.gate.Next(), 10)
	return &headgatev1.PublishResponse{Seq: seq, Durability: headgatev1.Durability_DURABILITY_MEMORY}, nil
}

func main() {
	gate, err := checks.FromEnvironment()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", checks.Address())
	if err != nil {
		log.Fatal(err)
	}
	served := &server{gate: gate}
	all := grpc.NewServer()
	headgatev1.RegisterValidatorServer(all, served)
	headgatev1.RegisterIngestServer(all, served)
	log.Fatal(all.Serve(listener))
}

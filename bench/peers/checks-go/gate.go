// Package checks is what every Go peer checks: token, scope, rate. The same decisions as bench/gateway/messages.py asks for.
package checks

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const cachedTokens = 4096 // over it the table begins anew

// Claims are those of a verified token.
type Claims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
}

func (claims *Claims) allow(scope string) bool {
	return slices.Contains(strings.Split(claims.Scope, " "), scope)
}

// Gate judges requests. Make one with FromEnvironment.
type Gate struct {
	secret   []byte
	parser   *jwt.Parser
	mutex    sync.RWMutex
	verified map[string]*Claims // nil: not kept
	streams  map[string]*limiter
	cache    *limiter
	seq      atomic.Uint64
}

// limiter is a token bucket for each client.
type limiter struct {
	rate    rate.Limit
	burst   int
	buckets sync.Map // client -> *rate.Limiter
}

func (limiter *limiter) take(client string) bool {
	bucket, found := limiter.buckets.Load(client)
	if !found {
		bucket, _ = limiter.buckets.LoadOrStore(client, rate.NewLimiter(limiter.rate, limiter.burst))
	}
	return bucket.(*rate.Limiter).Allow()
}

// FromEnvironment reads SECRET_FILE, TOKEN_CACHE (1: on), RATE and BURST.
func FromEnvironment() (*Gate, error) {
	secret, err := os.ReadFile(os.Getenv("SECRET_FILE"))
	if err != nil {
		return nil, err
	}
	perSecond, err := strconv.ParseFloat(os.Getenv("RATE"), 64)
	if err != nil {
		return nil, err
	}
	burst, err := strconv.Atoi(os.Getenv("BURST"))
	if err != nil {
		return nil, err
	}
	gate := &Gate{
		secret: bytes.TrimSpace(secret),
		parser: jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("headgate"),
			jwt.WithIssuer("headgate"), jwt.WithExpirationRequired(), jwt.WithLeeway(30*time.Second)),
		streams: map[string]*limiter{
			"telemetry": {rate: rate.Limit(perSecond), burst: burst},
			"limited":   {rate: 1, burst: 5}, // a rate that a test can exceed
		},
		cache: &limiter{rate: rate.Limit(perSecond), burst: burst},
	}
	if os.Getenv("TOKEN_CACHE") == "1" {
		gate.verified = make(map[string]*Claims)
	}
	return gate, nil
}

func (gate *Gate) verify(authorization string) *Claims {
	token, found := strings.CutPrefix(authorization, "Bearer ")
	if !found {
		return nil
	}
	if gate.verified != nil {
		gate.mutex.RLock()
		claims := gate.verified[token]
		gate.mutex.RUnlock()
		if claims != nil {
			if time.Now().After(claims.ExpiresAt.Add(30 * time.Second)) {
				return nil
			}
			return claims
		}
	}
	claims := new(Claims)
	_, err := gate.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return gate.secret, nil })
	if err != nil || claims.Subject == "" {
		return nil
	}
	if gate.verified != nil {
		gate.mutex.Lock()
		if len(gate.verified) >= cachedTokens {
			clear(gate.verified)
		}
		gate.verified[strings.Clone(token)] = claims
		gate.mutex.Unlock()
	}
	return claims
}

func (gate *Gate) judge(authorization, scope string, limiter *limiter) (client string, status int) {
	claims := gate.verify(authorization)
	switch {
	case claims == nil:
		return "", http.StatusUnauthorized
	case limiter == nil:
		return "", http.StatusNotFound
	case !claims.allow(scope):
		return "", http.StatusForbidden
	case !limiter.take(claims.Subject):
		return "", http.StatusTooManyRequests
	}
	return claims.Subject, 0
}

// MayPublish on the stream? status: HTTP's, 0 if so.
func (gate *Gate) MayPublish(authorization, stream string) (client string, status int) {
	return gate.judge(authorization, "publish:"+stream, gate.streams[stream])
}

// Publish is middleware: may this client publish on the stream?
func (gate *Gate) Publish(context *gin.Context) {
	stream := context.Param("stream")
	client, status := gate.MayPublish(context.GetHeader("Authorization"), stream)
	if status != 0 {
		Refuse(context, status, "")
		return
	}
	context.Set("client", client)
}

// ReadCache is middleware: may this client use the cache?
func (gate *Gate) ReadCache(context *gin.Context) {
	if _, status := gate.judge(context.GetHeader("Authorization"), "cache:read", gate.cache); status != 0 {
		Refuse(context, status, "")
	}
}

// Receipt is the body of a 202.
func (gate *Gate) Receipt(seq uint64) []byte {
	return fmt.Appendf(nil, `{"seq":"1.%d","durability":"memory"}`, seq)
}

// Next is the number of an accepted message.
func (gate *Gate) Next() uint64 {
	return gate.seq.Add(1)
}

// Refuse answers with a problem of RFC 9457.
func Refuse(context *gin.Context, status int, detail string) {
	context.Header("Content-Type", "application/problem+json")
	context.AbortWithStatusJSON(status, gin.H{"type": "about:blank", "status": status, "detail": detail})
}

// Engine is Gin without its access log.
func Engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	return engine
}

// Address is where to listen: PORT on the loopback interface.
func Address() string {
	return "127.0.0.1:" + os.Getenv("PORT")
}

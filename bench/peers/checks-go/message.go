package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"unicode/utf8"
)

// message is bench/gateway/telemetry.schema.json; pointers tell what is missing.
type message struct {
	Device      *string   `json:"device"`
	Ts          *uint64   `json:"ts"`
	Seq         *uint64   `json:"seq"`
	Temperature *float64  `json:"temperature_c"`
	Humidity    *float64  `json:"humidity_pct"`
	Pressure    *float64  `json:"pressure_hpa"`
	Battery     *uint32   `json:"battery_mv"`
	Status      *string   `json:"status"`
	Location    *location `json:"location"`
	Firmware    *string   `json:"firmware"`
	Tags        []string  `json:"tags"`
}

type location struct {
	Lat *float64 `json:"lat"`
	Lon *float64 `json:"lon"`
}

var (
	device   = regexp.MustCompile(`^[a-z]+-[0-9]{1,6}$`)
	firmware = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	statuses = []string{"ok", "degraded", "failed"}

	errMissing = errors.New("a member is missing")
	errRange   = errors.New("a number is out of its range")
	errText    = errors.New("a text does not match")
	errAfter   = errors.New("something follows the document")
)

func between(value, least, most float64) bool {
	return value >= least && value <= most
}

func CheckMessage(body []byte) error {
	var m message
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errAfter
	}
	if m.Device == nil || m.Ts == nil || m.Seq == nil || m.Temperature == nil || m.Humidity == nil || m.Pressure == nil ||
		m.Battery == nil || m.Status == nil || m.Firmware == nil || m.Location == nil || m.Location.Lat == nil ||
		m.Location.Lon == nil {
		return errMissing
	}
	if !between(*m.Temperature, -60, 85) || !between(*m.Humidity, 0, 100) || !between(*m.Pressure, 300, 1100) ||
		*m.Battery > 5000 || !between(*m.Location.Lat, -90, 90) || !between(*m.Location.Lon, -180, 180) ||
		*m.Ts > 4102444800 || *m.Seq > 4294967295 {
		return errRange
	}
	if !device.MatchString(*m.Device) || !firmware.MatchString(*m.Firmware) || !slices.Contains(statuses, *m.Status) {
		return errText
	}
	if len(m.Tags) > 8 || slices.ContainsFunc(m.Tags, func(tag string) bool {
		length := utf8.RuneCountInString(tag)
		return length < 1 || length > 16
	}) {
		return errText
	}
	return nil
}

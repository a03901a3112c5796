//! bench/gateway/telemetry.schema.json as serde types; what types cannot say is checked afterwards.

use regex::Regex;
use serde::Deserialize;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Degraded,
    Failed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Location {
    lat: f64,
    lon: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    ts: u64,
    seq: u64,
    temperature_c: f64,
    humidity_pct: f64,
    pressure_hpa: f64,
    battery_mv: u32,
    #[allow(dead_code)] // its type is the check
    status: Status,
    location: Location,
    #[serde(borrow)]
    firmware: Cow<'a, str>,
    #[serde(borrow, default)]
    tags: Vec<Cow<'a, str>>,
}

static DEVICE: LazyLock<Regex> = LazyLock::new(|| Regex::new("^[a-z]+-[0-9]{1,6}$").unwrap());
static FIRMWARE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[0-9]+\.[0-9]+\.[0-9]+$").unwrap());
const TAGS: usize = 8;
const TAG: RangeInclusive<usize> = 1..=16;

/// `Err` says why the body is no message.
pub fn check(body: &[u8]) -> Result<(), String> {
    let message: Message = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let numbers = [
        ("temperature_c", message.temperature_c, -60.0..=85.0),
        ("humidity_pct", message.humidity_pct, 0.0..=100.0),
        ("pressure_hpa", message.pressure_hpa, 300.0..=1100.0),
        ("battery_mv", f64::from(message.battery_mv), 0.0..=5000.0),
        ("lat", message.location.lat, -90.0..=90.0),
        ("lon", message.location.lon, -180.0..=180.0),
    ];
    if let Some((name, value, range)) = numbers.iter().find(|(_, value, range)| !range.contains(value)) {
        return Err(format!("{name}: {value} is not in {range:?}"));
    }
    if message.ts > 4_102_444_800 || message.seq > 4_294_967_295 {
        return Err("ts or seq: too large".into());
    }
    if !DEVICE.is_match(&message.device) || !FIRMWARE.is_match(&message.firmware) {
        return Err("device or firmware: does not match".into());
    }
    if message.tags.len() > TAGS || !message.tags.iter().all(|tag| TAG.contains(&tag.chars().count())) {
        return Err("tags: too many, or one is empty or too long".into());
    }
    Ok(())
}

//! Token, scope, rate, in this order; streams and their rates; the receipt. Settings come from the environment.

use crate::limiter::Limiter;
use crate::token::Verifier;
use std::env;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Gate {
    verifier: Verifier,
    telemetry: Limiter,
    limited: Limiter, // has a rate that a test can exceed
    cache: Limiter,
    seq: AtomicU64,
}

pub const UNAUTHORIZED: u16 = 401;
pub const FORBIDDEN: u16 = 403;
pub const NOT_FOUND: u16 = 404;
pub const TOO_MANY: u16 = 429;

impl Gate {
    /// SECRET_FILE, TOKEN_CACHE (1: on), RATE and BURST.
    pub fn from_environment() -> Self {
        let number = |name: &str| env::var(name).unwrap().parse::<f64>().unwrap();
        let secret = std::fs::read(env::var("SECRET_FILE").unwrap()).unwrap();
        let (rate, burst) = (number("RATE"), number("BURST"));
        Self {
            verifier: Verifier::new(secret.trim_ascii(), env::var("TOKEN_CACHE").as_deref() == Ok("1")),
            telemetry: Limiter::new(rate, burst),
            limited: Limiter::new(1.0, 5.0),
            cache: Limiter::new(rate, burst),
            seq: AtomicU64::new(0),
        }
    }

    /// May this client publish on the stream? `Err`: the status.
    pub fn publish(&self, stream: &str, authorization: Option<&str>) -> Result<(), u16> {
        let claims = self.verifier.verify(authorization).ok_or(UNAUTHORIZED)?;
        let (limiter, scope) = match stream {
            "telemetry" => (&self.telemetry, "publish:telemetry"),
            "limited" => (&self.limited, "publish:limited"),
            _ => return Err(NOT_FOUND),
        };
        if !claims.allow(scope) {
            return Err(FORBIDDEN);
        }
        limiter.take(&claims.sub).then_some(()).ok_or(TOO_MANY)
    }

    pub fn read_cache(&self, authorization: Option<&str>) -> Result<(), u16> {
        let claims = self.verifier.verify(authorization).ok_or(UNAUTHORIZED)?;
        if !claims.allow("cache:read") {
            return Err(FORBIDDEN);
        }
        self.cache.take(&claims.sub).then_some(()).ok_or(TOO_MANY)
    }

    pub fn receipt(&self) -> String {
        format!(r#"{{"seq":"1.{}","durability":"memory"}}"#, self.seq.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A problem of RFC 9457.
pub fn problem(status: u16, detail: &str) -> String {
    serde_json::json!({"type": "about:blank", "status": status, "detail": detail}).to_string()
}

pub const PROBLEM: &str = "application/problem+json";
pub const JSON: &str = "application/json";

/// PORT.
pub fn address() -> std::net::SocketAddr {
    ([127, 0, 0, 1], env::var("PORT").unwrap().parse().unwrap()).into()
}

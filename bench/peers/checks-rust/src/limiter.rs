//! A token bucket for each client.

use dashmap::DashMap;
use std::time::Instant;

struct Bucket {
    tokens: f64,
    filled: Instant,
}

pub struct Limiter {
    rate: f64, // tokens per second
    burst: f64,
    buckets: DashMap<String, Bucket>,
}

impl Limiter {
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, buckets: DashMap::new() }
    }

    pub fn take(&self, client: &str) -> bool {
        let now = Instant::now();
        if let Some(mut bucket) = self.buckets.get_mut(client) {
            let grown = bucket.tokens + now.duration_since(bucket.filled).as_secs_f64() * self.rate;
            bucket.filled = now;
            let allowed = grown.min(self.burst) >= 1.0;
            bucket.tokens = grown.min(self.burst) - if allowed { 1.0 } else { 0.0 };
            return allowed;
        }
        self.buckets.insert(client.to_owned(), Bucket { tokens: self.burst - 1.0, filled: now });
        true
    }
}

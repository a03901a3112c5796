//! What every Rust peer checks: the token, the rate, the message. The same decisions as bench/gateway/messages.py asks for.

pub mod gate;
pub mod limiter;
pub mod message;
pub mod token;

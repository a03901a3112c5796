//! JWT HS256, and the table of tokens verified before.

use dashmap::DashMap;
use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const CACHED: usize = 4096; // tokens; over it the table begins anew

#[derive(Deserialize)]
pub struct Claims {
    pub sub: String,
    pub scope: String,
    pub exp: u64,
}

impl Claims {
    pub fn allow(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }
}

pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    cache: Option<DashMap<String, Arc<Claims>>>,
}

impl Verifier {
    pub fn new(secret: &[u8], cached: bool) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["headgate"]);
        validation.set_issuer(&["headgate"]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.leeway = 30;
        Self { key: DecodingKey::from_secret(secret), validation, cache: cached.then(DashMap::new) }
    }

    /// `authorization`: the field's value.
    pub fn verify(&self, authorization: Option<&str>) -> Option<Arc<Claims>> {
        let token = authorization?.strip_prefix("Bearer ")?;
        let Some(cache) = &self.cache else {
            return self.decode(token);
        };
        if let Some(claims) = cache.get(token) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
            return (claims.exp + self.validation.leeway > now).then(|| claims.clone());
        }
        let claims = self.decode(token)?;
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(token.to_owned(), claims.clone());
        Some(claims)
    }

    fn decode(&self, token: &str) -> Option<Arc<Claims>> {
        Some(Arc::new(decode::<Claims>(token, &self.key, &self.validation).ok()?.claims))
    }
}

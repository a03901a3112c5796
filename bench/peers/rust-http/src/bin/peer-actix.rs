//! actix-web alone: token, rate, message; a cache of values.

use actix_web::http::{header, StatusCode};
use actix_web::{web, App, HttpRequest, HttpResponse, HttpServer};
use bytes::Bytes;
use checks::gate::{address, problem, Gate, JSON, NOT_FOUND, PROBLEM};
use checks::message;
use dashmap::DashMap;

struct Shared {
    gate: Gate,
    values: DashMap<String, Bytes>,
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()
}

fn refuse(status: u16, detail: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).content_type(PROBLEM).body(problem(status, detail))
}

async fn publish(
    shared: web::Data<Shared>,
    request: HttpRequest,
    stream: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    if let Err(status) = shared.gate.publish(&stream, authorization(&request)) {
        return refuse(status, "");
    }
    match message::check(&body) {
        Ok(()) => HttpResponse::Accepted().content_type(JSON).body(shared.gate.receipt()),
        Err(reason) => refuse(422, &reason),
    }
}

async fn get(shared: web::Data<Shared>, request: HttpRequest, key: web::Path<String>) -> HttpResponse {
    if let Err(status) = shared.gate.read_cache(authorization(&request)) {
        return refuse(status, "");
    }
    match shared.values.get(key.as_str()) {
        Some(value) => HttpResponse::Ok().content_type(JSON).body(value.clone()),
        None => refuse(NOT_FOUND, "not cached"),
    }
}

async fn put(shared: web::Data<Shared>, request: HttpRequest, key: web::Path<String>, body: Bytes) -> HttpResponse {
    if let Err(status) = shared.gate.read_cache(authorization(&request)) {
        return refuse(status, "");
    }
    shared.values.insert(key.into_inner(), body);
    HttpResponse::NoContent().finish()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let shared = web::Data::new(Shared { gate: Gate::from_environment(), values: DashMap::new() });
    HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/v1/streams/{stream}", web::post().to(publish))
            .route("/v1/cache/{key}", web::get().to(get))
            .route("/v1/cache/{key}", web::put().to(put))
    })
    .workers(1)
    .bind(address())?
    .run()
    .await
}

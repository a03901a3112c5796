//! hyper alone, HTTP/1.1, one thread: token, rate, message; a cache of values.

use bytes::Bytes;
use checks::gate::{address, problem, Gate, JSON, NOT_FOUND, PROBLEM};
use checks::message;
use dashmap::DashMap;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::rc::Rc;

struct Shared {
    gate: Gate,
    values: DashMap<String, Bytes>,
}

type Answer = Response<Full<Bytes>>;

fn answer(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).header(CONTENT_TYPE, content_type).body(Full::new(body.into())).unwrap()
}

fn refuse(status: u16, detail: &str) -> Answer {
    answer(status, PROBLEM, problem(status, detail))
}

fn authorization(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()
}

async fn publish(shared: &Shared, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let stream = request.uri().path().strip_prefix("/v1/streams/").unwrap_or_default();
    if let Err(status) = shared.gate.publish(stream, authorization(&request)) {
        return Ok(refuse(status, ""));
    }
    let body = request.into_body().collect().await?.to_bytes();
    Ok(match message::check(&body) {
        Ok(()) => answer(202, JSON, shared.gate.receipt()),
        Err(reason) => refuse(422, &reason),
    })
}

async fn cache(shared: &Shared, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    if let Err(status) = shared.gate.read_cache(authorization(&request)) {
        return Ok(refuse(status, ""));
    }
    let key = request.uri().path().strip_prefix("/v1/cache/").unwrap_or_default();
    if request.method() == Method::PUT {
        let key = key.to_owned();
        let value = request.into_body().collect().await?.to_bytes();
        shared.values.insert(key, value);
        return Ok(answer(204, JSON, Bytes::new()));
    }
    Ok(match shared.values.get(key) {
        Some(value) => answer(200, JSON, value.clone()),
        None => refuse(NOT_FOUND, "not cached"),
    })
}

async fn serve(shared: Rc<Shared>, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let path = request.uri().path();
    match *request.method() {
        Method::POST if path.starts_with("/v1/streams/") => publish(&shared, request).await,
        Method::GET | Method::PUT if path.starts_with("/v1/cache/") => cache(&shared, request).await,
        _ => Ok(refuse(NOT_FOUND, "")),
    }
}

/// Streams of HTTP/2 are tasks of the one thread, as connections are.
#[derive(Clone, Copy)]
struct Local;

impl<F: std::future::Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let shared = Rc::new(Shared { gate: Gate::from_environment(), values: DashMap::new() });
    let listener = tokio::net::TcpListener::bind(address()).await?;
    let http2 = std::env::var("HTTP2").is_ok(); // beside HTTP/1.1, which it makes slower
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                let shared = shared.clone();
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request| serve(shared.clone(), request));
                    // a client that goes away ends its connection, nothing else
                    if http2 {
                        let _ = auto::Builder::new(Local).serve_connection(TokioIo::new(stream), service).await;
                        return;
                    }
                    let _ = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .pipeline_flush(true)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
        .await
}

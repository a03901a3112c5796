//! The article's cache: tokio, dashmap, HTTP/2 without TLS (prior knowledge). PUT, GET and DELETE /v1/cache/{key}.

use bytes::Bytes;
use dashmap::DashMap;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;

type Values = DashMap<String, Bytes>;

fn answer(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(Full::new(body)).unwrap()
}

async fn serve(values: Arc<Values>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let Some(key) = request.uri().path().strip_prefix("/v1/cache/") else {
        return Ok(answer(404, Bytes::new()));
    };
    Ok(match *request.method() {
        Method::GET => match values.get(key) {
            Some(value) => answer(200, value.clone()),
            None => answer(404, Bytes::new()),
        },
        Method::PUT => {
            let key = key.to_owned();
            let value = request.into_body().collect().await?.to_bytes();
            values.insert(key, value);
            answer(204, Bytes::new())
        }
        Method::DELETE => answer(if values.remove(key).is_some() { 204 } else { 404 }, Bytes::new()),
        _ => answer(405, Bytes::new()),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let values = Arc::new(Values::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let values = values.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(values.clone(), request));
            // a client that goes away ends its connection, nothing else
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

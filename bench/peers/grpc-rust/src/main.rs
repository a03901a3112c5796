//! tonic, one thread: headgate.v1's Validator and Ingest, unary calls: token, rate, message.

use checks::gate::{self, Gate};
use checks::message;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

mod proto {
    tonic::include_proto!("headgate.v1");
}
use proto::ingest_server::{Ingest, IngestServer};
use proto::validator_server::{Validator, ValidatorServer};

struct Shared {
    gate: Gate,
    seq: AtomicU64,
}

impl Shared {
    fn judge(&self, metadata: &MetadataMap, stream: &str) -> Result<(), Status> {
        let authorization = metadata.get("authorization").and_then(|value| value.to_str().ok());
        self.gate.publish(stream, authorization).map_err(|status| {
            let code = match status {
                gate::UNAUTHORIZED => Code::Unauthenticated,
                gate::FORBIDDEN => Code::PermissionDenied,
                gate::TOO_MANY => Code::ResourceExhausted,
                _ => Code::NotFound,
            };
            Status::new(code, "")
        })
    }
}

struct Service(Arc<Shared>);

#[tonic::async_trait]
impl Validator for Service {
    type ValidateStream = tonic::codegen::tokio_stream::Empty<Result<proto::ValidateResponse, Status>>;

    async fn validate(
        &self,
        _: Request<Streaming<proto::ValidateRequest>>,
    ) -> Result<Response<Self::ValidateStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn validate_one(
        &self,
        request: Request<proto::ValidateRequest>,
    ) -> Result<Response<proto::ValidateResponse>, Status> {
        self.0.judge(request.metadata(), &request.get_ref().stream)?;
        let verdict = match message::check(&request.get_ref().body) {
            Ok(()) => proto::ValidateResponse { valid: true, ..Default::default() },
            Err(detail) => {
                proto::ValidateResponse { code: "schema_violation".to_owned(), detail, ..Default::default() }
            }
        };
        Ok(Response::new(verdict))
    }
}

#[tonic::async_trait]
impl Ingest for Service {
    async fn publish(
        &self,
        request: Request<proto::PublishRequest>,
    ) -> Result<Response<proto::PublishResponse>, Status> {
        self.0.judge(request.metadata(), &request.get_ref().stream)?;
        message::check(&request.get_ref().body).map_err(Status::invalid_argument)?;
        let seq = format!("1.{}", self.0.seq.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(Response::new(proto::PublishResponse { seq, durability: 2, replayed: false }))
    }

    async fn publish_stream(
        &self,
        _: Request<Streaming<proto::PublishRequest>>,
    ) -> Result<Response<proto::PublishSummary>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), tonic::transport::Error> {
    let shared = Arc::new(Shared { gate: Gate::from_environment(), seq: AtomicU64::new(0) });
    tonic::transport::Server::builder()
        .add_service(ValidatorServer::new(Service(shared.clone())))
        .add_service(IngestServer::new(Service(shared)))
        .serve(gate::address())
        .await
}

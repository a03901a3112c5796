//! The article's validator: a tonic service, unary calls.

use checks::{gate, message};
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::{Request, Response, Status};

mod proto {
    tonic::include_proto!("article.v1");
}
use proto::validator_server::{Validator, ValidatorServer};

#[derive(Default)]
struct Service {
    seq: AtomicU64,
}

#[tonic::async_trait]
impl Validator for Service {
    async fn validate(&self, request: Request<proto::Message>) -> Result<Response<proto::Verdict>, Status> {
        let verdict = match message::check(&request.get_ref().body) {
            Ok(()) => {
                let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
                proto::Verdict { status: 202, detail: String::new(), seq }
            }
            Err(detail) => proto::Verdict { status: 422, detail, seq: 0 },
        };
        Ok(Response::new(verdict))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), tonic::transport::Error> {
    tonic::transport::Server::builder()
        .add_service(ValidatorServer::new(Service::default()))
        .serve(gate::address())
        .await
}

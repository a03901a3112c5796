fn main() -> std::io::Result<()> {
    let proto = "../../../firmware_py/headgate/data/proto";
    let files = ["validator", "ingest"].map(|name| format!("{proto}/headgate/v1/{name}.proto"));
    tonic_prost_build::configure().build_client(false).compile_protos(&files, &[proto.to_owned()])
}

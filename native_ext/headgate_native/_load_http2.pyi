from headgate_native._load import Client as Client

TO_HEAD: int
GRPC: int
JUDGED: int
GRPC_OK: int

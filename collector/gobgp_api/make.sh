#!/bin/sh
# Makes v3.binpb and v4.binpb of the protos beside it; needs grpcio-tools (the extra `test`).
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
compile() {  # folder, result, files
    folder=$1 result=$2
    shift 2
    "$python" -m grpc_tools.protoc -I"protos/$folder" --include_imports \
        --descriptor_set_out="$result" "$@"
}
compile v3 v3.binpb gobgp.proto attribute.proto capability.proto
compile v4 v4.binpb api/gobgp.proto

"""Runs llama.cpp's own HTTP server with one model: `llamacpp_server.py MODEL PORT`."""

import sys
import threading

import xllamacpp


def main(model: str, port: int) -> None:
    """Serves until the process is stopped."""
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {"olla-tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 1 << 17
    params.n_parallel = 4
    params.n_threads_http = 8
    params.cpuparams.n_threads = 1
    params.endpoint_slots = True
    params.endpoint_props = True
    params.warmup = False
    server = xllamacpp.Server(params)
    print("listening on", server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

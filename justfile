# Recipes for people; .ci/run is what has to pass.

# Lists the recipes.
default:
    @just --list

# Olla with two simulated engines, for a look without any LLM.
demo *arguments:
    cargo run --release --locked -p olla-server -- demo {{arguments}}

# The server and the simulated engine, ready for use.
build:
    cargo build --release --locked -p olla-server -p olla-sim

# Every test that needs nothing but Rust; for one crate: just test -p olla-proxy
test *arguments='--workspace':
    cargo test --locked {{arguments}}

# Every fuzz target for this many seconds; for one: just fuzz 3600 -p olla-proxy --lib fuzz_json
fuzz seconds='5' *arguments='--workspace fuzz_':
    OLLA_FUZZ_SECONDS={{seconds}} cargo test --locked {{arguments}}

# Formatting and clippy, warnings denied.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# API documentation, warnings denied.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Licences, duplicates and sources of all dependencies.
deny:
    cargo deny --locked check bans licenses sources

# Real LiteLLM, llama.cpp and OpenAI SDK; arguments go to pytest.
interop *arguments: build
    tests/interop/run {{arguments}}

# CPU per request against nginx and HAProxy.
bench *arguments: build
    benches/run {{arguments}}

# Memory, file descriptors and requests in flight over a million requests and clients that leave.
soak *arguments:
    benches/soak {{arguments}}

# Everything that must pass before a merge.
ci:
    .ci/run

"""Each statement of Olla's LiteLLM page: its commands as they stand, its configurations, its answers."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from litellm_proxy import ANSWERS
from processes import free_port

PAGE_ADDRESS = "localhost:40114"

CHAT = r"""
curl -X POST http://localhost:40114/olla/litellm/v1/chat/completions \
  -H "Content-Type: application/json" \
  -d '{
    "model": "gpt-4",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'
"""
MODELS = "curl http://localhost:40114/olla/litellm/v1/models"
STATUS = "curl http://localhost:40114/internal/status/endpoints"
HEALTH = "curl http://localhost:40114/olla/litellm/health"

PYTHON = """
import openai

client = openai.OpenAI(base_url="http://localhost:40114/olla/litellm/v1")

# Routes to OpenAI via LiteLLM
response = client.chat.completions.create(
    model="openai/gpt-4",
    messages=[{"role": "user", "content": "Hello!"}]
)
print(response.choices[0].message.content)

# Routes to Anthropic via LiteLLM
response = client.chat.completions.create(
    model="anthropic/claude-3-opus-20240229",
    messages=[{"role": "user", "content": "Hello!"}]
)
print(response.choices[0].message.content)

# Routes to AWS Bedrock via LiteLLM
response = client.chat.completions.create(
    model="bedrock/anthropic.claude-3-sonnet",
    messages=[{"role": "user", "content": "Hello!"}]
)
print(response.choices[0].message.content)
"""

BASIC = """
discovery:
  static:
    endpoints:
      - url: "http://localhost:4000"
        name: "litellm-gateway"
        type: "litellm"
        priority: 75
        model_url: "/v1/models"
        health_check_url: "/health"
        check_interval: 5s
        check_timeout: 2s
"""
TWO_INSTANCES = """
discovery:
  static:
    endpoints:
      # Primary LiteLLM instance
      - url: "http://litellm-primary:4000"
        name: "litellm-primary"
        type: "litellm"
        priority: 90
        model_url: "/v1/models"
        health_check_url: "/health"
        check_interval: 5s
        check_timeout: 2s

      # Secondary LiteLLM instance
      - url: "http://litellm-secondary:4000"
        name: "litellm-secondary"
        type: "litellm"
        priority: 70
        model_url: "/v1/models"
        health_check_url: "/health"
        check_interval: 5s
        check_timeout: 2s
"""
COST = """
endpoints:
  # Local models (free)
  - url: "http://localhost:11434"
    name: "local-ollama"
    type: "ollama"
    priority: 100

  # LiteLLM with budget models
  - url: "http://litellm-budget:4000"
    name: "litellm-budget"
    type: "litellm"
    priority: 75

  # LiteLLM with premium models
  - url: "http://litellm-premium:4000"
    name: "litellm-premium"
    type: "litellm"
    priority: 50
"""
REGIONS = """
endpoints:
  # US East region
  - url: "http://litellm-us-east:4000"
    name: "litellm-us-east"
    type: "litellm"
    priority: 100

  # EU West region
  - url: "http://litellm-eu-west:4000"
    name: "litellm-eu-west"
    type: "litellm"
    priority: 100

  # Load balance across regions
proxy:
  load_balancer: "least-connections"
"""
WITH_OTHERS = """
endpoints:
  # Local Ollama (highest priority)
  - url: "http://localhost:11434"
    type: "ollama"
    priority: 100

  # LM Studio (medium priority)
  - url: "http://localhost:1234"
    type: "lm-studio"
    priority: 75

  # LiteLLM for cloud (lower priority)
  - url: "http://localhost:4000"
    type: "litellm"
    priority: 50
"""


def configuration(page: str, addresses: dict[str, str]) -> dict:
    """Returns a configuration of the page with its addresses replaced; each must be replaced."""
    for old, new in addresses.items():
        assert old in page
        page = page.replace(old, new)
    return yaml.safe_load(page)


def nobody() -> str:
    """Returns a URL at which nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def shell(olla, command: str) -> str:
    command = command.replace(PAGE_ADDRESS, f"localhost:{olla.port}").strip()
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def gateway(start_olla, backends):
    """An Olla with the page's basic setup."""
    return start_olla(configuration(BASIC, {"http://localhost:4000": backends.litellm.url}))


def hello(olla, path: str = "/olla/litellm/v1/chat/completions"):
    return olla.post(path, {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]})


def test_the_chat_command_works_as_it_stands(gateway):
    answer = yaml.safe_load(shell(gateway, CHAT))

    assert answer["choices"][0]["message"]["content"] == ANSWERS["gpt-4"]


def test_the_python_example_works_as_it_stands(gateway):
    code = PYTHON.replace(PAGE_ADDRESS, f"localhost:{gateway.port}")

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "OPENAI_API_KEY": "sk-any"},
    )

    assert done.stdout.splitlines() == [ANSWERS[name] for name in (
        "openai/gpt-4", "anthropic/claude-3-opus-20240229", "bedrock/anthropic.claude-3-sonnet",
    )]


def test_the_models_command_lists_what_the_page_lists(gateway):
    listing = yaml.safe_load(shell(gateway, MODELS))

    entries = {entry["id"]: entry["object"] for entry in listing["data"]}
    for name in ("gpt-4", "claude-3-opus", "gemini-pro", "llama-70b"):
        assert entries[name] == "model"


def test_the_status_command_shows_the_endpoint_of_the_page(gateway, backends):
    status = yaml.safe_load(shell(gateway, STATUS))

    (entry,) = status["endpoints"]
    assert entry["name"] == "litellm-gateway"
    assert entry["url"] == backends.litellm.url
    assert entry["status"] == "healthy"
    assert entry["type"] == "litellm"
    # The wildcard counts as one; no list for clients shows it.
    assert entry["models_count"] == len(gateway.get("/olla/litellm/v1/models").json()["data"]) + 1


def test_the_health_command_reaches_the_health_check_of_litellm(gateway):
    health = yaml.safe_load(shell(gateway, HEALTH))

    assert health["healthy_count"] > 0
    assert health["healthy_endpoints"]


def test_the_costly_health_check_is_used_as_configured_and_warned_about(gateway):
    log = gateway.log.read_text(errors="replace")

    warnings = [line for line in log.splitlines() if "/health" in line and "warn" in line.lower()]
    assert any("litellm-gateway" in line for line in warnings)


def test_the_response_headers_are_those_of_the_page(gateway):
    headers = hello(gateway).headers

    assert headers["X-Olla-Endpoint"] == "litellm-gateway"
    assert headers["X-Olla-Backend-Type"] == "litellm"
    assert headers["X-Olla-Model"] == "gpt-4"
    assert re.fullmatch(r"req_\w+", headers["X-Olla-Request-ID"])
    assert re.fullmatch(r"\d+\.\d{3}s", headers["X-Olla-Response-Time"])


def test_the_core_endpoints_of_the_page_answer(gateway):
    prefix, hi = "/olla/litellm", [{"role": "user", "content": "Hello!"}]

    assert gateway.post(f"{prefix}/v1/chat/completions", {"model": "gpt-4", "messages": hi}).status_code == 200
    assert gateway.post(f"{prefix}/v1/completions", {"model": "gpt-4", "prompt": "Hello!"}).status_code == 200
    assert gateway.post(f"{prefix}/v1/embeddings", {"model": "text-embedding-ada-002", "input": "a"}).status_code == 200
    assert gateway.get(f"{prefix}/v1/models").status_code == 200
    assert gateway.get(f"{prefix}/health").status_code == 200


def test_the_short_prefix_is_off_until_a_profile_enables_it(gateway):
    assert gateway.get("/olla/lite/v1/models").status_code == 404


def test_the_database_endpoints_of_the_page_are_not_available_by_default(gateway):
    for path in ("/key/generate", "/user/info", "/team/info", "/spend/calculate"):
        assert gateway.post("/olla/litellm" + path, {}).status_code == 404


def test_the_page_setup_of_two_instances_serves_from_the_primary(start_olla, backends):
    olla = start_olla(configuration(TWO_INSTANCES, {
        "http://litellm-primary:4000": backends.litellm.url,
        "http://litellm-secondary:4000": backends.twin.url,
    }) | {"proxy": {"load_balancer": "priority"}})

    assert hello(olla).headers["X-Olla-Endpoint"] == "litellm-primary"
    assert olla.endpoint("litellm-secondary")["status"] == "healthy"


def test_the_page_setup_by_cost_serves_while_the_local_backend_is_down(start_olla, backends):
    olla = start_olla(configuration(COST, {
        "http://localhost:11434": nobody(),
        "http://litellm-budget:4000": backends.litellm.url,
        "http://litellm-premium:4000": backends.twin.url,
    }) | {"proxy": {"load_balancer": "priority"}})

    assert hello(olla, "/olla/proxy/v1/chat/completions").headers["X-Olla-Endpoint"] == "litellm-budget"


def test_the_page_setup_of_regions_uses_both(start_olla, backends):
    olla = start_olla(configuration(REGIONS, {
        "http://litellm-us-east:4000": backends.litellm.url,
        "http://litellm-eu-west:4000": backends.twin.url,
    }))

    used = {hello(olla).headers["X-Olla-Endpoint"] for _ in range(6)}
    assert used == {"litellm-us-east", "litellm-eu-west"}


def test_the_page_setup_without_names_derives_them(start_olla, backends):
    olla = start_olla(configuration(WITH_OTHERS, {
        "http://localhost:11434": nobody(),
        "http://localhost:1234": nobody(),
        "http://localhost:4000": backends.litellm.url,
    }))

    reply = hello(olla)
    names = [entry["name"] for entry in olla.get("/internal/status/endpoints").json()["endpoints"]]
    assert reply.headers["X-Olla-Backend-Type"] == "litellm"
    assert len(set(names)) == 3
    assert "litellm" in reply.headers["X-Olla-Endpoint"]

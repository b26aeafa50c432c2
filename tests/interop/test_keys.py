"""Keys: the endpoint's own, the client's, and neither of them where it does not belong."""

import openai
import pytest

from backends import MASTER_KEY
from olla import endpoint, static
from processes import eventually

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture(scope="module")
def keyed(start_olla, backends):
    """An Olla that knows LiteLLM's master key from its environment."""
    auth = {"type": "bearer", "token": "${INTEROP_LITELLM_KEY}"}
    settings = static(endpoint("keyed", "litellm", backends.keyed.url, auth=auth))
    return start_olla(settings, env={"INTEROP_LITELLM_KEY": MASTER_KEY})


@pytest.fixture(scope="module")
def forwarding(start_olla, backends):
    """An Olla that passes each client's own key on. Without one it may not list, so the model is declared."""
    return start_olla(static(endpoint(
        "forwarding", "litellm", backends.keyed.url, auth={"type": "forward"}, models=["gpt-4"],
    )))


def test_health_and_discovery_carry_the_key_of_the_endpoint(keyed):
    entry = keyed.endpoint("keyed")

    assert entry["status"] == "healthy"
    assert entry["models_count"] > 10


def test_the_key_of_the_endpoint_replaces_that_of_the_client(keyed):
    answer = keyed.openai(api_key="sk-not-the-master-key").chat.completions.create(model="gpt-4", messages=HELLO)

    assert answer.choices[0].message.content == "Hello from gpt-4"


def test_the_key_of_the_endpoint_is_shown_nowhere(keyed):
    keyed.openai().chat.completions.create(model="gpt-4", messages=HELLO)

    for path in ["/internal/status", "/internal/status/endpoints", "/internal/status/models"]:
        assert MASTER_KEY not in keyed.get(path).text
    assert MASTER_KEY not in keyed.log.read_text(errors="replace")


def test_without_a_key_the_endpoint_offers_no_models_and_says_why(start_olla, backends):
    olla = start_olla(static(endpoint("locked", "litellm", backends.keyed.url)))

    entry = eventually(15, lambda: olla.endpoint("locked"))
    with pytest.raises(openai.NotFoundError):
        olla.openai().chat.completions.create(model="gpt-4", messages=HELLO)

    assert entry["models_count"] == 0


def test_the_key_of_the_client_is_stripped_by_default(start_olla, backends):
    olla = start_olla(static(endpoint("locked", "litellm", backends.keyed.url, models=["gpt-4"])))

    # LiteLLM refuses a request without a key by a 500 in plain text. It must arrive as it is.
    with pytest.raises(openai.InternalServerError) as raised:
        olla.openai(api_key=MASTER_KEY).chat.completions.create(model="gpt-4", messages=HELLO)

    assert raised.value.response.text == "Internal Server Error"


def test_the_key_of_the_client_is_forwarded_where_the_endpoint_says_so(forwarding):
    answer = forwarding.openai(api_key=MASTER_KEY).chat.completions.create(model="gpt-4", messages=HELLO)

    assert answer.choices[0].message.content == "Hello from gpt-4"


def test_a_wrong_forwarded_key_is_refused_by_litellm_itself(forwarding):
    with pytest.raises(openai.APIStatusError) as raised:
        forwarding.openai(api_key="sk-wrong").chat.completions.create(model="gpt-4", messages=HELLO)

    # LiteLLM looks virtual keys up in a database; without one it says so.
    assert raised.value.status_code == 400
    assert raised.value.body["type"] == "no_db_connection"

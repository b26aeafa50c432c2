"""Writes a llama model of 33,000 random weights: 140 kB, loads at once, says nonsense quickly."""

import sys
from pathlib import Path

import gguf
import numpy

EMBEDDING, FEED_FORWARD, HEADS, BLOCKS = 32, 64, 2, 1
CONTEXT = 1 << 18
# It writes down tools, calls and results, so that a server's prompt shows what became of them.
CHAT_TEMPLATE = """\
{% if tools %}tools: {% for tool in tools %}{{ tool | tojson }}
{% endfor %}{% endif %}\
{% for m in messages %}{{ m['role'] }}: {{ m['content'] or '' }}\
{% for call in m['tool_calls'] or [] %}<tool_call>
{"name": "{{ call['function']['name'] }}", "arguments": {{ call['function']['arguments'] | tojson }}}
</tool_call>{% endfor %}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


def vocabulary() -> tuple[list[bytes], list[int]]:
    """Returns a byte-level vocabulary, complete enough for any text, and its token types."""
    kind = gguf.TokenType
    special = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    raw = [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    text = [(char, kind.NORMAL) for char in ["\u2581", *map(chr, range(33, 127))]]
    tokens = special + raw + text
    return [token.encode() for token, _ in tokens], [int(kind) for _, kind in tokens]


def write(path: Path) -> None:
    """Writes the model file; the same file each time."""
    random = numpy.random.default_rng(7)
    tokens, types = vocabulary()
    model = gguf.GGUFWriter(path, "llama")
    model.add_name("olla-tiny")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(EMBEDDING)
    model.add_block_count(BLOCKS)
    model.add_feed_forward_length(FEED_FORWARD)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_rope_dimension_count(EMBEDDING // HEADS)
    model.add_vocab_size(len(tokens))
    model.add_tokenizer_model("llama")
    model.add_token_list(tokens)
    model.add_token_scores([0.0] * len(tokens))
    model.add_token_types(types)
    model.add_unk_token_id(0)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_chat_template(CHAT_TEMPLATE)

    def weights(name: str, *shape: int) -> None:
        model.add_tensor(name, (random.standard_normal(shape) * 0.05).astype(numpy.float32))

    def ones(name: str) -> None:
        model.add_tensor(name, numpy.ones(EMBEDDING, numpy.float32))

    weights("token_embd.weight", len(tokens), EMBEDDING)
    weights("output.weight", len(tokens), EMBEDDING)
    ones("output_norm.weight")
    for block in range(BLOCKS):
        for norm in ("attn_norm", "ffn_norm"):
            ones(f"blk.{block}.{norm}.weight")
        for projection in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"blk.{block}.{projection}.weight", EMBEDDING, EMBEDDING)
        for gate in ("ffn_gate", "ffn_up"):
            weights(f"blk.{block}.{gate}.weight", FEED_FORWARD, EMBEDDING)
        weights(f"blk.{block}.ffn_down.weight", EMBEDDING, FEED_FORWARD)

    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]))

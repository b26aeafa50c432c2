// What the official Anthropic SDK for TypeScript sees of a server, as JSON: `anthropic_client.mjs URL MODEL WHAT`.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, model, what] = process.argv.slice(2);
// It does not retry: a failure is a failure.
const client = new Anthropic({ baseURL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 30_000 });
const hello = { model, max_tokens: 8, temperature: 0, messages: [{ role: "user", content: "Say hello." }] };
const weather = {
  name: "get_weather",
  description: "Tells the weather.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

const errorOf = (promise) =>
  promise.then(
    () => null,
    (error) => ({
      kind: error.constructor.name,
      status: error.status,
      type: error.error?.error?.type,
      request: error.requestID,
    }),
  );

async function streamed(request) {
  const stream = client.messages.stream(request);
  const [events, deltas] = [[], []];
  let text = "";
  stream.on("streamEvent", (event) => {
    events.push(event.type);
    if (event.type === "content_block_delta") deltas.push(event.delta.type);
  });
  stream.on("text", (piece) => (text += piece));
  const message = await stream.finalMessage();
  return { events, deltas, text, message };
}

const looks = {
  async message() {
    const { data, response } = await client.messages.create(hello).withResponse();
    return { mode: response.headers.get("x-olla-mode"), message: data };
  },

  stream: () => streamed(hello),

  async tool() {
    const question = { role: "user", content: "Please call the tool." };
    const asked = await streamed({ ...hello, messages: [question], tools: [weather] });
    const results = asked.message.content
      .filter((block) => block.type === "tool_use")
      .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "sunny" }));
    const turns = [question, { role: "assistant", content: asked.message.content }, { role: "user", content: results }];
    const answered = await client.messages.create({ ...hello, messages: turns });
    return { asked, answered };
  },

  tokens: () => client.messages.countTokens({ model, messages: hello.messages }),

  async models() {
    const ids = [];
    for await (const found of client.models.list({ limit: 1 })) ids.push(found.id);
    return { ids, got: await client.models.retrieve(model) };
  },

  errors: async () => ({
    model: await errorOf(client.messages.create({ ...hello, model: "nothing" })),
    stream: await errorOf(client.messages.stream({ ...hello, model: "nothing" }).finalMessage()),
    found: await errorOf(client.models.retrieve("nothing")),
    request: await errorOf(client.messages.create({ model, max_tokens: 8 })),
  }),
};

console.log(JSON.stringify(await looks[what]()));

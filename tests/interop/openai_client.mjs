// What the official OpenAI SDK for TypeScript sees of a server, as JSON: `openai_client.mjs URL MODEL WHAT`.
import OpenAI from "openai";

const [baseURL, model, what] = process.argv.slice(2);
// It does not retry: a failure is a failure.
const client = new OpenAI({ baseURL, apiKey: "sk-of-the-client", maxRetries: 0, timeout: 30_000 });
const chat = { model, max_completion_tokens: 8, temperature: 0, messages: [{ role: "user", content: "Say hello." }] };
const response = { model, max_output_tokens: 8, temperature: 0, input: "Say hello." };
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const errorOf = (promise) =>
  promise.then(
    () => null,
    (error) => ({
      kind: error.constructor.name,
      status: error.status,
      code: error.code,
    }),
  );

const looks = {
  async chat() {
    const { data, response } = await client.chat.completions.create(chat).withResponse();
    return { mode: response.headers.get("x-olla-mode"), answer: data };
  },

  async chatStream() {
    const stream = client.chat.completions.stream({ ...chat, stream_options: { include_usage: true } });
    let text = "";
    stream.on("content", (piece) => (text += piece));
    const answer = await stream.finalChatCompletion();
    return { answer, text };
  },

  async chatTool() {
    const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
    const question = { role: "user", content: "Please call the tool." };
    const stream = client.chat.completions.stream({ ...chat, messages: [question], tools });
    return stream.finalChatCompletion();
  },

  async response() {
    const { data, response: reply } = await client.responses.create(response).withResponse();
    return { mode: reply.headers.get("x-olla-mode"), answer: data, text: data.output_text };
  },

  async responseStream() {
    const stream = client.responses.stream(response);
    const events = [];
    let text = "";
    stream.on("event", (event) => events.push(event.type));
    stream.on("response.output_text.delta", (event) => (text += event.delta));
    const answer = await stream.finalResponse();
    return { answer, events, text };
  },

  async responseTool() {
    const tools = [{ type: "function", name: "get_weather", parameters, strict: false }];
    const stream = client.responses.stream({ ...response, input: "Please call the tool.", tools });
    return stream.finalResponse();
  },

  async models() {
    const ids = [];
    for await (const found of client.models.list()) ids.push(found.id);
    return { ids, got: await client.models.retrieve(model) };
  },

  errors: async () => ({
    chat: await errorOf(client.chat.completions.create({ ...chat, model: "nothing" })),
    stream: await errorOf(client.chat.completions.create({ ...chat, model: "nothing", stream: true })),
    response: await errorOf(client.responses.create({ ...response, model: "nothing" })),
    found: await errorOf(client.models.retrieve("nothing")),
  }),
};

console.log(JSON.stringify(await looks[what]()));

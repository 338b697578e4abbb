// Drives a Headgate with Anthropic's own SDK: `node anthropic.mjs SCENARIO`, address and key from the environment.
// Prints what it saw as JSON; the test that runs it judges.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  baseURL: process.env.HEADGATE_URL,
  apiKey: process.env.HEADGATE_KEY,
  maxRetries: 0,
});
const messages = [{ role: "user", content: process.env.PROMPT ?? "Hello" }];
const tools = [{ name: "weather", input_schema: { type: "object", properties: {} } }];
const model = process.env.MODEL;
const request = { model, messages, max_tokens: 100 };

const scenarios = {
  async chat() {
    const { data, response } = await client.messages.create(request).withResponse();
    return {
      text: data.content.map((block) => block.text ?? "").join(""),
      model: data.model,
      usage: data.usage,
      stop: data.stop_reason,
      record: response.headers.get("x-headgate-record"),
    };
  },
  async stream() {
    const pieces = [];
    const stream = client.messages.stream(request).on("text", (text) => pieces.push(text));
    const final = await stream.finalMessage();
    return { pieces, usage: final.usage, stop: final.stop_reason };
  },
  async tools() {
    const final = await client.messages.stream({ ...request, tools }).finalMessage();
    return {
      stop: final.stop_reason,
      calls: final.content.filter((block) => block.type === "tool_use").map(({ id, name, input }) => [id, name, input]),
    };
  },
  async count() {
    return await client.messages.countTokens({ model, messages });
  },
  async models() {
    const names = [];
    for await (const one of client.models.list({ limit: 2 })) names.push(one.id);
    return { names };
  },
  async error() {
    try {
      await client.messages.create(request);
    } catch (error) {
      return {
        kind: error.constructor.name,
        status: error.status,
        type: error.error?.error?.type,
        message: error.message,
        retryAfter: error.headers?.get("retry-after"),
      };
    }
    return { kind: "none" };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

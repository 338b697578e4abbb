// Drives a Headgate with OpenAI's own SDK: `node openai.mjs SCENARIO`, address and key from the environment.
// Prints what it saw as JSON; the test that runs it judges.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.HEADGATE_URL}/v1`,
  apiKey: process.env.HEADGATE_KEY,
  maxRetries: 0,
});
const messages = [{ role: "user", content: process.env.PROMPT ?? "Hello" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const model = process.env.MODEL;

const scenarios = {
  async chat() {
    const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
    return {
      text: data.choices[0].message.content,
      model: data.model,
      usage: data.usage,
      record: response.headers.get("x-headgate-record"),
    };
  },
  async stream() {
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces = [];
    let usage = null;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta?.content) pieces.push(chunk.choices[0].delta.content);
      usage = chunk.usage ?? usage;
    }
    return { pieces, usage };
  },
  async tools() {
    const stream = client.chat.completions.stream({ model, messages, tools });
    const final = await stream.finalChatCompletion();
    return {
      finish: final.choices[0].finish_reason,
      calls: final.choices[0].message.tool_calls.map(({ id, function: { name, arguments: text } }) => [
        id,
        name,
        JSON.parse(text),
      ]),
    };
  },
  async embed() {
    const { data } = await client.embeddings.create({ model, input: ["one", "two"] });
    return { sizes: data.map((one) => one.embedding.length), first: data[0].embedding[0] };
  },
  async models() {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    return { names };
  },
  async error() {
    try {
      await client.chat.completions.create({ model, messages });
    } catch (error) {
      return {
        kind: error.constructor.name,
        status: error.status,
        code: error.code,
        message: error.message,
        retryAfter: error.headers?.get("retry-after"),
      };
    }
    return { kind: "none" };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

// Drives a Headgate with the AI SDK of Vercel, whose OpenAI models speak the Responses API: `node vercel.mjs SCENARIO`.
// Prints what it saw as JSON; the test that runs it judges.
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: `${process.env.HEADGATE_URL}/v1`, apiKey: process.env.HEADGATE_KEY });
const weather = tool({
  description: "The weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});
const settings = {
  model: openai(process.env.MODEL),
  tools: { weather },
  stopWhen: stepCountIs(3),
  maxRetries: 0,
};
const question = { role: "user", content: process.env.PROMPT ?? "Hello" };

const scenarios = {
  // The second question names the items of the first answer by their ids.
  async agent() {
    const first = await generateText({ ...settings, messages: [question] });
    const messages = [question, ...first.response.messages, { role: "user", content: "And then?" }];
    const second = await generateText({ ...settings, messages });
    return { steps: first.steps.length, texts: [first.text, second.text] };
  },
  async stream() {
    const result = streamText({ ...settings, messages: [question] });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    return { steps: (await result.steps).length, pieces };
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));

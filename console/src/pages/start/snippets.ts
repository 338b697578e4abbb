/** Code that makes a first call, ready to be pasted. */

/** What a snippet is made of. */
export interface Access {
  readonly openaiUrl: string;
  readonly anthropicUrl: string;
  readonly model: string;
  /** The secret just made, or null: the code then reads it from HEADGATE_API_KEY. */
  readonly secret: string | null;
}

export interface Snippet {
  readonly id: string;
  readonly title: string;
  readonly install: string | null;
  readonly code: string;
}

const ASK = "Say hello in one sentence.";

/** A snippet for each way in. */
export function snippetsFor(access: Access): readonly Snippet[] {
  return [curl(access), pythonOpenai(access), pythonAnthropic(access), javascript(access)];
}

function curl({ openaiUrl, model, secret }: Access): Snippet {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: ASK }] }, null, 2);
  const code = [
    `curl ${openaiUrl}/chat/completions \\`,
    `  -H "Authorization: Bearer ${secret ?? "$HEADGATE_API_KEY"}" \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -d '${body.replaceAll("\n", "\n  ")}'`,
  ].join("\n");
  return { id: "curl", title: "curl", install: null, code };
}

function pythonOpenai({ openaiUrl, model, secret }: Access): Snippet {
  const code = `${secret ? "" : "import os\n\n"}from openai import OpenAI

client = OpenAI(base_url="${openaiUrl}", api_key=${pythonKey(secret)})
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "${ASK}"}],
)
print(answer.choices[0].message.content)`;
  return { id: "python-openai", title: "Python, openai", install: "pip install openai", code };
}

function pythonAnthropic({ anthropicUrl, model, secret }: Access): Snippet {
  const code = `${secret ? "" : "import os\n\n"}from anthropic import Anthropic

client = Anthropic(base_url="${anthropicUrl}", api_key=${pythonKey(secret)})
answer = client.messages.create(
    model="${model}",
    max_tokens=200,
    messages=[{"role": "user", "content": "${ASK}"}],
)
print(answer.content[0].text)`;
  return { id: "python-anthropic", title: "Python, anthropic", install: "pip install anthropic", code };
}

function javascript({ openaiUrl, model, secret }: Access): Snippet {
  const code = `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${openaiUrl}",
  apiKey: ${secret ? `"${secret}"` : "process.env.HEADGATE_API_KEY"},
});
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "${ASK}" }],
});
console.log(answer.choices[0].message.content);`;
  return { id: "javascript", title: "JavaScript", install: "npm install openai", code };
}

function pythonKey(secret: string | null): string {
  return secret ? `"${secret}"` : 'os.environ["HEADGATE_API_KEY"]';
}

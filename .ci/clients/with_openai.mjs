// The client of OpenAI for JavaScript.

import assert from "node:assert/strict";
import OpenAI from "openai";

const GLM = "@cf/zai-org/glm-4.7-flash";
const LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const GPT_OSS = "@cf/openai/gpt-oss-120b";
const messages = [{ role: "user", content: "is 42 worth $0.10 in naïve 東京? 🙂" }];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", parameters } }];

const client = new OpenAI({
    baseURL: process.env.EMULATOR_OPENAI_URL,
    apiKey: process.env.EMULATOR_TOKEN,
    maxRetries: 0,
});

for (const model of [GLM, LLAMA, GPT_OSS]) {
    const whole = await client.chat.completions.create({ model, messages });
    const content = whole.choices[0].message.content;
    assert.match(content, /^This is an emulated/);
    let text = "";
    let usage;
    const options = { stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create({ model, messages, ...options })) {
        text += chunk.choices[0]?.delta.content ?? "";
        usage = chunk.usage ?? usage;
    }
    assert.equal(text, content);
    assert.equal(usage.total_tokens, whole.usage.total_tokens);
}

const tool_choice = { type: "function", function: { name: "weather" } };
const called = await client.chat.completions.create({ model: LLAMA, messages, tools, tool_choice });
assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { city: "emulated" });

const gathered = client.chat.completions.stream({ model: GLM, messages });
assert.match(await gathered.finalContent(), /^This is an emulated/);

const answer = await client.responses.create({ model: GPT_OSS, input: "is 42 worth $0.10 in naïve 東京? 🙂" });
let spoken = "";
for await (const event of await client.responses.create({ model: GPT_OSS, input: "is 42 worth $0.10 in naïve 東京? 🙂", stream: true })) {
    if (event.type === "response.output_text.delta") spoken += event.delta;
}
assert.equal(spoken, answer.output_text);
assert.notEqual(spoken, "");

const vectors = await client.embeddings.create({ model: "@cf/baai/bge-base-en-v1.5", input: ["one", "two"] });
assert.deepEqual(vectors.data.map((row) => row.embedding.length), [768, 768]);
assert.ok(vectors.data[0].embedding.every((value) => Math.abs(value) <= 1));

const listed = [];
for await (const model of client.models.list()) listed.push(model.id);
assert.ok(listed.includes(GLM));

await assert.rejects(
    client.chat.completions.create({ model: "@cf/meta/no-such-model", messages }),
    OpenAI.BadRequestError,
);

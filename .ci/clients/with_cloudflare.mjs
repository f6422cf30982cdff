// Cloudflare's own SDK for JavaScript. It encodes the slashes of a model's name, which the emulator is told to accept.

import assert from "node:assert/strict";
import Cloudflare from "cloudflare";

const account_id = process.env.EMULATOR_ACCOUNT;
const LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8";

const client = new Cloudflare({
    baseURL: process.env.EMULATOR_URL,
    apiToken: process.env.EMULATOR_TOKEN,
    maxRetries: 0,
});

const answer = await client.ai.run(LLAMA, { account_id, prompt: "hello" });
assert.match(answer.response, /^This is an emulated/);
const labels = await client.ai.run("@cf/huggingface/distilbert-sst-2-int8", { account_id, text: "fine" });
assert.deepEqual(labels.map((row) => row.label), ["NEGATIVE", "POSITIVE"]);
const image = await client.ai.run("@cf/leonardo/phoenix-1.0", { account_id, prompt: "a cat" }).asResponse();
assert.equal(image.headers.get("content-type"), "image/jpeg");

const names = [];
for await (const model of client.ai.models.list({ account_id, per_page: 20 })) names.push(model.name);
assert.equal(new Set(names).size, names.length);
assert.ok(names.length > 40);
const schema = await client.ai.models.schema.get({ account_id, model: LLAMA });
assert.ok(schema.input.oneOf.length > 1);

await assert.rejects(client.ai.run("@cf/meta/no-such-model", { account_id, prompt: "hello" }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.errors[0].code, 5007);
    return true;
});

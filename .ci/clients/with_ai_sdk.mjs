// workers-ai-provider with the AI SDK: over the REST API, and with the binding of a Worker.

import assert from "node:assert/strict";
import { embedMany, generateImage, generateText, rerank, stepCountIs, streamText, tool } from "ai";
import { Miniflare } from "miniflare";
import { createWorkersAI } from "workers-ai-provider";
import { z } from "zod";

const MODELS = [
    "@cf/meta/llama-3.1-8b-instruct-fp8",
    "@cf/zai-org/glm-4.7-flash",
    "@cf/moonshotai/kimi-k2.6",
    "@cf/qwen/qwen3-30b-a3b-fp8",
];

async function check(workersai) {
    for (const name of MODELS) {
        const model = workersai(name);
        const whole = await generateText({ model, prompt: "is 42 worth $0.10 in naïve 東京? 🙂", maxRetries: 0 });
        assert.match(whole.text, /^This is an emulated/);
        assert.ok(whole.usage.outputTokens > 0);

        const streamed = streamText({ model, prompt: "is 42 worth $0.10 in naïve 東京? 🙂", maxRetries: 0 });
        let text = "";
        for await (const part of streamed.textStream) text += part;
        assert.equal(text, whole.text);
        assert.equal(await streamed.finishReason, "stop");

        const asked = [];
        const weather = tool({
            description: "The weather of a city",
            inputSchema: z.object({ city: z.string() }),
            execute: async (input) => {
                asked.push(input);
                return "sunny";
            },
        });
        const prompt = "call weather";
        const used = await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 });
        assert.deepEqual(asked, [{ city: "emulated" }]);
        assert.match(used.text, /^This is an emulated/);
    }

    const vectors = await embedMany({ model: workersai.textEmbedding("@cf/baai/bge-base-en-v1.5"), values: ["one", "two"] });
    assert.deepEqual(vectors.embeddings.map((vector) => vector.length), [768, 768]);

    const { image } = await generateImage({ model: workersai.image("@cf/black-forest-labs/flux-1-schnell"), prompt: "a cat" });
    assert.deepEqual([...image.uint8Array.slice(0, 2)], [0xff, 0xd8]);

    const ranked = await rerank({
        model: workersai.reranking("@cf/baai/bge-reranker-base"),
        query: "new york",
        documents: ["a city", "a river"],
    });
    assert.equal(ranked.ranking.length, 2);

    await assert.rejects(
        generateText({ model: workersai("@cf/meta/no-such-model"), prompt: "hello", maxRetries: 0 }),
        /No such model/,
    );
}

// The provider has no option for the address of the service: its name leads to this machine instead.
const API = "https://api.cloudflare.com/client/v4";
const outside = globalThis.fetch;
globalThis.fetch = (input, options) => outside(String(input).replace(API, process.env.EMULATOR_URL), options);
await check(createWorkersAI({ accountId: process.env.EMULATOR_ACCOUNT, apiKey: process.env.EMULATOR_TOKEN }));
globalThis.fetch = outside;

const miniflare = new Miniflare({
    modules: true,
    script: "export default { fetch: () => new Response() };",
    compatibilityDate: "2026-01-01",
    ai: { binding: "AI", remoteProxyConnectionString: new URL(process.env.EMULATOR_BINDING_URL) },
});
try {
    const { AI } = await miniflare.getBindings();
    await check(createWorkersAI({ binding: AI }));
} finally {
    await miniflare.dispose();
}

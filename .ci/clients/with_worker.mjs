// A real Worker with env.AI, in miniflare.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Miniflare } from "miniflare";

const GLM = "@cf/zai-org/glm-4.7-flash";
const LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8";

// Runs in workerd: calls the binding as the request's body says, and tells what came of it.
const worker = `
const told = (AI) => ({ id: AI.lastRequestId, status: AI.lastRequestHttpStatusCode, log: AI.aiGatewayLogId });
export default {
    async fetch(request, { AI }) {
        const { method, parameters } = await request.json();
        try {
            if (method === "stream in") {
                const body = new Response("ID3 and a sound").body;
                parameters[1].audio = { body, contentType: "audio/mpeg" };
            }
            const answer = await AI[method === "stream in" ? "run" : method](...parameters);
            if (answer instanceof ReadableStream) {
                return new Response(answer, { headers: { "x-told": JSON.stringify(told(AI)) } });
            }
            return Response.json({ answer, ...told(AI) });
        } catch (error) {
            return Response.json({ name: error.name, message: error.message, ...told(AI) }, { status: 500 });
        }
    },
};`;

const options = {
    modules: true,
    script: worker,
    compatibilityDate: "2026-01-01",
    ai: { binding: "AI", remoteProxyConnectionString: new URL(process.env.EMULATOR_BINDING_URL) },
};
const miniflare = new Miniflare(options);
const call = (method, ...parameters) =>
    miniflare.dispatchFetch("http://worker/", { method: "POST", body: JSON.stringify({ method, parameters }) });

try {
    const whole = await (await call("run", LLAMA, { prompt: "hello" })).json();
    assert.match(whole.answer.response, /^This is an emulated/);
    assert.match(whole.id, /^[0-9a-f-]{36}$/);
    assert.equal(whole.status, 200);
    assert.equal(whole.log, null);

    for (const model of [LLAMA, GLM]) {
        const streamed = await call("run", model, { prompt: "hello", stream: true });
        const text = await streamed.text();
        assert.match(text, /^data: \{.*\n\ndata: \[DONE\]\n\n$/s);
        assert.match(JSON.parse(streamed.headers.get("x-told")).id, /^[0-9a-f-]{36}$/);
    }

    const image = await call("run", "@cf/leonardo/phoenix-1.0", { prompt: "a cat" });
    assert.deepEqual([...new Uint8Array(await image.arrayBuffer()).slice(0, 2)], [0xff, 0xd8]);

    const heard = await (await call("stream in", "@cf/deepgram/nova-3", { language: "en" })).json();
    assert.ok(heard.answer.results.channels.length, JSON.stringify(heard));

    const vectors = await (await call("run", "@cf/baai/bge-base-en-v1.5", { text: ["one", "two"] })).json();
    assert.deepEqual(vectors.answer.shape, [2, 768]);

    const through = await (await call("run", LLAMA, { prompt: "hello" }, { gateway: { id: "mine" } })).json();
    assert.equal(typeof through.log, "string");

    const queued = await (await call("run", "@cf/baai/bge-m3", { requests: [{ text: "one" }] }, { queueRequest: true })).json();
    assert.equal(queued.answer.status, "queued");

    const models = await (await call("models", { search: "glm-4.7" })).json();
    assert.deepEqual(models.answer.map((model) => model.name), [GLM]);

    const refused = await (await call("run", "@cf/meta/no-such-model", { prompt: "hello" })).json();
    assert.equal(refused.name, "InferenceUpstreamError");
    assert.match(refused.message, /^5007: No such model/);
    assert.equal(refused.status, 400);
    const busy = await (
        await call("run", LLAMA, { prompt: "hello" }, { extraHeaders: { "cfai-emulate": "code=3040" } })
    ).json();
    assert.equal(busy.message, "3040: Capacity temporarily exceeded, please try again.");

    // The programs of docs/workers.md print what they ask for, where the emulator has the member that they call.
    const page = await readFile(process.env.WORKERS_PAGE, "utf8");
    const programs = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, program]) => program);
    const lacking = /export default|toMarkdown|patchLog|aiSearch|webSocket/;
    const tried = programs.filter((program) => !lacking.test(program));
    assert.deepEqual([programs.length, tried.length], [11, 6]);
    for (const program of tried) {
        const script = `export default {
            async fetch(request, { AI }) {
                const env = { AI, BUCKET: { get: async () => new Response("ID3 and a sound") } };
                const said = [];
                const [console, scheduler] = [{ log: (...words) => said.push(...words) }, { wait() {} }];
                ${program}
                return Response.json(said);
            },
        };`;
        await miniflare.setOptions({ ...options, script });
        const printed = await (await miniflare.dispatchFetch("http://worker/")).text();
        assert.doesNotMatch(printed, /^\[\]|null/, program);
    }
} finally {
    await miniflare.dispose();
}

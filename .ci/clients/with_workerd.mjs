// A Worker with env.AI in plain workerd, whose binding asks the emulator without anything between them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import workerd from "workerd";

// A port that is free now.
const probe = createServer().listen(0, "127.0.0.1");
await once(probe, "listening");
const { port } = probe.address();
probe.close();

await writeFile(
    "worker.js",
    `export default {
        async fetch(request, { AI }) {
            const [model, inputs] = await request.json();
            try {
                const answer = await AI.run(model, inputs);
                return answer instanceof ReadableStream ? new Response(answer) : Response.json(answer);
            } catch (error) {
                return new Response(error.message, { status: 500 });
            }
        },
    };`,
);
const { host } = new URL(process.env.EMULATOR_URL);
await writeFile(
    "config.capnp",
    `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
        services = [
            (name = "main", worker = (
                modules = [(name = "worker", esModule = embed "worker.js")],
                compatibilityDate = "2026-01-01",
                bindings = [(name = "AI", wrapped = (
                    moduleName = "cloudflare-internal:ai-api",
                    innerBindings = [(name = "fetcher", service = "emulator")],
                ))],
            )),
            (name = "emulator", external = (address = "${host}", http = (
                injectRequestHeaders = [(name = "Authorization", value = "Bearer ${process.env.EMULATOR_TOKEN}")],
            ))),
        ],
        sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
    );`,
);

const server = spawn(workerd.default ?? workerd, ["serve", "config.capnp", "--control-fd=3"], {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
});
const run = (...call) => fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify(call) });
const LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8";

try {
    // It says on the control pipe when it listens; if it cannot, the pipe ends.
    await Promise.race([once(server.stdio[3], "data"), once(server, "exit").then(() => assert.fail("workerd ended"))]);
    const whole = await (await run(LLAMA, { prompt: "hello" })).json();
    assert.match(whole.response, /^This is an emulated/);
    const text = await (await run(LLAMA, { prompt: "hello", stream: true })).text();
    assert.match(text, /^data: \{.*\n\ndata: \[DONE\]\n\n$/s);
    const refused = await run(LLAMA, { prompt: "hello", messages: [] });
    assert.equal(await refused.text(), "1001: prompt and messages are mutually exclusive");
} finally {
    server.kill();
}

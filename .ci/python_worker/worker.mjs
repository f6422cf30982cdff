// Python in Pyodide, with miniflare's env.AI as its binding.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { Miniflare } from "miniflare";
import { loadPyodide } from "pyodide";

const { EMULATOR_BINDING_URL, WHEELS, ENTRY, PROGRAM } = process.env;
const miniflare = new Miniflare({
    modules: true,
    script: "export default {}",
    compatibilityDate: "2026-01-01",
    ai: { binding: "AI", remoteProxyConnectionString: new URL(EMULATOR_BINDING_URL) },
});
const { AI: real } = await miniflare.getBindings();

// Its pieces are buffers of Node's, which Pyodide does not know; in workerd they are arrays of bytes.
const toBytes = () =>
    new TransformStream({ transform: (piece, controller) => controller.enqueue(new Uint8Array(piece)) });

// What miniflare's proxy cannot carry, signals, streams of inputs and blobs, is looked at here.
class Ai {
    async run(model, inputs, { signal, ...options }) {
        assert.ok(signal instanceof AbortSignal);
        if (model === "hangs") {
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        }
        if (model === "throws") {
            throw Object.assign(new Error("1001: the prompt is wrong"), { name: "InvalidInput" });
        }
        if (model === "loses") {
            throw new Error("Network connection lost.");
        }
        if (inputs.audio) {
            assert.ok(inputs.audio.body instanceof ReadableStream);
            const { body, contentType } = inputs.audio;
            const heard = `${await new Response(body).text()} of ${contentType}, in ${inputs.language}`;
            return Response.json({ results: { channels: [{ alternatives: [{ transcript: heard }] }] } });
        }
        const { body, status, headers } = await real.run(model, inputs, options);
        return new Response(body.pipeThrough(toBytes()), { status, headers: [...headers.entries()] });
    }

    toMarkdown() {
        const convert = async ({ name, blob }) => {
            assert.ok(blob instanceof Blob);
            return { name, mimeType: blob.type, format: "markdown", tokens: 1, data: await blob.text() };
        };
        return { transform: (documents) => Promise.all(documents.map(convert)) };
    }

    models(parameters) {
        return real.models(parameters);
    }
}

const pyodide = await loadPyodide();
for (const name of await readdir(WHEELS)) {
    pyodide.unpackArchive(new Uint8Array(await readFile(`${WHEELS}/${name}`)), "wheel");
}
pyodide.FS.writeFile("entry.py", await readFile(`${ENTRY}/entry.py`, "utf8"));
// What the SDK finds in workerd.
pyodide.registerJsModule("_cloudflare_compat_flags", {});
pyodide.registerJsModule("_pyodide_entrypoint_helper", { patchWaitUntil() {} });
const waited = [];
const context = { waitUntil: (task) => waited.push(task.copy()) }; // it is destroyed when the call ends
pyodide.runPython(await readFile(PROGRAM, "utf8"));
try {
    await pyodide.globals.get("main")({ AI: new Ai() }, context);
} catch (error) {
    console.error(error.message); // Node itself begins with the line that threw, which is all of Pyodide
    process.exit(1);
}
await Promise.all(waited);
await miniflare.dispose();
process.exit(); // Pyodide waits on

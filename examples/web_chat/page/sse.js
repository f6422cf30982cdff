// Server-sent events as EventSource has them, but for a POST with JSON, and it never connects again by itself:
//   const source = new PostEventSource("/answer", { prompt: "Where is New York?" });
//   source.addEventListener("message", (event) => …event.data…);
// An event "error" has data if the server sent it, and none if the connection failed, or ended before it was closed.
export class PostEventSource extends EventTarget {
  #abort = new AbortController();

  constructor(url, body) {
    super();
    this.#read(url, body).catch(() => this.#dispatch(new Event("error")));
  }

  close() {
    this.#abort.abort();
  }

  #dispatch(event) {
    if (!this.#abort.signal.aborted) this.dispatchEvent(event);
  }

  async #read(url, body) {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal: this.#abort.signal });
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new Error(`status ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let [rest, type, data] = ["", "message", []];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended");
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
      rest = lines.pop();
      for (const line of lines) {
        const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "event") type = text;
        if (field === "data") data.push(text);
        if (line) continue;
        if (data.length) this.#dispatch(new MessageEvent(type, { data: data.join("\n") }));
        [type, data] = ["message", []];
      }
    }
  }
}

import { PostEventSource } from "./sse.js";

const $ = (id) => document.getElementById(id);
const make = (kind, properties) => Object.assign(document.createElement(kind), properties);
const models = await (await fetch("/models")).json();
const newChat = () => ({ id: Math.random().toString(36).slice(2), messages: [], images: [], draft: "", tokens: 0 });
// The conversation lives in this tab: a reload keeps it, and no other reader sees it.
let chat = JSON.parse(sessionStorage.getItem("chat")) ?? newChat();
let stop; // ends the answer that is coming, if one is

function save() {
  chat.draft = $("text").value;
  for (const filter of [undefined, (key, value) => (key === "images" ? [] : value)]) {
    try {
      return sessionStorage.setItem("chat", JSON.stringify(chat, filter));
    } catch {
      // The browser has no room for so many pictures, or for so long a text.
    }
  }
}

// Characters that would show what stands around them in another order, as escapes.
const escape = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, (each) => `\\u${each.charCodeAt(0).toString(16)}`);

// Code and bold type of Markdown, as elements that hold text: what a model writes never becomes HTML.
function format(text) {
  return text.split(/(\n*```[^]*?(?:```\n*|$)|`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const kind = part.includes("```") ? "pre" : part.startsWith("`") ? "code" : "strong";
    return make(kind, { textContent: part.replace(/^(\n*```(.*\n)?|`|\*\*)|(```\n*|`|\*\*)$/g, "") });
  });
}

// Adds a message to the page. What this returns shows the message anew, once there is more of it.
function show(message) {
  const article = $("message").content.firstElementChild.cloneNode(true);
  const [reasoning, summary, thoughts, text, note] = article.querySelectorAll("*");
  article.className = message.role;
  article.ariaLabel = message.role === "user" ? "You" : "Answer";
  article.prepend(...(message.images ?? []).map((src) => make("img", { src, alt: "A picture of yours" })));
  $("log").append(article);
  const draw = () => {
    const isAtEnd = $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 100;
    reasoning.hidden = !message.reasoning;
    summary.textContent = message.text ? "Reasoning" : "Thinking…";
    thoughts.textContent = escape(message.reasoning ?? "");
    text.replaceChildren(...format(escape(message.text)));
    note.textContent = message.note;
    if (isAtEnd) $("log").scrollTop = $("log").scrollHeight;
  };
  draw();
  return draw;
}

function showAll() {
  $("log").replaceChildren();
  chat.messages.forEach(show);
  showControls();
}

function showControls(problem = "") {
  const model = models.find(({ name }) => name === chat.model) ?? models[0];
  chat.model = $("model").value = model.name;
  $("meter").max = model.context_length.value;
  showTokens(chat.tokens);
  $("attach").hidden = !model.capabilities.includes("vision");
  $("pictures").replaceChildren(...chat.images.map((src) => {
    const remove = () => ((chat.images = chat.images.filter((each) => each !== src)), showControls(), false);
    return make("input", { type: "image", src, alt: "Remove this picture", title: "Remove", onclick: remove });
  }));
  if ($("attach").hidden && chat.images.length) $("pictures").append("Kept for a model that sees pictures: this one does not.");
  $("problem").textContent = problem;
  $("send").hidden = Boolean(stop);
  $("stop").hidden = !stop;
}

function showTokens(tokens) {
  chat.tokens = $("meter").value = tokens;
  $("used").textContent = `${tokens.toLocaleString()} of ${$("meter").max.toLocaleString()} tokens`;
}

function ask() {
  const text = $("text").value.trim();
  const images = $("attach").hidden ? [] : chat.images; // the others wait for a model that sees them
  if (stop || !(text || images.length)) return;
  const { tokens } = chat;
  const question = { role: "user", text, images };
  const answer = { role: "assistant", text: "", reasoning: "", note: "" };
  const messages = [...chat.messages, question].map(({ role, text, images }) => ({ role, text, images }));
  chat.messages.push(question, answer);
  chat.images = chat.images.filter((each) => !images.includes(each));
  $("text").value = "";
  const [, draw] = [show(question), show(answer)];

  const source = new PostEventSource("/answer", { id: chat.id, model: chat.model, messages });
  const end = (note, problem = note) => {
    source.close();
    stop = undefined;
    answer.note += note;
    draw();
    if (!answer.text) {
      // Nothing came: the question goes back to where it can be sent again.
      chat.messages.splice(-2);
      chat.images.unshift(...images);
      chat.tokens = tokens;
      $("text").value = [text, $("text").value].filter(Boolean).join("\n");
      showAll();
    }
    showControls(answer.text ? "" : problem);
    $("status").textContent = note || "The answer is complete.";
    save();
  };
  stop = () => end("Stopped.");
  source.addEventListener("context", ({ data }) => {
    const { tokens, dropped } = JSON.parse(data);
    showTokens(tokens);
    if (dropped) answer.note = `Without the ${dropped} oldest messages, which no longer fit. `;
  });
  source.addEventListener("message", ({ data }) => {
    if (data === "[DONE]") return end("", "The model gave no answer. Ask again in other words.");
    const { response, reasoning = "", usage, finish_reason } = JSON.parse(data);
    answer.text += response;
    answer.reasoning += reasoning;
    if (finish_reason === "length") answer.note += "Answers may be no longer than this: ask to go on.";
    // Most models count the whole call in every event, others the tokens of the event alone.
    if (usage) showTokens(usage.prompt_tokens ? usage.total_tokens : chat.tokens + usage.total_tokens);
    draw();
  });
  source.addEventListener("error", ({ data }) => {
    end(data ? JSON.parse(data).user_message : "The connection was lost. Please ask again.");
  });
  showControls();
  $("status").textContent = "The model is answering. Escape stops it.";
  save();
}

async function attach(files) {
  for (const file of files) {
    const picture = await createImageBitmap(file).catch(() => undefined);
    if (!picture) return showControls(`${file.name} is no picture that this browser can read.`);
    const scale = Math.min(1, 1024 / Math.max(picture.width, picture.height)); // models see no more than that
    const canvas = make("canvas", { width: picture.width * scale, height: picture.height * scale });
    const context = Object.assign(canvas.getContext("2d"), { fillStyle: "white" }); // behind what is transparent
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    chat.images.push(canvas.toDataURL("image/jpeg", 0.85));
  }
  showControls();
}

$("model").append(...models.map(({ name }) => make("option", { value: name, textContent: name.split("/").at(-1) })));
$("model").onchange = () => ((chat.model = $("model").value), showControls(), save());
$("new").onclick = () => {
  stop?.();
  chat = { ...newChat(), model: chat.model };
  $("text").value = "";
  showAll();
  save();
  $("text").focus();
};
$("files").onchange = () => attach([...$("files").files]).then(() => ($("files").value = "")); // it may be chosen again
$("text").onpaste = ({ clipboardData }) => $("attach").hidden || attach(clipboardData.files);
$("text").onkeydown = ({ key, shiftKey, isComposing }) => key !== "Enter" || shiftKey || isComposing || (ask(), false);
$("form").onsubmit = () => (ask(), $("text").focus(), false);
$("stop").onclick = () => (stop?.(), $("text").focus());
addEventListener("keydown", ({ key }) => key === "Escape" && stop?.());
addEventListener("pagehide", () => (stop?.(), save()));
$("text").value ||= chat.draft;
showAll();

// The page asks the server's own paths (page/form, page/example, predict, explain) and nothing else.
// Whatever comes from a run or a user is put in as text; the drawings of explain alone come as HTML, which the server escapes.

const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang.slice(0, 2);
const MOST_CLASSES = 8;
const id = name => document.getElementById(name);

let key = null; // the API key; only as long as the page is open
let form = null; // what the run reads
let fields = []; // what the reader gives, see valueField and mediaField
let answered = null; // the row that the shown answer is for
let asked = 0; // counts requests, so that an older answer can't take the place of a newer one

function say(name, values = {}) {
  return words[name].replace(/\{(\w+)\}/g, (whole, value) => (value in values ? String(values[value]) : whole));
}

function make(name, attributes = {}, ...parts) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(attribute, value === true ? "" : value);
  }
  element.append(...parts);
  return element;
}

// Requests

class Refused extends Error {
  constructor(status, message, details = []) {
    super(message);
    Object.assign(this, { status, details });
  }
}

async function ask(path, body) {
  const headers = key === null ? {} : { "X-API-Key": key };
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", body, headers });
  } catch {
    throw new Refused(0, say("away"));
  }
  const told = await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }));
  if (answer.ok) return told;
  const wait = answer.headers.get("Retry-After");
  const message = answer.status === 503 && wait ? say("busy", { seconds: wait }) : told.error;
  throw new Refused(answer.status, message, told.details);
}

// A form of one row; its files are parts of their own, so that any column may have any name.
function bodyOf(row) {
  const body = new FormData();
  const cells = {};
  let count = 0;
  for (const [name, value] of Object.entries(row)) {
    cells[name] = value;
    if (Array.isArray(value)) {
      cells[name] = value.map(file => {
        const part = `file ${++count}`;
        body.append(part, file, file.name);
        return { file: part };
      });
    }
  }
  body.append("rows", JSON.stringify([cells]));
  return body;
}

// Fields. Each: element, take(cell) to show a value, give() for what to send (null: missing), complain(text).

function framed(field, name, ...parts) {
  const wrong = make("p", { class: "wrong", role: "alert" });
  const kind = words[`kind.${field.kind}`] ? say(`kind.${field.kind}`, field) : field.kind;
  const group = field.files > 0;
  const title = make(group ? "legend" : "label", { class: "name", for: group ? null : name },
    field.name, " ", make("small", {}, kind));
  const element = make(group ? "fieldset" : "div", { class: "field" }, title, ...parts, wrong);
  const complain = text => { wrong.textContent = text; };
  return { element, complain };
}

function valueField(field, name) {
  let input;
  const common = { id: name };
  if (field.kind === "text") {
    input = make("textarea", { ...common, rows: 3 });
  } else if (field.kind === "boolean") {
    const choices = [["", ""], ["true", say("yes")], ["false", say("no")]];
    input = make("select", common, ...choices.map(([value, text]) => make("option", { value }, text)));
  } else {
    const decimal = field.kind === "numeric";
    const list = field.choices.length ? `${name}-list` : null;
    const inputmode = decimal ? "decimal" : null;
    input = make("input", { ...common, type: "text", inputmode, list, placeholder: field.example, autocomplete: "off" });
  }
  const parts = [input];
  if (field.choices.length && input.tagName === "INPUT") {
    parts.push(make("datalist", { id: `${name}-list` }, ...field.choices.map(value => make("option", { value }))));
  }
  const { element, complain } = framed(field, name, ...parts);
  input.addEventListener("input", () => { complain(""); input.removeAttribute("aria-invalid"); changed(); });
  return {
    name: field.name,
    element,
    take(cell) { input.value = cell ?? ""; },
    give: () => (input.value.trim() ? input.value : null),
    complain(text) {
      complain(text);
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

function mediaField(field, name) {
  let files = [];
  const many = field.files > 1;
  const input = make("input", { id: name, type: "file", accept: `${field.kind}/*`, multiple: many,
    "aria-label": field.name });
  const text = many ? say("drop.many", { count: field.files }) : say("drop");
  const drop = make("label", { class: "drop" }, text, input);
  const list = make("ul", { class: "files" });
  const { element, complain } = framed(field, name, drop, list);
  const recorder = navigator.mediaDevices ? recording(field, file => add([file]), complain) : null;
  if (recorder) list.before(recorder);

  function add(more) {
    const all = many ? [...files, ...more] : more.slice(0, 1);
    complain(all.length > field.files ? say("too_many", { count: field.files }) : "");
    show(all.slice(0, field.files));
  }
  function show(wanted) {
    for (const media of list.querySelectorAll("img, audio, video")) URL.revokeObjectURL(media.src);
    files = wanted;
    list.replaceChildren(...files.map(preview));
    input.value = ""; // so that the same file can be chosen again
    changed();
  }
  function preview(file) {
    const src = URL.createObjectURL(file);
    const tag = { image: "img", audio: "audio", video: "video" }[field.kind];
    const media = make(tag, { src, controls: tag !== "img", playsinline: tag === "video", alt: tag === "img" ? "" : null });
    const remove = () => { show(files.filter(one => one !== file)); input.focus(); };
    const label = `${say("remove")}: ${file.name}`;
    return make("li", {}, media, file.name,
      make("button", { type: "button", "aria-label": label, onclick: remove }, say("remove")));
  }

  input.addEventListener("change", () => { if (input.files.length) add([...input.files]); });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, event => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) add([...event.dataTransfer.files]);
    });
  }
  return {
    name: field.name,
    element,
    take(cell) { complain(""); show((cell ?? []).map(fileOf)); },
    give: () => (files.length ? files : null),
    complain,
  };
}

function fileOf({ name, data }) {
  return new File([Uint8Array.from(atob(data), letter => letter.charCodeAt(0))], name);
}

// A button that records, with the camera's picture beside it where there is one.
function recording(field, done, complain) {
  const sound = field.kind === "audio", still = field.kind === "image";
  const button = make("button", { type: "button" }, say(`record.${field.kind}`));
  const live = make("video", { class: "live", muted: true, playsinline: true, hidden: true });
  const note = make("p", { class: "note", role: "status" });
  let stop = null;

  button.addEventListener("click", async () => {
    if (stop) return stop();
    let stream;
    button.disabled = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: !still, video: !sound });
    } catch (error) {
      return complain(say("record.refused", { reason: error.message }));
    } finally {
      button.disabled = false;
    }
    complain("");
    if (!sound) {
      live.srcObject = stream;
      live.muted = true;
      live.hidden = false;
      await live.play();
    }
    button.textContent = still ? say("record.take") : say("record.stop");
    stop = still ? takePicture(stream, live, finish) : record(stream, sound, finish);
    note.textContent = still ? "" : say("record.on", { seconds: form.seconds });
  });
  function finish(file, stream) {
    stream.getTracks().forEach(track => track.stop());
    live.srcObject = null;
    live.hidden = true;
    stop = null;
    button.textContent = say(`record.${field.kind}`);
    note.textContent = "";
    done(file);
  }
  return make("div", {}, button, note, live);
}

function takePicture(stream, live, finish) {
  return () => {
    const canvas = make("canvas", { width: live.videoWidth, height: live.videoHeight });
    canvas.getContext("2d").drawImage(live, 0, 0);
    canvas.toBlob(blob => finish(new File([blob], "camera.jpg", { type: blob.type }), stream), "image/jpeg", 0.92);
  };
}

function record(stream, sound, finish) {
  const recorder = new MediaRecorder(stream), chunks = [];
  recorder.addEventListener("dataavailable", event => chunks.push(event.data));
  recorder.addEventListener("stop", () => {
    clearTimeout(timer);
    const type = recorder.mimeType.split(";")[0], ending = type.split("/")[1];
    finish(new File(chunks, `${sound ? "microphone" : "camera"}.${ending}`, { type }), stream);
  });
  const stop = () => { if (recorder.state !== "inactive") recorder.stop(); };
  const timer = setTimeout(stop, 1000 * form.seconds);
  recorder.start();
  return stop;
}

// The form

async function begin() {
  id("status").textContent = "";
  try {
    form = await ask("page/form");
  } catch (error) {
    if (error.status !== 401) return fail("status", error);
    id("status").textContent = key === null ? "" : say("key.wrong");
    id("key").hidden = false;
    return id("secret").focus();
  }
  id("key").hidden = true;
  id("run").textContent = say("run", form);
  fields = form.fields.map((field, place) => (field.files ? mediaField : valueField)(field, `field-${place}`));
  id("fields").replaceChildren(...fields.map(field => field.element));
  if (!navigator.mediaDevices && form.fields.some(field => field.files)) {
    id("fields").append(make("p", { class: "note" }, say("record.insecure")));
  }
  const choices = form.examples.map(({ row }, place) =>
    make("button", { type: "button", "aria-pressed": "false", onclick: event => takeExample(place, event.currentTarget) },
      say("example", { row })));
  id("choices").replaceChildren(...choices);
  id("examples").hidden = !choices.length;
  id("target").replaceChildren(...form.targets.map(({ name }) => make("option", { value: name }, name)));
  id("target").parentElement.hidden = form.targets.length < 2;
  offerClasses();
  id("given").hidden = false;
}

async function takeExample(place, button) {
  const number = ++asked;
  try {
    const { cells, truth } = await ask(`page/example?place=${place}`);
    if (number !== asked) return;
    fields.forEach(field => { field.complain(""); field.take(cells[field.name]); });
    press(button);
    const told = Object.entries(truth).map(([name, value]) => `${name} = ${value}`).join(", ");
    id("truth").textContent = told ? say("truth", { truth: told }) : "";
  } catch (error) {
    fail("status", error);
  }
}

function press(button) {
  for (const one of id("choices").children) one.setAttribute("aria-pressed", String(one === button));
}

function changed() {
  press(null);
  id("truth").textContent = "";
  if (answered) id("status").textContent = say("changed");
}

function given() {
  const row = {};
  for (const field of fields) {
    const value = field.give();
    if (value !== null) row[field.name] = value;
  }
  return row;
}

// Answers

async function answer() {
  const row = given(), number = ++asked;
  fields.forEach(field => field.complain(""));
  const size = Object.values(row).flat().reduce((sum, value) => sum + (value.size ?? 0), 0);
  if (size > form.bytes) return fail("status", new Refused(413, say("too_large", { mb: Math.floor(form.bytes / 1e6) })));
  id("status").textContent = say("asking");
  const start = performance.now();
  try {
    const told = await ask("predict", bodyOf(row));
    if (number !== asked) return;
    const ms = Math.round(performance.now() - start);
    answered = row;
    showAnswer(told.rows[0]);
    id("status").textContent = say("answered", { ms });
    id("title-answer").focus();
  } catch (error) {
    if (number === asked) fail("status", error);
  }
}

function showAnswer({ answers, probabilities, missing, problems }) {
  const shown = Object.entries(answers).flatMap(([target, value]) => {
    const text = typeof value === "number" ? String(Number(value.toPrecision(4))) : value || say("nothing");
    const parts = [make("p", { class: "said" }, make("small", {}, target), text)];
    if (probabilities[target]) parts.push(...shares(probabilities[target], value));
    return parts;
  });
  id("answers").replaceChildren(...shown);
  const notes = problems.map(({ field, reason }) => say("problem", { name: field, reason }));
  if (missing.length) notes.push(say("missing", { names: missing.join(", ") }));
  id("notes").replaceChildren(...notes.map(text => make("p", { class: "note" }, text)));
  id("answer").hidden = false;
  id("why").hidden = !form.targets.length;
  id("explained").replaceChildren();
  id("explaining").textContent = "";
}

function shares(probabilities, answer) {
  const all = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const chosen = new Set(answer in probabilities ? [answer] : answer.split("|")); // of several labels, each that holds
  const row = ([name, share]) => {
    const bar = make("i", { "aria-hidden": "true" });
    bar.style.width = `${100 * share}%`;
    const figure = make("div", { class: "share" }, bar, make("span", {}, `${(100 * share).toFixed(1)} %`));
    return make("tr", { class: chosen.has(name) ? "first" : null }, make("th", { scope: "row" }, name), make("td", {}, figure));
  };
  const table = rows => make("table", {},
    make("thead", {}, make("tr", {}, ...["class", "probability"].map(name => make("th", { scope: "col" }, say(name))))),
    make("tbody", {}, ...rows.map(row)));
  const rest = all.slice(MOST_CLASSES);
  const more = () => make("details", {}, make("summary", {}, say("more", { count: rest.length })), table(rest));
  return [table(all.slice(0, MOST_CLASSES)), ...(rest.length ? [more()] : [])];
}

function offerClasses() {
  const target = form.targets.find(({ name }) => name === id("target").value);
  const classes = target?.classes ?? [];
  const own = make("option", { value: "" }, say("why.own"));
  id("class").replaceChildren(own, ...classes.map(name => make("option", { value: name }, name)));
  id("class").parentElement.hidden = !classes.length;
}

async function explain() {
  const row = answered, query = new URLSearchParams({ html: language, target: id("target").value });
  if (id("class").value) query.set("label", id("class").value);
  const button = id("explain").querySelector("button");
  button.disabled = true;
  id("explaining").textContent = say("asking");
  const start = performance.now();
  try {
    const { told, short } = await withParts(query, row);
    if (row !== answered) return;
    id("explained").innerHTML = told.rows[0].html;
    const done = say("explained", { ms: Math.round(performance.now() - start) });
    id("explaining").textContent = short ? `${done} ${say("why.short", { reason: short })}` : done;
  } catch (error) {
    if (row === answered) fail("explaining", error);
  } finally {
    button.disabled = false;
  }
}

// With what counts inside the inputs; without it where that fails (a package is not installed, it takes too long).
async function withParts(query, row) {
  try {
    return { told: await ask(`explain?${query}&parts=true`, bodyOf(row)) };
  } catch (error) {
    if (![422, 504].includes(error.status)) throw error;
    return { told: await ask(`explain?${query}`, bodyOf(row)), short: error.message };
  }
}

// What went wrong, in a line, and beside the fields that it is about.
function fail(place, error) {
  if (!(error instanceof Refused)) throw error;
  const rest = [];
  for (const { where, message } of error.details) {
    const path = where.replace(/^rows\.0\./, "");
    const field = fields.find(({ name }) => path === name || path.startsWith(`${name}.`));
    if (field) field.complain(message);
    else rest.push(message);
  }
  id(place).textContent = say("failed", { reason: [error.message, ...rest].join(" ") });
}

function onSubmit(name, work) {
  id(name).addEventListener("submit", event => { event.preventDefault(); work(); });
}

onSubmit("key", () => { key = id("secret").value; begin(); });
onSubmit("row", answer);
onSubmit("explain", explain);
id("row").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) answer();
});
id("target").addEventListener("change", offerClasses);
id("clear").addEventListener("click", () => {
  asked++;
  fields.forEach(field => { field.complain(""); field.take(null); });
  changed();
});
// A file that misses its place must not take the page away.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, event => event.preventDefault());
begin();

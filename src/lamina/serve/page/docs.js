"use strict";
// Everything here comes from /openapi.json and from answers; texts are set as text, never as markup.
(() => {
  const MOST_FIELDS = 200, LONG = 4000;
  const predicts = /^\/v1\/models\/(.+)\/predict$/;
  let token = "";

  const find = (id) => document.getElementById(id);

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function ask(path, options = {}) {
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    return fetch(path, { ...options, headers });
  }

  async function start() {
    const response = await ask("openapi.json");
    if (response.status === 401) {
      find("wrong").textContent = token ? "That is not the token." : "";
      find("token").hidden = false;
      find("bearer").focus();
      return;
    }
    find("token").hidden = true;
    const description = await response.json();
    for (const [path, methods] of Object.entries(description.paths)) {
      const name = predicts.exec(path);
      if (name) find("models").append(modelCard(name[1], path.slice(1), methods.post));
      for (const [method, operation] of Object.entries(methods)) showRoute(method, path, operation);
    }
    find("routes").hidden = false;
  }

  function showRoute(method, path, operation) {
    const isPage = method === "get" && path !== "/docs" && !token;
    const name = make("code", {}, path);
    find("routes").querySelector("ul").append(
      make("li", {}, make("span", { class: "method" }, method.toUpperCase()),
        make("span", {}, isPage ? make("a", { href: path.slice(1) }, name) : name),
        make("span", { class: "hint" }, operation.summary)));
  }

  // --- a model ---------------------------------------------------------------------------------------------------

  function modelCard(name, path, operation) {
    const body = operation.requestBody.content["application/json"];
    const text = make("textarea", { id: `${name}-body`, spellcheck: "false" });
    text.value = shown(body.example);
    const row = rowSchema(body.schema), fields = row ? fieldsOf(name, row, body.example.rows[0]) : [];
    const line = make("pre", { tabindex: "0", "aria-label": `A line for a shell that asks ${name}` });
    const answer = make("div", { class: "answer", role: "status" });
    const wrong = make("p", { class: "error", role: "alert" });
    const showLine = () => { line.textContent = curl(path, text.value); };

    const toText = () => {
      const values = Object.fromEntries(fields.map((field) => [field.name, field.value()]));
      text.value = shown({ rows: [{ ...body.example.rows[0], ...values }] });
      showLine();
    };
    const grid = make("div", { class: "fields" }, ...fields.map((field) => field.element));
    grid.addEventListener("input", toText);
    text.addEventListener("input", showLine);
    showLine();

    const form = make("form", { "aria-label": `Try ${name}` }, grid,
      make("details", fields.length ? {} : { open: "" },
        make("summary", {}, "The body as JSON"),
        make("label", { for: text.id, class: "hint" }, fields.length
          ? "The fields above write it; several rows can be written here."
          : "An object with rows."),
        text),
      make("div", { class: "row" }, make("button", { class: "main" }, "Predict")), wrong, answer);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(path, { "Content-Type": "application/json" }, text.value, wrong, answer);
    });
    const parts = [make("h2", {}, name), make("p", { class: "hint" }, operation.summary), form];
    if (operation.requestBody.content["image/png"]) parts.push(picture(name, path, wrong, answer));
    parts.push(make("details", {}, make("summary", {}, "From a shell"), line),
      make("p", { class: "hint types" }, `Takes ${Object.keys(operation.requestBody.content).join(", ")}.`));
    return make("section", { class: "card", "aria-label": `The model ${name}` }, ...parts);
  }

  /** A PNG that is chosen is sent as it is. */
  function picture(name, path, wrong, answer) {
    const chosen = make("input", { id: `${name}-picture`, type: "file", accept: "image/png" });
    chosen.addEventListener("change", () => {
      if (chosen.files.length) send(path, { "Content-Type": "image/png" }, chosen.files[0], wrong, answer);
    });
    return make("div", { class: "field" }, make("label", { for: chosen.id }, "Or a picture of a digit, PNG"), chosen);
  }

  function rowSchema(schema) {
    const rows = (schema.oneOf || [schema]).map((one) => one.properties.rows).find(Boolean);
    const row = rows.items.oneOf ? rows.items.oneOf[0] : rows.items;
    return row.properties && Object.keys(row.properties).length <= MOST_FIELDS ? row : null;
  }

  function fieldsOf(model, row, example) {
    return Object.entries(row.properties).map(([name, schema], i) => {
      const input = inputFor(schema, example[name], `${model}-${i}`);
      const hint = make("span", { class: "hint", id: `${model}-${i}-hint` }, hintOf(schema));
      input.control.setAttribute("aria-describedby", hint.id);
      const label = make("label", { for: input.control.id }, name);
      return { name, value: input.value, element: make("div", { class: "field" }, label, ...input.parts, hint) };
    });
  }

  function hintOf(schema) {
    const [low, high] = schema["x-training-range"] || [];
    if (low != null && types(schema).includes("number") && !types(schema).includes("string")) {
      return `${short(low)} … ${short(high)} in training`;
    }
    const said = (schema.description || "").split(". ")[0];
    return schema.anyOf || said === "A number" ? "" : said.replace("null: missing.", "");
  }

  const types = (schema) => [].concat(schema.type || []);
  const short = (x) => Number(x.toPrecision(4)).toLocaleString("en");

  /** Empty fields are missing values; numbers are numbers, and what is none is sent as it is, to be refused. */
  function inputFor(schema, value, id) {
    const choices = (schema.anyOf || []).map((one) => one.enum).find(Boolean);
    if (types(schema).includes("boolean") || (choices && choices.length <= 50)) {
      const values = choices || [false, true];
      const options = values.map((one, i) => make("option", { value: i }, String(one)));
      const select = make("select", { id }, make("option", { value: "" }, "(missing)"), ...options);
      select.value = String(values.findIndex((one) => String(one) === String(value)));
      return { control: select, parts: [select], value: () => (select.value === "" ? null : values[select.value]) };
    }
    const input = make("input", { id, autocomplete: "off", placeholder: "missing" });
    const parts = [input];
    if (choices) {
      const list = make("datalist", { id: `${id}-choices` }, ...choices.map((one) => make("option", { value: one })));
      input.setAttribute("list", list.id);
      parts.push(list);
    } else if (types(schema).includes("number")) {
      input.setAttribute("inputmode", "decimal");
    }
    input.value = value == null ? "" : value;
    const isNumber = (text) => text !== "" && Number.isFinite(Number(text));
    return {
      control: input, parts,
      value: () => {
        const text = input.value.trim();
        if (text === "") return null;
        return types(schema).includes("number") && isNumber(text) ? Number(text) : text;
      },
    };
  }

  // --- asking ----------------------------------------------------------------------------------------------------

  async function send(path, headers, body, wrong, answer) {
    wrong.textContent = "";
    try {
      const response = await ask(path, { method: "POST", headers, body });
      const said = await response.json();
      if (response.ok) {
        answer.replaceChildren(...answerOf(said));
        return;
      }
      wrong.textContent = `${said.error.status}: ${said.error.message} (request ${said.error.request_id})`;
    } catch (error) {
      wrong.textContent = `The server did not answer: ${error.message}`;
    }
    answer.replaceChildren();
  }

  function answerOf(said) {
    const whole = shown(said);
    const parts = said.predictions.length === 1 ? onePrediction(said.predictions[0]) : [];
    const text = make("pre", { tabindex: "0", "aria-label": "The answer as JSON" },
      whole.length > LONG ? `${whole.slice(0, LONG)} …` : whole);
    return [...parts, make("p", { class: "notes" }, said.notes.join("; ")),
      make("details", parts.length ? {} : { open: "" }, make("summary", {}, "The answer as JSON"), text)];
  }

  function onePrediction(one) {
    const value = one.label ?? one.value ?? (one.labels || one.values).join(", ");
    const number = typeof value === "number" && one.label === undefined;
    const parts = [make("p", { class: "value" }, number ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : `${value}`)];
    const shares = Object.entries(one.probabilities || one.quantiles || {});
    if (!shares.length) return parts;
    if (one.probabilities) shares.sort((a, b) => b[1] - a[1]);
    const cells = shares.slice(0, 10).map(([name, x]) => make("tr", {}, make("th", { scope: "row" }, name),
      make("td", {}, one.probabilities ? `${(100 * x).toFixed(1)} %` : x.toLocaleString("en", { maximumSignificantDigits: 6 }))));
    parts.push(make("div", { class: "scroll" }, make("table", {},
      make("caption", { class: "hint" }, one.probabilities ? "Probabilities" : "Quantiles"), make("tbody", {}, ...cells))));
    return parts;
  }

  function shown(value) {
    const text = JSON.stringify(value, null, 1);
    return text.length > LONG ? JSON.stringify(value) : text;
  }

  function curl(path, body) {
    const url = new URL(path, location.href), quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const bearer = token ? " -H \"Authorization: Bearer $LAMINA_SERVE_TOKEN\"" : "";
    let one = body;
    try { one = JSON.stringify(JSON.parse(body)); } catch { /* it is sent as it is, and refused */ }
    if (one.length > 1000) {
      const example = quoted(url.href.replace(/predict$/, "example"));
      return `curl -s${bearer} ${example} | curl${bearer} -H 'Content-Type: application/json' -d @- ${quoted(url.href)}`;
    }
    return `curl${bearer} -H 'Content-Type: application/json' -d ${quoted(one)} ${quoted(url.href)}`;
  }

  find("token").addEventListener("submit", (event) => {
    event.preventDefault();
    token = find("bearer").value;
    start();
  });
  start();
})();

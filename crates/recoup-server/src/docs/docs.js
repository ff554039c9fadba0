// Renders the OpenAPI document of this server. Everything it says goes in as text, never as markup.
'use strict';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** An element with attributes and children; strings become text nodes. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** What a `$ref` names in the document. */
function follow(whole, schema) {
  let now = schema;
  for (let steps = 0; now && now.$ref && steps < 20; steps += 1) {
    now = now.$ref.replace(/^#\//, '').split('/').reduce((at, key) => at?.[key], whole);
  }
  return now ?? {};
}

/** A schema as one line: `string`, `array of Plan`, `"read" | "run"`. */
function brief(whole, schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  for (const key of ['oneOf', 'anyOf', 'allOf']) {
    if (schema[key]) return schema[key].map((part) => brief(whole, part)).join(key === 'allOf' ? ' & ' : ' | ');
  }
  const types = [].concat(schema.type ?? 'any');
  const named = types.map((type) => (type === 'array' ? `array of ${brief(whole, schema.items)}` : type)).join(' | ');
  return schema.format ? `${named} (${schema.format})` : named;
}

/** The fields of an object, also those of its parts. */
function fields(whole, schema, found = [], deep = 0) {
  const real = follow(whole, schema);
  for (const part of real.allOf ?? []) if (deep < 5) fields(whole, part, found, deep + 1);
  const needed = new Set(real.required ?? []);
  for (const [name, about] of Object.entries(real.properties ?? {})) {
    found.push([name, brief(whole, about), needed.has(name) ? 'yes' : '', about.description ?? follow(whole, about).description ?? '']);
  }
  return found;
}

function table(heads, rows) {
  const head = element('tr', {}, ...heads.map((text) => element('th', { scope: 'col' }, text)));
  const body = rows.map((row) => element('tr', {}, ...row.map((text) => element('td', {}, String(text)))));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...body));
}

function shape(whole, schema) {
  const rows = fields(whole, schema);
  const line = element('p', {}, element('code', {}, brief(whole, schema)));
  return rows.length ? [line, table(['Field', 'Type', 'Needed', 'What it is'], rows)] : [line];
}

/** The scope that an operation needs. */
function scope(operation) {
  const asked = (operation.security ?? []).flatMap((way) => Object.values(way).flat());
  return asked.length ? [...new Set(asked)].join(' / ') : 'anybody';
}

function show(whole, method, path, operation) {
  const inside = element('div', {});
  if (operation.description && operation.description !== operation.summary) {
    inside.append(element('p', {}, operation.description));
  }
  const parameters = (operation.parameters ?? []).map((one) => follow(whole, one));
  if (parameters.length) {
    const rows = parameters.map((one) => [one.name, one.in, brief(whole, one.schema), one.required ? 'yes' : '', one.description ?? '']);
    inside.append(element('h3', {}, 'Parameters'), table(['Name', 'In', 'Type', 'Needed', 'What it is'], rows));
  }
  for (const [kind, content] of Object.entries(operation.requestBody?.content ?? {})) {
    inside.append(element('h3', {}, `Body: ${kind}`), ...shape(whole, content.schema));
  }
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const real = follow(whole, answer);
    const name = status === 'default' ? 'Any other answer' : `Answer ${status}`;
    inside.append(element('h3', {}, real.description ? `${name}: ${real.description}` : name));
    for (const [kind, content] of Object.entries(real.content ?? {})) {
      inside.append(element('p', {}, kind), ...(status === 'default' ? [] : shape(whole, content.schema)));
    }
  }
  if (method === 'get' && !parameters.some((one) => one.required) && !path.endsWith('events')) inside.append(...trial(path));
  const head = element('summary', {},
    element('span', { class: 'method' }, method.toUpperCase()),
    element('span', { class: 'path' }, path),
    element('span', { class: 'scope' }, scope(operation)),
    element('span', { class: 'says' }, operation.summary ?? ''));
  const whole_text = `${method} ${path} ${operation.summary ?? ''} ${(operation.tags ?? []).join(' ')}`.toLowerCase();
  return element('details', { 'data-text': whole_text }, head, inside);
}

/** A button that asks and shows what comes, with the sign-in of this browser. */
function trial(path) {
  const out = element('pre', { hidden: '', tabindex: '0' });
  const button = element('button', { type: 'button' }, 'Try it');
  button.addEventListener('click', async () => {
    out.hidden = false;
    out.textContent = '…';
    try {
      const answer = await fetch(`..${path}`, { headers: { 'X-Recoup': '1' } });
      const text = await answer.text();
      out.textContent = `${answer.status} ${answer.headers.get('content-type') ?? ''}\n${pretty(text).slice(0, 20000)}`;
    } catch (error) {
      out.textContent = String(error);
    }
  });
  return [element('p', {}, button), out];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function filter(words) {
  for (const one of document.querySelectorAll('details')) {
    one.hidden = !words.every((word) => one.dataset.text.includes(word));
  }
  for (const section of document.querySelectorAll('main section')) {
    section.hidden = !section.querySelector('details:not([hidden])');
  }
}

async function start() {
  const about = document.getElementById('about');
  try {
    const answer = await fetch('v1/openapi.json');
    if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
    const whole = await answer.json();
    document.getElementById('title').textContent = `${whole.info.title} API ${whole.info.version}`;
    about.textContent = whole.info.description ?? '';
    const groups = new Map();
    for (const [path, item] of Object.entries(whole.paths)) {
      for (const method of METHODS.filter((name) => item[name])) {
        const tag = item[method].tags?.[0] ?? 'other';
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push(show(whole, method, path, item[method]));
      }
    }
    const main = document.getElementById('operations');
    for (const [tag, shown] of [...groups].sort(([one], [other]) => one.localeCompare(other))) {
      main.append(element('section', {}, element('h2', {}, tag), ...shown));
    }
    const box = document.getElementById('filter');
    box.addEventListener('input', () => filter(box.value.toLowerCase().split(/\s+/).filter(Boolean)));
  } catch (error) {
    about.textContent = `The document could not be read: ${error}`;
  }
}

start();

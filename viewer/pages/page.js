// What all pages share: elements, requests, and the state in the address.

/** An element with properties, and children that are elements or plain text. */
export function el(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The address of a request to the server, relative to the page. */
export function address(name, fields = {}) {
  return `api/${name}?${new URLSearchParams(fields)}`;
}

async function answer(name, fields) {
  const got = await fetch(address(name, fields));
  if (!got.ok) {
    const text = await got.text();
    let reason = text;
    try { reason = JSON.parse(text).error; } catch { /* plain text */ }
    throw new Error(reason);
  }
  return got;
}

export async function json(name, fields) { return (await answer(name, fields)).json(); }

export async function floats(name, fields) {
  return new Float32Array(await (await answer(name, fields)).arrayBuffer());
}

export async function bytes(name, fields) { return (await answer(name, fields)).arrayBuffer(); }

/** The fields behind the # of the address: all that a page shows, so that it can be shared. */
export function state() { return Object.fromEntries(new URLSearchParams(location.hash.slice(1))); }

function hashWith(changes) {
  const fields = Object.entries({ ...state(), ...changes }).filter(([, value]) => value !== '' && value != null);
  return `#${new URLSearchParams(fields)}`;
}

/** Writes fields into the address; what is shown has changed already. */
export function note(changes) { history.replaceState(null, '', hashWith(changes)); }

/** Changes fields; an empty value takes one out. With `quietly`, no step of the browser's history. */
export function go(changes, quietly = false) {
  const hash = hashWith(changes);
  if (hash === location.hash) return;
  if (quietly) {
    history.replaceState(null, '', hash);
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  } else location.hash = hash;
}

/** A choice under a label. `options`: [value, text]. */
export function choice(label, options, value, chosen) {
  const select = el('select', { name: label }, ...options.map(([v, text]) => el('option', { value: v }, text)));
  select.value = value;
  select.addEventListener('change', () => chosen(select.value));
  return el('label', {}, label, select);
}

export function say(text) { document.getElementById('message').textContent = text; }

// One frame: the chosen modality large, all of them below, where its camera stood, and what tokenizers make
// of it.

import { address, el, go, json, state } from './page.js';
import { filters } from './frames.js';
import { FrameList, storeFacts } from './list.js';
import { planOf } from './plan.js';

const LARGE = 384; // pixels
const SMALL = 144;

export async function framePage(root, now, opened) {
  const facts = await storeFacts(now.store);
  const list = new FrameList(now.store, facts, now);
  const frame = Number(now.frame);
  while (list.searching && list.indexOf(now.part, frame) < 0) await list.more();
  const index = list.indexOf(now.part, frame);
  const here = { store: now.store, part: now.part, frame };
  const known = await json('frame', here);
  const names = known.modalities;
  const modality = names.includes(now.modality) ? now.modality : names[0];
  const sharp = (name) => (facts.modalities.find((m) => m.name === name).sharp ? 'sharp' : '');
  const step = async (by) => {
    while (list.searching && index + by >= list.length) await list.more();
    if (index < 0 || index + by < 0 || index + by >= list.length) return;
    const next = list.at(index + by);
    go({ part: next.part, frame: String(next.frame) }, true);
  };
  const turn = (by) => go({ modality: names[(names.indexOf(modality) + by + names.length) % names.length] }, true);
  const side = el('aside', {}, ...filters(opened, facts, now), table(known, now, index, list));
  const body = el('section', {}, el('div', { className: 'beside' },
    el('div', {},
      el('img', { className: sharp(modality), alt: modality, height: LARGE, src: address('picture', { ...here, modality, size: LARGE }) }),
      el('p', { className: 'note' }, describe(facts.modalities.find((m) => m.name === modality)))),
    el('div', { className: 'sheet' }, ...names.map((name) => el('figure', {
      className: name === modality ? 'chosen' : '', onclick: () => go({ modality: name }, true),
    }, el('img', { className: sharp(name), alt: name, height: SMALL, src: address('picture', { ...here, modality: name, size: SMALL }) }),
    el('figcaption', {}, name))))));
  root.append(side, body);
  await showTokens(body, here, now);
  const plan = await planOf(now.store, new FrameList(now.store, facts, { ...now, space: known.space.id, class: '' }),
    (picked) => pickIn(facts, now, known.space.id, picked), placeIn(facts, now, known.space.id, frame));
  if (plan) side.append(plan.element);
  return {
    help: '← → frame · ↑ ↓ modality · t tokens · h house · Esc all frames',
    keys: {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
      Escape: () => go({ page: 'frames', part: '', frame: '' }), t: () => go({ tokens: state().tokens ? '' : '1' }, true),
      h: () => go({ page: 'house', space: known.space.id }),
    },
  };
}

function placeIn(facts, now, space, frame) {
  return new FrameList(now.store, facts, { role: now.role, space }).indexOf(now.part, frame);
}

function pickIn(facts, now, space, index) {
  const picked = new FrameList(now.store, facts, { role: now.role, space }).at(index);
  go({ part: picked.part, frame: String(picked.frame) });
}

function describe(spec) {
  return spec.network ? `${spec.name}: ${spec.output}, made of rgb by ${spec.network}` : `${spec.name}: ${spec.kind}`;
}

function table(known, now, index, list) {
  const row = (name, value) => el('tr', {}, el('th', {}, name), el('td', {}, value));
  const place = known.pose ? known.pose.slice(0, 3).map((r) => r[3].toFixed(2)).join(', ') : 'unknown';
  const classes = (known.classes ?? []).filter(([, share]) => share >= 0.001)
    .map(([name, share]) => `${name} ${(100 * share).toFixed(1)} %`).join(', ');
  return el('table', {},
    row('frame', index < 0 ? 'not among these' : `${(index + 1).toLocaleString('en')} of ${list.length.toLocaleString('en')}${list.searching ? ' so far' : ''}`),
    row('space', known.space.id), row('role', known.role), row('part', `${now.part}, frame ${now.frame}`),
    row('made by', `${known.space.simulator}, sampler ${known.space.sampler}, family ${known.space.family}`),
    row('camera [m]', place), classes ? row('shows', classes) : null);
}

async function showTokens(body, here, now) {
  const there = await json('tokenizers');
  if (!there.length) return;
  if (!now.tokens) {
    body.append(el('p', {}, el('button', { onclick: () => go({ tokens: '1' }, true) }, 'what tokenizers keep of it (t)')));
    return;
  }
  const note = el('p', { className: 'note' }, 'encoding and decoding ...');
  const picture = el('img', { alt: 'token reconstructions', src: address('tokens', here) });
  picture.addEventListener('load', () => note.remove());
  picture.addEventListener('error', async () => {
    picture.remove();
    try { await json('tokens', here); } catch (error) { note.textContent = error.message; }
  });
  body.append(el('h3', {}, 'Through tokenizers'), note, picture);
}

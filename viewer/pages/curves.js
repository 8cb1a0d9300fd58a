// Loss curves of all trainings that were opened, asked for again every two seconds while one is running.

import { el, json, say } from './page.js';

const AGAIN = 2000; // ms
const [WIDE, TALL, LEFT, BELOW] = [360, 180, 44, 18];

export async function curvesPage(root) {
  const body = el('section', {});
  const sheet = el('div', { className: 'curves' });
  body.append(sheet);
  root.append(body);
  const cards = new Map();
  let timer = 0;
  let open = true;
  async function draw() {
    const trainings = await json('curves');
    if (!open) return;
    for (const one of trainings) {
      const was = cards.get(one.id);
      const text = JSON.stringify(one);
      if (was?.text === text) continue;
      const made = card(one);
      if (was) was.element.replaceWith(made); else sheet.append(made);
      cards.set(one.id, { element: made, text });
    }
    if (!cards.size) say('no training has begun');
    if (trainings.some((one) => !one.done) || !cards.size) {
      timer = setTimeout(() => draw().catch((error) => say(error.message)), AGAIN);
    }
  }
  await draw();
  return { close: () => { open = false; clearTimeout(timer); } };
}

function card(one) {
  const last = one.points.at(-1);
  const now = last ? `step ${last[0].toLocaleString('en')}, loss ${last[1].toPrecision(4)}` : 'no point yet';
  const made = el('div', { className: `curve${one.done ? '' : ' running'}` }, el('h3', {}, one.label),
    el('p', { className: 'note' }, one.done ? now : `running: ${now}`));
  if (one.points.length > 1) made.append(chart(one.points));
  if (one.line) made.append(el('div', { className: 'log', title: one.line }, one.line));
  return made;
}

function chart(points) {
  const svg = (tag, fields, text) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(fields)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const losses = points.map((p) => p[1]).filter(Number.isFinite);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const end = points.at(-1)[0] || 1;
  const x = (step) => LEFT + (step / end) * (WIDE - LEFT - 8);
  const y = (loss) => 8 + ((high - loss) / (high - low || 1)) * (TALL - BELOW - 16);
  const whole = svg('svg', { viewBox: `0 0 ${WIDE} ${TALL}`, role: 'img' });
  for (const at of [low, (low + high) / 2, high]) {
    whole.append(svg('line', { x1: LEFT, x2: WIDE - 8, y1: y(at), y2: y(at), stroke: '#e4e4e4' }));
    whole.append(svg('text', { x: LEFT - 4, y: y(at) + 3, 'text-anchor': 'end' }, at.toPrecision(3)));
  }
  whole.append(svg('text', { x: LEFT, y: TALL - 5 }, '0'));
  whole.append(svg('text', { x: WIDE - 8, y: TALL - 5, 'text-anchor': 'end' }, `step ${end.toLocaleString('en')}`));
  whole.append(svg('polyline', { points: points.map(([s, l]) => `${x(s).toFixed(1)},${y(l).toFixed(1)}`).join(' ') }));
  return whole;
}

// The plan from above, with the cameras of a space: where each stands and looks. A click picks the nearest.

import { address, el, floats, json } from './page.js';

const WIDE = 540; // pixels of the canvas
const MARGIN = 0.5; // metres, where there is no plan to say
const ROLES = ['#0072b2', '#009e73', '#d55e00'];
const HEAD = 8;

const kept = new Map(); // the last space's, since every frame of it asks

async function once(name, ask) {
  if (!kept.has(name)) { if (kept.size > 8) kept.clear(); kept.set(name, await ask()); }
  return kept.get(name);
}

/** Cameras of a space, evenly over its frames: the `every`-th ones, their lens, and a matrix for each. */
export async function camerasOf(store, space, role = '') {
  const got = await once(`${store} ${space} ${role}`, () => floats('poses', { store, space, role }));
  const [every, fx, fy, cx, cy, width, height, count] = got;
  const matrix = (i) => got.subarray(HEAD + 12 * i, HEAD + 12 * (i + 1));
  return { every, fx, fy, cx, cy, width, height, count, matrix };
}

/** A plan of the space that `list` is of, or null where its frames are of several or have no poses. */
export async function planOf(store, list, pick, current = -1) {
  const { space, role } = list.filter;
  const one = space || (list.facts.spaces.length === 1 ? list.facts.spaces[0] : '');
  if (!list.facts.posed || !list.total) return null;
  if (!one) return { element: el('p', { className: 'note' }, 'Choose a space to see its plan.') };
  const cameras = await camerasOf(store, one, role);
  const house = await once(`${store} ${one} house`, () => json('house-of', { store, space: one }));
  const extent = house?.plan ?? extentOf(cameras);
  const canvas = el('canvas', { width: WIDE });
  const scale = WIDE / (extent[2] - extent[0]);
  canvas.height = Math.round((extent[3] - extent[1]) * scale);
  // A house's z points the other way than the world's.
  const at = (m) => [(m[3] - extent[0]) * scale, (extent[3] + m[11]) * scale];
  const draw = canvas.getContext('2d');
  if (house?.plan) {
    const image = new Image();
    image.src = address('plan', { house: house.id, size: 800 });
    await image.decode();
    draw.drawImage(image, 0, 0, canvas.width, canvas.height);
  }
  const colour = (index) => ROLES[list.facts.roles.indexOf(list.at(index).role)];
  const plain = !list.found;
  for (let i = 0; i < cameras.count; i++) {
    const index = i * cameras.every;
    mark(draw, at, cameras.matrix(i), plain ? colour(index) : ROLES[0], index === current);
  }
  if (plain) {
    canvas.addEventListener('click', (event) => {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left) * canvas.width / box.width;
      const y = (event.clientY - box.top) * canvas.height / box.height;
      pick(nearest(cameras, at, x, y) * cameras.every);
    });
  }
  const note = cameras.every > 1 ? `Every ${cameras.every}th of its cameras.` : `${cameras.count} cameras.`;
  const where = house ? '' : ' Its house was not opened: name it beside the store.';
  return { element: el('div', { className: 'plan' }, canvas, el('p', { className: 'note' }, note + where)) };
}

function extentOf(cameras) {
  const extent = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < cameras.count; i++) {
    const m = cameras.matrix(i);
    extent[0] = Math.min(extent[0], m[3] - MARGIN);
    extent[1] = Math.min(extent[1], -m[11] - MARGIN);
    extent[2] = Math.max(extent[2], m[3] + MARGIN);
    extent[3] = Math.max(extent[3], -m[11] + MARGIN);
  }
  return extent;
}

function mark(draw, at, m, colour, current) {
  const [x, y] = at(m);
  const long = current ? 22 : 9;
  const across = Math.hypot(m[2], m[10]) || 1; // a camera that looks straight down has no heading
  draw.strokeStyle = draw.fillStyle = current ? '#c00' : colour;
  draw.lineWidth = current ? 3 : 1;
  draw.beginPath();
  draw.moveTo(x, y);
  draw.lineTo(x + (m[2] / across) * long, y + (m[10] / across) * long);
  draw.stroke();
  draw.beginPath();
  draw.arc(x, y, current ? 5 : 2, 0, 7);
  draw.fill();
}

function nearest(cameras, at, x, y) {
  let best = 0;
  let least = Infinity;
  for (let i = 0; i < cameras.count; i++) {
    const [a, b] = at(cameras.matrix(i));
    const far = (a - x) ** 2 + (b - y) ** 2;
    if (far < least) { least = far; best = i; }
  }
  return best;
}

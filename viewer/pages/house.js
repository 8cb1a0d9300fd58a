// The house in 3-D, with the cameras of a store and what they saw. Where three.js is not installed, a line
// says how to install it, and the other pages work.

import { address, bytes, choice, el, floats, go, json, note, say } from './page.js';
import { FrameList, storeFacts } from './list.js';
import { camerasOf } from './plan.js';

const CUBE = 100; // mm, of coverage
const CUT = 2.2; // metres above the floor, by default: below most ceilings

export async function housePage(root, now, opened) {
  const shown = await chosen(now, opened);
  const list = shown.store ? new FrameList(shown.store, await storeFacts(shown.store), { space: shown.space, role: now.role }) : null;
  const cut = Number(now.cut ?? CUT);
  const side = el('aside', {}, ...boxes(opened, now, shown, list));
  const stage = el('section', { className: 'stage' });
  const over = el('div', { className: 'over' });
  const preview = el('figure', {});
  root.append(side, stage);
  if (!opened.three) {
    stage.append(el('p', { className: 'note', id: 'no-three' }, `Houses are drawn by three.js, which is not installed: ${opened.install}`));
    return {};
  }
  const { Scene3D } = await import('./scene.js');
  const scene = new Scene3D(stage);
  stage.append(over);
  over.textContent = 'loading ...';
  const slider = el('input', { type: 'range', min: 0.1, max: 6, step: 0.1, value: cut });
  slider.addEventListener('input', () => { scene.cut(Number(slider.value)); note({ cut: slider.value }); });
  side.append(el('label', {}, 'cut above [m]', slider), preview);
  const words = [];
  if (shown.house) {
    words.push(`${(await scene.house(await bytes('glb', { house: shown.house }))).toLocaleString('en')} triangles`);
  }
  let cameras = null;
  if (list?.total && list.facts.posed) {
    cameras = await camerasOf(shown.store, shown.space, now.role);
    scene.take(cameras);
    const drawn = now.cameras === 'off' ? 0 : scene.cameras();
    words.push(`${drawn} of ${list.total.toLocaleString('en')} cameras`);
  }
  if (now.coverage && cameras) {
    const seen = await floats('coverage', { store: shown.store, space: shown.space, role: now.role ?? '', cube: CUBE });
    scene.coverage(seen);
    words.push(`coverage of ${seen[1]} frames: violet is seen by one, yellow by most`);
  }
  scene.cut(cut);
  scene.frameAll();
  over.textContent = words.join(' · ') || 'nothing to draw: choose a house or a store';
  let at = -1;
  const select = (index) => {
    if (!cameras || index < 0 || index >= cameras.count) return;
    at = index;
    scene.select(at);
    const one = list.at(at * cameras.every);
    const fields = { store: shown.store, part: one.part, frame: one.frame };
    preview.replaceChildren(el('img', { alt: 'what the camera saw', width: 260, src: address('picture', { ...fields, modality: list.facts.modalities[0].name, size: 260 }) }),
      el('figcaption', {}, `${one.space}, frame ${one.frame}: open`));
    preview.onclick = () => go({ page: 'frame', ...fields, role: now.role ?? '' });
  };
  scene.picked = (index, named) => { if (index >= 0) select(index); else if (named) over.textContent = named; };
  return {
    help: '← → camera · v through it · b back · r turn around · click a camera or a thing',
    keys: {
      ArrowLeft: () => select(at - 1), ArrowRight: () => select(at + 1),
      v: () => at >= 0 && scene.lookThrough(at), b: () => scene.frameAll(),
      r: () => scene.turn((rate) => { over.textContent = `${words[0] ?? ''} · ${rate.toFixed(1)} frames/s`; stage.dataset.rate = rate; }),
    },
    close: () => scene.close(),
  };
}

/** Which house, store and space the address asks for, or the first that fit together. */
async function chosen(now, opened) {
  const names = Object.fromEntries(opened.houses.map((h) => [h.id, h.name]));
  let { house, store, space } = now;
  if (!(house in names)) house = '';
  if (!opened.stores.some((s) => s.id === store)) store = '';
  if (!house && !store) house = opened.houses[0]?.id ?? '';
  for (const { id } of store || now.store === 'none' ? [] : opened.stores) {
    const { spaces } = await storeFacts(id);
    if (!store && (!house || spaces.includes(names[house]))) store = id;
  }
  if (store) {
    const { spaces } = await storeFacts(store);
    if (!spaces.includes(space)) space = spaces.includes(names[house]) ? names[house] : spaces[0];
    if (names[house] !== space || !house) house = (await json('house-of', { store, space }))?.id ?? house;
  }
  return { house, store, space };
}

function boxes(opened, now, shown, list) {
  const named = (things) => things.map((thing) => [thing.id, thing.name]);
  const tick = (label, on, turned) => el('label', {}, el('span', {}, label),
    el('input', { type: 'checkbox', checked: on, onchange: (event) => turned(event.target.checked) }));
  const found = [];
  if (opened.houses.length) found.push(choice('house', [['', 'none'], ...named(opened.houses)], shown.house, (house) => go({ house, store: '', space: '' })));
  if (opened.stores.length) found.push(choice('cameras of', [['none', 'none'], ...named(opened.stores)], shown.store || 'none', (store) => go({ store, space: '', house: store === 'none' ? shown.house : '' })));
  if (list) {
    const roles = [...new Set(list.facts.runs.map((run) => list.facts.roles[run[1]]))];
    found.push(choice('space', list.facts.spaces.map((s) => [s, s]), shown.space, (space) => go({ space, house: '', store: shown.store })));
    found.push(choice('role', [['', 'all'], ...roles.map((r) => [r, r])], now.role ?? '', (role) => go({ role })));
    found.push(tick('cameras', now.cameras !== 'off', (on) => go({ cameras: on ? '' : 'off' })));
    found.push(tick('coverage', Boolean(now.coverage), (on) => go({ coverage: on ? '1' : '' })));
  }
  return found;
}

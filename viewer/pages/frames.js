// The frames of a store: filters and the plan on the left, thumbnails on the right. Only the thumbnails in
// sight exist; the picture behind each is a strip of the chunk of frames that the store decodes together.

import { address, choice, el, go, note, say, state } from './page.js';
import { FrameList, storeFacts } from './list.js';
import { planOf } from './plan.js';

const TALL = 96; // pixels, of a thumbnail
const GAP = 4;
const PAUSE = 60; // ms of stillness before thumbnails are asked for

/** The choices that say which frames are shown. */
export function filters(opened, facts, now) {
  const named = (names) => [['', 'all'], ...names.map((name) => [name, name])];
  const used = (column) => [...new Set(facts.runs.map((run) => run[column]))];
  const boxes = [
    choice('store', opened.stores.map((s) => [s.id, s.name]), now.store,
      (store) => go({ store, space: '', role: '', class: '', part: '', frame: '' })),
    choice('role', named(used(1).map((i) => facts.roles[i])), now.role ?? '', (role) => go({ role })),
    choice('space', named(facts.spaces), now.space ?? '', (space) => go({ space })),
  ];
  if (facts.labels.length) {
    boxes.push(choice('shows class', [['', 'any'], ...facts.labels.filter((row) => row.id)
      .map((row) => [String(row.id), row.name]).sort((a, b) => a[1].localeCompare(b[1]))],
    now.class ?? '', (c) => go({ class: c })));
  }
  return boxes;
}

export async function framesPage(root, now, opened) {
  const store = opened.stores.some((s) => s.id === now.store) ? now.store : opened.stores[0].id;
  const facts = await storeFacts(store);
  const list = new FrameList(store, facts, now);
  const names = facts.modalities.map((m) => m.name);
  let modality = names.includes(now.modality) ? now.modality : names[0];
  const step = (by) => go({ modality: names[(names.indexOf(modality) + by + names.length) % names.length] }, true);
  const count = el('p', { className: 'note' });
  const side = el('aside', {}, ...filters(opened, facts, { ...now, store }),
    choice('modality', names.map((n) => [n, n]), modality, (m) => go({ modality: m }, true)), count);
  const scroller = el('section', { className: 'scroller', tabIndex: 0 });
  root.append(side, scroller);
  const pick = (index) => go({ page: 'frame', store, modality, ...position(list.at(index)) });
  const grid = new Grid(scroller, list, facts, modality, pick, count);
  grid.layout();
  if (now.at) grid.show(Number(now.at));
  const plan = await planOf(store, list, (index) => pick(index));
  if (plan) side.append(plan.element);
  return {
    help: '↑ ↓ modality · click a thumbnail or a camera in the plan',
    keys: { ArrowUp: () => step(-1), ArrowDown: () => step(1) },
    update: (next) => {
      const same = (name) => (next[name] ?? '') === (now[name] ?? '');
      if (!['store', 'role', 'space', 'class'].every(same) || !names.includes(next.modality)) return false;
      modality = next.modality;
      side.querySelector('select[name=modality]').value = modality;
      grid.draw(modality);
      return true;
    },
    close: () => grid.close(),
  };
}

function position({ part, frame }) { return { part, frame: String(frame) }; }

class Grid {
  constructor(scroller, list, facts, modality, pick, count) {
    Object.assign(this, { scroller, list, facts, pick, count });
    this.use(modality);
    this.whole = el('div', { className: 'whole' });
    scroller.append(this.whole);
    this.tiles = new Map();
    this.layout = this.layout.bind(this);
    scroller.addEventListener('scroll', this.layout);
    this.watch = new ResizeObserver(this.layout);
    this.watch.observe(scroller);
    this.open = true;
    this.busy = false;
  }

  use(modality) {
    this.modality = modality;
    this.spec = this.facts.modalities.find((m) => m.name === modality);
  }

  /** Draws another modality of the same frames. */
  draw(modality) {
    this.use(modality);
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.layout();
  }

  /** Scrolls to a frame of the list. */
  show(index) { this.scroller.scrollTop = Math.floor(index / this.columns) * (TALL + GAP); }

  close() { this.open = false; this.watch.disconnect(); clearTimeout(this.timer); }

  /** Makes the tiles that are in sight, and takes the others away. */
  layout() {
    if (!this.open) return;
    const { list, scroller } = this;
    this.wide = Math.max(1, Math.round(TALL * this.facts.aspect));
    const columns = this.columns = Math.max(1, Math.floor((scroller.clientWidth - GAP) / (this.wide + GAP)));
    this.whole.style.height = `${Math.ceil(list.length / columns) * (TALL + GAP)}px`;
    const first = Math.max(0, Math.floor(scroller.scrollTop / (TALL + GAP)) - 2) * columns;
    const last = Math.min(list.length,
      first + (Math.ceil(scroller.clientHeight / (TALL + GAP)) + 4) * columns);
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= last) { tile.remove(); this.tiles.delete(index); }
    }
    for (let index = first; index < last; index++) {
      if (!this.tiles.has(index)) this.tiles.set(index, this.tile(index));
      const tile = this.tiles.get(index);
      tile.style.left = `${GAP + (index % columns) * (this.wide + GAP)}px`;
      tile.style.top = `${Math.floor(index / columns) * (TALL + GAP)}px`;
    }
    this.count.textContent = `${list.length.toLocaleString('en')} frames`
      + (list.searching ? `, searched to ${list.next.toLocaleString('en')}` : '');
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.paint(), PAUSE);
    if (list.searching && last >= list.length && !this.busy) this.search();
  }

  tile(index) {
    const { part, frame, space, role } = this.list.at(index);
    const tile = el('button', {
      className: `tile${this.spec.sharp ? ' sharp' : ''}`, title: `${space} · ${role} · frame ${frame}`,
      onclick: () => this.pick(index),
    });
    Object.assign(tile.style, { width: `${this.wide}px`, height: `${TALL}px` });
    tile.dataset.part = part;
    tile.dataset.frame = frame;
    this.whole.append(tile);
    return tile;
  }

  paint() {
    const top = Math.round(this.scroller.scrollTop / (TALL + GAP)) * this.columns;
    if (top !== Number(state().at ?? 0) && state().page !== 'frame') note({ at: top ? String(top) : '' });
    for (const tile of this.tiles.values()) {
      if (tile.style.backgroundImage) continue;
      const frame = Number(tile.dataset.frame);
      const url = address('thumbnails', {
        store: this.list.store, part: tile.dataset.part, modality: this.modality, size: TALL,
        chunk: Math.floor(frame / this.facts.chunk),
      });
      tile.style.backgroundImage = `url("${url}")`;
      tile.style.backgroundPosition = `${-(frame % this.facts.chunk) * this.wide}px 0`;
    }
  }

  async search() {
    this.busy = true;
    try { await this.list.more(); } catch (error) { say(error.message); this.list.next = null; }
    this.busy = false;
    this.layout();
  }
}
